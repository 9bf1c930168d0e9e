"""The jobs of a store's database as queues: each question answered from an index."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

from falkit_mock.core.jobs import (
    NO_FAULTS,
    Job,
    JobFaults,
    Moments,
    Outcome,
    Partition,
    RequestOptions,
    Running,
    Waiting,
)
from falkit_mock.store import FileRecord
from falkit_mock.store.blobs import Blobs
from falkit_mock.store.sqlite_records import SqliteDeliveries, SqliteState, SqliteUploads

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
    queued, runs = job.entry == "queue", job.run > 0
    return (
        _name(job.partition) if job.ends > job.created else None,
        job.path if queued and runs else None,
        job.options.key if runs else None,
    )


class SqliteQueues:
    """Who waits and who runs, by lane, endpoint and key."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(_INDEXES)
        # The lanes that have had jobs who wait, and the bounds that `lanes` returns.
        self._lanes: dict[Partition, list[float]] = {}
        self.reload()

    def reload(self) -> None:
        """Look at the jobs anew, when all of them may be others."""
        self._lanes.clear()
        rows = self._db.execute(
            "SELECT lane, max(iif(door = 'queue', min(starts, ends), 0)), max(ends) FROM jobs "
            "WHERE lane IS NOT NULL GROUP BY lane"
        )
        for name, until, ends in rows:
            self._note(_partition(name), until, ends)

    def note(self, job: Job) -> None:
        """Take notice of when a job that was stored waits and runs."""
        if job.ends > job.created:
            waits = min(job.starts, job.ends) if job.entry == "queue" else 0.0
            self._note(job.partition, waits, job.ends)

    def ahead(self, job: Job, now: float) -> int:
        own = job.partition
        count = 0
        for partition in self._of(own.path, now):
            if partition.low > own.low:
                continue
            # Everyone with a higher priority is ahead; of the same, who came earlier.
            most = job.seq if partition.low == own.low else math.inf
            count += self._number(f"{_COUNT} AND seq < ?", (_name(partition), now, now, most))
        return count

    def length(self, path: str, now: float) -> int:
        return sum(
            self._number(_COUNT, (_name(partition), now, now)) for partition in self._of(path, now)
        )

    def next_start(self, path: str, now: float) -> float:
        start = "SELECT min(starts) FROM jobs WHERE lane = ? AND starts > ? AND starts < 9e999"
        end = "SELECT min(ends) FROM jobs WHERE lane = ? AND starts = 9e999 AND ends > ?"
        moments = [
            moment
            for partition in self._of(path, now)
            for sql in (start, end)
            for (moment,) in self._db.execute(sql, (_name(partition), now))
        ]
        return min((moment for moment in moments if moment is not None), default=math.inf)

    def partitions(self, now: float) -> dict[Partition, Moments]:
        for partition in [partition for partition, (_, ends) in self._lanes.items() if ends <= now]:
            del self._lanes[partition]
        return {partition: (until, ends) for partition, (until, ends) in self._lanes.items()}

    def waiting(self, partition: Partition, now: float) -> list[Waiting]:
        rows = self._db.execute(
            "SELECT id, seq, ready, run, start_by, starts, ends FROM jobs "
            "WHERE lane = ? AND starts > ? AND ends > ? AND pace = 'clock'",
            (_name(partition), now, now),
        )
        return [
            Waiting(id, partition, seq, ready, run, start_by, (starts, ends))
            for id, seq, ready, run, start_by, starts, ends in rows
        ]

    def last_start(self, partition: Partition, now: float) -> Moments | None:
        sql = (
            "SELECT starts, ready FROM jobs WHERE lane = ? AND starts > ? AND starts < 9e999 "
            "ORDER BY starts DESC LIMIT 1"
        )
        row: Moments | None = self._db.execute(sql, (_name(partition), now)).fetchone()
        return row

    def last_start_of_ready(self, partition: Partition, now: float, ready: float) -> float | None:
        sql = (
            "SELECT starts FROM jobs WHERE lane = ? AND starts > ? AND starts < 9e999 "
            "AND ready <= ? ORDER BY starts DESC LIMIT 1"
        )
        row = self._db.execute(sql, (_name(partition), now, ready)).fetchone()
        return None if row is None else float(row[0])

    def reschedule(self, partition: Partition, planned: Mapping[str, Moments]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(
            "UPDATE jobs SET starts = ?, ends = ? WHERE id = ?",
            [(starts, ends, id) for id, (starts, ends) in planned.items()],
        )
        self._db.execute("COMMIT")
        for starts, ends in planned.values():
            self._note(partition, min(starts, ends), ends)

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
            id: Running(path if entry == "queue" else None, key, ends)
            for id, entry, path, key, ends in rows
        }

    def _free(self, column: str, value: str, count: int, now: float) -> float:
        """Return when fewer than `count` of the jobs that are planned still run."""
        row = self._db.execute(_FREE.format(column), (value, now, count - 1)).fetchone()
        return 0.0 if row is None else float(row[0])

    def _of(self, path: str, now: float) -> list[Partition]:
        return [
            partition
            for partition, (until, _) in self._lanes.items()
            if partition.path == path and until > now
        ]

    def _note(self, partition: Partition, until: float, ends: float) -> None:
        known = self._lanes.get(partition)
        if known is None:
            self._lanes[partition] = [until, ends]
        else:
            known[0], known[1] = max(known[0], until), max(known[1], ends)

    def _number(self, sql: str, values: tuple[object, ...]) -> int:
        (number,) = self._db.execute(sql, values).fetchone()
        return int(number)


def _name(partition: Partition) -> str:
    return "\n".join((f"{partition.low:d}", partition.path, partition.key))


def _partition(name: str) -> Partition:
    low, rest = name.split("\n", 1)
    # A path may have anything in it, a key comes out of one line.
    path, key = rest.rsplit("\n", 1)
    return Partition(path, key, low == "1")


_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    path TEXT NOT NULL,
    app TEXT NOT NULL,
    door TEXT NOT NULL,
    pace TEXT NOT NULL,
    created REAL NOT NULL,
    starts REAL NOT NULL,
    ends REAL NOT NULL,
    run REAL NOT NULL,
    ready REAL NOT NULL,
    cancelled INTEGER NOT NULL,
    code INTEGER,
    body BLOB,
    headers TEXT,
    error TEXT,
    error_type TEXT,
    key TEXT NOT NULL,
    wishes TEXT,
    attempts INTEGER NOT NULL,
    faults TEXT,
    -- For the queues: when it is given up, whom it waits with, and what it takes while it runs;
    -- nothing where it does neither. See sqlite_queues.py.
    start_by REAL NOT NULL,
    lane TEXT,
    runner TEXT,
    place TEXT
) WITHOUT ROWID;
-- Apart from the jobs, which are read and counted all the time: a picture in an input would have
-- each of them strewn over a thousand pages.
CREATE TABLE IF NOT EXISTS inputs (
    id TEXT PRIMARY KEY,
    input BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,
    request_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    input_digest TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    fps INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    audio INTEGER NOT NULL,
    lifetime REAL,
    acl TEXT NOT NULL
) WITHOUT ROWID;
"""
_COLUMNS = (
    "id, seq, path, app, door, pace, created, starts, ends, run, ready, cancelled, "
    "code, body, headers, error, error_type, key, wishes, attempts, faults"
)
_GET = f"SELECT {_COLUMNS} FROM jobs WHERE id = ?"
_ADD = (
    f"INSERT INTO jobs ({_COLUMNS}, start_by, lane, runner, place) VALUES ({', '.join('?' * 25)})"
)
_UPDATE = (
    "UPDATE jobs SET pace = ?, ready = ?, starts = ?, ends = ?, run = ?, cancelled = ?, "
    "attempts = ?, faults = ? WHERE id = ?"
)
_DECIDE = "UPDATE jobs SET code = ?, body = ?, headers = ?, error = ?, error_type = ? WHERE id = ?"
_PLAIN = RequestOptions()
_NOT_STORED = ("key", "max_queue_length")
_WISHES = tuple(wish.name for wish in fields(RequestOptions) if wish.name not in _NOT_STORED)
_ADD_FILE = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class SqliteStore:
    """Jobs and files in one sqlite database, used from one thread at a time."""

    def __init__(self, database: str = ":memory:") -> None:
        # Autocommit: each statement stands for itself, so nothing accepted is lost.
        # The thread that makes an application is often not the one that serves it.
        self._db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._db.executescript(_SCHEMA)
        self.uploads = SqliteUploads(self._db, Blobs())
        self.deliveries = SqliteDeliveries(self._db)
        self.queues = SqliteQueues(self._db)
        self.state = SqliteState(self._db, self._changed)
        self._seq = self.state.jobs

    def _changed(self) -> None:
        self._seq = self.state.jobs
        self.queues.reload()

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def add(self, job: Job, input: bytes) -> None:
        self._db.execute("INSERT INTO inputs VALUES (?, ?)", (job.id, input))
        facts = (job.id, job.seq, job.path, job.app, job.entry, job.progression)
        moments = (job.created, job.starts, job.ends, job.run, job.ready, job.cancelled)
        asked = (
            job.options.key,
            _wishes_text(job.options),
            job.attempts,
            _json_text(job.faults.to_json()),
        )
        plan = (job.start_by, *places_of(job))
        self._db.execute(_ADD, (*facts, *moments, *_outcome_values(job.outcome), *asked, *plan))
        self.queues.note(job)

    def get(self, request_id: str) -> Job | None:
        row = self._db.execute(_GET, (request_id,)).fetchone()
        return None if row is None else _job(row)

    def input(self, request_id: str) -> bytes:
        row = self._db.execute("SELECT input FROM inputs WHERE id = ?", (request_id,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def jobs(self) -> list[Job]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY seq")
        return [_job(row) for row in rows]

    def update(self, job: Job) -> None:
        course = (job.progression, job.ready, job.starts, job.ends, job.run)
        state = (job.cancelled, job.attempts, _json_text(job.faults.to_json()))
        self._db.execute(_UPDATE, (*course, *state, job.id))
        self.queues.note(job)

    def decide(self, request_id: str, outcome: Outcome) -> None:
        self._db.execute(_DECIDE, (*_outcome_values(outcome), request_id))

    def erase(self, request_id: str) -> None:
        self._db.execute("UPDATE jobs SET body = x'' WHERE id = ?", (request_id,))
        self._db.execute("DELETE FROM inputs WHERE id = ?", (request_id,))
        self._db.execute("DELETE FROM files WHERE request_id = ?", (request_id,))

    def purge(self, before: float) -> None:
        gone = "(SELECT id FROM jobs WHERE ends < ?)"
        self._db.execute(f"DELETE FROM inputs WHERE id IN {gone}", (before,))
        self._db.execute(f"DELETE FROM files WHERE request_id IN {gone}", (before,))
        self._db.execute("DELETE FROM jobs WHERE ends < ?", (before,))

    def add_file(self, record: FileRecord) -> None:
        picture = (record.width, record.height, record.fps, record.frames, record.audio)
        owner = (record.path, record.request_id, record.endpoint, record.input_digest)
        terms = (record.lifetime, record.acl)
        self._db.execute(_ADD_FILE, (*owner, *picture, *terms))

    def file(self, path: str) -> FileRecord | None:
        row = self._db.execute("SELECT * FROM files WHERE path = ?", (path,)).fetchone()
        return None if row is None else _record(row)

    def close(self) -> None:
        self._db.close()
        self.uploads.blobs.close()


def _outcome_values(outcome: Outcome | None) -> tuple[object, ...]:
    if outcome is None:
        return (None, None, None, None, None)
    headers = orjson.dumps(outcome.headers) if outcome.headers else None
    return (outcome.status_code, outcome.body, headers, outcome.error, outcome.error_type)


def _wishes_text(options: RequestOptions) -> bytes | None:
    """Write what is out of the ordinary in a caller's wishes, the key apart."""
    odd: dict[str, Any] = {
        name: getattr(options, name)
        for name in _WISHES
        if getattr(options, name) != getattr(_PLAIN, name)
    }
    return _json_text(odd)


def _json_text(value: Mapping[str, Any]) -> bytes | None:
    return orjson.dumps(value) if value else None


def _wishes(key: str, text: bytes | None) -> RequestOptions:
    odd: dict[str, Any] = orjson.loads(text) if text else {}
    if "faults" in odd:
        odd["faults"] = tuple(odd["faults"])
    return RequestOptions(key=key, **odd)


def _job(row: tuple[Any, ...]) -> Job:
    *facts, cancelled, code, body, headers, error, error_type, key, options, attempts, faults = row
    outcome = None
    if code is not None:
        outcome = Outcome(code, body, orjson.loads(headers) if headers else {}, error, error_type)
    later = JobFaults.from_json(orjson.loads(faults)) if faults else NO_FAULTS
    after = (_wishes(key, options), attempts, later)
    values: list[Any] = [*facts, outcome, bool(cancelled), *after]
    return Job(*values)


def _record(row: tuple[Any, ...]) -> FileRecord:
    *facts, audio, lifetime, acl = row
    values: list[Any] = [*facts, bool(audio), lifetime, acl]
    return FileRecord(*values)
