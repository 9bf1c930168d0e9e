"""JSON as the wire has it: fast where orjson can, and never refusing where it can't."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

import orjson

from falkit_spec import JSON

# orjson writes 254 levels; an error that echoes its input adds a few.
_DEEPEST = 200


class NotJson(ValueError):
    """The bytes are no JSON; `position` is the character at which that shows.

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
    value = _parse(data)
    if data.count(b"[") + data.count(b"{") > _DEEPEST and _is_deep(value):
        raise NotJson(f"nested more than {_DEEPEST} levels deep", None)
    return value


def _parse(data: bytes) -> JSON:
    try:
        return cast(JSON, orjson.loads(data))
    except orjson.JSONDecodeError:
        pass
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
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, separators=(",", ":"), sort_keys=sort_keys).encode()
