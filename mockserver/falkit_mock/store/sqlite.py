"""The store on sqlite: one implementation for memory and, later, for a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

from falkit_mock.platform.jobs import Job, Outcome, Wishes
from falkit_mock.store.base import FileRecord
from falkit_mock.store.blobs import Blobs
from falkit_mock.store.sqlite_deliveries import SqliteDeliveries
from falkit_mock.store.sqlite_queues import SqliteQueues, places_of
from falkit_mock.store.sqlite_state import SqliteState
from falkit_mock.store.sqlite_uploads import SqliteUploads

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
_PLAIN = Wishes()
_NOT_STORED = ("key", "max_queue_length")
_WISHES = tuple(wish.name for wish in fields(Wishes) if wish.name not in _NOT_STORED)
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
        facts = (job.id, job.seq, job.path, job.app, job.door, job.pace)
        moments = (job.created, job.starts, job.ends, job.run, job.ready, job.cancelled)
        asked = (job.wishes.key, _wishes_text(job.wishes), job.attempts, _json_text(job.faults))
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
        course = (job.pace, job.ready, job.starts, job.ends, job.run)
        state = (job.cancelled, job.attempts, _json_text(job.faults))
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


def _wishes_text(wishes: Wishes) -> bytes | None:
    """Write what is out of the ordinary in a caller's wishes, the key apart."""
    odd: dict[str, Any] = {
        name: getattr(wishes, name)
        for name in _WISHES
        if getattr(wishes, name) != getattr(_PLAIN, name)
    }
    return _json_text(odd)


def _json_text(value: Mapping[str, Any]) -> bytes | None:
    return orjson.dumps(value) if value else None


def _wishes(key: str, text: bytes | None) -> Wishes:
    odd: dict[str, Any] = orjson.loads(text) if text else {}
    if "faults" in odd:
        odd["faults"] = tuple(odd["faults"])
    return Wishes(key=key, **odd)


def _job(row: tuple[Any, ...]) -> Job:
    *facts, cancelled, code, body, headers, error, error_type, key, wishes, attempts, faults = row
    outcome = None
    if code is not None:
        outcome = Outcome(code, body, orjson.loads(headers) if headers else {}, error, error_type)
    later: dict[str, Any] = orjson.loads(faults) if faults else {}
    after = (_wishes(key, wishes), attempts, later)
    values: list[Any] = [*facts, outcome, bool(cancelled), *after]
    return Job(*values)


def _record(row: tuple[Any, ...]) -> FileRecord:
    *facts, audio, lifetime, acl = row
    values: list[Any] = [*facts, bool(audio), lifetime, acl]
    return FileRecord(*values)
