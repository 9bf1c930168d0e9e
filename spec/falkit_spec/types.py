"""The types that this package takes and returns, and helpers for JSON."""

from __future__ import annotations

import math
from typing import Literal, NotRequired, TypeAlias, TypedDict, TypeGuard

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
Object: TypeAlias = dict[str, JSON]
Certainty: TypeAlias = Literal["confirmed", "inferred"]


class Fault(TypedDict):
    """One item of fal's `detail`: what Pydantic 2 says of one wrong value [D:errors]."""

    type: str
    loc: list[str | int]
    msg: str
    input: JSON
    ctx: NotRequired[Object]
    # Of a content_policy_violation.
    categories: NotRequired[list[str]]


def is_object(value: object) -> TypeGuard[Object]:
    """Tell whether a value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[JSON]]:
    """Tell whether a value is a JSON array."""
    return isinstance(value, list)


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a JSON number; a boolean is not, though Python counts it an int."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: float) -> bool:
    """Tell whether a number is neither NaN nor an infinity; integers of any length are."""
    return isinstance(value, int) or math.isfinite(value)


def dig(value: JSON, *keys: str) -> JSON:
    """Follow keys of objects and places in arrays down from a value; None where one is missing."""
    for key in keys:
        if is_array(value):
            place = int(key) if key.isascii() and key.isdigit() and len(key) < 10 else len(value)
            value = value[place] if place < len(value) else None
        else:
            value = value.get(key) if is_object(value) else None
    return value


def is_shallow(value: JSON, levels: int) -> bool:
    """Tell whether lists and objects nest no deeper than so many levels."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        level = [
            part
            for one in level
            for part in (one.values() if isinstance(one, dict) else one)
            if isinstance(part, dict | list)
        ]
        if not level:
            return True
    return False


def copy_json(value: JSON) -> JSON:
    """Return a copy that shares no object or array, quicker than `copy.deepcopy` does."""
    if isinstance(value, dict):
        return {name: copy_json(one) for name, one in value.items()}
    return [copy_json(one) for one in value] if isinstance(value, list) else value
