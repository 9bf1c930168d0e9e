"""All of a store's database at once, by sqlite's own means."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from falkit_mock.store.blobs import Piece
from falkit_mock.store.state import BadCopy

# Receivers keep these for a day, so they outlast everything else.
_KEPT = ("webhook_keys",)
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"


class SqliteState:
    """A database as one; `changed` is called when its rows are other ones."""

    def __init__(self, db: sqlite3.Connection, changed: Callable[[], None]) -> None:
        self._db = db
        self._changed = changed

    @property
    def jobs(self) -> int:
        (last,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM jobs").fetchone()
        return int(last)

    def clear(self) -> None:
        names = [name for kind, name, *_ in self._db.execute(_SCHEMA) if kind == "table"]
        for name in names:
            if name not in _KEPT and not name.startswith("sqlite_"):
                self._db.execute(f'DELETE FROM "{name}"')
        self._changed()

    def dump(self) -> bytes:
        return self._db.serialize()

    def pieces(self) -> list[Piece]:
        return pieces(self._db)

    def read(self, data: bytes) -> SqliteCopy:
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        try:
            copy.deserialize(data)
            self._check(copy)
        except (sqlite3.Error, OverflowError) as error:
            copy.close()
            raise BadCopy(f"is no sqlite database ({error})") from None
        except BadCopy:
            copy.close()
            raise
        return SqliteCopy(copy, self._db, self._changed)

    def _check(self, copy: sqlite3.Connection) -> None:
        # Also keeps out triggers and views, of which there are none here.
        if copy.execute(_SCHEMA).fetchall() != self._db.execute(_SCHEMA).fetchall():
            raise BadCopy("has other tables than this version of falkit; import it in its own")
        found = [text for (text,) in copy.execute("PRAGMA quick_check")]
        if found != ["ok"]:
            raise BadCopy(f"is damaged: {found[0]}")


class SqliteCopy:
    """A database in memory that may take the place of another."""

    def __init__(
        self, copy: sqlite3.Connection, db: sqlite3.Connection, changed: Callable[[], None]
    ) -> None:
        self._copy = copy
        self._db = db
        self._changed = changed

    def pieces(self) -> list[Piece]:
        return pieces(self._copy)

    def rename(self, blob: str, new: str) -> None:
        self._copy.execute("UPDATE pieces SET blob = ? WHERE blob = ?", (new, blob))

    def take(self) -> None:
        try:
            self._copy.backup(self._db)
        except sqlite3.Error as error:
            raise BadCopy(f"can't be stored: {error}") from None
        self._changed()

    def close(self) -> None:
        self._copy.close()


def pieces(db: sqlite3.Connection) -> list[Piece]:
    """Return the pieces in a database."""
    rows = db.execute("SELECT blob, size, etag FROM pieces ORDER BY upload, number")
    return [Piece(*row) for row in rows]
