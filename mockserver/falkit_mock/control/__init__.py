"""Control requests: read, answered, refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from starlette.requests import Request

from falkit_mock.core import NotJson, figure, loads
from falkit_mock.core.errors import WireError
from falkit_mock.hosts import joined_body
from falkit_mock.hosts.replies import Reply, json_reply
from falkit_mock.service.service import Service
from falkit_spec import JSON


class ControlError(WireError):
    """A refusal in one sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__({"detail": detail})


class InvalidField(ControlError):
    """A field that can't be used: its name, its value and what would do."""

    status_code = 422

    def __init__(self, field: str, value: object, mend: str) -> None:
        super().__init__(f"{field}: {_short(value)} {mend}")

    @classmethod
    def lacking(cls, field: str, mend: str) -> InvalidField:
        """Return the refusal of a body or a query that lacks a field."""
        error = cls(field, "", mend)
        error.body = {"detail": f"{field}: missing; {mend}"}
        return error


class BrokenFile(InvalidField):
    """A state that is none, or another version's: what is wrong with it."""

    def __init__(self, why: str) -> None:
        super().__init__("body", "", "")
        self.body = {"detail": f"body: {why}; nothing has changed"}


class Unknown(ControlError):
    """An id that names nothing here, and where those are listed that do."""

    status_code = 404

    def __init__(self, field: str, value: str, mend: str) -> None:
        super().__init__(f"{field}: {_short(value)} {mend}")


class Conflict(ControlError):
    """What can't be done as things stand."""

    status_code = 409


class TokenNeeded(ControlError):
    """A request without the token of this mock, or with another."""

    status_code = 401

    def __init__(self) -> None:
        super().__init__(
            "the control API of this mock needs its token: send Authorization: Bearer TOKEN; "
            "falkit serve prints it at the start, --control-token chooses it"
        )
        self.headers["www-authenticate"] = 'Bearer realm="falkit"'


class ForbiddenOrigin(ControlError):
    """A request that some web page has made, or one by a name that anybody could own."""

    status_code = 403


def _short(value: object) -> str:
    # In JSON's words, where Python's are others.
    shown = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 100 else f"{shown[:99]}…"


_NUMBER = re.compile(r"-?\d{1,300}(\.\d+)?([eE][+-]?\d{1,3})?", re.A)
_DIGITS = re.compile(r"-?\d+", re.A)
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


def answer(service: Service, body: Mapping[str, JSON], status_code: int = 200) -> Reply:
    """Return a reply of the control API."""
    return json_reply(body, request_id=service.identity.reply_id(), status_code=status_code)


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
                raise InvalidField(place, name, f"is no field of it; it {names}")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def value(self, name: str) -> JSON:
        """Return a field as it came; None if it is absent."""
        return self._values.get(name)

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise InvalidField(name, value, "is no text")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """Return one of the choices; without a default the field must be there."""
        if name not in self._values:
            if default:
                return default
            raise InvalidField.lacking(name, f"give {' or '.join(choices)}")
        value = self._values[name]
        for choice in choices:
            if value in (choice, choice.lower()):
                return choice
        raise InvalidField(name, value, f"is not {' or '.join(choices)}")

    def number(
        self, name: str, *, least: float, most: float, default: float | None = None
    ) -> float:
        """Return a finite number within bounds; without a default the field must be there."""
        if name not in self._values:
            if default is None:
                mend = f"give a number from {figure(least)} to {figure(most)}"
                raise InvalidField.lacking(name, mend)
            return default
        value = self._read(self._values[name])
        if value is None or not least <= value <= most:
            mend = f"is no number from {figure(least)} to {figure(most)}"
            raise InvalidField(name, self._values[name], mend)
        return value

    def whole(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        """Return a whole number within bounds."""
        if name not in self._values and default is not None:
            return default
        value = self.number(name, least=least, most=most)
        if not value.is_integer():
            raise InvalidField(name, self._values[name], "is no whole number")
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
        raise InvalidField(name, value, "is neither true nor false")

    def moment(self, name: str) -> float:
        """Return a moment in unix seconds, written as such or as ISO 8601."""
        if name not in self._values:
            raise InvalidField.lacking(name, "give unix seconds or ISO 8601")
        value = self._values[name]
        if (number := self._read(value)) is not None:
            return number
        try:
            parsed = datetime.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            mend = "is neither unix seconds nor ISO 8601, such as 2030-01-01T12:00:00Z"
            raise InvalidField(name, value, mend) from None
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return aware.timestamp()


async def body_of(service: Service, request: Request, *known: str) -> Fields:
    """Return the fields of a JSON object; those that aren't `known` are refused."""
    announced = request.headers.get("content-length", "0").encode()
    data = await joined_body(request.stream(), announced, service.settings.max_body)
    return Fields(parsed(data), known, "body")


def parsed(data: bytes) -> dict[str, JSON]:
    """Read a body as a JSON object; nothing is an empty one."""
    if not data.strip():
        return {}
    try:
        value = loads(data)
    except NotJson as error:
        where = "" if error.position is None else f" at character {error.position}"
        raise InvalidField("body", _start(data), f"is no JSON: {error.message}{where}") from None
    if not isinstance(value, dict):
        raise InvalidField("body", value, "is no JSON object")
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
