"""Requests to the control API read, and replies written: one shape for what can't be used.

A body is a JSON object; none at all is an empty one. A field that isn't known is refused too,
since a slip in a name would otherwise do something else than was meant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from falkit_mock.control.errors import Unusable
from falkit_mock.hosts.replies import json_reply, read_body
from falkit_mock.platform.figures import figure
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.wire_json import NotJson, loads
from falkit_spec import JSON

_NUMBER = re.compile(r"-?\d{1,300}(\.\d+)?([eE][+-]?\d{1,3})?", re.A)
_DIGITS = re.compile(r"-?\d+", re.A)
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


def answer(platform: Platform, body: Mapping[str, JSON], status_code: int = 200) -> Response:
    """Return a reply of the control API."""
    return json_reply(body, request_id=platform.identity.reply_id(), status_code=status_code)


class Fields:
    """The fields of a body or a query. Every method raises Unusable, with the mend."""

    def __init__(
        self, values: Mapping[str, JSON], known: tuple[str, ...], place: Literal["body", "query"]
    ) -> None:
        self._values = values
        # A query has nothing but text.
        self._read = _number if place == "body" else _written_number
        for name in values:
            if name not in known:
                names = f"has only {', '.join(known)}" if known else "takes nothing"
                raise Unusable(place, name, f"is no field of it; it {names}")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def value(self, name: str) -> JSON:
        """Return a field as it came; None if it is absent."""
        return self._values.get(name)

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise Unusable(name, value, "is no text")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """Return one of the choices; without a default the field must be there."""
        if name not in self._values:
            if default:
                return default
            raise Unusable.lacking(name, f"give {' or '.join(choices)}")
        value = self._values[name]
        for choice in choices:
            if value in (choice, choice.lower()):
                return choice
        raise Unusable(name, value, f"is not {' or '.join(choices)}")

    def number(
        self, name: str, *, least: float, most: float, default: float | None = None
    ) -> float:
        """Return a finite number within bounds; without a default the field must be there."""
        if name not in self._values:
            if default is None:
                mend = f"give a number from {figure(least)} to {figure(most)}"
                raise Unusable.lacking(name, mend)
            return default
        value = self._read(self._values[name])
        if value is None or not least <= value <= most:
            mend = f"is no number from {figure(least)} to {figure(most)}"
            raise Unusable(name, self._values[name], mend)
        return value

    def whole(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        """Return a whole number within bounds."""
        if name not in self._values and default is not None:
            return default
        value = self.number(name, least=least, most=most)
        if not value.is_integer():
            raise Unusable(name, self._values[name], "is no whole number")
        # Beyond 2**53 a float is not the number that was written.
        given = self._values[name]
        if isinstance(given, str) and _DIGITS.fullmatch(given):
            return int(given)
        return given if isinstance(given, int) else int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._values.get(name, default)
        if isinstance(value, bool):
            return value
        word = value.lower() if isinstance(value, str) else ""
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise Unusable(name, value, "is neither true nor false")

    def moment(self, name: str) -> float:
        """Return a moment in unix seconds, written as such or as ISO 8601."""
        if name not in self._values:
            raise Unusable.lacking(name, "give unix seconds or ISO 8601")
        value = self._values[name]
        if (number := self._read(value)) is not None:
            return number
        try:
            parsed = datetime.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            mend = "is neither unix seconds nor ISO 8601, such as 2030-01-01T12:00:00Z"
            raise Unusable(name, value, mend) from None
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return aware.timestamp()


async def body_of(platform: Platform, request: Request, *known: str) -> Fields:
    """Return the fields of a JSON object; those that aren't `known` are refused."""
    data = await read_body(request, platform.settings.max_body)
    return Fields(parsed(data), known, "body")


def parsed(data: bytes) -> dict[str, JSON]:
    """Read a body as a JSON object; nothing is an empty one."""
    if not data.strip():
        return {}
    try:
        value = loads(data)
    except NotJson as error:
        where = "" if error.position is None else f" at character {error.position}"
        raise Unusable("body", _start(data), f"is no JSON: {error.message}{where}") from None
    if not isinstance(value, dict):
        raise Unusable("body", value, "is no JSON object")
    return value


def query_of(request: Request, *known: str) -> Fields:
    """Return the fields of the query; those that aren't `known` are refused."""
    values: dict[str, JSON] = dict(request.query_params)
    return Fields(values, known, "query")


def _number(value: JSON) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _written_number(value: JSON) -> float | None:
    text = value if isinstance(value, str) else ""
    return _number(float(text)) if _NUMBER.fullmatch(text) else None


def _start(data: bytes) -> str:
    return data[:60].decode("utf-8", "replace")
