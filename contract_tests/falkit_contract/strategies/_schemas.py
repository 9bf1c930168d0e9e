"""Schemas brought into one flat form: references followed, and what stands beside them joined."""

from __future__ import annotations

from dataclasses import dataclass

from falkit_contract.errors import UnsupportedSchema
from falkit_spec.schema import Compiled, follow_ref, ordered
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

NOTES = frozenset(
    (
        *("title", "description", "default", "examples", "example", "deprecated", "readOnly"),
        *("writeOnly", "format", "$comment", "limit_description", "step", "min", "max"),
    )
)
"""Keywords that forbid nothing; so do all that begin with `x-` or an underscore."""
_REFUSED = ("not", "contains", "propertyNames")
_LARGEST = frozenset(
    ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
)
_SMALLEST = frozenset(
    ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
)
_UNIONS = ("anyOf", "oneOf")
# What tells a schema's type where none is named.
_TELLING: dict[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


@dataclass(frozen=True)
class Flat:
    """A schema without references. Where it isn't `exact`, it allows more than it should."""

    schema: Object
    exact: bool
    refs: tuple[str, ...]
    """The references that were followed to get here, to notice a schema that holds itself."""

    @property
    def kind(self) -> str | None:
        """The one type that is named or can be told, else None."""
        kind = self.schema.get("type")
        if isinstance(kind, str):
            return kind
        if kind is not None:
            return None
        for told, keywords in _TELLING.items():
            if any(keyword in self.schema for keyword in keywords):
                return told
        return None

    @property
    def choices(self) -> list[JSON] | None:
        """The values of an enum or const; None where there is neither."""
        values = self.schema.get("enum")
        if "const" in self.schema:
            return [self.schema["const"]]
        return values if is_array(values) else None


class Schemas:
    """Reads the schemas below one root."""

    def __init__(self, root: Object, endpoint_id: str) -> None:
        self.root = root
        self.endpoint_id = endpoint_id

    def refuse(self, path: str, reason: str) -> UnsupportedSchema:
        """Return the error for a place in the schema."""
        return UnsupportedSchema(self.endpoint_id, path, reason)

    def flat(self, node: JSON, path: str, refs: tuple[str, ...] = ()) -> Flat:
        """Flatten one schema; UnsupportedSchema where it cannot be read."""
        if node is True:
            return Flat({}, exact=True, refs=refs)
        if not is_object(node):
            raise self.refuse(path, "no value is allowed here")
        for keyword in _REFUSED:
            if keyword in node:
                raise self.refuse(path, f"the keyword {keyword!r} is not supported")
        beside: Object = {key: node[key] for key in node if key not in ("$ref", "allOf", "$defs")}
        joined = Flat(beside, exact=True, refs=refs)
        for part, seen in self._below(node, path, refs):
            joined = _joined(joined, self.flat(part, path, seen))
        return joined

    def branches(self, flat: Flat) -> list[JSON]:
        """Return a union's branches, null first because it is the simplest; none if no union."""
        for keyword in _UNIONS:
            listed = flat.schema.get(keyword)
            if is_array(listed):
                rest: Object = {k: v for k, v in flat.schema.items() if k != keyword}
                bare = not any(not is_note(key) for key in rest)
                branches: list[JSON] = [
                    branch if bare else {"allOf": [branch, rest]} for branch in listed
                ]
                return sorted(branches, key=lambda branch: branch != {"type": "null"})
        kinds = flat.schema.get("type")
        if is_array(kinds):
            typed: list[JSON] = [{**flat.schema, "type": kind} for kind in kinds]
            return sorted(typed, key=lambda branch: is_object(branch) and branch["type"] != "null")
        return []

    def compiled(self, node: JSON) -> Compiled:
        """Compile one schema below the root."""
        schema = node if is_object(node) else {}
        return Compiled({**schema, "$defs": self.root.get("$defs", {})})

    def _below(
        self, node: Object, path: str, refs: tuple[str, ...]
    ) -> list[tuple[JSON, tuple[str, ...]]]:
        found: list[tuple[JSON, tuple[str, ...]]] = []
        ref, parts = node.get("$ref"), node.get("allOf")
        if isinstance(ref, str):
            if ref in refs:
                raise self.refuse(path, f"{ref} holds itself, which is not supported")
            found.append((follow_ref(self.root, ref) or {}, (*refs, ref)))
        if is_array(parts):
            found.extend((part, refs) for part in parts)
        return found


def is_note(keyword: str) -> bool:
    """Tell whether a keyword forbids nothing."""
    return keyword in NOTES or keyword.startswith(("x-", "_"))


def fields(flat: Flat) -> Object:
    """Return an object's properties in the document's order, with those only required."""
    names = required(flat)
    listed = ordered(flat.schema)
    return {**listed, **{name: True for name in names if name not in listed}}


def required(flat: Flat) -> list[str]:
    """Return the names that an object must hold."""
    names = flat.schema.get("required")
    return [name for name in names if isinstance(name, str)] if is_array(names) else []


def whole(schema: Object, keyword: str, other: int = 0) -> int:
    """Return a count from a schema."""
    value = schema.get(keyword)
    return int(value) if is_number(value) else other


def _joined(one: Flat, other: Flat) -> Flat:
    """Join two schemas that both hold; exact wherever that can be said in one."""
    schema, exact = dict(one.schema), one.exact and other.exact
    for keyword, value in other.schema.items():
        mine = schema.get(keyword)
        if keyword not in schema or mine == value:
            schema[keyword] = value
        elif is_note(keyword):
            continue
        elif keyword in _LARGEST | _SMALLEST and is_number(mine) and is_number(value):
            schema[keyword] = max(mine, value) if keyword in _LARGEST else min(mine, value)
        elif keyword == "required" and is_array(mine) and is_array(value):
            schema[keyword] = list(dict.fromkeys([*map(str, mine), *map(str, value)]))
        elif keyword == "properties" and is_object(mine) and is_object(value):
            shared = mine.keys() & value.keys()
            both: Object = {name: {"allOf": [mine[name], value[name]]} for name in shared}
            schema[keyword] = {**mine, **value, **both}
        elif keyword == "enum" and is_array(mine) and is_array(value):
            schema[keyword] = [item for item in mine if item in value]
        elif keyword == "type" and {str(mine), str(value)} == {"integer", "number"}:
            schema[keyword] = "integer"
        else:
            exact = False
    return Flat(schema, exact, tuple(dict.fromkeys((*one.refs, *other.refs))))
