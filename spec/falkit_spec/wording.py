"""Pydantic 2's words for what is wrong, as FastAPI sends them.

Checked in the tests against Pydantic itself; nothing here decides whether a value is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeGuard

from falkit_spec.types import JSON, Object, is_array, is_finite, is_number


@dataclass(frozen=True)
class Words:
    """A fault without its place: type, message and context."""

    type: str
    msg: str
    ctx: Object = field(default_factory=dict[str, JSON])


@dataclass(frozen=True)
class Taken:
    """What lax mode makes of a value that the document's type forbids."""

    value: JSON


MISSING = Words("missing", "Field required")
NOT_FINITE = Words("finite_number", "Input should be a finite number")
INT_SIZE = Words(
    "int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size"
)
_TRUE = frozenset(("1", "on", "t", "true", "y", "yes"))
_FALSE = frozenset(("0", "off", "f", "false", "n", "no"))
_INT_TEXT = re.compile(r"\s*[+-]?\d+(_\d+)*(\.0*)?\s*", re.ASCII)
_TYPE_WORDS = {
    "string": Words("string_type", "Input should be a valid string"),
    "integer": Words("int_type", "Input should be a valid integer"),
    "number": Words("float_type", "Input should be a valid number"),
    "boolean": Words("bool_type", "Input should be a valid boolean"),
    "array": Words("list_type", "Input should be a valid list"),
    "tuple": Words("tuple_type", "Input should be a valid tuple"),
    "dict": Words("dict_type", "Input should be a valid dictionary"),
    "null": Words("none_required", "Input should be None"),
    "object": Words(
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    ),
}


def of_type(kind: str, schema: Object) -> Words:
    """Say that a value is not of a type, as strict mode does."""
    if kind == "array" and "prefixItems" in schema:
        kind = "tuple"
    elif kind == "object" and "properties" not in schema:
        kind = "dict"
    return _TYPE_WORDS[kind]


def lax(kind: str, schema: Object, value: JSON) -> Words | Taken:
    """Read a value as Pydantic's lax mode does: what it makes of it, or why it refuses."""
    reader = _LAX.get(kind)
    read = reader(value) if reader else None
    return of_type(kind, schema) if read is None else read


def of_values(values: list[JSON], value: JSON) -> Words:
    """Say that a value is none of a Literal's."""
    if _is_int(value) and not _is_small(value) and any(_is_int(item) for item in values):
        return INT_SIZE
    shown = [repr(item) for item in values]
    *others, last = shown
    expected = f"{', '.join(others)} or {last}" if others else last
    return Words("literal_error", f"Input should be {expected}", {"expected": expected})


def of_constraint(keyword: str, schema: Object, value: JSON) -> Words:
    """Say which limit a value of the right type breaks."""
    limit = schema.get(keyword)
    if keyword in _NUMERIC and is_number(limit):
        return _numeric(keyword, limit, schema, value)
    if keyword in _TEXT and isinstance(limit, int):
        kind, word, name = _TEXT[keyword]
        msg = f"String should have {word} {_counted(limit, 'character')}"
        return Words(kind, msg, {name: limit})
    if keyword in _SIZED and isinstance(limit, int) and isinstance(value, dict | list):
        return of_size(keyword, limit, len(value), schema)
    if keyword == "uniqueItems":
        return raised("the list has duplicated items")
    return raised(f"does not meet {keyword!r}")


def of_size(keyword: str, limit: int, actual: int, schema: Object) -> Words:
    """Say that a list, tuple or dictionary has too few items, or too many."""
    kind, word, name = _SIZED[keyword]
    field_type = "Dictionary" if keyword.endswith("Properties") else "List"
    if "prefixItems" in schema:
        field_type = "Tuple"
    msg = (
        f"{field_type} should have {word} {_counted(limit, 'item')} after validation, not {actual}"
    )
    return Words(kind, msg, {"field_type": field_type, name: limit, "actual_length": actual})


def of_non_finite(schema: Object, value: float) -> Words:
    """Say what is wrong with NaN or an infinity where a number is wanted."""
    for keyword in ("maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"):
        limit = schema.get(keyword)
        if is_number(limit) and not _within(keyword, limit, value):
            return _numeric(keyword, limit, schema, value)
    return NOT_FINITE


def raised(message: str) -> Words:
    """Say what a validator that raised ValueError said; FastAPI renders the error as `{}`."""
    return Words("value_error", f"Value error, {message}", {"error": {}})


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


def _lax_int(value: JSON) -> Words | Taken | None:
    if isinstance(value, bool):
        return Taken(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            return NOT_FINITE
        return Words(
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
        )
    if not isinstance(value, str):
        return None
    if not _INT_TEXT.fullmatch(value):
        return Words(
            "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
        )
    digits = value.strip().partition(".")[0]
    return INT_SIZE if len(digits) > 4300 else Taken(int(digits))


def _lax_float(value: JSON) -> Words | Taken | None:
    if isinstance(value, float | bool):
        return Taken(float(value))
    if not isinstance(value, str):
        return None
    try:
        if value.isascii():
            return Taken(float(value))
    except ValueError:
        pass
    return Words(
        "float_parsing", "Input should be a valid number, unable to parse string as a number"
    )


def _lax_bool(value: JSON) -> Words | Taken | None:
    if is_number(value) and value in (0, 1):
        return Taken(bool(value))
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return Taken(value.lower() in _TRUE)
    whole = is_number(value) and is_finite(value) and value == int(value)
    if isinstance(value, str) or (whole and is_number(value) and _is_small(int(value))):
        return Words("bool_parsing", "Input should be a valid boolean, unable to interpret input")
    return None


_LAX: dict[str, Callable[[JSON], Words | Taken | None]] = {
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
_TEXT = {
    "minLength": ("string_too_short", "at least", "min_length"),
    "maxLength": ("string_too_long", "at most", "max_length"),
}
_SIZED = {
    "minItems": ("too_short", "at least", "min_length"),
    "maxItems": ("too_long", "at most", "max_length"),
    "minProperties": ("too_short", "at least", "min_length"),
    "maxProperties": ("too_long", "at most", "max_length"),
}
_LABELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "string": ("str", ("minLength", "maxLength")),
    "integer": ("int", tuple(_NUMERIC)),
    "number": ("float", tuple(_NUMERIC)),
    "boolean": ("bool", ()),
    "array": ("list", ()),
    "object": ("dict[str,any]", ()),
}


def _numeric(keyword: str, limit: float, schema: Object, value: JSON) -> Words:
    if schema.get("type") == "integer":
        limit = int(limit)
    elif isinstance(value, int) and not _fits_float(value):
        return _TYPE_WORDS["number"]
    else:
        limit = float(limit)
    kind, words, name = _NUMERIC[keyword]
    return Words(kind, f"Input should be {words} {_plain(limit)}", {name: limit})


def _within(keyword: str, limit: float, value: float) -> bool:
    if keyword == "maximum":
        return value <= limit
    if keyword == "exclusiveMaximum":
        return value < limit
    return value >= limit if keyword == "minimum" else value > limit


def _plain(number: float) -> str:
    """Write a number as Rust does: no exponent, no `.0`."""
    if number == int(number):
        return str(int(number))
    return format(Decimal(repr(number)), "f")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _is_int(value: JSON) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_small(value: int) -> bool:
    """Tell whether a number fits the 64 bits that Pydantic reads at first."""
    return -(2**63) <= value < 2**63


def _fits_float(value: int) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True
