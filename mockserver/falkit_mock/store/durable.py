"""A store that outlasts its process: an sqlite database, and a folder of uploads beside it."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Generator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from falkit_mock.core import reason
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.settings import SettingsError
from falkit_mock.store import Store, all_pieces
from falkit_mock.store.blobs import Blobs, Piece, Sink, locked, sync_folder
from falkit_mock.store.file_journal import FileJournal
from falkit_mock.store.keeping import now_in
from falkit_mock.store.rows import read_record
from falkit_mock.store.shelf import Table
from falkit_mock.store.sqlite import (
    APPLICATION,
    VERSION,
    SqliteStore,
    check_pages,
    connect,
    make_tables,
    migrate,
    reading,
)
from falkit_mock.store.tables import BadCopy, bare, shown

_HEAD, _MAGIC = 100, b"SQLite format 3\0"
_UPLOADS = ".uploads"
IN_USE = "is in use by another mock; stop that one, or name another file"
# Where no folder can be locked sqlite locks the file, and nothing else can read it then.
ALONE = sys.platform == "win32"
# Up to so many bytes a file's pages are checked when it is opened, and its rows are read.
CHECKED, READ = 64 << 20, 2 << 20
# The files that this process has open: closing one that it opened twice would unlock it.
_open: set[tuple[int, int]] = set()
_opening = threading.Lock()


class LastingBlobs(Blobs):
    """A folder of blobs that stays. What is removed goes once its rows are gone from the disk."""

    def __init__(self, folder: Path, after: Callable[[Callable[[], object]], object]) -> None:
        super().__init__()
        self._folder = folder
        self._after = after

    @property
    def folder(self) -> Path:
        """The folder, made when it is first needed."""
        assert self._folder is not None
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700)
            sync_folder(self._folder.parent)
        return self._folder

    def sink(self) -> Sink:
        return Sink(self.folder / token_hex(16), lasting=True)

    def remove(self, pieces: Sequence[Piece]) -> None:
        if pieces:
            self._after(partial(super().remove, [*pieces]))

    @contextmanager
    def held(self, pieces: Sequence[Piece]) -> Generator[Sequence[Piece]]:
        # Other processes put off nothing: each blob has a second name meanwhile.
        links = [replace(piece, blob=token_hex(16)) for piece in pieces]
        with super().held(pieces):
            try:
                for piece, link in zip(pieces, links, strict=True):
                    os.link(self.folder / piece.blob, self.folder / link.blob)
            except OSError:
                # Not every file system has second names.
                self._unlink(links)
                links = []
            try:
                yield links or pieces
            finally:
                self._unlink(links)

    def _unlink(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            (self.folder / piece.blob).unlink(missing_ok=True)

    def close(self) -> None:
        """Leave all as it is."""

    def check(self, pieces: Sequence[Piece], *, tidy: bool) -> None:
        """Raise BadCopy for a blob that is gone or has another size; delete those of no upload."""
        known = {piece.blob: piece.size for piece in pieces}
        found: dict[str, int] = {}
        assert self._folder is not None
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            found = {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        for blob, size in known.items():
            if found.get(blob) != size:
                what = "lacks" if blob not in found else "has another size of"
                fix = "copy it back from where the state was copied from"
                raise BadCopy(f"{what} {self._folder.name}/{blob}, which was uploaded; {fix}")
        for blob in found.keys() - known.keys() if tidy else ():
            (self._folder / blob).unlink(missing_ok=True)


class DurableStore(SqliteStore):
    """A store in a file, which no other process has meanwhile.

    What changes is committed soon; `journal` tells when. `facts` is what is kept beside the tables.
    What is over is read from a connection of its own, for which nobody's commit is in the way.
    """

    def __init__(self, path: str | os.PathLike[str], *, uploads: Path | None = None) -> None:
        """Open a state file, or make one; raise BadCopy, and leave it as it was, if it is none.

        A folder of uploads that is given belongs to another file, and is left as it is.
        """
        self.path = Path(os.path.realpath(path))
        self._lent = uploads is not None
        self._folder = uploads or uploads_of(self.path)
        self._id: tuple[int, int] | None = None
        self._lock: int | None = None
        try:
            with _opening, self._named():
                self._open()
        except BaseException:
            self._let_go()
            raise

    def _open(self) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size:
            stat = self.path.stat()
            if (stat.st_dev, stat.st_ino) in _open:
                raise BadCopy(IN_USE)
            _check_head(self.path)
        self._lock = None if self._lent else _lock(self._folder)
        db = _connect(self.path, new=not size, check=0 < size <= CHECKED)
        try:
            stat = self.path.stat()
            _open.add(id := (stat.st_dev, stat.st_ino))
            self._id = id
            if not size:
                make_tables(db)
                sync_folder(self.path.parent)
            with reading():
                migrate(db)
                # So that the file's head tells the version, and nothing is left beside it.
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self.journal = self._journal = FileJournal(db)
                self._blobs = LastingBlobs(self._folder, self._journal.after)
                super().__init__(db, self._blobs, db if ALONE else open_reader(self.path))
                # The newest requests, by number.
                self.records: dict[int, RequestRecord] = self._records(db)
                if size <= READ:
                    self.read_all()
            self._blobs.check(all_pieces(self), tidy=not self._lent)
        except BaseException:
            with suppress(AttributeError):
                self._reader.close()
            db.close()
            raise
        for table in self._tables:
            self._journal.watch(table)

    def close(self) -> None:
        self._journal.close()
        self._reader.close()
        with suppress(sqlite3.Error):
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        super().close()
        self._let_go()

    def _begin(self) -> None:
        # What is kept beside the tables, by name.
        self.facts: MutableMapping[str, bytes] = self._table("facts", bare)
        super()._begin()

    def _now(self) -> float:
        return now_in(self.facts) if "clock" in self.facts else super()._now()

    def shrink(self) -> None:
        """Give the disk back what is no longer used."""
        self.db.execute("VACUUM")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def check_all(self) -> None:
        """Read every page and row; raise BadCopy for one that can't be."""
        with reading():
            check_pages(self.db)
        self.read_all()

    def forget_changes(self) -> None:
        """Begin anew what processes that share the file tell one another."""
        self.db.execute("DELETE FROM changes")
        self.db.execute("DELETE FROM claims")

    def check_blobs(self) -> None:
        """Read every upload; raise BadCopy for one that isn't what was sent."""
        for piece in all_pieces(self):
            digest = sha256()
            for data in self._blobs.read([piece], 0, piece.size):
                digest.update(data)
            if digest.hexdigest()[:32] != piece.etag:
                why = f"{self._folder.name}/{piece.blob} is not what was uploaded"
                raise BadCopy(f"is damaged: {why}; restore a copy of it")

    def clear(self) -> None:
        with self._transaction():
            Store.clear(self)
            self.records.clear()

    def _noted(self) -> None:
        self._journal.noted()

    def _records(self, db: sqlite3.Connection) -> Table:
        table = Table(db, self._journal.noted_later, "requests", read_record)
        self._tables.append(table)
        return table

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """Write all of the block in one commit."""
        held = self._journal.hold()
        try:
            yield
        finally:
            if not held:
                self._journal.release()

    def _let_go(self) -> None:
        if self._id is not None:
            _open.discard(self._id)
            self._id = None
        lock, self._lock = self._lock, None
        _unlock(self._folder, lock)

    @contextmanager
    def _named(self) -> Generator[None]:
        """Have what the block says of the file begin with its name."""
        try:
            yield
        except BadCopy as error:
            raise BadCopy(f"{self.path} {error}") from None
        except sqlite3.OperationalError as error:
            locked = "locked" in str(error)
            raise BadCopy(f"{self.path} {IN_USE if locked else _unread(error)}") from None
        except OSError as error:
            raise BadCopy(f"{self.path} {_unread(error)}") from None


def uploads_of(path: Path) -> Path:
    """Return the folder of the uploads of a state file."""
    return path.with_name(path.name + _UPLOADS)


@contextmanager
def alone(path: str | os.PathLike[str]) -> Generator[None]:
    """Check a state file, or make one, and have it for the processes that the block starts.

    Raise SettingsError for what can't be one, and for one that others have.
    """
    try:
        store = DurableStore(path)
        store.forget_changes()
        store.close()
        folder = uploads_of(store.path)
        lock = _lock(folder)
    except BadCopy as error:
        raise SettingsError("state", str(error)) from None
    try:
        yield
    finally:
        _unlock(folder, lock)


def _unread(error: Exception) -> str:
    why = reason(error) if isinstance(error, OSError) else shown(error)
    # Of a full disk sqlite says either, by which file had no room.
    full = (errno.ENOSPC, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    code = getattr(error, "sqlite_errorcode", getattr(error, "errno", None)) or 0
    fix = "see whether its disk is full, or name" if code & 0xFF in full else "name"
    return f"can't be opened ({why}); {fix} another file"


def _check_head(path: Path) -> None:
    """Raise BadCopy for a file that isn't one of ours, by its first bytes, which sqlite defines."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[:16] != _MAGIC or len(head) < _HEAD:
        raise BadCopy("is no state of falkit; name a file that falkit has written, or a new one")
    encoding, version, application = (int.from_bytes(head[at : at + 4]) for at in (56, 60, 68))
    if application != APPLICATION:
        raise BadCopy("is a database, but no state of falkit; name another file")
    if encoding != 1:
        raise BadCopy("is damaged: its text isn't UTF-8; restore a copy of it")
    if version > VERSION:
        fix = "use the version that wrote it, or a newer one"
        raise BadCopy(f"was written by a newer falkit (format {version}, not {VERSION}); {fix}")


def _lock(folder: Path) -> int | None:
    """Have a folder for this process alone; raise BadCopy if another one has it."""
    if ALONE:
        return None
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = locked(folder)
    if lock is None:
        raise BadCopy(IN_USE)
    if not folder.exists() or folder.stat().st_ino != os.fstat(lock).st_ino:
        # Whoever had it has just ended.
        os.close(lock)
        raise BadCopy(IN_USE)
    return lock


def _unlock(folder: Path, lock: int | None) -> None:
    if lock is not None:
        with suppress(OSError):
            # Nothing was uploaded.
            folder.rmdir()
        os.close(lock)


def open_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that reads what is committed."""
    db = connect(str(path))
    db.execute("PRAGMA query_only = ON")
    return db


def _connect(path: Path, *, new: bool, check: bool) -> sqlite3.Connection:
    """Open a file to write to it, once its pages are checked."""
    if new:
        # For this user's eyes only: keys are in it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = connect(str(path))
    try:
        db.execute("PRAGMA busy_timeout = 0")
        if check:
            # Before the mode is set, which would change a file that has another one.
            check_pages(db)
        if ALONE:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError(f"its file system keeps a journal of mode {mode} alone")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        db.execute("COMMIT")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        db.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise BadCopy(f"is damaged ({shown(error)}); restore a copy of it") from None
    except BaseException:
        db.close()
        raise
    return db
