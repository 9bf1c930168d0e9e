"""A store in an sqlite database: the form that exports have, and state files (store/durable.py)."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from operator import attrgetter
from typing import Any

from falkit_mock.core.jobs import Job, Moments
from falkit_mock.store import FileRecord, Store
from falkit_mock.store.blobs import Blobs
from falkit_mock.store.shelf import Shelf, Table
from falkit_mock.store.tables import SHARED, UNREADABLE, BadCopy, shown

# What tells a database of ours from others, and the version of its tables. Whoever changes a table
# counts on, adds to `_MIGRATIONS`, and puts a state of the version before into the tests.
APPLICATION, VERSION = int.from_bytes(b"falk"), 2
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
# What version 2 added: rows are found without reading all, by the order of submission, by their
# end, by their job; and few jobs have no outcome yet, or a webhook (whose options name it).
_SINCE_2 = """
CREATE INDEX jobs_by_seq ON jobs (seq);
CREATE INDEX jobs_by_end ON jobs (ends);
CREATE INDEX jobs_undecided ON jobs (id) WHERE outcome IS NULL;
CREATE INDEX jobs_hooked ON jobs (seq) WHERE instr(options, x'22776562686f6f6b22') > 0;
CREATE INDEX files_by_job ON files (request_id);
CREATE INDEX deliveries_by_job ON deliveries (request_id);
"""
# What makes a version of the one before it.
_MIGRATIONS = {1: _SINCE_1, 2: _SINCE_2 + SHARED}


# The tables of which nothing is read before it is asked for.
_SHELVES = ("jobs", "inputs", "files")
# Bytes of all inputs and of the bodies of all outcomes, which come after a line (store/rows.py).
_KEPT = """
SELECT (SELECT total(length(input)) FROM inputs)
    + (SELECT total(length(outcome) - instr(outcome, x'0a')) FROM jobs)
"""
# The jobs with a webhook whose last attempt, as `DeliveryStore.last` has it, isn't the end of it.
_HOOKED = """
WHERE instr(options, x'22776562686f6f6b22') > 0 AND (
    SELECT next IS NULL FROM deliveries WHERE request_id = jobs.id AND cause = 'job'
    ORDER BY number = 0 DESC, number DESC, next IS NOT NULL DESC LIMIT 1
) IS NOT 1 ORDER BY seq
"""


class SqliteStore(Store):
    """A store that is read from a database and written to it, from one thread at a time."""

    def __init__(
        self,
        db: sqlite3.Connection | None = None,
        blobs: Blobs | None = None,
        reader: sqlite3.Connection | None = None,
    ) -> None:
        """Take up what a database has; a `reader` of it sees what is committed, and only that."""
        self.db = db or connect(":memory:")
        self._reader = reader or self.db
        if db is None:
            make_tables(self.db)
        self._tables: list[Table | Shelf] = []
        super().__init__(self._table, blobs)
        self._begin()

    def after(self, seq: float, limit: int) -> list[Job]:
        return self._page(seq, limit, ">", "ASC")

    def before(self, seq: float, limit: int) -> list[Job]:
        return self._page(seq, limit, "<", "DESC")

    def skipping(self, count: int, limit: int) -> list[Job] | None:
        # Its order isn't at hand.
        return None

    def hooked(self) -> Iterable[Job]:
        if self._shelf.hidden or self._shelf.own():
            return super().hooked()
        return [self._at_hand(job) for job in self._shelf.selected(_HOOKED)]

    def undecided(self) -> list[Job]:
        """Return the jobs in the database that have no outcome yet."""
        return [*map(self._at_hand, self._shelf.selected("WHERE outcome IS NULL ORDER BY seq"))]

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        with self._transaction():
            super().reschedule(planned)

    def drop(self, gone: Iterable[str]) -> None:
        with self._transaction():
            super().drop(gone)

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

    def _table(self, name: str, kind: Callable[..., Any]) -> Table | Shelf:
        table: Table | Shelf
        if name in _SHELVES:
            table = Shelf(self._reader, self._noted, name, kind)
        else:
            table = Table(self.db, self._noted, name, kind)
        self._tables.append(table)
        return table

    def _begin(self) -> None:
        """Take up the jobs that may be open, and what all others come to."""
        self._shelf.pinned = self.queues.has
        (kept,) = self._reader.execute(_KEPT).fetchone()
        (last,) = self._reader.execute("SELECT max(seq) FROM jobs").fetchone()
        self.kept, self.last_seq = int(kept), last or 0
        for job in self._shelf.selected("WHERE ends > ? ORDER BY seq", self._now()):
            self.queues.note(job)
            self._shelf.hold(job.id, job)

    def _now(self) -> float:
        """Return a moment that has come, unix seconds: what ended before it is over."""
        return -math.inf

    @property
    def _shelf(self) -> Shelf:
        assert isinstance(self._jobs, Shelf), "it was made so"
        return self._jobs

    def _page(self, seq: float, limit: int, beyond: str, order: str) -> list[Job]:
        shelf, newest_first = self._shelf, order == "DESC"
        # No number of sqlite's is beyond these.
        seq = max(min(seq, 2.0**62), -1.0)
        clause = f"WHERE seq {beyond} ? ORDER BY seq {order} LIMIT {limit}"
        own, found, rows, at = shelf.own(), list[Job](), list[Job](), seq
        # Of jobs that are gone the database may have many pages yet.
        while not shelf.hidden:
            rows = shelf.selected(clause, at)
            found += [self._at_hand(job) for job in rows if job.id not in own]
            if len(rows) < limit or len(found) >= limit:
                break
            at = rows[-1].seq
        last = rows[-1].seq if len(rows) == limit else math.inf * (-1 if newest_first else 1)
        for job in filter(None, own.values()):
            if last <= job.seq < seq if newest_first else seq < job.seq <= last:
                found.append(job)
        found.sort(key=attrgetter("seq"), reverse=newest_first)
        return found[:limit]

    def _at_hand(self, job: Job) -> Job:
        """Return the job of a row, the one that is at hand if there is one."""
        found = self._shelf.at_hand.get(job.id, job)
        assert isinstance(found, Job), "what is gone is of no row"
        return found

    def read_all(self) -> None:
        """Read every row that is read on demand otherwise; raise BadCopy for a damaged one."""
        for table in self._tables:
            for key in table if isinstance(table, Shelf) else ():
                table.get(key)

    def _added(self, job: Job) -> None:
        """Leave the order to the database, and pack nothing."""

    def _loosened(self, id: str) -> Job | None:
        found: Job | None = self._shelf.get(id)
        return found

    def _drop_job(self, id: str) -> None:
        del self._jobs[id]

    def add_file(self, record: FileRecord) -> None:
        self._files[record.path] = record

    def _drop_files(self, owner: str) -> None:
        files = self._files
        assert isinstance(files, Shelf), "it was made so"
        rows = [] if files.hidden else files.selected("WHERE request_id = ?", owner)
        paths = {record.path for record in (*rows, *files.own().values()) if record is not None}
        for path in paths:
            found = self.file(path)
            if found is not None and found.request_id == owner:
                del files[path]

    def _noted(self) -> None:
        """Write what has changed, at once."""
        for table in self._tables:
            changes = table.take_changes()
            for sql, rows in changes.statements:
                self.db.executemany(sql, rows)
            changes.written()
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
    if not data:
        # Python takes it for a lack of memory.
        raise BadCopy("is empty")
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
    except UNREADABLE as error:
        raise BadCopy(f"has something that can't be read: {shown(error)}") from None
