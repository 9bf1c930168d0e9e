"""The types that this package takes and returns, and helpers for JSON."""

from __future__ import annotations

import math
import re
from typing import Literal, NotRequired, TypeAlias, TypedDict, TypeGuard, cast

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
Object: TypeAlias = dict[str, JSON]
Path: TypeAlias = tuple[str | int, ...]
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


# The values of a `literal_error`, as Pydantic writes them in its `expected`.
_LISTED = re.compile(r"'((?:[^'\\]|\\.)*)'|(-?\d+)")


def meant_by(fault: Fault) -> int | str | None:
    """Return the listed value that a refused one stands for: 6 for "6", "8" or "8s" for 8."""
    given, expected = fault["input"], fault.get("ctx", {}).get("expected")
    if fault["type"] != "literal_error" or not isinstance(expected, str):
        return None
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) < 10**9:
        digits = str(given)
    elif isinstance(given, str) and re.fullmatch(r"-?\d{1,9}", given, re.ASCII):
        digits = given
    else:
        return None
    for text, number in _LISTED.findall(expected):
        if number == digits and given != int(digits):
            return int(number)
        # Seconds and the like: 8s for 8, and not 80.
        if text != given and re.fullmatch(digits + "[a-zA-Z]{0,3}", text):
            return str(text)
    return None


def place_of(fault: Fault, input: JSON) -> str:
    """Return where in an input a fault is, such as `image_size.width`.

    In its `loc` the name of a union's branch stands between the union's field and what is in it.
    """
    steps, names = fault["loc"][1:], list[str]()
    for step in steps:
        if is_array(input) and isinstance(step, int) and step < len(input):
            input = input[step]
        elif is_object(input) and (name := str(step)) in input:
            input = input[name]
        elif fault["type"] != "missing" or step != steps[-1]:
            continue
        names.append(str(step))
    return ".".join(names)


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


def whole(value: JSON) -> JSON:
    r"""Return a copy whose texts have no halves of characters, such as JSON's `"\ud83d"`."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name.encode("utf-8", "replace").decode(): whole(one) for name, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value


_MAX_DEPTH = 100
_MAX_INTEGER = 10**400
"""More than a float holds, yet short enough to be written out."""
_NOT_FINITE = ("finite_number", "Input should be a finite number")
_NO_VALUE = ("invalid-json-value", "input was not a valid JSON value")
_INVALID_KEY = ("invalid_key", "Keys should be strings")
_TOO_DEEP = ("recursion_loop", "Recursion error - cyclic reference detected")

Words: TypeAlias = tuple[str, str]


def sanitize(value: object) -> tuple[JSON, list[tuple[Path, Words]]]:
    """Return a copy that is JSON, shallow and short, and the places that aren't JSON, with why.

    Integers of hundreds of digits are shortened silently: the copy breaks the same limits.
    """
    found: list[tuple[Path, Words]] = []
    return _sanitize(value, (), found), found


def _sanitize(value: object, path: Path, found: list[tuple[Path, Words]]) -> JSON:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        if not is_finite(value):
            found.append((path, _NOT_FINITE))
        short = isinstance(value, float) or abs(value) <= _MAX_INTEGER
        return value if short else (_MAX_INTEGER if value > 0 else -_MAX_INTEGER)
    if not isinstance(value, dict | list):
        found.append((path, _NO_VALUE))
        return None
    if len(path) >= _MAX_DEPTH:
        found.append((path, _TOO_DEEP))
        return None
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_sanitize(item, (*path, index), found) for index, item in enumerate(items)]
    kept: dict[str, JSON] = {}
    for key, item in cast("dict[object, object]", value).items():
        if isinstance(key, str):
            kept[key] = _sanitize(item, (*path, key), found)
        else:
            found.append(((*path, str(key)), _INVALID_KEY))
    return kept
