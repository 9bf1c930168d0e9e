"""Pydantic 2's messages for invalid values, as FastAPI sends them, and how lax mode coerces.

Checked in the tests against Pydantic itself. Only `sanitize` decides that a value is invalid:
it replaces what is not JSON, so that the rest can be validated.
"""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias, cast

from falkit_spec.types import JSON, Object, is_array, is_finite, is_number


@dataclass(frozen=True)
class Message:
    """An item of `detail` without its place: type, message and context."""

    type: str
    msg: str
    ctx: Object = field(default_factory=dict[str, JSON])


@dataclass(frozen=True)
class Coerced:
    """A value of another type than the document's, as lax mode coerces it."""

    value: JSON


MISSING = Message("missing", "Field required")
NOT_FINITE = Message("finite_number", "Input should be a finite number")
INT_SIZE = Message(
    "int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size"
)
_TRUE = frozenset(("1", "on", "t", "true", "y", "yes"))
_FALSE = frozenset(("0", "off", "f", "false", "n", "no"))
_INT_TEXT = re.compile(r"\s*[+-]?\d+(_\d+)*(\.0*)?\s*", re.ASCII)
_TYPE_MESSAGES = {
    "string": Message("string_type", "Input should be a valid string"),
    "integer": Message("int_type", "Input should be a valid integer"),
    "number": Message("float_type", "Input should be a valid number"),
    "boolean": Message("bool_type", "Input should be a valid boolean"),
    "array": Message("list_type", "Input should be a valid list"),
    "tuple": Message("tuple_type", "Input should be a valid tuple"),
    "dict": Message("dict_type", "Input should be a valid dictionary"),
    "null": Message("none_required", "Input should be None"),
    "object": Message(
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    ),
}


def of_type(kind: str, schema: Object) -> Message:
    """Return the message for a value of the wrong type, as in strict mode."""
    if kind == "array" and "prefixItems" in schema:
        kind = "tuple"
    elif kind == "object" and "properties" not in schema:
        kind = "dict"
    return _TYPE_MESSAGES[kind]


def lax(kind: str, schema: Object, value: JSON) -> Message | Coerced:
    """Read a value as Pydantic's lax mode does: the value coerced, or why it is refused."""
    read = _LAX[kind](value) if kind in _LAX else None
    return read or of_type(kind, schema)


def of_values(values: list[JSON], value: JSON) -> Message:
    """Return the message for a value that is not one of a Literal's."""
    if type(value) is int and not _is_small(value) and any(type(item) is int for item in values):
        return INT_SIZE
    *others, last = [repr(item) for item in values]
    expected = f"{', '.join(others)} or {last}" if others else last
    return Message("literal_error", f"Input should be {expected}", {"expected": expected})


def of_constraint(keyword: str, schema: Object, value: JSON) -> Message:
    """Return the message for a value of the right type that breaks a limit."""
    limit = schema.get(keyword)
    if keyword in _NUMERIC and is_number(limit):
        return _numeric(keyword, limit, schema, value)
    if keyword in _LENGTHS and isinstance(limit, int):
        kind, word, name, owner = _LENGTHS[keyword]
        size = f"{limit} item{'' if limit == 1 else 's'}"
        if isinstance(value, str):
            msg = f"String should have {word} {size.replace('item', 'character')}"
            return Message(kind, msg, {name: limit})
        if isinstance(value, dict | list):
            owner = "Tuple" if "prefixItems" in schema else owner
            msg = f"{owner} should have {word} {size} after validation, not {len(value)}"
            ctx: Object = {"field_type": owner, name: limit, "actual_length": len(value)}
            return Message(kind, msg, ctx)
    repeated = keyword == "uniqueItems"
    unmet = "the list has duplicated items" if repeated else f"does not meet {keyword!r}"
    # FastAPI renders the ValueError that Pydantic keeps here as an empty object.
    return Message("value_error", f"Value error, {unmet}", {"error": {}})


def of_non_finite(schema: Object, value: float) -> Message:
    """Return the message for NaN or an infinity where the schema takes a number."""
    for keyword in _KEEPS:
        limit = schema.get(keyword)
        if is_number(limit) and not _KEEPS[keyword](value, limit):
            return _numeric(keyword, limit, schema, value)
    return NOT_FINITE


def label(schema: Object, name: str | None) -> str:
    """Name a union's branch as Pydantic does in `loc`: `str`, `constrained-int`, `list[File]`."""
    values, kind = schema.get("enum"), schema.get("type")
    if "const" in schema:
        values = [schema["const"]]
    if is_array(values):
        return f"literal[{','.join(repr(value) for value in values)}]"
    if kind == "object" and "properties" in schema:
        title = schema.get("title")
        return title if isinstance(title, str) else name or "dict[str,any]"
    if not isinstance(kind, str) or kind not in _LABELS:
        return "any"
    plain, limits = _LABELS[kind]
    return f"constrained-{plain}" if any(limit in schema for limit in limits) else plain


def _lax_int(value: JSON) -> Message | Coerced | None:
    if isinstance(value, bool):
        return Coerced(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            return NOT_FINITE
        return Message(
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
        )
    if not isinstance(value, str):
        return None
    if not _INT_TEXT.fullmatch(value):
        return Message(
            "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
        )
    digits = value.strip().partition(".")[0]
    return INT_SIZE if len(digits) > 4300 else Coerced(int(digits))


def _lax_float(value: JSON) -> Message | Coerced | None:
    if isinstance(value, float | bool):
        return Coerced(float(value))
    if not isinstance(value, str):
        return None
    try:
        if value.isascii():
            return Coerced(float(value))
    except ValueError:
        pass
    return Message(
        "float_parsing", "Input should be a valid number, unable to parse string as a number"
    )


def _lax_bool(value: JSON) -> Message | Coerced | None:
    if is_number(value) and value in (0, 1):
        return Coerced(bool(value))
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return Coerced(value.lower() in _TRUE)
    whole = is_number(value) and is_finite(value) and value == int(value) and _is_small(int(value))
    if isinstance(value, str) or whole:
        return Message("bool_parsing", "Input should be a valid boolean, unable to interpret input")
    return None


_LAX: dict[str, Callable[[JSON], Message | Coerced | None]] = {
    "integer": _lax_int,
    "number": _lax_float,
    "boolean": _lax_bool,
}
_NUMERIC = {
    "multipleOf": ("multiple_of", "a multiple of", "multiple_of"),
    "maximum": ("less_than_equal", "less than or equal to", "le"),
    "exclusiveMaximum": ("less_than", "less than", "lt"),
    "minimum": ("greater_than_equal", "greater than or equal to", "ge"),
    "exclusiveMinimum": ("greater_than", "greater than", "gt"),
}
# In the order in which Pydantic meets them.
_KEEPS: dict[str, Callable[[float, float], bool]] = {
    "maximum": operator.le,
    "exclusiveMaximum": operator.lt,
    "minimum": operator.ge,
    "exclusiveMinimum": operator.gt,
}
_LENGTHS = {
    "minLength": ("string_too_short", "at least", "min_length", "String"),
    "maxLength": ("string_too_long", "at most", "max_length", "String"),
    "minItems": ("too_short", "at least", "min_length", "List"),
    "maxItems": ("too_long", "at most", "max_length", "List"),
    "minProperties": ("too_short", "at least", "min_length", "Dictionary"),
    "maxProperties": ("too_long", "at most", "max_length", "Dictionary"),
}
_LABELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "string": ("str", ("minLength", "maxLength")),
    "integer": ("int", tuple(_NUMERIC)),
    "number": ("float", tuple(_NUMERIC)),
    "boolean": ("bool", ()),
    "array": ("list", ()),
    "object": ("dict[str,any]", ()),
}


def _numeric(keyword: str, limit: float, schema: Object, value: JSON) -> Message:
    if schema.get("type") == "integer":
        limit = int(limit)
    elif isinstance(value, int) and abs(value) > sys.float_info.max:
        return _TYPE_MESSAGES["number"]
    else:
        limit = float(limit)
    kind, relation, name = _NUMERIC[keyword]
    # Written as Rust does: no exponent, no `.0`.
    written = str(int(limit)) if limit == int(limit) else format(Decimal(repr(limit)), "f")
    return Message(kind, f"Input should be {relation} {written}", {name: limit})


def _is_small(value: int) -> bool:
    """Tell whether a number fits the 64 bits that Pydantic reads at first."""
    return -(2**63) <= value < 2**63


_MAX_DEPTH = 100
_MAX_INTEGER = 10**400
"""More than a float holds, yet short enough to be written out."""
_NOT_JSON = Message("invalid-json-value", "input was not a valid JSON value")
_INVALID_KEY = Message("invalid_key", "Keys should be strings")
_TOO_DEEP = Message("recursion_loop", "Recursion error - cyclic reference detected")

Replaced: TypeAlias = tuple[tuple[str | int, ...], Message]


def sanitize(value: object) -> tuple[JSON, list[Replaced]]:
    """Return a copy that is JSON, shallow and short, and the places that were replaced, with why.

    Integers of hundreds of digits are shortened silently: the copy breaks the same limits.
    """
    replaced: list[Replaced] = []
    return _sanitize(value, (), replaced), replaced


def _sanitize(value: object, path: tuple[str | int, ...], replaced: list[Replaced]) -> JSON:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        short = isinstance(value, float) or abs(value) <= _MAX_INTEGER
        return value if short else (_MAX_INTEGER if value > 0 else -_MAX_INTEGER)
    if not isinstance(value, dict | list):
        replaced.append((path, _NOT_JSON))
        return None
    if len(path) >= _MAX_DEPTH:
        replaced.append((path, _TOO_DEEP))
        return None
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_sanitize(item, (*path, index), replaced) for index, item in enumerate(items)]
    kept: dict[str, JSON] = {}
    for key, item in cast("dict[object, object]", value).items():
        if isinstance(key, str):
            kept[key] = _sanitize(item, (*path, key), replaced)
        else:
            replaced.append(((*path, str(key)), _INVALID_KEY))
    return kept
