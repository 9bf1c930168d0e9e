"""The ways in which a value can break its schema: one at a time, and never two at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from hypothesis import strategies as st

from falkit_contract.strategies import _numbers, _texts
from falkit_contract.strategies._kinds import GIVEN, said, taken_as
from falkit_contract.strategies._schemas import Flat, Schemas, fields, required, whole
from falkit_contract.strategies._values import Values
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

Loc: TypeAlias = tuple[str | int, ...]


class Spoiled(NamedTuple):
    """A value with something wrong in it, and the way from the value to the place."""

    value: JSON
    at: Loc = ()


@dataclass(frozen=True)
class Way:
    """One way to be wrong, and the values that are."""

    name: str
    type: str
    values: st.SearchStrategy[Spoiled]
    at: str = ""
    """Where inside the field's value, as `.name` and `[]`."""


class Ways:
    """Finds the ways to break the schemas of one endpoint's input."""

    def __init__(self, schemas: Schemas, values: Values) -> None:
        self._schemas = schemas
        self._values = values

    def of(self, node: JSON, path: str, refs: tuple[str, ...] = ()) -> Iterator[Way]:
        """Yield every way to break one schema, simplest first."""
        flat = self._schemas.flat(node, path, refs)
        branches = self._schemas.branches(flat)
        real = [branch for branch in branches if branch != {"type": "null"} and not _null(branch)]
        if len(real) == 1:
            nullable = len(real) < len(branches)
            yield from self._open(real[0], path, flat, nullable=nullable)
        elif branches:
            yield from self._union(node, path, flat, real)
        else:
            yield from self._plain(node, path, flat)

    def _open(self, node: JSON, path: str, flat: Flat, *, nullable: bool) -> Iterator[Way]:
        for way in self.of(node, path, flat.refs):
            if not (nullable and not way.at and way.name.startswith("wrong type: null")):
                yield way

    def _plain(self, node: JSON, path: str, flat: Flat) -> Iterator[Way]:
        yield from self._types(node, flat)
        if flat.choices is not None:
            yield from self._choices(node, flat)
        elif flat.exact:
            yield from self._limits(flat, path)

    def _types(self, node: JSON, flat: Flat) -> Iterator[Way]:
        for given in GIVEN:
            wrong, fault = self._wrong(node, flat, given), said(flat, given)
            if wrong and fault is not None:
                name = f"wrong type: {given} for {_shown(flat)}"
                yield Way(name, fault, st.sampled_from(wrong).map(Spoiled))

    def _wrong(self, node: JSON, flat: Flat, given: str) -> list[JSON]:
        """Return values of a sort that is wrong; what a lax reader takes is wrong in that only."""
        compiled = self._schemas.compiled(node)
        return [
            value
            for value in GIVEN[given]
            if not compiled.is_valid(value)
            and all(compiled.is_valid(taken) for taken in taken_as(flat, given, value))
        ]

    def _choices(self, node: JSON, flat: Flat) -> Iterator[Way]:
        compiled = self._schemas.compiled(node)
        near = [value for choice in flat.choices or [] for value in _beside(choice)]
        wrong = [value for value in near if not compiled.is_valid(value)]
        if wrong:
            yield Way("not in enum", "literal_error", st.sampled_from(wrong).map(Spoiled))

    def _union(self, node: JSON, path: str, flat: Flat, real: list[JSON]) -> Iterator[Way]:
        """Yield values of a type that no branch has; what breaks a branch within is left out."""
        compiled = self._schemas.compiled(node)
        flats = [self._schemas.flat(branch, path, flat.refs) for branch in real]
        for given, values in GIVEN.items():
            wrong = [value for value in values if not compiled.is_valid(value)]
            faults = [said(branch, given) for branch in flats]
            taken = any(taken_as(branch, given, values[0]) for branch in flats)
            if wrong and faults[0] is not None and all(faults) and not taken:
                name = f"wrong type: {given} for any of {len(flats)}"
                yield Way(name, faults[0], st.sampled_from(wrong).map(Spoiled))

    def _limits(self, flat: Flat, path: str) -> Iterator[Way]:
        match flat.kind:
            case "string":
                yield from _texts_of(flat.schema)
            case "integer" | "number":
                yield from _numbers_of(flat)
            case "array":
                yield from self._list(flat, path)
            case "object":
                yield from self._object(flat, path)
            case _:
                return

    def _object(self, flat: Flat, path: str) -> Iterator[Way]:
        if any(keyword in flat.schema for keyword in ("minProperties", "maxProperties")):
            return
        whole_object = self._values.object(flat, path)
        for name, node in fields(flat).items():
            if name in required(flat):
                absent = self._values.object(flat, path, without=frozenset((name,)))
                yield Way("missing", "missing", absent.map(_lacking(name)), f".{name}")
            for way in self.of(node, f"{path}.{name}", flat.refs):
                values = st.tuples(whole_object, way.values).map(_put(name))
                yield replace(way, values=values, at=f".{name}{way.at}")

    def _list(self, flat: Flat, path: str) -> Iterator[Way]:
        schema = flat.schema
        if is_array(schema.get("prefixItems")) or schema.get("items") is False:
            return
        node, unique = schema.get("items", True), schema.get("uniqueItems") is True
        items = self._values.of(node, f"{path}[]", flat.refs)
        least, most = whole(schema, "minItems"), schema.get("maxItems")
        top = int(most) if is_number(most) else least + 3
        if least:
            yield Way("too few items", "too_short", _lists(items, 0, least - 1))
        if is_number(most):
            yield Way("too many items", "too_long", _lists(items, top + 1, top + 2))
        if unique and top >= 2:
            yield Way("repeated items", "value_error", _lists(items, 1, 1).map(_doubled(least)))
        if top and not unique:
            legal = st.lists(items, min_size=max(least, 1), max_size=top)
            for way in self.of(node, f"{path}[]", flat.refs):
                values = st.tuples(legal, way.values, st.integers(0, top - 1)).map(_set)
                yield replace(way, values=values, at=f"[]{way.at}")


def _texts_of(schema: Object) -> Iterator[Way]:
    for name, type, values in (
        ("too short", "string_too_short", _texts.short(schema)),
        ("too long", "string_too_long", _texts.long(schema)),
    ):
        if not values.is_empty:
            yield Way(name, type, values.map(Spoiled))


def _numbers_of(flat: Flat) -> Iterator[Way]:
    integer = flat.kind == "integer"
    limits = _numbers.Range.of(flat.schema, integer=integer)
    below = (
        ("not above minimum", "greater_than")
        if limits.above
        else ("below minimum", "greater_than_equal")
    )
    beyond = (
        ("not below maximum", "less_than") if limits.below else ("above maximum", "less_than_equal")
    )
    for (name, type), values in (
        (below, _numbers.low(flat.schema, integer=integer)),
        (beyond, _numbers.high(flat.schema, integer=integer)),
        (("not a multiple", "multiple_of"), _numbers.between_steps(flat.schema, integer=integer)),
    ):
        if not values.is_empty:
            yield Way(name, type, values.map(Spoiled))


def _lists(items: st.SearchStrategy[JSON], least: int, most: int) -> st.SearchStrategy[Spoiled]:
    return st.lists(items, min_size=least, max_size=most).map(Spoiled)


def _doubled(least: int) -> Callable[[Spoiled], Spoiled]:
    def doubled(one: Spoiled) -> Spoiled:
        return Spoiled([*one.value] * max(least, 2) if is_array(one.value) else one.value)

    return doubled


def _lacking(name: str) -> Callable[[Object], Spoiled]:
    return lambda value: Spoiled(value, (name,))


def _put(name: str) -> Callable[[tuple[Object, Spoiled]], Spoiled]:
    def put(drawn: tuple[Object, Spoiled]) -> Spoiled:
        held, wrong = drawn
        return Spoiled({**held, name: wrong.value}, (name, *wrong.at))

    return put


def _set(drawn: tuple[list[JSON], Spoiled, int]) -> Spoiled:
    items, wrong, wanted = drawn
    place = wanted % len(items)
    return Spoiled([*items[:place], wrong.value, *items[place + 1 :]], (place, *wrong.at))


def _beside(choice: JSON) -> list[JSON]:
    """Return values of a choice's own type that are close to it."""
    if isinstance(choice, str):
        return [f"{choice} ", choice.upper(), choice[:-1]]
    return [choice + 1, choice - 1, -choice] if is_number(choice) else []


def _null(branch: JSON) -> bool:
    return is_object(branch) and branch.get("type") == "null"


def _shown(flat: Flat) -> str:
    return flat.kind or "any of the values"
