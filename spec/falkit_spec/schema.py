"""Turn a fal document's schemas into JSON Schema 2020-12 that stands on its own, and compile it.

The documents are labelled OpenAPI 3.0 but mix both dialects and have errors of their own.
What cannot be read as a schema accepts anything: an offline stand-in must not refuse
input because of a document's error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from jsonschema_rs import Draft202012Validator, meta

from falkit_spec.types import JSON, Object, dig, is_array, is_number, is_object

_IN_COMPONENTS = "#/components/schemas/"
_SCALARS = ("string", "integer", "number", "boolean")


def self_contained(node: JSON, document: Object) -> Object:
    """Return a schema of the document with all it refers to under `$defs`."""
    reader = _Reader(document)
    schema = reader.schema(node)
    root = schema if is_object(schema) else {}
    return {**root, "$defs": reader.definitions} if reader.definitions else root


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


class _Reader:
    """Reads schemas of one document and gathers the definitions they need."""

    def __init__(self, document: Object) -> None:
        self.document = document
        self.definitions: Object = {}

    def schema(self, node: JSON) -> JSON:
        """Read one schema; what is not a schema accepts anything."""
        if isinstance(node, bool):
            return node
        if not is_object(node):
            return {}
        read: Object = {}
        for keyword, value in node.items():
            reader = _KEYWORDS.get(keyword)
            if reader is not None:
                read.update(reader(self, keyword, value))
            elif keyword not in _LEFT_OUT and meta.is_valid({keyword: value}):
                read[keyword] = value
        _read_bounds(node, read)
        self.let_optional_scalars_be_null(node, read)
        return _nullable(read) if node.get("nullable") is True else read

    def let_optional_scalars_be_null(self, node: Object, read: Object) -> None:
        """Have an object's optional scalars without a default take null, as fal's do.

        Documents in the dialect of Pydantic 1 don't show it (wire.md §14.5).
        """
        raw, fields, musts = node.get("properties"), read.get("properties"), read.get("required")
        if not is_object(raw) or not is_object(fields):
            return
        for name, field in fields.items():
            optional = not is_array(musts) or name not in musts
            if optional and is_object(field) and self.is_plain_scalar(raw[name]):
                fields[name] = _nullable(field)

    def is_plain_scalar(self, node: JSON) -> bool:
        """Tell whether a schema takes texts, numbers or booleans, not null, without a default."""
        whole = resolve(node, self.document)
        branches = whole.get("anyOf", whole.get("oneOf"))
        parts = [resolve(one, self.document) for one in branches] if is_array(branches) else [whole]
        plain = bool(parts) and all(part.get("type") in _SCALARS for part in parts)
        return plain and "default" not in whole and whole.get("nullable") is not True

    def ref(self, _keyword: str, value: JSON) -> Object:
        target = follow_ref(self.document, value) if isinstance(value, str) else None
        if not isinstance(value, str) or target is None:
            return {}
        name = value.removeprefix(_IN_COMPONENTS).removeprefix("#/").replace("/", ".")
        if name not in self.definitions:
            # Reserved before it is read: a schema may refer to itself.
            self.definitions[name] = {}
            self.definitions[name] = self.schema(target)
        return {"$ref": "#/$defs/" + name.replace("~", "~0").replace("%", "%25")}

    def one(self, keyword: str, value: JSON) -> Object:
        return {keyword: self.schema(value)}

    def listed(self, keyword: str, value: JSON) -> Object:
        return {keyword: [self.schema(part) for part in value]} if is_array(value) and value else {}

    def named(self, keyword: str, value: JSON) -> Object:
        if not is_object(value):
            return {}
        return {keyword: {name: self.schema(part) for name, part in value.items()}}

    def items(self, keyword: str, value: JSON) -> Object:
        if is_object(value) and value and all(key.isdigit() for key in value):
            # A tuple, written as an object with the keys "0", "1", "2".
            value = [value[key] for key in sorted(value, key=int)]
        if is_array(value):
            # What may follow is left open here, as it isn't beside `prefixItems`: Pydantic writes
            # those of tuples alone.
            return {**self.listed("prefixItems", value), "items": True}
        return self.one(keyword, value)

    def count(self, keyword: str, value: JSON) -> Object:
        whole = is_number(value) and meta.is_valid({keyword: value})
        return {keyword: int(value)} if whole and is_number(value) else {}

    def enum(self, keyword: str, value: JSON) -> Object:
        return {keyword: value} if is_array(value) and value else {}

    def names(self, keyword: str, value: JSON) -> Object:
        if not is_array(value):
            return {}
        return {keyword: list(dict.fromkeys(name for name in value if isinstance(name, str)))}


def _read_bounds(node: Object, read: Object) -> None:
    for plain, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        bound, strict = node.get(plain), node.get(exclusive)
        if is_number(strict):
            read[exclusive] = strict
        if is_number(bound):
            # OpenAPI 3.0's boolean says that the plain bound is itself excluded.
            read[exclusive if strict is True else plain] = bound


def _nullable(schema: Object) -> Object:
    kind, values = schema.get("type"), schema.get("enum")
    if isinstance(kind, str) and not is_array(values):
        return {**schema, "type": [kind, "null"]}
    if kind is None and not any(key in schema for key in ("$ref", "anyOf", "allOf", "enum")):
        return schema
    notes = {key: schema[key] for key in _ANNOTATIONS if key in schema}
    rest: Object = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
    return {**notes, "anyOf": [rest, {"type": "null"}]}


_Read = Callable[[_Reader, str, JSON], Object]


_KEYWORDS: dict[str, _Read] = {
    "$ref": _Reader.ref,
    **dict.fromkeys(("not", "contains", "propertyNames", "additionalProperties"), _Reader.one),
    **dict.fromkeys(("anyOf", "allOf", "oneOf", "prefixItems"), _Reader.listed),
    "properties": _Reader.named,
    "items": _Reader.items,
    "enum": _Reader.enum,
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        _Reader.count,
    ),
    "required": _Reader.names,
}
_LEFT_OUT = {
    # Read together by `_read_bounds` and `_nullable`.
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "nullable"),
    # A document that brings its own base or definitions would change where references lead.
    *("$id", "$schema", "$defs", "$anchor", "$dynamicRef", "$dynamicAnchor", "definitions"),
    # Never seen in fal's documents, and an ill-formed one would refuse what is right.
    *("pattern", "patternProperties", "if", "then", "else", "dependentSchemas"),
    *("dependentRequired", "dependencies", "unevaluatedProperties", "unevaluatedItems"),
    *("contentEncoding", "contentMediaType", "contentSchema", "minContains", "maxContains"),
}
_ANNOTATIONS = ("title", "description", "default", "examples", "example", "deprecated")


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
            return self.check(value)
        except NOT_JSON:
            return False


_NOTES = frozenset(
    ("title", "description", "default", "examples", "example", "deprecated", "format", "$defs")
)


def is_check(keyword: str) -> bool:
    """Tell whether a keyword may forbid something."""
    return keyword not in _NOTES and not keyword.startswith(("x-", "_"))


_LARGEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_SMALLEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def join(whole: Object, part: Object) -> None:
    """Join a part of an `allOf` in a whole; what can't be joined is kept as an `allOf`."""
    for keyword, value in part.items():
        known = whole.get(keyword)
        if keyword not in whole or not is_check(keyword):
            # A class is named by its own title, not by its field's.
            if keyword not in _NOTES or keyword not in whole:
                whole[keyword] = value
        elif keyword == "properties" and is_object(known) and is_object(value):
            both: Object = {
                name: {"allOf": [known[name], value[name]]} for name in known if name in value
            }
            whole[keyword] = {**known, **value, **both}
        elif keyword == "required" and is_array(known) and is_array(value):
            whole[keyword] = [*known, *(name for name in value if name not in known)]
        elif keyword in _LARGEST and is_number(known) and is_number(value):
            whole[keyword] = max(known, value)
        elif keyword in _SMALLEST and is_number(known) and is_number(value):
            whole[keyword] = min(known, value)
        elif keyword == "enum" and is_array(known) and is_array(value):
            whole[keyword] = [one for one in known if Compiled({"enum": value}).is_valid(one)]
        elif {str(known), str(value)} == {"integer", "number"}:
            whole[keyword] = "integer"
        elif known != value:
            more = whole.get("allOf")
            whole["allOf"] = [*(more if is_array(more) else []), {keyword: value}]
