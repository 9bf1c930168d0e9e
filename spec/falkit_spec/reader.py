"""Turn a fal document's schemas into JSON Schema 2020-12 that stands on its own.

The documents are labelled OpenAPI 3.0 but mix both dialects and have errors of their own.
What cannot be read as a schema accepts anything: an offline stand-in must not refuse
input because of a document's error. Users' documents are input too: what is read of one is bounded.
"""

from __future__ import annotations

from collections.abc import Callable

from jsonschema_rs import meta

from falkit_spec.circles import circular, doubling, pointer, steps
from falkit_spec.schema import follow_ref, join, resolve
from falkit_spec.types import JSON, Object, is_array, is_finite, is_number, is_object, is_shallow

_IN_COMPONENTS = "#/components/schemas/"
_SCALARS = ("string", "integer", "number", "boolean")

DEEPEST = 64
"""Schemas, and values in them, nest no deeper than this; fal's have some ten levels."""
MOST_SCHEMAS = 20_000
"""A schema holds no more than these, what it refers to counted each time; fal's have hundreds."""
MOST_VALUES = 10_000
"""A longer enum or list of names is left out."""
GIVEN_UP = "anything is accepted"
"""The end of the line on a schema of which nothing is read."""
_MOST_NOTES = 50


def self_contained(node: JSON, document: Object, notes: list[str] | None = None) -> Object:
    """Return a schema of the document with all it refers to under `$defs`.

    Each thing that can't be read, and so accepts anything, becomes a line in `notes`.
    """
    reader = _Reader(document, [] if notes is None else notes)
    try:
        schema = reader.schema(node)
        reader.give_up(circular, "is defined by itself alone")
        _Size(reader.definitions).of(schema, 0)
        reader.give_up(doubling, "holds itself twice at one place")
    except _TooLarge as error:
        reader.note(f"{error}; {GIVEN_UP}")
        return {}
    root = schema if is_object(schema) else {}
    return {**root, "$defs": reader.definitions} if reader.definitions else root


class _TooLarge(Exception):
    """A schema exceeds what is read."""


class _Reader:
    """Reads schemas of one document and gathers the definitions they need."""

    def __init__(self, document: Object, notes: list[str]) -> None:
        self.document = document
        self.definitions: Object = {}
        self.notes = notes
        # Where in the schema the reader is, a part a level.
        self.place: list[str] = []
        self.count_read = 0

    def note(self, text: str) -> None:
        """Keep a line on something that isn't read, with its place."""
        where = "".join(self.place[:DEEPEST]).lstrip(".")
        line = f"{_short(where)}: {text}" if where else text
        if len(self.notes) < _MOST_NOTES and line not in self.notes:
            self.notes.append(line)

    def give_up(self, kind: Callable[[Object], set[str]], why: str) -> None:
        """Have the definitions of a kind accept anything."""
        for name in sorted(kind(self.definitions)):
            self.definitions[name] = {}
            self.note(f"{_short(name)} {why}; anything is accepted there")

    def schema(self, node: JSON, place: str = "") -> JSON:
        """Read one schema; what is not a schema accepts anything."""
        if isinstance(node, bool):
            return node
        if not is_object(node):
            if node is not None:
                self.note(f"{_short(node)} is no schema; anything is accepted there")
            return {}
        self.count_read += 1
        if self.count_read > MOST_SCHEMAS:
            raise _TooLarge(_MANY)
        if len(self.place) > DEEPEST:
            raise _TooLarge(_DEEP)
        self.place.append(place)
        read = self.object(_merged(node, self.document))
        self.place.pop()
        return read

    def object(self, node: Object) -> Object:
        """Read one schema keyword by keyword."""
        read: Object = {}
        for keyword, value in node.items():
            reader = _KEYWORDS.get(keyword)
            if reader is not None:
                found = reader(self, keyword, value)
                if not found:
                    why = "leads nowhere" if keyword == "$ref" else "can't be read"
                    self.note(f"`{keyword}` {_short(value)} {why}; anything is accepted there")
                read.update(found)
            elif keyword in _LEFT_OUT:
                if keyword in _UNREAD:
                    self.note(
                        f"`{_short(keyword, 40)}` isn't read; more is accepted than it allows"
                    )
            elif is_shallow(value, DEEPEST) and meta.is_valid({keyword: value}):
                read[keyword] = value
            else:
                self.note(f"`{_short(keyword, 40)}` {_short(value)} can't be read; it is left out")
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
        # Read already, and so a list of texts.
        required = set(map(str, musts)) if is_array(musts) else set[str]()
        for name, field in fields.items():
            if name not in required and is_object(field) and self.is_plain_scalar(raw[name]):
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
        return {"$ref": pointer(name)}

    def one(self, keyword: str, value: JSON) -> Object:
        return {keyword: self.schema(value)}

    def listed(self, keyword: str, value: JSON) -> Object:
        return {keyword: [self.schema(part) for part in value]} if is_array(value) and value else {}

    def named(self, keyword: str, value: JSON) -> Object:
        if not is_object(value):
            return {}
        return {keyword: {name: self.schema(part, f".{name}") for name, part in value.items()}}

    def items(self, keyword: str, value: JSON) -> Object:
        if is_object(value) and value and all(map(_is_place, value)):
            # A tuple, written as an object with the keys "0", "1", "2".
            value = [value[key] for key in sorted(value, key=int)]
        if is_array(value):
            # What may follow is left open here, as it isn't beside `prefixItems`: Pydantic writes
            # those of tuples alone.
            return {**self.listed("prefixItems", value), "items": True}
        return {keyword: self.schema(value, "[]")}

    def count(self, keyword: str, value: JSON) -> Object:
        whole = is_number(value) and meta.is_valid({keyword: value})
        return {keyword: int(value)} if whole and is_number(value) else {}

    def enum(self, keyword: str, value: JSON) -> Object:
        listed = is_array(value) and 0 < len(value) <= MOST_VALUES
        return {keyword: value} if listed and is_shallow(value, DEEPEST) else {}

    def names(self, keyword: str, value: JSON) -> Object:
        if not is_array(value) or len(value) > MOST_VALUES:
            return {}
        return {keyword: list(dict.fromkeys(name for name in value if isinstance(name, str)))}


class _Size:
    """Counts the schemas in one, each reference unfolded: what a check of a value may meet."""

    def __init__(self, definitions: Object) -> None:
        self._definitions = definitions
        # By name: how many schemas, and on how many levels. Nothing while it is counted.
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, node: JSON, depth: int) -> tuple[int, int]:
        """Return how many schemas are in one, and on how many levels; _TooLarge if too many."""
        if depth > DEEPEST:
            raise _TooLarge(_DEEP)
        if not is_object(node):
            return 1, 1
        parts = [self.of(part, depth + 1) for _, part in steps(node)]
        ref = node.get("$ref")
        if isinstance(ref, str):
            parts.append(self._referred(ref, depth + 1))
        count = 1 + sum(one for one, _ in parts)
        levels = 1 + max((levels for _, levels in parts), default=0)
        if count > MOST_SCHEMAS or depth + levels > DEEPEST:
            raise _TooLarge(_MANY if count > MOST_SCHEMAS else _DEEP)
        return count, levels

    def _referred(self, ref: str, depth: int) -> tuple[int, int]:
        if ref not in self._known:
            # A schema may refer to itself.
            self._known[ref] = 1, 0
            self._known[ref] = self.of(follow_ref({"$defs": self._definitions}, ref), depth)
        return self._known[ref]


_DEEP = f"nests more than {DEEPEST} levels deep"
_MANY = f"unfolds to more than {MOST_SCHEMAS:,} schemas"


def _is_place(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) < 4


def _short(value: JSON, most: int = 60) -> str:
    """Write a value in one line for a note."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = str(value) if isinstance(value, str) and value.isprintable() else ascii(value)[:1000]
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _merged(node: Object, document: Object) -> Object:
    """Return a schema with the objects of its `allOf` joined into one, as a class has its bases'.

    Where the parts are more than the fields of an object, the schema stays as it is.
    """
    listed = node.get("allOf")
    if not is_array(listed) or (len(listed) == 1 and "properties" not in node):
        return node
    beside: Object = {key: value for key, value in node.items() if key != "allOf"}
    together: Object = {"type": "object", "properties": {}}
    for part in (*(resolve(part, document) for part in listed), beside):
        kind, fields = part.get("type", "object"), part.get("properties", {})
        if kind != "object" or not is_object(fields) or not part.keys() <= _OF_FIELDS:
            return node
        join(together, {key: value for key, value in part.items() if key not in _ANNOTATIONS})
    return {**beside, **together}


def _read_bounds(node: Object, read: Object) -> None:
    for plain, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        bound, strict = node.get(plain), node.get(exclusive)
        if is_number(strict) and is_finite(strict):
            read[exclusive] = strict
        if is_number(bound) and is_finite(bound):
            # OpenAPI 3.0's boolean says that the plain bound is itself excluded.
            read[exclusive if strict is True else plain] = bound


def _nullable(schema: Object) -> Object:
    kind, listed = schema.get("type"), "enum" in schema or "const" in schema
    if isinstance(kind, str) and not listed:
        return {**schema, "type": [kind, "null"]}
    if kind is None and not listed and not any(key in schema for key in ("$ref", "anyOf", "allOf")):
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
    **dict.fromkeys(("required", "x-fal-order-properties"), _Reader.names),
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
_UNREAD = frozenset(
    (
        *("pattern", "patternProperties", "if", "dependentSchemas", "dependentRequired"),
        *("dependencies", "unevaluatedProperties", "unevaluatedItems", "minContains"),
        *("maxContains",),
    )
)
_ANNOTATIONS = ("title", "description", "default", "examples", "example", "deprecated")
# What the schema of a class with nothing but fields may hold.
_OF_FIELDS = frozenset((*_ANNOTATIONS, "type", "properties", "required", "x-fal-order-properties"))
