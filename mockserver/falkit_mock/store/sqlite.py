"""A store that outlasts its process, in one sqlite database; also the form that exports have."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import orjson

from falkit_fixtures.wanted import Wanted
from falkit_mock.core.jobs import NO_FAULTS, JobFaults, Moments, Outcome, RequestOptions
from falkit_mock.store import BadCopy, Given, Store
from falkit_mock.store.blobs import Piece

# A column for each field of what is stored, in the same order. Types that begin with FALKIT are
# read by `_CONVERTERS`.
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
    wanted FALKIT_WANTED NOT NULL,
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
    upload TEXT PRIMARY KEY,
    pieces FALKIT_PIECES NOT NULL
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
_PLAIN = RequestOptions()


def _write_options(options: RequestOptions) -> bytes:
    """Write what is out of the ordinary in a caller's options."""
    given = {option.name: getattr(options, option.name) for option in fields(options)}
    return orjson.dumps({name: v for name, v in given.items() if v != getattr(_PLAIN, name)})


def _read_options(data: bytes) -> RequestOptions:
    given: dict[str, Any] = orjson.loads(data)
    given.update({name: tuple(given[name]) for name in ("tags", "faults") if name in given})
    return RequestOptions(**given)


def _write_outcome(outcome: Outcome) -> bytes:
    """Write an outcome as a line of JSON and the body after it."""
    facts = (outcome.status_code, outcome.headers, outcome.error, outcome.error_type)
    return orjson.dumps(facts) + b"\n" + outcome.body


def _read_outcome(data: bytes) -> Outcome:
    line, _, body = data.partition(b"\n")
    status_code, headers, error, error_type = orjson.loads(line)
    return Outcome(status_code, body, headers, error, error_type)


def _read_pieces(data: bytes) -> dict[int, Piece]:
    return {int(number): Piece(**facts) for number, facts in orjson.loads(data).items()}


def _write_wanted(wanted: Wanted) -> bytes:
    """Write a file's description as a line of JSON and its picture after it."""
    facts = {one.name: getattr(wanted, one.name) for one in fields(wanted)}
    del facts["picture"]
    return orjson.dumps(facts) + b"\n" + wanted.picture


def _write_given(given: Given) -> bytes:
    return orjson.dumps({"given": given.path, "content_type": given.content_type})


def _read_wanted(data: bytes) -> Wanted | Given:
    line, _, picture = data.partition(b"\n")
    facts = orjson.loads(line)
    if "given" in facts:
        return Given(facts["given"], facts["content_type"])
    return Wanted(**facts, picture=picture)


# How Python's values are written that sqlite doesn't know, by type, and read, by column type.
_ADAPTERS: dict[type, Callable[[Any], object]] = {
    dict: partial(orjson.dumps, option=orjson.OPT_NON_STR_KEYS),
    tuple: orjson.dumps,
    RequestOptions: _write_options,
    Outcome: _write_outcome,
    Wanted: _write_wanted,
    Given: _write_given,
    JobFaults: lambda faults: orjson.dumps(faults.to_json()),
}
_CONVERTERS: dict[str, Callable[[bytes], Any]] = {
    "FALKIT_FLAG": lambda data: data == b"1",
    "FALKIT_JSON": orjson.loads,
    "FALKIT_PIECES": _read_pieces,
    "FALKIT_WORDS": lambda data: tuple(orjson.loads(data)),
    "FALKIT_OPTIONS": _read_options,
    "FALKIT_OUTCOME": _read_outcome,
    "FALKIT_WANTED": _read_wanted,
    "FALKIT_FAULTS": lambda data: (
        NO_FAULTS if data == b"{}" else JobFaults.from_json(orjson.loads(data))
    ),
}
for _name, _convert in _CONVERTERS.items():
    sqlite3.register_converter(_name, _convert)


class _Table(dict[Any, Any]):
    """A dictionary that is read from a table and writes to it what it gets, a row for each key."""

    def __init__(self, db: sqlite3.Connection, name: str, kind: Callable[..., Any]) -> None:
        found = db.execute(f"SELECT * FROM {name} ORDER BY rowid")
        columns = [column[0] for column in found.description]
        super().__init__((row[0], kind(*row)) for row in found)
        self._db = db
        marks = ", ".join("?" * len(columns))
        changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
        key = columns[0]
        self._put = (
            f"INSERT INTO {name} VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}"
        )
        self._delete = f"DELETE FROM {name} WHERE {key} = ?"
        self._clear = f"DELETE FROM {name}"

    def __setitem__(self, key: Any, value: Any) -> None:
        row = [_ADAPTERS.get(type(fact), _same)(fact) for fact in _facts(key, value)]
        self._db.execute(self._put, row)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self._db.execute(self._delete, (key,))
        super().__delitem__(key)

    def pop(self, key: Any, default: Any = None) -> Any:
        self._db.execute(self._delete, (key,))
        return super().pop(key, default)

    def clear(self) -> None:
        self._db.execute(self._clear)
        super().clear()


def _facts(key: object, value: Any) -> list[object]:
    """Return a record's fields, of which the first is its key, or the key and a bare value."""
    if is_dataclass(value):
        return [getattr(value, field.name) for field in fields(value)]
    return [key, value]


def _same(value: object) -> object:
    return value


class SqliteStore(Store):
    """A store that is read from a database and written to it, from one thread at a time."""

    def __init__(self, database: str = ":memory:") -> None:
        self._db = _connect(database)
        if (found := _tables(self._db)) and found != _own_tables():
            self._db.close()
            fix = "use the version that wrote it, or another file"
            raise BadCopy(f"{database} has other tables than this version of falkit; {fix}")
        self._db.executescript(_SCHEMA)
        super().__init__(partial(_Table, self._db))

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        with self._transaction():
            super().reschedule(planned)

    def purge(self, before: float) -> None:
        with self._transaction():
            super().purge(before)

    def clear(self) -> None:
        with self._transaction():
            super().clear()

    def take(self, other: Store, blobs: Mapping[str, str]) -> None:
        # What can't be stored shows before anything has changed.
        write_image(other)
        with self._transaction():
            super().take(other, blobs)

    def close(self) -> None:
        self._db.close()
        super().close()

    def image(self) -> bytes:
        """Return the database as the bytes that a file of it has."""
        return self._db.serialize()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """Write all of the block or nothing; one may be inside another."""
        self._db.execute("SAVEPOINT falkit")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO falkit")
            raise
        finally:
            self._db.execute("RELEASE falkit")


def _connect(database: str) -> sqlite3.Connection:
    # Autocommit: each statement stands for itself, so nothing accepted is lost.
    # The thread that makes an application is often not the one that serves it.
    return sqlite3.connect(
        database,
        isolation_level=None,
        check_same_thread=False,
        detect_types=sqlite3.PARSE_DECLTYPES,
    )


def _tables(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return the statements that made a database; triggers and views are among them."""
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return db.execute(sql).fetchall()


def _own_tables() -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA)
        return _tables(db)


def write_image(store: Store) -> bytes:
    """Return all that a store has, but the bytes of its uploads, as an sqlite database.

    Raise BadCopy for what can't be stored.
    """
    with closing(SqliteStore()) as copy:
        try:
            Store.take(copy, store, {})
        except sqlite3.Error as error:
            raise BadCopy(f"can't be stored: {error}") from None
        return copy.image()


def read_image(data: bytes) -> Store:
    """Return what `write_image` wrote; raise BadCopy for anything else."""
    found = Store()
    with closing(_connect(":memory:")) as db:
        try:
            db.deserialize(data)
            if _tables(db) != _own_tables():
                raise BadCopy("has other tables than this version of falkit; import it in its own")
            (check,) = db.execute("PRAGMA quick_check").fetchone()
            if check != "ok":
                raise BadCopy(f"is damaged: {check}")
            found.take(Store(partial(_Table, db)), {})
        except (sqlite3.Error, OverflowError) as error:
            raise BadCopy(f"is no sqlite database ({error})") from None
        except BadCopy:
            raise
        except (AttributeError, TypeError, ValueError) as error:
            raise BadCopy(f"has something that can't be read: {error!r}") from None
    return found
