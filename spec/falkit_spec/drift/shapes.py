"""A schema as the values that it takes: a branch for each kind of value and way of writing it.

So that two schemas can be compared whichever way each is written: `anyOf` with null or a list of
types, `const` or `enum`, a lone `allOf` or a reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from falkit_spec.errors import SpecError
from falkit_spec.schema import Compiled, follow_ref, resolve
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

ANYTHING = "anything"
COMBINED = "a combination of schemas"
_KINDS = ("null", "boolean", "number", "string", "array", "object")
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength", "format", "pattern"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "object": (
        *("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
        *("propertyNames", "patternProperties"),
    ),
}
"""What constrains values of a kind."""
# What can only be compared as it is written.
_ANY_KIND = ("not", "if", "then", "else", "dependentRequired", "dependentSchemas")
_STRUCTURAL = frozenset((*_ANY_KIND, *(word for words in KEYWORDS.values() for word in words)))
_UNIONS = ("anyOf", "oneOf")
_MOST_BRANCHES = 50
_MOST_VALUES = 20_000
_MOST_STEPS = 500_000
_DEEPEST = 60


class NotComparable(SpecError):
    """A schema that is too deep, too wide or too entangled to be compared."""


@dataclass(frozen=True)
class Branch:
    """Values of one kind that a schema takes: `null`, `boolean`, `number`, `string`, `array`,
    `object`, ANYTHING, or COMBINED.
    """

    kind: str
    schema: Object
    """The keywords that count for this kind; integers have `type`."""
    values: tuple[JSON, ...] | None = None
    """The values, where they are listed; the schema then says no more."""

    @property
    def name(self) -> str:
        """The kind as the document names it."""
        return "integer" if self.schema.get("type") == "integer" else self.kind


class Shapes:
    """The schemas of one root, which is where their references lead."""

    def __init__(self, root: Object) -> None:
        self.root = root
        self._left = _MOST_STEPS

    def branches(self, node: JSON, depth: int = 0) -> list[Branch]:
        """Return the branches of a schema; NotComparable where they are too many or too deep."""
        self._step(depth)
        if node is False:
            return []
        if not is_object(node):
            return [Branch(ANYTHING, {})]
        whole = resolve(node, self.root)
        schema = self._joined(whole, depth)
        if schema is None:
            return [Branch(COMBINED, {"allOf": [whole, _closure(whole, self.root)]})]
        for union in _UNIONS:
            parts = schema.get(union)
            if is_array(parts):
                # Of `oneOf` that is right where no value fits two branches, as a model's union.
                beside = {key: value for key, value in schema.items() if key not in _UNIONS}
                found = [one for part in parts for one in self._within(part, beside, depth)]
                break
        else:
            found = self._plain(schema)
        found = _merged(found)
        if len(found) > _MOST_BRANCHES:
            raise NotComparable(f"a union of {len(found):,} branches")
        return found

    def _step(self, depth: int) -> None:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise NotComparable("schemas within schemas without end")

    def _within(self, part: JSON, beside: Object, depth: int) -> list[Branch]:
        """Return a branch of a union with what is said beside the union."""
        if not (_STRUCTURAL | {"type", "enum", "const"}) & beside.keys():
            return self.branches(part, depth + 1)
        return self.branches({"allOf": [part, beside]}, depth + 1)

    def _joined(self, schema: Object, depth: int) -> Object | None:
        """Return a schema with the parts of `allOf` in it; None where two parts say something of
        the same, which no single schema can.
        """
        parts = schema.get("allOf")
        if not is_array(parts):
            return schema
        whole: Object | None = {key: value for key, value in schema.items() if key != "allOf"}
        for part in parts:
            self._step(depth)
            read = self._joined(resolve(part, self.root), depth + 1)
            whole = None if whole is None or read is None else _both(whole, read)
        return whole

    def _plain(self, schema: Object) -> list[Branch]:
        opaque = {key: schema[key] for key in _ANY_KIND if key in schema}
        if opaque and "enum" not in schema and "const" not in schema:
            opaque["$defs"] = _closure(opaque, self.root)
        listed = [schema["const"]] if "const" in schema else schema.get("enum")
        if is_array(listed):
            return self._listed(listed, schema)
        stated = schema.get("type")
        kinds = stated if is_array(stated) else [stated] if isinstance(stated, str) else []
        if not kinds and not _STRUCTURAL & schema.keys():
            return [Branch(ANYTHING, {})]
        found: list[Branch] = []
        for kind in kinds or _KINDS:
            if kind == "integer" and "number" in kinds:
                continue
            whole: Object = {"type": "integer"} if kind == "integer" else {}
            general = "number" if kind == "integer" else str(kind)
            own = {key: schema[key] for key in KEYWORDS.get(general, ()) if key in schema}
            found.append(Branch(general, {**whole, **own, **opaque}))
        return found

    def _listed(self, values: list[JSON], schema: Object) -> list[Branch]:
        """Return listed values, a branch a kind; those that the rest refuses are left out."""
        if len(values) > _MOST_VALUES:
            raise NotComparable(f"a list of {len(values):,} values")
        if (_STRUCTURAL | {"type"}) & schema.keys():
            rest = {
                key: value for key, value in schema.items() if key in _STRUCTURAL or key == "type"
            }
            fits = Compiled({**rest, "$defs": self.root.get("$defs", {})}).is_valid
            values = [value for value in values if fits(value)]
        found: dict[str, dict[bytes, JSON]] = {}
        for value in values:
            found.setdefault(kind_of(value), {})[written(value)] = value
        return [Branch(kind, {}, tuple(each.values())) for kind, each in found.items()]


def _merged(found: list[Branch]) -> list[Branch]:
    """Return branches with all listed values of a kind in one."""
    listed: dict[str, dict[bytes, JSON]] = {}
    for one in found:
        if one.values is not None:
            known = listed.setdefault(one.kind, {})
            known.update((written(value), value) for value in one.values)
    if sum(one.values is not None for one in found) == len(listed):
        return found
    together = [Branch(kind, {}, tuple(known.values())) for kind, known in listed.items()]
    return [*together, *(one for one in found if one.values is None)]


def _both(first: Object, second: Object) -> Object | None:
    joined = {**second, **first}
    for key in first.keys() & second.keys():
        one, other = first[key], second[key]
        if one == other or not (key in _STRUCTURAL or key in _DECIDING):
            continue
        if key == "properties" and is_object(one) and is_object(other):
            same = {name: _all_of(one[name], other[name]) for name in one.keys() & other.keys()}
            joined[key] = {**one, **other, **same}
        elif key == "required" and is_array(one) and is_array(other):
            joined[key] = [*one, *other]
        elif key in _LEAST | _MOST and is_number(one) and is_number(other):
            joined[key] = max(one, other) if key in _LEAST else min(one, other)
        else:
            return None
    for rest, named in (("additionalProperties", "properties"), ("items", "prefixItems")):
        # What one part says of the rest knows nothing of what the other names.
        if (rest in first and named in second) or (rest in second and named in first):
            return None
    return joined


def _all_of(*parts: JSON) -> Object:
    return {"allOf": [*parts]}


_DECIDING = ("type", "enum", "const", *_UNIONS)
_LEAST = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_MOST = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}


def kind_of(value: JSON) -> str:
    """Return the kind of a value."""
    if isinstance(value, bool):
        return "boolean"
    named = ((str, "string"), (int | float, "number"), (list, "array"), (dict, "object"))
    return next((name for sort, name in named if isinstance(value, sort)), "null")


def written(value: JSON) -> bytes:
    """Return a value as text that is the same for the same value; 1 and 1.0 are."""
    try:
        return orjson.dumps(_even(value), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise NotComparable(f"a value that is nested too deeply ({error})") from error


def _even(value: JSON) -> JSON:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        # A reader may have made it of a float, such as 1e300.
        return float(value)
    if is_array(value):
        return [_even(one) for one in value]
    return {name: _even(one) for name, one in value.items()} if is_object(value) else value


def _closure(node: JSON, root: Object) -> Object:
    """Return all that a schema refers to, by reference."""
    found: Object = {}
    left: list[JSON] = [node]
    while left:
        one = left.pop()
        if is_object(one):
            ref = one.get("$ref")
            if isinstance(ref, str) and ref not in found:
                found[ref] = follow_ref(root, ref)
                left.append(found[ref])
        left += _children(one)
    return found


def _children(node: JSON) -> Iterable[JSON]:
    if is_object(node):
        return node.values()
    return node if is_array(node) else ()


def writes_null(node: JSON, document: Object) -> bool:
    """Tell whether a raw schema, or what it refers to, names null among the types of a value.

    One in the dialect of Pydantic 1 never does.
    """
    left = [node, *_closure(node, document).values()]
    while left:
        one = left.pop()
        if is_object(one) and one.get("type") == "null":
            return True
        left += _children(one)
    return False
