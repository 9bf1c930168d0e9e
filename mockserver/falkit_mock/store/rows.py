"""How what is stored is written in an sqlite row, and read from one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import orjson

from falkit_fixtures.wanted import Wanted
from falkit_mock.core.events import Delivery, RequestRecord
from falkit_mock.core.jobs import NO_FAULTS, Job, JobFaults, Outcome, RequestOptions
from falkit_mock.store import FileRecord, Given, KeyRecord, Upload
from falkit_mock.store.blobs import Piece
from falkit_mock.store.records import Claim


def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


# The fields of what is written, by name, and what options are where nobody asks for others.
_FIELDS: dict[type, tuple[str, ...]] = {
    kind: _names(kind)
    for kind in (Job, FileRecord, Upload, Delivery, KeyRecord, RequestOptions, RequestRecord, Claim)
}
# What no other run of the mock has any use for.
_REQUEST = [name for name in _FIELDS[RequestRecord] if name not in ("agent", "began", "completed")]
_OPTIONS = [(name, getattr(RequestOptions(), name)) for name in _FIELDS[RequestOptions]]
_WANTED = tuple(name for name in _names(Wanted) if name != "picture")


def _write_options(options: RequestOptions) -> bytes:
    """Write what is out of the ordinary in a caller's options."""
    given = ((name, getattr(options, name), usual) for name, usual in _OPTIONS)
    return orjson.dumps({name: value for name, value, usual in given if value != usual})


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
    return orjson.dumps({name: getattr(wanted, name) for name in _WANTED}) + b"\n" + wanted.picture


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
    RequestRecord: lambda record: orjson.dumps({name: getattr(record, name) for name in _REQUEST}),
    JobFaults: lambda faults: orjson.dumps(faults.to_json()),
}
FLAG = "FALKIT_FLAG"
_CONVERTERS: dict[str, Callable[[bytes], Any]] = {
    FLAG: lambda data: data == b"1",
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


def converter(column_type: str) -> Callable[[bytes], Any] | None:
    """Return what reads a column of a type that isn't sqlite's own; None for one that is."""
    return _CONVERTERS.get(column_type)


def row_of(key: object, value: object) -> list[object]:
    """Return a record's fields, of which the first is its key, or the key and a bare value."""
    kind = type(value)
    # What is in one column though it has fields.
    whole, names = _ADAPTERS.get(kind), _FIELDS.get(kind)
    if whole is not None or names is None:
        return [key, (whole or _same)(value)]
    facts: list[object] = [getattr(value, name) for name in names]
    return [_ADAPTERS.get(type(fact), _same)(fact) for fact in facts]


def read_record(number: int, data: bytes) -> RequestRecord:
    """Read a request of the request log."""
    facts: dict[str, Any] = orjson.loads(data)
    facts.update(faults=tuple(facts["faults"]), number=number)
    return RequestRecord(**facts)


def _same(value: object) -> object:
    return value
