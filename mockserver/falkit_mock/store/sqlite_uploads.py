"""Uploads on sqlite: what is known of them; their bytes are blobs."""

from __future__ import annotations

import sqlite3
from typing import Any

from falkit_mock.store.blobs import Blobs, Piece
from falkit_mock.store.uploads import Upload

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    content_type TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL NOT NULL,
    lifetime REAL,
    acl TEXT NOT NULL,
    done INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_expiry ON uploads (expires);
CREATE TABLE IF NOT EXISTS pieces (
    upload TEXT NOT NULL,
    number INTEGER NOT NULL,
    blob TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
"""
_COLUMNS = "id, path, content_type, created, expires, lifetime, acl, done"


class SqliteUploads:
    """The tables of uploads in a store's database."""

    def __init__(self, db: sqlite3.Connection, blobs: Blobs) -> None:
        self._db = db
        self.blobs = blobs
        db.executescript(_SCHEMA)

    def add(self, upload: Upload) -> None:
        facts = (upload.id, upload.path, upload.content_type, upload.created, upload.expires)
        terms = (upload.lifetime, upload.acl, upload.done)
        self._db.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*facts, *terms))

    def update(self, upload: Upload) -> None:
        self._db.execute(
            "UPDATE uploads SET content_type = ?, expires = ?, acl = ?, done = ? WHERE id = ?",
            (upload.content_type, upload.expires, upload.acl, upload.done, upload.id),
        )

    def get(self, upload_id: str) -> Upload | None:
        return self._one("id = ?", upload_id)

    def at(self, path: str) -> Upload | None:
        return self._one("path = ?", path)

    def put_piece(self, upload_id: str, number: int, piece: Piece) -> None:
        before = self.pieces(upload_id).get(number)
        self._db.execute(
            "INSERT OR REPLACE INTO pieces VALUES (?, ?, ?, ?, ?)",
            (upload_id, number, piece.blob, piece.size, piece.etag),
        )
        if before is not None:
            self.blobs.remove([before])

    def pieces(self, upload_id: str) -> dict[int, Piece]:
        sql = "SELECT number, blob, size, etag FROM pieces WHERE upload = ? ORDER BY number"
        return {number: Piece(*facts) for number, *facts in self._db.execute(sql, (upload_id,))}

    def keep_pieces(self, upload_id: str, numbers: set[int]) -> None:
        other = {
            number: piece
            for number, piece in self.pieces(upload_id).items()
            if number not in numbers
        }
        self._db.executemany(
            "DELETE FROM pieces WHERE upload = ? AND number = ?",
            [(upload_id, number) for number in other],
        )
        self.blobs.remove([*other.values()])

    def remove(self, upload_id: str) -> None:
        self.keep_pieces(upload_id, set())
        self._db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))

    def due(self, now: float) -> list[str]:
        rows = self._db.execute("SELECT id FROM uploads WHERE expires <= ?", (now,))
        return [upload_id for (upload_id,) in rows]

    def _one(self, condition: str, value: str) -> Upload | None:
        sql = f"SELECT {_COLUMNS} FROM uploads WHERE {condition}"
        row = self._db.execute(sql, (value,)).fetchone()
        if row is None:
            return None
        *facts, done = row
        values: list[Any] = [*facts, bool(done)]
        return Upload(*values)
