"""Values of each sort that JSON has, and what Pydantic says where another was wanted."""

from __future__ import annotations

from falkit_contract.strategies._schemas import Flat
from falkit_spec.types import JSON, is_array, is_number, is_object

GIVEN: dict[str, list[JSON]] = {
    "null": [None],
    "boolean": [False, True],
    "integer": [7, -3],
    "fraction": [0.5, -2.25],
    "string": ["", "falkit"],
    "number in a string": ["6", "25"],
    "boolean in a string": ["true", "false"],
    "array": [[], [6], ["1080p"]],
    "object": [{}, {"value": 6}],
}
"""Examples of each sort; what stands in a string is told apart, since lax readers parse it."""

_TEXTS = ("string", "number in a string", "boolean in a string")
_RIGHT: dict[str, tuple[str, ...]] = {
    "null": ("null",),
    "boolean": ("boolean",),
    "integer": ("integer",),
    "number": ("integer", "fraction"),
    "string": _TEXTS,
    "array": ("array",),
    "object": ("object",),
}
_SAID = {
    "null": "none_required",
    "boolean": "bool_type",
    "integer": "int_type",
    "number": "float_type",
    "string": "string_type",
    "array": "list_type",
    "object": "model_attributes_type",
}
# Pydantic tries to read these and says that it could not.
_TRIED = {
    ("integer", "fraction"): "int_from_float",
    ("integer", "string"): "int_parsing",
    ("integer", "boolean in a string"): "int_parsing",
    ("number", "string"): "float_parsing",
    ("number", "boolean in a string"): "float_parsing",
    ("boolean", "string"): "bool_parsing",
    ("boolean", "number in a string"): "bool_parsing",
    ("boolean", "integer"): "bool_parsing",
}


def said(flat: Flat, given: str) -> str | None:
    """Return the fault's type for a value of the wrong sort; None where the sort is right."""
    if flat.choices is not None:
        right = {sort for choice in flat.choices for sort in _RIGHT[kind_of(choice)]}
        return None if given in right else "literal_error"
    kind = flat.kind
    if kind is None or given in _RIGHT[kind]:
        return None
    if kind == "object" and "properties" not in flat.schema:
        return "dict_type"
    if kind == "array" and "prefixItems" in flat.schema:
        return "tuple_type"
    return _TRIED.get((kind, given), _SAID[kind])


def taken_as(flat: Flat, given: str, value: JSON) -> list[JSON]:
    """Return what a lax reader makes of a value of another sort: one value, or none."""
    if flat.choices is not None:
        return []
    if flat.kind in ("integer", "number"):
        if given == "boolean":
            return [int(value is True)]
        if given == "number in a string":
            return [int(str(value))]
    return [value == "true"] if (flat.kind, given) == ("boolean", "boolean in a string") else []


def kind_of(value: JSON) -> str:
    """Return the JSON type of a value; whole numbers are integers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if is_number(value):
        return "integer" if isinstance(value, int) else "number"
    if is_array(value):
        return "array"
    return "object" if is_object(value) else "string"
