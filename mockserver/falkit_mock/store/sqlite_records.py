"""Uploads, deliveries and keys on sqlite."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from falkit_mock.core.events import Delivery, Verdict
from falkit_mock.store import KeyRecord, Upload
from falkit_mock.store.blobs import Blobs, Piece

_UPLOADS_SCHEMA = """
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
_UPLOAD_COLUMNS = "id, path, content_type, created, expires, lifetime, acl, done"


class SqliteUploads:
    """The tables of uploads in a store's database."""

    def __init__(self, db: sqlite3.Connection, blobs: Blobs) -> None:
        self._db = db
        self.blobs = blobs
        db.executescript(_UPLOADS_SCHEMA)

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
        sql = f"SELECT {_UPLOAD_COLUMNS} FROM uploads WHERE {condition}"
        row = self._db.execute(sql, (value,)).fetchone()
        if row is None:
            return None
        *facts, done = row
        values: list[Any] = [*facts, bool(done)]
        return Upload(*values)


_DELIVERIES_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    request_id TEXT NOT NULL,
    url TEXT NOT NULL,
    cause TEXT NOT NULL,
    number INTEGER NOT NULL,
    sent REAL NOT NULL,
    seconds REAL NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    status_code INTEGER,
    response_headers TEXT NOT NULL,
    response_body BLOB NOT NULL,
    error TEXT,
    verdict TEXT NOT NULL,
    next REAL,
    faults TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_by_request ON deliveries (request_id);
CREATE TABLE IF NOT EXISTS webhook_keys (
    number INTEGER PRIMARY KEY,
    created REAL NOT NULL,
    withdrawn INTEGER NOT NULL
);
"""
_DELIVERY_COLUMNS = (
    "id, request_id, url, cause, number, sent, seconds, headers, body, status_code, "
    "response_headers, response_body, error, verdict, next, faults"
)
_ADD = f"INSERT INTO deliveries ({_DELIVERY_COLUMNS}) VALUES ({', '.join('?' * 16)})"


class SqliteDeliveries:
    """The tables of webhooks in a store's database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(_DELIVERIES_SCHEMA)

    def add(self, delivery: Delivery) -> None:
        about = (delivery.id, delivery.request_id, delivery.url, delivery.cause, delivery.number)
        sent = (delivery.sent, delivery.seconds, orjson.dumps(delivery.headers), delivery.body)
        answer = (delivery.status_code, orjson.dumps(delivery.response_headers))
        more = (delivery.response_body, delivery.error, delivery.status, delivery.next)
        faults = " ".join(delivery.faults)
        self._db.execute(_ADD, (*about, *sent, *answer, *more, faults))

    def get(self, delivery_id: str) -> Delivery | None:
        return self._one("id = ?", delivery_id)

    def select(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[Delivery]:
        where, values = _where(request_id=request_id, url=url, verdict=verdict)
        if before is not None:
            where += " AND seq < (SELECT seq FROM deliveries WHERE id = ?)"
            values.append(before)
        sql = f"SELECT {_DELIVERY_COLUMNS} FROM deliveries WHERE {where} ORDER BY seq DESC LIMIT ?"
        # sqlite takes a negative limit for none.
        rows = self._db.execute(sql, (*values, -1 if limit is None else limit)).fetchall()
        return [_delivery(row) for row in reversed(rows)]

    def count(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
    ) -> int:
        where, values = _where(request_id=request_id, url=url, verdict=verdict)
        (number,) = self._db.execute(
            f"SELECT count(*) FROM deliveries WHERE {where}", values
        ).fetchone()
        return int(number)

    def last(self, request_id: str) -> Delivery | None:
        return self._one("cause = 'job' AND request_id = ?", request_id)

    def keys(self) -> list[KeyRecord]:
        rows = self._db.execute("SELECT number, created, withdrawn FROM webhook_keys ORDER BY 1")
        return [KeyRecord(number, created, bool(gone)) for number, created, gone in rows]

    def put_key(self, key: KeyRecord) -> None:
        sql = "INSERT OR REPLACE INTO webhook_keys VALUES (?, ?, ?)"
        self._db.execute(sql, (key.number, key.created, key.withdrawn))

    def _one(self, condition: str, value: str) -> Delivery | None:
        sql = f"SELECT {_DELIVERY_COLUMNS} FROM deliveries WHERE {condition}"
        sql += " ORDER BY seq DESC LIMIT 1"
        row = self._db.execute(sql, (value,)).fetchone()
        return None if row is None else _delivery(row)


def _where(**wanted: str | None) -> tuple[str, list[str]]:
    """Return a condition that holds for what has these values, and the values."""
    given = {name: value for name, value in wanted.items() if value is not None}
    return " AND ".join(f"{name} = ?" for name in given) or "1", [*given.values()]


def _delivery(row: tuple[Any, ...]) -> Delivery:
    *sent, headers, body, code, answer_headers, answer, error, verdict, after, faults = row
    heads = (orjson.loads(headers), orjson.loads(answer_headers))
    words = tuple(faults.split())
    values: list[Any] = [
        *sent,
        heads[0],
        body,
        code,
        heads[1],
        answer,
        error,
        verdict,
        after,
        words,
    ]
    return Delivery(*values)
