"""A store in an sqlite database: the form that exports have, and state files (store/durable.py)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from falkit_mock.core.jobs import Moments
from falkit_mock.store import BadCopy, Store
from falkit_mock.store.blobs import Blobs
from falkit_mock.store.journal import Changes, Row, Statement
from falkit_mock.store.rows import row_of

# What tells a database of ours from others, and the version of its tables. Whoever changes a table
# counts on, adds to `_MIGRATIONS`, and puts a state of the version before into the tests.
APPLICATION, VERSION = int.from_bytes(b"falk"), 1
# A column for each field of what is stored, in the same order. Types that begin with FALKIT are
# read by the converters in store/rows.py.
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
# What version 1 added: what is in no other table, by name, as JSON; what an outcome that is still
# to be decided needs beside the job, by its id; and the newest requests.
_SINCE_1 = """
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
CREATE TABLE later (
    id TEXT PRIMARY KEY,
    request BLOB NOT NULL
);
CREATE TABLE requests (
    number INTEGER PRIMARY KEY,
    record BLOB NOT NULL
);
"""
# What makes a version of the one before it.
_MIGRATIONS = {1: _SINCE_1}


class Table(dict[Any, Any]):
    """A dictionary that is read from a table, and knows what of it is still to be written there.

    `noted` is called with each change.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        noted: Callable[[], object],
        name: str,
        kind: Callable[..., Any],
    ) -> None:
        # Closed even where a row can't be read, or the database could not be closed.
        with closing(db.execute(f"SELECT * FROM {name} ORDER BY rowid")) as found:
            columns = [column[0] for column in found.description]
            types = types_of(db, name)
            super().__init__((row[0], kind(*checked(row, types, name))) for row in found)
        self.name = name
        self._noted = noted
        # The keys of what was put or taken out, and whether all was taken out before.
        self.changed: dict[Any, None] = {}
        self.emptied = False
        marks = ", ".join("?" * len(columns))
        changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
        key = columns[0]
        self._put = (
            f"INSERT INTO {name} VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}"
        )
        self._delete = f"DELETE FROM {name} WHERE {key} = ?"
        self._clear = f"DELETE FROM {name}"

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.changed[key] = None
        self._noted()

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self.changed[key] = None
        self._noted()

    def pop(self, key: Any, default: Any = None) -> Any:
        if key in self:
            default = super().pop(key)
            self.changed[key] = None
            self._noted()
        return default

    def clear(self) -> None:
        super().clear()
        self.changed.clear()
        self.emptied = True
        self._noted()

    def take_changes(self) -> Changes:
        """Return what has changed since; by now it counts as written."""
        changed, emptied = self.changed, self.emptied
        self.changed, self.emptied = {}, False

        def again() -> None:
            if self.emptied:
                return
            self.changed = {**changed, **self.changed}
            self.emptied = emptied

        gone: list[Row] = []
        rows: list[Row] = []
        wrong: list[Exception] = []
        for key in changed:
            if key in self:
                try:
                    rows.append(row_of(key, self[key]))
                except (TypeError, ValueError) as error:
                    wrong.append(error)
            elif not emptied:
                gone.append((key,))
        found: list[Statement] = [(self._clear, [()])] if emptied else []
        found += [(self._delete, gone)] if gone else []
        found += [(self._put, rows)] if rows else []
        return Changes(found, again, wrong)


# What the columns of a type hold; a converter has checked those of all others.
_HOLDS: dict[str, tuple[type, ...]] = {
    "TEXT": (str,),
    "INTEGER": (int,),
    "REAL": (float, int),
    "BLOB": (bytes,),
}


def types_of(db: sqlite3.Connection, name: str) -> list[tuple[type, ...]]:
    """Return what each column of a table may hold."""
    empty = type(None)
    found: list[tuple[type, ...]] = []
    for _, _, declared, filled, _, is_key in db.execute(f"PRAGMA table_info({name})"):
        holds = _HOLDS.get(declared, (object,))
        found.append(holds if filled or is_key else (*holds, empty))
    return found


def checked(row: tuple[Any, ...], types: list[tuple[type, ...]], name: str) -> tuple[Any, ...]:
    """Return a row; raise BadCopy for one of a damaged table, since sqlite takes any value."""
    for value, holds in zip(row, types, strict=True):
        if not isinstance(value, holds) or (value is None and type(None) not in holds):
            raise BadCopy(f"is damaged: {name} has {value!r:.40} where it can't be")
    return row


class SqliteStore(Store):
    """A store that is read from a database and written to it, from one thread at a time."""

    def __init__(self, db: sqlite3.Connection | None = None, blobs: Blobs | None = None) -> None:
        self.db = db or connect(":memory:")
        if db is None:
            make_tables(self.db)
        self._tables: list[Table] = []
        super().__init__(self._table, blobs)

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
        self.db.close()
        super().close()

    def image(self) -> bytes:
        """Return the database as the bytes that a file of it has."""
        return self.db.serialize()

    def _table(self, name: str, kind: Callable[..., Any]) -> Table:
        table = Table(self.db, self._noted, name, kind)
        self._tables.append(table)
        return table

    def _noted(self) -> None:
        """Write what has changed, at once."""
        for table in self._tables:
            changes = table.take_changes()
            for sql, rows in changes.statements:
                self.db.executemany(sql, rows)
            for error in changes.wrong:
                raise error

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """Write all of the block or nothing; one may be inside another."""
        self.db.execute("SAVEPOINT falkit")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK TO falkit")
            raise
        finally:
            self.db.execute("RELEASE falkit")


def connect(database: str) -> sqlite3.Connection:
    """Open a database, and begin no transaction that nobody asks for."""
    # The thread that makes an application is often not the one that serves it.
    return sqlite3.connect(
        database,
        isolation_level=None,
        check_same_thread=False,
        detect_types=sqlite3.PARSE_DECLTYPES,
    )


def make_tables(db: sqlite3.Connection) -> None:
    """Make the tables of an empty database, all of them or none."""
    mark = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
    db.executescript(f"BEGIN; {_SCHEMA} {''.join(_MIGRATIONS.values())} {mark} COMMIT;")


def migrate(db: sqlite3.Connection) -> None:
    """Bring a database of this version or an older one up to date, all of it or nothing.

    Raise BadCopy for a newer one, and for one that isn't ours.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        fix = "use the version that wrote it, or a newer one"
        raise BadCopy(f"was written by a newer falkit (format {version}, not {VERSION}); {fix}")
    if version < VERSION:
        steps = "".join(_MIGRATIONS[step] for step in range(version + 1, VERSION + 1))
        mark = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
        if _tables(db) != _own_tables(version):
            raise BadCopy(_STRANGE)
        db.executescript(f"BEGIN; {steps} {mark} COMMIT;")
    if _tables(db) != _own_tables(VERSION):
        raise BadCopy(_STRANGE)


_STRANGE = "has other tables than falkit's; name a file that falkit has written"


# The characters of an error that are shown.
_LINE = 160


def check_pages(db: sqlite3.Connection) -> None:
    """Raise BadCopy for a damaged database."""
    (check,) = db.execute("PRAGMA quick_check").fetchone()
    if check != "ok":
        raise BadCopy(f"is damaged: {check.splitlines()[-1]:.160}")


def _tables(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return the statements that made a database; triggers and views are among them."""
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return db.execute(sql).fetchall()


def _own_tables(version: int) -> list[tuple[Any, ...]]:
    steps = (_MIGRATIONS[step] for step in range(1, version + 1))
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA + "".join(steps))
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
    with closing(connect(":memory:")) as db, reading():
        db.deserialize(data)
        check_pages(db)
        migrate(db)
        found.take(SqliteStore(db), {})
    return found


@contextmanager
def reading() -> Generator[None]:
    """Raise BadCopy where what the block reads is no database of ours, or a damaged one."""
    try:
        yield
    except (sqlite3.Error, OverflowError) as error:
        raise BadCopy(f"is no sqlite database, or a damaged one ({shown(error)})") from None
    except BadCopy:
        raise
    except (AttributeError, TypeError, ValueError, KeyError, AssertionError) as error:
        raise BadCopy(f"has something that can't be read: {shown(error)}") from None


def shown(error: Exception) -> str:
    """Return an error in one line, of which it may quote several."""
    line = " ".join(str(error).split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"
