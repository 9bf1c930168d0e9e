"""The jobs of a store's database as queues: each question answered from an index."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping

from falkit_mock.platform.jobs import Job
from falkit_mock.platform.schedule import Lane, Moments, Running, Waiting

# A job that is done when it is submitted stands in none of them: it never waits or runs.
_INDEXES = """
CREATE INDEX IF NOT EXISTS jobs_by_lane ON jobs (lane, starts, ends, seq, ready)
    WHERE lane IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_runner ON jobs (runner, ends, starts)
    WHERE runner IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_place ON jobs (place, ends, starts) WHERE place IS NOT NULL;
"""
_COUNT = "SELECT count(*) FROM jobs WHERE lane = ? AND starts > ? AND ends > ?"
# Those that no clock drives take no place from those that it does.
_RUNNING = (
    "SELECT id, door, path, key, ends FROM jobs "
    "WHERE {} = ? AND ends > ? AND ends < 9e999 AND starts <= ?"
)
_FREE = (
    "SELECT ends FROM jobs WHERE {} = ? AND ends > ? AND ends < 9e999 AND starts < 9e999 "
    "ORDER BY ends DESC LIMIT 1 OFFSET ?"
)


def places_of(job: Job) -> tuple[str | None, str | None, str | None]:
    """Return a new job's lane, runner and place: what it waits for and what it takes, if it does.

    They stand in the columns of these names.
    """
    queued, runs = job.door == "queue", job.run > 0
    return (
        _name(job.lane) if job.ends > job.created else None,
        job.path if queued and runs else None,
        job.wishes.key if runs else None,
    )


class SqliteQueues:
    """Who waits and who runs, by lane, endpoint and key."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(_INDEXES)
        # The lanes that have had jobs who wait, and the bounds that `lanes` returns.
        self._lanes: dict[Lane, list[float]] = {}
        self.reload()

    def reload(self) -> None:
        """Look at the jobs anew, when all of them may be others."""
        self._lanes.clear()
        rows = self._db.execute(
            "SELECT lane, max(iif(door = 'queue', min(starts, ends), 0)), max(ends) FROM jobs "
            "WHERE lane IS NOT NULL GROUP BY lane"
        )
        for name, until, ends in rows:
            self._note(_lane(name), until, ends)

    def note(self, job: Job) -> None:
        """Take notice of when a job that was stored waits and runs."""
        if job.ends > job.created:
            waits = min(job.starts, job.ends) if job.door == "queue" else 0.0
            self._note(job.lane, waits, job.ends)

    def ahead(self, job: Job, now: float) -> int:
        own = job.lane
        count = 0
        for lane in self._of(own.path, now):
            if lane.low > own.low:
                continue
            # Everyone with a higher priority is ahead; of the same, who came earlier.
            most = job.seq if lane.low == own.low else math.inf
            count += self._number(f"{_COUNT} AND seq < ?", (_name(lane), now, now, most))
        return count

    def length(self, path: str, now: float) -> int:
        return sum(self._number(_COUNT, (_name(lane), now, now)) for lane in self._of(path, now))

    def next_start(self, path: str, now: float) -> float:
        start = "SELECT min(starts) FROM jobs WHERE lane = ? AND starts > ? AND starts < 9e999"
        end = "SELECT min(ends) FROM jobs WHERE lane = ? AND starts = 9e999 AND ends > ?"
        moments = [
            moment
            for lane in self._of(path, now)
            for sql in (start, end)
            for (moment,) in self._db.execute(sql, (_name(lane), now))
        ]
        return min((moment for moment in moments if moment is not None), default=math.inf)

    def lanes(self, now: float) -> dict[Lane, Moments]:
        for lane in [lane for lane, (_, ends) in self._lanes.items() if ends <= now]:
            del self._lanes[lane]
        return {lane: (until, ends) for lane, (until, ends) in self._lanes.items()}

    def waiting(self, lane: Lane, now: float) -> list[Waiting]:
        rows = self._db.execute(
            "SELECT id, seq, ready, run, start_by, starts, ends FROM jobs "
            "WHERE lane = ? AND starts > ? AND ends > ? AND pace = 'clock'",
            (_name(lane), now, now),
        )
        return [
            Waiting(id, lane, seq, ready, run, start_by, (starts, ends))
            for id, seq, ready, run, start_by, starts, ends in rows
        ]

    def last_start(self, lane: Lane, now: float) -> Moments | None:
        sql = (
            "SELECT starts, ready FROM jobs WHERE lane = ? AND starts > ? AND starts < 9e999 "
            "ORDER BY starts DESC LIMIT 1"
        )
        row: Moments | None = self._db.execute(sql, (_name(lane), now)).fetchone()
        return row

    def last_start_of_ready(self, lane: Lane, now: float, ready: float) -> float | None:
        sql = (
            "SELECT starts FROM jobs WHERE lane = ? AND starts > ? AND starts < 9e999 "
            "AND ready <= ? ORDER BY starts DESC LIMIT 1"
        )
        row = self._db.execute(sql, (_name(lane), now, ready)).fetchone()
        return None if row is None else float(row[0])

    def reschedule(self, lane: Lane, planned: Mapping[str, Moments]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(
            "UPDATE jobs SET starts = ?, ends = ? WHERE id = ?",
            [(starts, ends, id) for id, (starts, ends) in planned.items()],
        )
        self._db.execute("COMMIT")
        for starts, ends in planned.values():
            self._note(lane, min(starts, ends), ends)

    def runner_free(self, path: str, runners: int, now: float) -> float:
        return self._free("runner", path, runners, now)

    def place_free(self, key: str, places: int, now: float) -> float:
        return self._free("place", key, places, now)

    def in_progress(self, key: str, now: float, most: int) -> int:
        sql = "SELECT 1 FROM jobs WHERE place = ? AND ends > ? AND starts <= ? LIMIT ?"
        return len(self._db.execute(sql, (key, now, now, most)).fetchall())

    def running_on(self, path: str, now: float) -> dict[str, Running]:
        return self._running("runner", path, now)

    def running_for(self, key: str, now: float) -> dict[str, Running]:
        return self._running("place", key, now)

    def _running(self, column: str, value: str, now: float) -> dict[str, Running]:
        rows = self._db.execute(_RUNNING.format(column), (value, now, now))
        return {
            id: Running(path if door == "queue" else None, key, ends)
            for id, door, path, key, ends in rows
        }

    def _free(self, column: str, value: str, count: int, now: float) -> float:
        """Return when fewer than `count` of the jobs that are planned still run."""
        row = self._db.execute(_FREE.format(column), (value, now, count - 1)).fetchone()
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


def _name(lane: Lane) -> str:
    return "\n".join((f"{lane.low:d}", lane.path, lane.key))


def _lane(name: str) -> Lane:
    low, rest = name.split("\n", 1)
    # A path may have anything in it, a key comes out of one line.
    path, key = rest.rsplit("\n", 1)
    return Lane(path, key, low == "1")
