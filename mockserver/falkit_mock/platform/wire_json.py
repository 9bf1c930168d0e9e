"""JSON as the wire has it: fast where orjson can, and never refusing where it can't."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import orjson

from falkit_spec import JSON


class NotJson(ValueError):
    """The bytes are no JSON; `position` is the character at which that shows."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def loads(data: bytes) -> JSON:
    """Parse a body; raise NotJson with the position and words of Python's own parser.

    orjson refuses a few things that Python's parser takes (NaN, lone surrogates), so what it
    refuses is read again by the parser that fal's own stack uses.
    """
    try:
        return cast(JSON, orjson.loads(data))
    except orjson.JSONDecodeError:
        pass
    try:
        return cast(JSON, json.loads(data))
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.pos) from None
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8: {error.reason}", error.start) from None
    except RecursionError:
        raise NotJson("nested too deeply", 0) from None


def dumps(value: Mapping[str, Any] | JSON) -> bytes:
    """Write JSON; numbers beyond 64 bits and lone surrogates are written as Python does."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, separators=(",", ":")).encode()
