"""Deliveries of webhooks on sqlite, and the keys that sign them."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from falkit_mock.store.deliveries import Delivery, KeyRecord, Verdict

_SCHEMA = """
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
_COLUMNS = (
    "id, request_id, url, cause, number, sent, seconds, headers, body, status_code, "
    "response_headers, response_body, error, verdict, next, faults"
)
_ADD = f"INSERT INTO deliveries ({_COLUMNS}) VALUES ({', '.join('?' * 16)})"


class SqliteDeliveries:
    """The tables of webhooks in a store's database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(_SCHEMA)

    def add(self, delivery: Delivery) -> None:
        about = (delivery.id, delivery.request_id, delivery.url, delivery.cause, delivery.number)
        sent = (delivery.sent, delivery.seconds, orjson.dumps(delivery.headers), delivery.body)
        answer = (delivery.status_code, orjson.dumps(delivery.response_headers))
        more = (delivery.response_body, delivery.error, delivery.verdict, delivery.next)
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
        sql = f"SELECT {_COLUMNS} FROM deliveries WHERE {where} ORDER BY seq DESC LIMIT ?"
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
        sql = f"SELECT {_COLUMNS} FROM deliveries WHERE {condition} ORDER BY seq DESC LIMIT 1"
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
