"""A store that outlasts its process, in one sqlite database; also the form that exports have."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from typing import Any

import orjson

from falkit_mock.core.events import Delivery
from falkit_mock.core.jobs import NO_FAULTS, Job, JobFaults, Moments, Outcome, RequestOptions
from falkit_mock.store import (
    BadCopy,
    DeliveryStore,
    FileRecord,
    KeyRecord,
    Store,
    Upload,
    UploadStore,
)
from falkit_mock.store.blobs import Piece

# A column for each field of what is stored, in the same order. Types that begin with FALKIT are
# read by `_CONVERTERS`. Inputs stand apart from the jobs, since they may have pictures in them and
# are seldom read.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    path TEXT NOT NULL,
    app TEXT NOT NULL,
    entry TEXT NOT NULL,
    progression TEXT NOT NULL,
    created REAL NOT NULL,
    starts REAL NOT NULL, ends REAL NOT NULL,
    run REAL NOT NULL, ready REAL NOT NULL,
    outcome FALKIT_OUTCOME,
    cancelled FALKIT_FLAG NOT NULL,
    options FALKIT_OPTIONS NOT NULL,
    attempts INTEGER NOT NULL,
    faults FALKIT_FAULTS NOT NULL
);
CREATE TABLE IF NOT EXISTS inputs (
    id TEXT PRIMARY KEY,
    input BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,
    request_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    input_digest TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL,
    fps INTEGER NOT NULL, frames INTEGER NOT NULL,
    audio FALKIT_FLAG NOT NULL,
    lifetime REAL,
    acl TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    content_type TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL NOT NULL,
    lifetime REAL,
    acl TEXT NOT NULL,
    done FALKIT_FLAG NOT NULL
);
CREATE TABLE IF NOT EXISTS pieces (
    upload TEXT NOT NULL,
    number INTEGER NOT NULL,
    blob TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    PRIMARY KEY (upload, number)
);
CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY,
    request_id TEXT NOT NULL,
    url TEXT NOT NULL,
    cause TEXT NOT NULL,
    number INTEGER NOT NULL,
    sent REAL NOT NULL, seconds REAL NOT NULL,
    headers FALKIT_JSON NOT NULL,
    body BLOB NOT NULL,
    status_code INTEGER,
    response_headers FALKIT_JSON NOT NULL,
    response_body BLOB NOT NULL,
    error TEXT,
    verdict TEXT NOT NULL,
    next REAL,
    faults FALKIT_WORDS NOT NULL
);
CREATE TABLE IF NOT EXISTS webhook_keys (
    number INTEGER PRIMARY KEY,
    created REAL NOT NULL,
    withdrawn FALKIT_FLAG NOT NULL
);
"""
_TABLES = ("jobs", "inputs", "files", "uploads", "pieces", "deliveries")
_PLAIN = RequestOptions()


def _write_options(options: RequestOptions) -> bytes:
    """Write what is out of the ordinary in a caller's options."""
    given = {option.name: getattr(options, option.name) for option in fields(options)}
    return orjson.dumps({name: v for name, v in given.items() if v != getattr(_PLAIN, name)})


def _read_options(data: bytes) -> RequestOptions:
    given: dict[str, Any] = orjson.loads(data)
    given["faults"] = tuple(given.get("faults", ()))
    return RequestOptions(**given)


def _write_outcome(outcome: Outcome) -> bytes:
    """Write an outcome as a line of JSON and the body after it."""
    facts = (outcome.status_code, outcome.headers, outcome.error, outcome.error_type)
    return orjson.dumps(facts) + b"\n" + outcome.body


def _read_outcome(data: bytes) -> Outcome:
    line, _, body = data.partition(b"\n")
    status_code, headers, error, error_type = orjson.loads(line)
    return Outcome(status_code, body, headers, error, error_type)


# How Python's values are written that sqlite doesn't know, by type, and read, by column type.
_ADAPTERS: dict[type, Callable[[Any], object]] = {
    dict: orjson.dumps,
    tuple: orjson.dumps,
    RequestOptions: _write_options,
    Outcome: _write_outcome,
    JobFaults: lambda faults: orjson.dumps(faults.to_json()),
}
_CONVERTERS: dict[str, Callable[[bytes], Any]] = {
    "FALKIT_FLAG": lambda data: data == b"1",
    "FALKIT_JSON": orjson.loads,
    "FALKIT_WORDS": lambda data: tuple(orjson.loads(data)),
    "FALKIT_OPTIONS": _read_options,
    "FALKIT_OUTCOME": _read_outcome,
    "FALKIT_FAULTS": lambda data: (
        NO_FAULTS if data == b"{}" else JobFaults.from_json(orjson.loads(data))
    ),
}
for _name, _convert in _CONVERTERS.items():
    sqlite3.register_converter(_name, _convert)


class _Database:
    """A connection, used from one thread at a time."""

    def __init__(self, name: str) -> None:
        # Autocommit: each statement stands for itself, so nothing accepted is lost.
        # The thread that makes an application is often not the one that serves it.
        types = sqlite3.PARSE_DECLTYPES
        self.connection = sqlite3.connect(
            name, isolation_level=None, check_same_thread=False, detect_types=types
        )

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self.connection.execute(sql, values)

    def put(self, table: str, values: Iterable[object], verb: str = "REPLACE") -> None:
        """Write a row, in place of the one with its key."""
        row = [_ADAPTERS.get(type(value), _same)(value) for value in values]
        self.execute(f"{verb} INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def rows(self, table: str) -> Iterable[Any]:
        """Return the rows of a table in the order in which they were written."""
        return self.execute(f"SELECT * FROM {table} ORDER BY rowid")

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Undo what the block wrote if it fails; one may be inside another."""
        self.execute("SAVEPOINT falkit")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO falkit")
            raise
        finally:
            self.execute("RELEASE falkit")


def _same(value: object) -> object:
    return value


def _values(record: Any) -> list[object]:
    return [getattr(record, field.name) for field in fields(record)]


class _Uploads(UploadStore):
    def __init__(self, db: _Database) -> None:
        super().__init__()
        self._db = db

    def load(self) -> None:
        for row in self._db.rows("uploads"):
            super().add(Upload(*row))
        for upload_id, number, *facts in self._db.rows("pieces"):
            super().put_piece(upload_id, number, Piece(*facts))

    def add(self, upload: Upload) -> None:
        self._db.put("uploads", _values(upload), "INSERT")
        super().add(upload)

    def update(self, upload: Upload) -> None:
        if self.get(upload.id) is not None:
            self._db.put("uploads", _values(upload))
            super().update(upload)

    def put_piece(self, upload_id: str, number: int, piece: Piece) -> None:
        self._db.put("pieces", (upload_id, number, *_values(piece)))
        super().put_piece(upload_id, number, piece)

    def keep_pieces(self, upload_id: str, numbers: set[int]) -> None:
        for number in self.pieces(upload_id).keys() - numbers:
            sql = "DELETE FROM pieces WHERE upload = ? AND number = ?"
            self._db.execute(sql, (upload_id, number))
        super().keep_pieces(upload_id, numbers)

    def remove(self, upload_id: str) -> None:
        super().remove(upload_id)
        self._db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))


class _Deliveries(DeliveryStore):
    def __init__(self, db: _Database) -> None:
        super().__init__()
        self._db = db

    def load(self) -> None:
        for row in self._db.rows("deliveries"):
            super().add(Delivery(*row))
        for row in self._db.rows("webhook_keys"):
            super().put_key(KeyRecord(*row))

    def add(self, delivery: Delivery) -> None:
        self._db.put("deliveries", _values(delivery), "INSERT")
        super().add(delivery)

    def put_key(self, key: KeyRecord) -> None:
        self._db.put("webhook_keys", _values(key))
        super().put_key(key)

    def forget_keys(self) -> None:
        self._db.execute("DELETE FROM webhook_keys")
        super().forget_keys()


class SqliteStore(Store):
    """A store that writes all that it takes to a database, and reads it when it is made.

    Only inputs are read from the database each time. It is used from one thread at a time.
    """

    def __init__(self, database: str = ":memory:") -> None:
        self._db = _Database(database)
        if (found := _tables(self._db.connection)) and found != _own_tables():
            self._db.connection.close()
            fix = "use the version that wrote it, or another file"
            raise BadCopy(f"{database} has other tables than this version of falkit; {fix}")
        self._db.connection.executescript(_SCHEMA)
        self._uploads, self._deliveries = _Uploads(self._db), _Deliveries(self._db)
        super().__init__(self._uploads, self._deliveries)
        self._load()

    def add(self, job: Job, input: bytes) -> None:
        self._db.put("inputs", (job.id, input), "INSERT")
        self._db.put("jobs", _values(job), "INSERT")
        super().add(job, b"")

    def input(self, request_id: str) -> bytes:
        row = self._db.execute("SELECT input FROM inputs WHERE id = ?", (request_id,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def update(self, job: Job) -> None:
        super().update(job)
        self._write(job.id)

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        with self._db.transaction():
            for id, (starts, ends) in planned.items():
                sql = "UPDATE jobs SET starts = ?, ends = ? WHERE id = ?"
                self._db.execute(sql, (starts, ends, id))
        super().reschedule(planned)

    def decide(self, request_id: str, outcome: Outcome) -> None:
        super().decide(request_id, outcome)
        self._write(request_id)

    def erase(self, request_id: str) -> None:
        super().erase(request_id)
        self._write(request_id)
        self._db.execute("DELETE FROM inputs WHERE id = ?", (request_id,))
        self._db.execute("DELETE FROM files WHERE request_id = ?", (request_id,))

    def purge(self, before: float) -> None:
        gone = "(SELECT id FROM jobs WHERE ends < ?)"
        self._db.execute(f"DELETE FROM inputs WHERE id IN {gone}", (before,))
        self._db.execute(f"DELETE FROM files WHERE request_id IN {gone}", (before,))
        self._db.execute("DELETE FROM jobs WHERE ends < ?", (before,))
        super().purge(before)

    def add_file(self, record: FileRecord) -> None:
        self._db.put("files", _values(record))
        super().add_file(record)

    def clear(self) -> None:
        with self._db.transaction():
            for table in _TABLES:
                self._db.execute(f"DELETE FROM {table}")
        super().clear()

    def take(self, other: Store, blobs: Mapping[str, str]) -> None:
        last_seq = self.last_seq
        try:
            with self._db.transaction():
                super().take(other, blobs)
        except BaseException as error:
            self._load()
            self.last_seq = last_seq
            if isinstance(error, sqlite3.Error):
                raise BadCopy(f"can't be stored: {error}") from None
            raise

    def close(self) -> None:
        self._db.connection.close()
        super().close()

    def image(self) -> bytes:
        """Return the database as the bytes that a file of it has."""
        return self._db.connection.serialize()

    def read(self, image: bytes) -> None:
        """Be what `image` returned; raise BadCopy or sqlite3.Error for anything else."""
        self._db.connection.deserialize(image)
        if _tables(self._db.connection) != _own_tables():
            raise BadCopy("has other tables than this version of falkit; import it in its own")
        (found,) = self._db.execute("PRAGMA quick_check").fetchone()
        if found != "ok":
            raise BadCopy(f"is damaged: {found}")
        self._load()

    def _write(self, request_id: str) -> None:
        if (job := self.get(request_id)) is not None:
            self._db.put("jobs", _values(job))

    def _load(self) -> None:
        """Have in memory what the database has."""
        super().clear()
        DeliveryStore.forget_keys(self._deliveries)
        for row in self._db.execute("SELECT * FROM jobs ORDER BY seq"):
            job = Job(*row)
            super().add(job, b"")
            self.last_seq = job.seq
        for row in self._db.rows("files"):
            super().add_file(FileRecord(*row))
        self._uploads.load()
        self._deliveries.load()


def _tables(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return the statements that made a database; triggers and views are among them."""
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return db.execute(sql).fetchall()


def _own_tables() -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA)
        return _tables(db)


def write_image(store: Store) -> bytes:
    """Return all that a store has, but the bytes of its uploads, as an sqlite database."""
    with closing(SqliteStore()) as copy:
        copy.take(store, {})
        return copy.image()


def read_image(data: bytes) -> Store:
    """Return what `write_image` wrote; raise BadCopy for anything else."""
    found = Store()
    with closing(SqliteStore()) as copy:
        try:
            copy.read(data)
            found.take(copy, {})
        except (sqlite3.Error, OverflowError) as error:
            raise BadCopy(f"is no sqlite database ({error})") from None
        except BadCopy:
            raise
        except (AttributeError, TypeError, ValueError) as error:
            raise BadCopy(f"has something that can't be read: {error!r}") from None
    return found
