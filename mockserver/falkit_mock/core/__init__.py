"""What every package of the mock shares: wire JSON, numbers and times as text, masked URLs."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import orjson

from falkit_mock.core.limits import HINT_LENGTH, WORD_LENGTH
from falkit_spec import JSON

# orjson writes 254 levels; an error that echoes its input adds a few.
_DEEPEST = 200


class NotJson(ValueError):
    """The bytes aren't JSON; `position` is the character at which that shows.

    It is None for what Python's parser gives up on without naming a place: bytes that are
    no text, numbers of thousands of digits, nesting without end.
    """

    def __init__(self, message: str, position: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def loads(data: bytes) -> JSON:
    """Parse a body; raise NotJson with the position and words of Python's own parser.

    orjson refuses a few things that Python's parser takes (NaN, lone surrogates), so what it
    refuses is read again by the parser that fal's own stack uses.
    """
    try:
        value = cast(JSON, orjson.loads(data))
    except orjson.JSONDecodeError:
        value = _parse(data)
    if data.count(b"[") + data.count(b"{") > _DEEPEST and _is_deep(value):
        raise NotJson(f"nested more than {_DEEPEST} levels deep", None)
    return value


def parse_body(data: bytes) -> JSON | NotJson:
    """Return a body's JSON, or what is wrong with it."""
    try:
        return loads(data)
    except NotJson as error:
        return error


def _parse(data: bytes) -> JSON:
    try:
        return cast(JSON, json.loads(data))
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.pos) from None
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8: {error.reason} at byte {error.start}", None) from None
    except ValueError:
        raise NotJson("a number has more digits than Python reads", None) from None
    except RecursionError:
        raise NotJson(f"nested more than {_DEEPEST} levels deep", None) from None


def _is_deep(value: JSON) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: JSON) -> Collection[JSON]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def dumps(value: Mapping[str, Any] | JSON, *, sort_keys: bool = False) -> bytes:
    """Write JSON; numbers beyond 64 bits and lone surrogates are written as Python does."""
    try:
        written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
        # A copy, since what orjson returns may hold kilobytes of room behind its end.
        return bytes(memoryview(written))
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, separators=(",", ":"), sort_keys=sort_keys).encode()


# Beyond this a float is not the integer that it looks like.
_EXACT = 2.0**53
_SPAN_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def figure(number: float) -> str:
    """Return a number without an exponent where it is whole, and short where it isn't."""
    if isinstance(number, int) or (number.is_integer() and abs(number) <= 1e18):
        return str(int(number))
    return repr(number) if abs(number) < _EXACT else f"{number:g}"


def span(seconds: float) -> str:
    """Return a length of time by its largest unit and the one below: `2 h 5 min`, `0.5 s`."""
    if seconds < 1:
        return f"{seconds:.3g} s"
    left, words = round(seconds), list[str]()
    for size, unit in _SPAN_UNITS:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {unit}")
        if words and (len(words) == 2 or not count):
            break
    return " ".join(words)


def count(number: int, noun: str) -> str:
    """Return a number of things: `1 job`, `2 jobs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd]?)", re.A)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.A)


def parse_duration(text: str) -> float:
    """Return seconds; raise ValueError, which says what can be read."""
    short = text.strip().lower()
    parts = _PART.findall(short)
    # A number without a unit must be the only part: in 1h30 it could be minutes or seconds.
    alone = len(parts) == 1 or all(unit for _, unit in parts)
    if not _WHOLE.fullmatch(short) or not alone:
        fix = "give seconds, or a length such as 15m or 1h30m"
        raise ValueError(f"{text!r} isn't a length of time; {fix}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


_USER = re.compile(r"^([^:/?#]*://)(?:([^:/?#@]*):)?[^/?#]*@")
MASK = "***"


_PAIR = re.compile(r"([?&])([^=&#?]*)=([^&#]+)")
_SECRET = re.compile("token|secret|key|sig|auth|pass|pwd|credential|jwt|session", re.I)


# What a key of fal's looks like, its colon as it is or escaped.
REAL_KEY = re.compile(
    "(?<![0-9a-f-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?::|%3a)[0-9a-f]{32}(?![0-9a-f])",
    re.I,
)


def masked(url: str) -> str:
    """Return a URL with its password masked, and what its query has under a secret's name.

    What looks like a key of fal's is masked wherever it is.

    A user without a password may be a token.
    """
    return REAL_KEY.sub(MASK, _PAIR.sub(_hidden, _USER.sub(_shown, url)))


def is_secret(name: str) -> bool:
    """Tell whether what has such a name is a secret."""
    return _SECRET.search(name) is not None


def _hidden(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    return f"{mark}{name}={MASK if is_secret(name) else value}"


def _shown(found: re.Match[str]) -> str:
    scheme, user = found.groups()
    return f"{scheme}{MASK}@" if user is None else f"{scheme}{user}:{MASK}@"


# The years 1 and 9999.
_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0


def iso(moment: float) -> str:
    """Write unix seconds as ISO 8601 in UTC, to the millisecond, with a Z.

    What no calendar has is written as the nearest moment that one has.
    """
    text = datetime.fromtimestamp(min(max(moment, _FIRST), _LAST), UTC).isoformat(
        timespec="milliseconds"
    )
    return text.replace("+00:00", "Z")


def printable(text: str) -> str:
    """Return text in one line, without what would move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


def shortened(text: str, most: int = WORD_LENGTH) -> str:
    """Return a text, or its beginning if it is longer than that."""
    return text if len(text) <= most else f"{text[:most]}…"


def reason(error: Exception) -> str:
    """Return why the system refused something, in small letters, as a part of a sentence."""
    return (getattr(error, "strerror", None) or str(error)).lower()


HINT = "x-falkit-hint"


def header_text(text: str) -> str:
    """Return a hint as a header can carry it: one line of printable ASCII, not too long."""
    plain = printable(text.replace("…", "...").encode("ascii", "replace").decode())
    return plain if len(plain) <= HINT_LENGTH else f"{plain[: HINT_LENGTH - 3]}..."


@cache
def version() -> str:
    """Return falkit's version."""
    # Lazy: it reads the disk.
    from importlib.metadata import version as installed

    return installed("falkit")
