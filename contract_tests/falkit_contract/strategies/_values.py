"""A strategy of the values that one schema allows, composed from the schema's parts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache

from hypothesis import strategies as st

from falkit_contract.strategies import _numbers, _texts
from falkit_contract.strategies._schemas import Flat, Schemas, fields, required, whole
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

_SPARE = 3
"""Lists and tables grow this much beyond what they must hold."""


class Values:
    """Makes strategies for the parts of one endpoint's input."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def of(self, node: JSON, path: str, refs: tuple[str, ...] = ()) -> st.SearchStrategy[JSON]:
        """Return the strategy of one schema; UnsupportedSchema if there can be none."""
        flat = self._schemas.flat(node, path, refs)
        made = self._made(flat, node, path)
        if made.is_empty:
            raise self._schemas.refuse(path, "its limits leave no value that is allowed")
        if flat.exact and "oneOf" not in flat.schema:
            return made
        return made.filter(self._schemas.compiled(node).is_valid)

    def object(
        self,
        flat: Flat,
        path: str,
        given: Mapping[str, st.SearchStrategy[JSON]] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> st.SearchStrategy[Object]:
        """Return the strategy of an object: what it must hold, and now and then what it may."""
        own, musts = dict(given or {}), required(flat)
        named = {
            name: own[name] if name in own else self.field(name, node, f"{path}.{name}", flat.refs)
            for name, node in fields(flat).items()
            if name not in without
        }
        made = _held(named, frozenset(musts))
        limited = "minProperties" in flat.schema or "maxProperties" in flat.schema
        if not limited:
            return made
        least, most = whole(flat.schema, "minProperties"), flat.schema.get("maxProperties")
        return made.filter(
            lambda value: least <= len(value) and (not is_number(most) or len(value) <= most)
        )

    def field(
        self, name: str, node: JSON, path: str, refs: tuple[str, ...]
    ) -> st.SearchStrategy[JSON]:
        """Return the strategy of one property; the name tells which texts are URLs."""
        made = self.of(node, path, refs)
        if not name.endswith("_url"):
            return made
        flat = self._schemas.flat(node, path, refs)
        open_text = flat.kind == "string" and flat.choices is None
        limited = "minLength" in flat.schema or "maxLength" in flat.schema
        return _texts.urls if open_text and not limited else made

    def _made(self, flat: Flat, node: JSON, path: str) -> st.SearchStrategy[JSON]:
        if flat.choices is not None:
            compiled = self._schemas.compiled(node)
            allowed = [value for value in flat.choices if compiled.is_valid(value)]
            return st.sampled_from(allowed) if allowed else st.nothing()
        branches = self._schemas.branches(flat)
        if branches:
            return st.one_of([self.of(branch, path, flat.refs) for branch in branches])
        return self._typed(flat, path)

    def _typed(self, flat: Flat, path: str) -> st.SearchStrategy[JSON]:
        schema = flat.schema
        match flat.kind:
            case "object":
                return self._table(flat, path)
            case "array":
                return self._list(flat, path)
            case "string":
                return _texts.legal(schema)
            case "integer" | "number" as kind:
                return _numbers.legal(schema, integer=kind == "integer")
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case _:
                return anything()

    def _table(self, flat: Flat, path: str) -> st.SearchStrategy[JSON]:
        if fields(flat):
            return self.object(flat, path).map(lambda value: value)
        more = flat.schema.get("additionalProperties", True)
        if more is False:
            return st.just({})
        least, most = whole(flat.schema, "minProperties"), flat.schema.get("maxProperties")
        values = self.of(more, f"{path}.*", flat.refs)
        size = int(most) if is_number(most) else least + _SPARE
        if size < least:
            return st.nothing()
        return st.dictionaries(st.text(max_size=8), values, min_size=least, max_size=size).map(
            lambda table: table
        )

    def _list(self, flat: Flat, path: str) -> st.SearchStrategy[JSON]:
        schema, firsts = flat.schema, flat.schema.get("prefixItems")
        least, most = whole(schema, "minItems"), schema.get("maxItems")
        head = [
            self.of(node, f"{path}[{place}]", flat.refs)
            for place, node in enumerate(firsts if is_array(firsts) else [])
        ]
        top = int(most) if is_number(most) else max(least, len(head)) + (0 if head else _SPARE)
        if top < least:
            return st.nothing()
        head = head[:top]
        least, top = max(least - len(head), 0), max(top - len(head), 0)
        tail: st.SearchStrategy[list[JSON]] = st.just([])
        if top and schema.get("items") is not False:
            items = self.of(schema.get("items", True), f"{path}[]", flat.refs)
            unique = schema.get("uniqueItems") is True
            tail = st.lists(
                items, min_size=least, max_size=top, unique_by=canonical if unique else None
            )
        elif least:
            return st.nothing()
        joined = st.tuples(st.tuples(*head), tail).map(lambda parts: [*parts[0], *parts[1]])
        if head and schema.get("uniqueItems") is True:
            return joined.filter(lambda value: len({*map(canonical, value)}) == len(value))
        return joined.map(lambda value: value)


@st.composite
def _held(
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
    lists: st.SearchStrategy[list[JSON]] = st.lists(leaves, max_size=_SPARE)
    tables: st.SearchStrategy[Object] = st.dictionaries(
        st.text(max_size=8), leaves, max_size=_SPARE
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
    whole_float = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    return int(value) if whole_float and is_number(value) else value
