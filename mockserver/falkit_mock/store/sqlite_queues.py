"""The jobs of a store's database as queues: each question answered from an index."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping

from falkit_mock.platform.jobs import Job
from falkit_mock.platform.schedule import Lane, Moments, Running, Waiting

# A job that is done when it is submitted stands in none of them: it never waits or runs.
SCHEMA = """
CREATE INDEX IF NOT EXISTS jobs_by_lane ON jobs (path, key, low, starts, ends, seq)
    WHERE door = 'queue' AND starts > created;
CREATE INDEX IF NOT EXISTS jobs_by_path ON jobs (path, ends, starts)
    WHERE door = 'queue' AND run > 0;
CREATE INDEX IF NOT EXISTS jobs_by_key ON jobs (key, ends, starts) WHERE run > 0;
"""
# What an index is for has to be said in the index's own words, or sqlite doesn't take it.
_LANE = "door = 'queue' AND starts > created AND path = ? AND key = ? AND low = ?"
_PATH = "door = 'queue' AND run > 0 AND path = ?"
_KEY = "run > 0 AND key = ?"
# Those that no clock drives take no place from those that it does.
_RUNNING = (
    "SELECT id, door, path, key, ends FROM jobs "
    "WHERE {} AND ends > ? AND ends < 9e999 AND starts <= ?"
)
_FREE = (
    "SELECT ends FROM jobs WHERE {} AND ends > ? AND ends < 9e999 AND starts < 9e999 "
    "ORDER BY ends DESC LIMIT 1 OFFSET ?"
)


class SqliteQueues:
    """Who waits and who runs, by lane, endpoint and key."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(SCHEMA)
        # The lanes that have had jobs who wait, and the bounds that `lanes` returns.
        self._lanes: dict[Lane, list[float]] = {}
        rows = db.execute(
            "SELECT path, key, low, max(min(starts, ends)), max(ends) FROM jobs "
            "WHERE door = 'queue' AND ends > created GROUP BY path, key, low"
        )
        for path, key, low, until, ends in rows:
            self._note(Lane(path, key, bool(low)), until, ends)

    def note(self, job: Job) -> None:
        """Take notice of when a job that is about to be stored waits and runs."""
        if job.door == "queue" and job.ends > job.created:
            self._note(job.lane, min(job.starts, job.ends), job.ends)

    def ahead(self, job: Job, now: float) -> int:
        own = job.lane
        waiting = f"SELECT count(*) FROM jobs WHERE {_LANE} AND starts > ? AND ends > ?"
        count = 0
        for lane in self._of(own.path, now):
            if lane.low > own.low:
                continue
            # Everyone with another priority is ahead; of the same, who came earlier.
            most = job.seq if lane.low == own.low else math.inf
            where = (*_values(lane), now, now, most)
            count += self._number(f"{waiting} AND seq < ?", where)
        return count

    def length(self, path: str, now: float) -> int:
        waiting = f"SELECT count(*) FROM jobs WHERE {_LANE} AND starts > ? AND ends > ?"
        lanes = self._of(path, now)
        return sum(self._number(waiting, (*_values(lane), now, now)) for lane in lanes)

    def next_start(self, path: str, now: float) -> float:
        start = f"SELECT min(starts) FROM jobs WHERE {_LANE} AND starts > ? AND starts < 9e999"
        end = f"SELECT min(ends) FROM jobs WHERE {_LANE} AND starts = 9e999 AND ends > ?"
        moments = [
            moment
            for lane in self._of(path, now)
            for sql in (start, end)
            for (moment,) in self._db.execute(sql, (*_values(lane), now))
        ]
        return min((moment for moment in moments if moment is not None), default=math.inf)

    def lanes(self, now: float) -> dict[Lane, Moments]:
        for lane in [lane for lane, (_, ends) in self._lanes.items() if ends <= now]:
            del self._lanes[lane]
        return {lane: (until, ends) for lane, (until, ends) in self._lanes.items()}

    def waiting(self, lane: Lane, now: float) -> list[Waiting]:
        sql = (
            f"SELECT id, seq, ready, run, start_by, starts, ends FROM jobs WHERE {_LANE} "
            "AND starts > ? AND ends > ? AND pace = 'clock'"
        )
        rows = self._db.execute(sql, (*_values(lane), now, now))
        return [
            Waiting(id, lane, seq, ready, run, start_by, (starts, ends))
            for id, seq, ready, run, start_by, starts, ends in rows
        ]

    def last_to_start(self, lane: Lane, now: float, most: int) -> list[Moments]:
        sql = (
            f"SELECT starts, ready FROM jobs WHERE {_LANE} AND starts > ? AND starts < 9e999 "
            "ORDER BY starts DESC LIMIT ?"
        )
        return self._db.execute(sql, (*_values(lane), now, most)).fetchall()

    def reschedule(self, lane: Lane, planned: Mapping[str, Moments]) -> None:
        self._db.executemany(
            "UPDATE jobs SET starts = ?, ends = ? WHERE id = ?",
            [(starts, ends, id) for id, (starts, ends) in planned.items()],
        )
        for starts, ends in planned.values():
            self._note(lane, min(starts, ends), ends)

    def runner_free(self, path: str, runners: int, now: float) -> float:
        return self._free(_PATH, path, runners, now)

    def place_free(self, key: str, places: int, now: float) -> float:
        return self._free(_KEY, key, places, now)

    def in_progress(self, key: str, now: float, most: int) -> int:
        sql = f"SELECT 1 FROM jobs WHERE {_KEY} AND ends > ? AND starts <= ? LIMIT ?"
        return len(self._db.execute(sql, (key, now, now, most)).fetchall())

    def running_on(self, path: str, now: float) -> dict[str, Running]:
        return self._running(_PATH, path, now)

    def running_for(self, key: str, now: float) -> dict[str, Running]:
        return self._running(_KEY, key, now)

    def _running(self, condition: str, value: str, now: float) -> dict[str, Running]:
        rows = self._db.execute(_RUNNING.format(condition), (value, now, now))
        return {
            id: Running(path if door == "queue" else None, key, ends)
            for id, door, path, key, ends in rows
        }

    def _free(self, condition: str, value: str, count: int, now: float) -> float:
        """Return when fewer than `count` of the jobs that are planned still run."""
        row = self._db.execute(_FREE.format(condition), (value, now, count - 1)).fetchone()
        return 0.0 if row is None else float(row[0])

    def _of(self, path: str, now: float) -> list[Lane]:
        return [
            lane for lane, (until, _) in self._lanes.items() if lane.path == path and until > now
        ]

    def _note(self, lane: Lane, until: float, ends: float) -> None:
        known = self._lanes.get(lane)
        if known is None:
            self._lanes[lane] = [until, ends]
        else:
            known[0], known[1] = max(known[0], until), max(known[1], ends)

    def _number(self, sql: str, values: tuple[object, ...]) -> int:
        (number,) = self._db.execute(sql, values).fetchone()
        return int(number)


def _values(lane: Lane) -> tuple[str, str, bool]:
    return lane.path, lane.key, lane.low
