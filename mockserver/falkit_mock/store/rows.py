"""How what is stored is written in an sqlite row, and read from one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from functools import partial
from typing import Any

import orjson

from falkit_fixtures.wanted import Wanted
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.jobs import NO_FAULTS, JobFaults, Outcome, RequestOptions
from falkit_mock.store import Given
from falkit_mock.store.blobs import Piece

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
    RequestRecord: lambda record: orjson.dumps(asdict(record)),
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


def row_of(key: object, value: object) -> list[object]:
    """Return a record's fields, of which the first is its key, or the key and a bare value."""
    # What is in one column though it has fields.
    whole = _ADAPTERS.get(type(value))
    if whole is None and is_dataclass(value):
        facts: list[object] = [getattr(value, field.name) for field in fields(value)]
        return [_ADAPTERS.get(type(fact), _same)(fact) for fact in facts]
    return [key, (whole or _same)(value)]


def read_record(number: int, data: bytes) -> RequestRecord:
    """Read a request of the request log."""
    facts: dict[str, Any] = orjson.loads(data)
    facts.update(faults=tuple(facts["faults"]), number=number)
    return RequestRecord(**facts)


def _same(value: object) -> object:
    return value
