"""Schemas in JSON Schema 2020-12: follow their references, order their fields, compile them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from jsonschema_rs import Draft202012Validator

from falkit_spec.types import JSON, Object, dig, is_array, is_number, is_object, whole


def resolve(schema: JSON, root: Object) -> Object:
    """Follow `$ref` (into `root`'s `$defs`) and a lone `allOf`; what stands beside them wins."""
    seen: set[str] = set()
    while is_object(schema):
        ref, parts = schema.get("$ref"), schema.get("allOf")
        if isinstance(ref, str) and ref not in seen:
            seen.add(ref)
            below = follow_ref(root, ref)
        elif is_array(parts) and len(parts) == 1:
            below = parts[0]
        else:
            return schema
        beside = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        schema = {**below, **beside} if is_object(below) else beside
    return {}


def follow_ref(document: Object, ref: str) -> JSON:
    """Follow a local reference (`#/…`); None if it leads nowhere."""
    if not ref.startswith("#/"):
        return None
    parts = (unquote(part).replace("~1", "/").replace("~0", "~") for part in ref[2:].split("/"))
    return dig(document, *parts)


def ordered(schema: Object) -> Object:
    """Return a schema's properties in the order fal shows them."""
    properties, order = schema.get("properties"), schema.get("x-fal-order-properties")
    if not is_object(properties):
        return {}
    first = [n for n in order if isinstance(n, str) and n in properties] if is_array(order) else []
    return {name: properties[name] for name in dict.fromkeys([*first, *properties])}


# Raised for keys that are not strings, objects that are not JSON, nesting without end.
NOT_JSON = (ValueError, TypeError, OverflowError)


# What Pydantic is sure to take, by format. What else it takes, it has to be asked.
_PLAIN = {
    "uri": r"(?i:https?://(?![^/]*xn--)([a-z0-9][a-z0-9-]*\.)*[a-z][a-z0-9-]*(:[1-9]\d{0,3})?"
    r"(/[!-~]*)?|data:[!-~]*)",
    "date": r"[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])",
    "time": r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1\d|2[0-3]):[0-5]\d)?",
    "uuid": r"(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    **{
        f"uuid{n}": rf"(?i:[0-9a-f]{{8}}-[0-9a-f]{{4}}-{n}[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-"
        r"[0-9a-f]{12})"
        for n in (1, 3, 4, 5)
    },
}
_PLAIN["date-time"] = f"{_PLAIN['date']}T{_PLAIN['time']}"


def _plain(pattern: str) -> Callable[[str], bool]:
    # Compiled by `re` when first needed, and kept there.
    return lambda text: re.fullmatch(pattern, text, re.ASCII) is not None


_FORMATS = {name: _plain(pattern) for name, pattern in _PLAIN.items()}


# Beyond these Pydantic takes an integer, but no float that is whole; and no float at all.
_RANGES: dict[str, Object] = {
    "integer": {"minimum": -(2**53), "maximum": 2**53},
    "number": {"minimum": -1e300, "maximum": 1e300},
}
_VALUES = ("enum", "const", "default", "examples", "example")


def plain(schema: Object) -> Object:
    """Return a schema that takes no more than Pydantic does, and all that people usually write."""
    read: Object = {}
    for keyword, value in schema.items():
        if keyword in _VALUES:
            read[keyword] = value
        elif is_object(value):
            read[keyword] = plain(value)
        elif is_array(value):
            read[keyword] = [plain(part) if is_object(part) else part for part in value]
        else:
            read[keyword] = value
    kind = schema.get("type")
    for one in kind if is_array(kind) else [kind]:
        read = {**_RANGES.get(str(one), {}), **read}
    return read


def _formats(node: JSON) -> Iterator[str]:
    parts = node.values() if is_object(node) else node if is_array(node) else ()
    for part in parts:
        yield from _formats(part)
    if is_object(node):
        yield str(node.get("format"))


class Compiled:
    """A compiled JSON Schema 2020-12; a check takes about a microsecond and gives no reasons.

    `formats` has texts of some formats judged, by how they are usually written.
    """

    def __init__(self, schema: Object, *, formats: bool = False) -> None:
        judged = formats and not _FORMATS.keys().isdisjoint(_formats(schema))
        validator = (
            Draft202012Validator(schema, formats=_FORMATS, validate_formats=True)
            if judged
            else Draft202012Validator(schema)
        )
        # As `is_valid`, for a value that was read from JSON: others may raise.
        self.check: Callable[[JSON], bool] = validator.is_valid

    def is_valid(self, value: JSON) -> bool:
        """Tell whether a value meets the schema; what is not JSON does not."""
        try:
            try:
                return self.check(value)
            except UnicodeEncodeError:
                # To Pydantic half a character is one like any other.
                return self.check(whole(value))
        except (*NOT_JSON, RecursionError):
            return False


_NOTES = frozenset(
    ("title", "description", "default", "examples", "example", "deprecated", "format", "$defs")
)


def is_check(keyword: str) -> bool:
    """Tell whether a keyword may forbid something."""
    return keyword not in _NOTES and not keyword.startswith(("x-", "_"))


_LISTED = ("required", "x-fal-order-properties")
_LARGEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_SMALLEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def join(whole: Object, part: Object) -> None:
    """Join a part of an `allOf` in a whole; what can't be joined is kept as an `allOf`."""
    for keyword, value in part.items():
        known = whole.get(keyword)
        if keyword in _LISTED and is_array(known) and is_array(value):
            names = {one for one in known if isinstance(one, str)}
            new = [one for one in value if isinstance(one, str) and one not in names]
            whole[keyword] = [*known, *new]
        elif keyword not in whole or not is_check(keyword):
            # A class is named by its own title, not by its field's.
            if keyword not in _NOTES or keyword not in whole:
                whole[keyword] = value
        elif keyword == "properties" and is_object(known) and is_object(value):
            both: Object = {
                name: {"allOf": [known[name], value[name]]}
                for name in known
                if name in value and known[name] != value[name]
            }
            whole[keyword] = {**known, **value, **both}
        elif keyword in _LARGEST and is_number(known) and is_number(value):
            whole[keyword] = max(known, value)
        elif keyword in _SMALLEST and is_number(known) and is_number(value):
            whole[keyword] = min(known, value)
        elif keyword == "enum" and is_array(known) and is_array(value):
            whole[keyword] = [*filter(Compiled({"enum": value}).is_valid, known)]
        elif {str(known), str(value)} == {"integer", "number"}:
            whole[keyword] = "integer"
        elif known != value:
            more = whole.get("allOf")
            whole["allOf"] = [*(more if is_array(more) else []), {keyword: value}]
