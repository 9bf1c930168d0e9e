"""Schemas in one flat form, and the strategies of the values that they allow.

Flat: references are followed, and what stands beside them is joined.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from falkit_contract import UnsupportedSchema
from falkit_contract.strategies._scalars import numbers, texts, urls, whole
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
# The keywords from which a schema's type follows where none is named.
_IMPLIED_BY: dict[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


_MOST_READ = 50_000
"""More schemas are not flattened, nor refuse to; making strategies of fal's reads hundreds."""
_LONG = 20
"""Longer lists repeat one item, and much longer ones are not made."""
LONGEST = 1000
_EXTRA = 3
"""Lists and objects have up to this many more items than they must."""


@dataclass(frozen=True)
class Flat:
    """A schema without references. Where it isn't `exact`, it allows more than it should."""

    schema: Object
    exact: bool
    refs: tuple[str, ...]
    """The references that were followed to get here, to notice a schema that contains itself."""

    @property
    def kind(self) -> str | None:
        """The one type that is named or follows from the keywords, else None."""
        kind = self.schema.get("type")
        if kind is not None:
            return kind if isinstance(kind, str) else None
        implied = (name for name, keywords in _IMPLIED_BY.items() if self.schema.keys() & keywords)
        return next(implied, None)

    @property
    def choices(self) -> list[JSON] | None:
        """The values of an enum or const; None where there is neither."""
        values = self.schema.get("enum")
        if "const" in self.schema:
            return [self.schema["const"]]
        return values if is_array(values) else None


class Endless(UnsupportedSchema):
    """A place at which a schema contains itself once more: what may be left out there, is."""


class Schemas:
    """Reads the schemas below one root, and makes the strategies of the values they allow."""

    def __init__(self, root: Object, endpoint_id: str) -> None:
        self.root = root
        self.endpoint_id = endpoint_id
        self._read = 0

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
        ref, parts = node.get("$ref"), node.get("allOf")
        self._read += 1
        if self._read > _MOST_READ:
            raise self.refuse(path, f"the whole unfolds to more than {_MOST_READ:,} schemas")
        if isinstance(ref, str):
            if ref in refs:
                raise Endless(self.endpoint_id, path, f"{ref} contains itself without end")
            target = self.flat(follow_ref(self.root, ref) or {}, path, (*refs, ref))
            joined = _joined(joined, target)
        for part in parts if is_array(parts) else []:
            joined = _joined(joined, self.flat(part, path, refs))
        return joined

    def branches(self, flat: Flat) -> list[JSON]:
        """Return a union's branches, null first because it is the simplest; none if no union."""
        for keyword in ("anyOf", "oneOf", "type"):
            listed = flat.schema.get(keyword)
            if not is_array(listed):
                continue
            rest: Object = {k: v for k, v in flat.schema.items() if k != keyword}
            branches: list[JSON] = [{"allOf": [branch, rest]} for branch in listed]
            if keyword == "type":
                branches = [{**rest, "type": kind} for kind in listed]
            elif all(map(is_note, rest)):
                branches = listed
            return sorted(branches, key=lambda one: not is_object(one) or one.get("type") != "null")
        return []

    def allowed(self, flat: Flat, node: JSON) -> list[JSON]:
        """Return those of a schema's choices that its other keywords allow too."""
        compiled = self.compiled(node)
        return [value for value in flat.choices or [] if compiled.is_valid(value)]

    def compiled(self, node: JSON) -> Compiled:
        """Compile one schema below the root."""
        schema = node if is_object(node) else {}
        return Compiled({**schema, "$defs": self.root.get("$defs", {})})

    def of(self, node: JSON, path: str, refs: tuple[str, ...] = ()) -> st.SearchStrategy[JSON]:
        """Return the strategy of one schema; UnsupportedSchema if there can be none."""
        flat = self.flat(node, path, refs)
        made = self._made(flat, node, path)
        if made.is_empty:
            raise self.refuse(path, "its limits leave no value that is allowed")
        if flat.exact and "oneOf" not in flat.schema:
            return made
        return made.filter(self.compiled(node).is_valid)

    def object(
        self,
        flat: Flat,
        path: str,
        given: Mapping[str, st.SearchStrategy[JSON]] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> st.SearchStrategy[Object]:
        """Return the strategy of an object: what it must have, and sometimes what it may have."""
        own, musts = dict(given or {}), required(flat)
        named: dict[str, st.SearchStrategy[JSON]] = {}
        for name, node in fields(flat).items():
            if name in without:
                continue
            try:
                named[name] = (
                    own[name]
                    if name in own
                    else self.field(name, node, f"{path}.{name}", flat.refs)
                )
            except Endless:
                if name in musts:
                    raise
        made = _some_of(named, frozenset(musts))
        if not flat.schema.keys() & {"minProperties", "maxProperties"}:
            return made
        least = whole(flat.schema, "minProperties")
        most = whole(flat.schema, "maxProperties", len(named))
        return made.filter(lambda value: least <= len(value) <= most)

    def field(
        self, name: str, node: JSON, path: str, refs: tuple[str, ...]
    ) -> st.SearchStrategy[JSON]:
        """Return the strategy of one property; the name tells which texts are URLs."""
        made = self.of(node, path, refs)
        if not name.endswith("_url"):
            return made
        flat = self.flat(node, path, refs)
        branches = self.branches(flat)
        texts = [one for one in branches if not (is_object(one) and one.get("type") == "null")]
        if len(texts) == 1:
            flat = self.flat(texts[0], path, flat.refs)
        open_text = flat.kind == "string" and flat.choices is None
        open_text = open_text and flat.schema.get("format") in (None, "uri", "url", "binary")
        least, most = whole(flat.schema, "minLength"), whole(flat.schema, "maxLength", 100)
        if not open_text or least > 20 or most < 100:
            # No place for a URL, or for few.
            return made
        return st.none() | urls if len(texts) < len(branches) else urls

    def _made(self, flat: Flat, node: JSON, path: str) -> st.SearchStrategy[JSON]:
        if flat.choices is not None:
            allowed = self.allowed(flat, node)
            return st.sampled_from(allowed) if allowed else st.nothing()
        branches = self.branches(flat)
        if branches:
            return st.one_of(self._of_each(branches, path, flat.refs))
        match flat.kind:
            case "object":
                return self._dictionary(flat, path)
            case "array":
                return self._list(flat, path)
            case "string":
                return texts(flat.schema)
            case "integer" | "number" as kind:
                return numbers(flat.schema, integer=kind == "integer")
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case _:
                return anything()

    def _of_each(
        self, branches: list[JSON], path: str, refs: tuple[str, ...]
    ) -> list[st.SearchStrategy[JSON]]:
        """Return the strategies of a union's branches but of those that lead back to it."""
        made: list[st.SearchStrategy[JSON]] = []
        endless: Endless | None = None
        for branch in branches:
            try:
                made.append(self.of(branch, path, refs))
            except Endless as error:
                endless = error
        if endless is not None and not made:
            raise endless
        return made

    def _dictionary(self, flat: Flat, path: str) -> st.SearchStrategy[JSON]:
        if fields(flat):
            return self.object(flat, path).map(lambda value: value)
        more = flat.schema.get("additionalProperties", True)
        if more is False:
            return st.just({})
        least = whole(flat.schema, "minProperties")
        most = whole(flat.schema, "maxProperties", least + _EXTRA)
        if most < least or least > _LONG:
            return st.nothing()
        try:
            values = self.of(more, f"{path}.*", flat.refs)
        except Endless:
            if least:
                raise
            return st.just({})
        keys = st.text(max_size=8)
        tables = st.dictionaries(keys, values, min_size=least, max_size=most)
        return tables.map(lambda table: table)

    def _list(self, flat: Flat, path: str) -> st.SearchStrategy[JSON]:
        schema, firsts = flat.schema, flat.schema.get("prefixItems")
        unique, rest = schema.get("uniqueItems") is True, schema.get("items", True)
        head = [
            self.of(node, f"{path}[{place}]", flat.refs)
            for place, node in enumerate(firsts if is_array(firsts) else [])
        ]
        least = whole(schema, "minItems")
        most = whole(schema, "maxItems", max(least, len(head)) + (0 if head else _EXTRA))
        head = head[:most]
        if rest is False:
            most = min(most, len(head))
        if most < least or least > (_LONG if unique else LONGEST):
            return st.nothing()
        tail: st.SearchStrategy[list[JSON]] = st.just([])
        if most > len(head):
            fewest, longest = max(least - len(head), 0), most - len(head)
            try:
                items = self.of(rest, f"{path}[]", flat.refs)
                tail = lists(items, fewest, min(longest, fewest + _EXTRA), unique=unique)
                if fewest + _EXTRA < longest <= LONGEST and not unique:
                    tail = st.one_of(tail, tail, tail, lists(items, longest, longest))
            except Endless:
                if fewest:
                    raise
        joined = st.tuples(st.tuples(*head), tail).map(lambda parts: [*parts[0], *parts[1]])
        if head and unique:
            joined = joined.filter(lambda value: len({*map(canonical, value)}) == len(value))
        return joined.map(lambda value: value)


def lists(
    items: st.SearchStrategy[JSON], least: int, most: int, *, unique: bool = False
) -> st.SearchStrategy[list[JSON]]:
    """Give lists; long ones repeat one item, since to draw each would take long."""
    if least > _EXTRA and not unique:
        return st.tuples(items, st.integers(least, most)).map(lambda drawn: [drawn[0]] * drawn[1])
    by = canonical if unique else None
    return st.lists(items, min_size=least, max_size=most, unique_by=by)


def is_note(keyword: str) -> bool:
    """Tell whether a keyword forbids nothing."""
    return keyword in NOTES or keyword.startswith(("x-", "_"))


def fields(flat: Flat) -> Object:
    """Return an object's properties in the document's order, then names that are only required."""
    listed = ordered(flat.schema)
    return {**dict.fromkeys([*listed, *required(flat)], True), **listed}


def required(flat: Flat) -> list[str]:
    """Return the names that an object must have."""
    names = flat.schema.get("required")
    return [name for name in names if isinstance(name, str)] if is_array(names) else []


def _joined(one: Flat, other: Flat) -> Flat:
    """Join two schemas that both apply; exact where one schema can express that."""
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


@st.composite
def _some_of(
    draw: st.DrawFn, named: Mapping[str, st.SearchStrategy[JSON]], musts: frozenset[str]
) -> Object:
    # A coin for each field, and not fixed_dictionaries, whose optional keys shrink badly.
    coin = st.booleans()
    return {name: draw(made) for name, made in named.items() if name in musts or draw(coin)}


@cache
def anything() -> st.SearchStrategy[JSON]:
    """Give any JSON, small."""
    leaves: st.SearchStrategy[JSON] = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    )
    lists: st.SearchStrategy[list[JSON]] = st.lists(leaves, max_size=_EXTRA)
    tables: st.SearchStrategy[Object] = st.dictionaries(
        st.text(max_size=8), leaves, max_size=_EXTRA
    )
    return st.one_of(leaves, lists, tables)


def canonical(value: JSON) -> str:
    """Write JSON so that equal values read the same: 1 and 1.0 do, 1 and true do not."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: JSON) -> JSON:
    if is_object(value):
        return {name: _plain(item) for name, item in value.items()}
    if is_array(value):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
