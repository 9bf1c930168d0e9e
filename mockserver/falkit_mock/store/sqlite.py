"""A store that outlasts its process, in one sqlite database; also the form that exports have."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

import orjson

from falkit_mock.core.jobs import NO_FAULTS, Job, JobFaults, Moments, Outcome, RequestOptions
from falkit_mock.store import BadCopy, FileRecord, Store, copy_all
from falkit_mock.store.blobs import Blobs
from falkit_mock.store.memory import MemoryStore
from falkit_mock.store.queues import Queues
from falkit_mock.store.sqlite_records import SqliteDeliveries, SqliteUploads

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    path TEXT NOT NULL,
    app TEXT NOT NULL,
    entry TEXT NOT NULL,
    progression TEXT NOT NULL,
    created REAL NOT NULL,
    starts REAL NOT NULL,
    ends REAL NOT NULL,
    run REAL NOT NULL,
    ready REAL NOT NULL,
    code INTEGER,
    body BLOB,
    headers TEXT,
    error TEXT,
    error_type TEXT,
    cancelled INTEGER NOT NULL,
    options TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    faults TEXT
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
_ADD = f"INSERT INTO jobs VALUES ({', '.join('?' * 20)})"
_UPDATE = (
    "UPDATE jobs SET progression = ?, ready = ?, starts = ?, ends = ?, run = ?, cancelled = ?, "
    "attempts = ?, faults = ? WHERE id = ?"
)
_DECIDE = "UPDATE jobs SET code = ?, body = ?, headers = ?, error = ?, error_type = ? WHERE id = ?"
_ADD_FILE = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TABLES = ("jobs", "inputs", "files", "uploads", "pieces", "deliveries")
_KEYS = "webhook_keys"
_DATABASE = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
_OPTIONS = tuple(option.name for option in fields(RequestOptions))
_PLAIN = RequestOptions()


class SqliteStore:
    """Jobs and files in one database, used from one thread at a time; `get` returns a copy."""

    def __init__(self, database: str = ":memory:") -> None:
        # Autocommit: each statement stands for itself, so nothing accepted is lost.
        # The thread that makes an application is often not the one that serves it.
        self._db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        if (found := self.tables()) and found != _plain_tables():
            self._db.close()
            fix = "use the version that wrote it, or another file"
            raise BadCopy(f"{database} has other tables than this version of falkit; {fix}")
        self._db.executescript(_SCHEMA)
        self.uploads = SqliteUploads(self._db, Blobs())
        self.deliveries = SqliteDeliveries(self._db)
        self.queues = Queues()
        self.last_seq = 0
        self._load()

    def next_seq(self) -> int:
        self.last_seq += 1
        return self.last_seq

    def add(self, job: Job, input: bytes) -> None:
        self._db.execute("INSERT INTO inputs VALUES (?, ?)", (job.id, input))
        facts = (job.id, job.seq, job.path, job.app, job.entry, job.progression)
        moments = (job.created, job.starts, job.ends, job.run, job.ready)
        rest = (job.cancelled, _options_text(job.options), job.attempts, _faults_text(job.faults))
        self._db.execute(_ADD, (*facts, *moments, *_outcome_values(job.outcome), *rest))
        self.queues.note(job)

    def get(self, request_id: str, /) -> Job | None:
        row = self._db.execute("SELECT * FROM jobs WHERE id = ?", (request_id,)).fetchone()
        return None if row is None else _job(row)

    def input(self, request_id: str) -> bytes:
        row = self._db.execute("SELECT input FROM inputs WHERE id = ?", (request_id,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def jobs(self) -> list[Job]:
        return [_job(row) for row in self._db.execute("SELECT * FROM jobs ORDER BY seq")]

    def update(self, job: Job) -> None:
        course = (job.progression, job.ready, job.starts, job.ends, job.run)
        rest = (job.cancelled, job.attempts, _faults_text(job.faults))
        if self._db.execute(_UPDATE, (*course, *rest, job.id)).rowcount:
            self.queues.note(job)

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        with self._transaction():
            self._db.executemany(
                "UPDATE jobs SET starts = ?, ends = ? WHERE id = ?",
                [(starts, ends, id) for id, (starts, ends) in planned.items()],
            )
        self.queues.reschedule(planned)

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
        self._db.execute(_ADD_FILE, tuple(asdict(record).values()))

    def file(self, path: str) -> FileRecord | None:
        row = self._db.execute("SELECT * FROM files WHERE path = ?", (path,)).fetchone()
        return None if row is None else _file(row)

    def files(self) -> list[FileRecord]:
        return [_file(row) for row in self._db.execute("SELECT * FROM files")]

    def clear(self) -> None:
        with self._transaction():
            self._empty(_TABLES)
        self._load()

    def take(self, other: Store, blobs: Mapping[str, str]) -> None:
        # An index of what may not come to stay.
        index, self.queues = self.queues, Queues()
        try:
            with self._transaction():
                self._empty((*_TABLES, _KEYS))
                copy_all(other, self, blobs)
        except sqlite3.Error as error:
            raise BadCopy(f"can't be stored: {error}") from None
        finally:
            self.queues = index
        self._load()
        self.last_seq = other.last_seq

    def close(self) -> None:
        self._db.close()
        self.uploads.blobs.close()

    def tables(self) -> list[tuple[Any, ...]]:
        """Return the statements that made the database; triggers and views are among them."""
        return self._db.execute(_DATABASE).fetchall()

    def image(self) -> bytes:
        """Return the database as the bytes that a file of it has."""
        return self._db.serialize()

    def read(self, image: bytes) -> None:
        """Be what `image` returned; raise BadCopy or sqlite3.Error for anything else."""
        tables = self.tables()
        self._db.deserialize(image)
        if self.tables() != tables:
            raise BadCopy("has other tables than this version of falkit; import it in its own")
        found = [text for (text,) in self._db.execute("PRAGMA quick_check")]
        if found != ["ok"]:
            raise BadCopy(f"is damaged: {found[0]}")
        self._load()

    def _load(self) -> None:
        """Look at the jobs again, when all of them may be others."""
        self.queues.clear()
        jobs = self.jobs()
        for job in jobs:
            self.queues.note(job)
        self.last_seq = jobs[-1].seq if jobs else 0

    def _empty(self, tables: tuple[str, ...]) -> None:
        for table in tables:
            self._db.execute(f"DELETE FROM {table}")

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def write_image(store: Store) -> bytes:
    """Return all that a store has, but the bytes of its uploads, as an sqlite database."""
    copy = SqliteStore()
    try:
        copy.take(store, {})
        return copy.image()
    finally:
        copy.close()


def read_image(data: bytes) -> MemoryStore:
    """Return what `write_image` wrote; raise BadCopy for anything else."""
    copy = SqliteStore()
    try:
        copy.read(data)
        found = MemoryStore()
        found.take(copy, {})
    except (sqlite3.Error, OverflowError) as error:
        raise BadCopy(f"is no sqlite database ({error})") from None
    except BadCopy:
        raise
    except (AttributeError, TypeError, ValueError) as error:
        raise BadCopy(f"has something that can't be read: {error!r}") from None
    finally:
        copy.close()
    return found


def _plain_tables() -> list[tuple[Any, ...]]:
    store = SqliteStore()
    try:
        return store.tables()
    finally:
        store.close()


def _outcome_values(outcome: Outcome | None) -> tuple[object, ...]:
    if outcome is None:
        return (None, None, None, None, None)
    headers = orjson.dumps(outcome.headers) if outcome.headers else None
    return (outcome.status_code, outcome.body, headers, outcome.error, outcome.error_type)


def _options_text(options: RequestOptions) -> bytes:
    """Write what is out of the ordinary in a caller's options."""
    given = {name: getattr(options, name) for name in _OPTIONS}
    return orjson.dumps({name: v for name, v in given.items() if v != getattr(_PLAIN, name)})


def _options(text: bytes) -> RequestOptions:
    given: dict[str, Any] = orjson.loads(text)
    given["faults"] = tuple(given.get("faults", ()))
    return RequestOptions(**given)


def _faults_text(faults: JobFaults) -> bytes | None:
    return None if faults is NO_FAULTS else orjson.dumps(faults.to_json())


def _job(row: tuple[Any, ...]) -> Job:
    *facts, code, body, headers, error, error_type, cancelled, options, attempts, faults = row
    outcome = None
    if code is not None:
        outcome = Outcome(code, body, orjson.loads(headers) if headers else {}, error, error_type)
    later = JobFaults.from_json(orjson.loads(faults)) if faults else NO_FAULTS
    values: list[Any] = [*facts, outcome, bool(cancelled), _options(options), attempts, later]
    return Job(*values)


def _file(row: tuple[Any, ...]) -> FileRecord:
    *facts, audio, lifetime, acl = row
    values: list[Any] = [*facts, bool(audio), lifetime, acl]
    return FileRecord(*values)
