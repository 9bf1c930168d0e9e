"""The mutations of a value that break its schema: in one place and by one keyword at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

from hypothesis import strategies as st

from falkit_contract.strategies._scalars import (
    Range,
    not_multiples,
    too_large,
    too_long,
    too_short,
    too_small,
    whole,
)
from falkit_contract.strategies._values import Flat, Schemas, Values, fields, required
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

Loc: TypeAlias = tuple[str | int, ...]

EXAMPLES: dict[str, list[JSON]] = {
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
"""Examples of each sort; some strings are sorts of their own, since lax mode parses them."""

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
_ERROR_TYPES = {
    "null": "none_required",
    "boolean": "bool_type",
    "integer": "int_type",
    "number": "float_type",
    "string": "string_type",
    "array": "list_type",
    "object": "model_attributes_type",
}
# Pydantic's lax mode tries to parse these and reports that it couldn't.
_PARSING_ERRORS = {
    ("integer", "fraction"): "int_from_float",
    ("integer", "string"): "int_parsing",
    ("integer", "boolean in a string"): "int_parsing",
    ("number", "string"): "float_parsing",
    ("number", "boolean in a string"): "float_parsing",
    ("boolean", "string"): "bool_parsing",
    ("boolean", "number in a string"): "bool_parsing",
    ("boolean", "integer"): "bool_parsing",
}


class InvalidValue(NamedTuple):
    """A value with something wrong in it, and the path to that place."""

    value: JSON
    at: Loc = ()


@dataclass(frozen=True)
class Mutation:
    """One thing that can be wrong with a value, and the values with which it is."""

    name: str
    type: str
    values: st.SearchStrategy[InvalidValue]
    at: str = ""
    """Where inside the field's value, as `.name` and `[]`."""


class Mutations:
    """Finds the mutations that break the schemas of one endpoint's input."""

    def __init__(self, schemas: Schemas, values: Values) -> None:
        self._schemas = schemas
        self._values = values

    def of(self, node: JSON, path: str, refs: tuple[str, ...] = ()) -> Iterator[Mutation]:
        """Yield every mutation that breaks one schema, simplest first."""
        flat = self._schemas.flat(node, path, refs)
        branches = self._schemas.branches(flat)
        real: list[JSON] = [
            one for one in branches if not (is_object(one) and one.get("type") == "null")
        ]
        if len(real) == 1:
            nullable = len(real) < len(branches)
            yield from self._open(real[0], path, flat, nullable=nullable)
        elif branches:
            yield from self._union(node, path, flat, real)
        else:
            yield from self._plain(node, path, flat)

    def _open(self, node: JSON, path: str, flat: Flat, *, nullable: bool) -> Iterator[Mutation]:
        for mutation in self.of(node, path, flat.refs):
            if not (nullable and not mutation.at and mutation.name.startswith("wrong type: null")):
                yield mutation

    def _plain(self, node: JSON, path: str, flat: Flat) -> Iterator[Mutation]:
        yield from self._types(node, flat)
        if flat.choices is not None:
            yield from self._choices(node, flat)
        elif flat.exact:
            yield from self._limits(flat, path)

    def _types(self, node: JSON, flat: Flat) -> Iterator[Mutation]:
        for given in EXAMPLES:
            wrong, error = self._wrong(node, flat, given), error_type(flat, given)
            if wrong and error is not None:
                name = f"wrong type: {given} for {flat.kind or 'any of the values'}"
                yield Mutation(name, error, st.sampled_from(wrong).map(InvalidValue))

    def _wrong(self, node: JSON, flat: Flat, given: str) -> list[JSON]:
        """Return values of a wrong sort; those that lax mode coerces are wrong in nothing else."""
        compiled = self._schemas.compiled(node)
        return [
            value
            for value in EXAMPLES[given]
            if not compiled.is_valid(value)
            and all(compiled.is_valid(coerced) for coerced in coercions(flat, given, value))
        ]

    def _choices(self, node: JSON, flat: Flat) -> Iterator[Mutation]:
        compiled = self._schemas.compiled(node)
        near = [value for choice in flat.choices or [] for value in _beside(choice)]
        wrong = [value for value in near if not compiled.is_valid(value)]
        if wrong:
            yield Mutation("not in enum", "literal_error", st.sampled_from(wrong).map(InvalidValue))

    def _union(self, node: JSON, path: str, flat: Flat, real: list[JSON]) -> Iterator[Mutation]:
        """Yield values of a type that no branch has; those that break a limit are left out."""
        compiled = self._schemas.compiled(node)
        flats = [self._schemas.flat(branch, path, flat.refs) for branch in real]
        for given, values in EXAMPLES.items():
            wrong = [value for value in values if not compiled.is_valid(value)]
            errors = [error_type(branch, given) for branch in flats]
            coerced = any(coercions(branch, given, values[0]) for branch in flats)
            if wrong and errors[0] is not None and all(errors) and not coerced:
                name = f"wrong type: {given} for any of {len(flats)}"
                yield Mutation(name, errors[0], st.sampled_from(wrong).map(InvalidValue))

    def _limits(self, flat: Flat, path: str) -> Iterator[Mutation]:
        match flat.kind:
            case "string":
                yield from _possible(_text_limits(flat.schema))
            case "integer" | "number" as kind:
                yield from _possible(_number_limits(flat.schema, integer=kind == "integer"))
            case "array":
                yield from self._list(flat, path)
            case "object":
                yield from self._object(flat, path)
            case _:
                return

    def _object(self, flat: Flat, path: str) -> Iterator[Mutation]:
        if any(keyword in flat.schema for keyword in ("minProperties", "maxProperties")):
            return
        legal = self._values.object(flat, path)
        for name, node in fields(flat).items():
            if name in required(flat):
                absent = self._values.object(flat, path, without=frozenset((name,)))
                yield Mutation(
                    "missing", "missing", absent.map(partial(_lacking, name)), f".{name}"
                )
            for mutation in self.of(node, f"{path}.{name}", flat.refs):
                values = st.tuples(legal, mutation.values).map(partial(_put, name))
                yield replace(mutation, values=values, at=f".{name}{mutation.at}")

    def _list(self, flat: Flat, path: str) -> Iterator[Mutation]:
        schema = flat.schema
        if is_array(schema.get("prefixItems")) or schema.get("items") is False:
            return
        node, unique = schema.get("items", True), schema.get("uniqueItems") is True
        items = self._values.of(node, f"{path}[]", flat.refs)
        least, most = whole(schema, "minItems"), schema.get("maxItems")
        top = int(most) if is_number(most) else least + 3
        if least:
            yield Mutation("too few items", "too_short", _lists(items, 0, least - 1))
        if is_number(most):
            yield Mutation("too many items", "too_long", _lists(items, top + 1, top + 2))
        if unique and top >= 2:
            repeated = items.map(lambda item: InvalidValue([item] * max(least, 2)))
            yield Mutation("repeated items", "value_error", repeated)
        if top and not unique:
            legal = st.lists(items, min_size=max(least, 1), max_size=top)
            for mutation in self.of(node, f"{path}[]", flat.refs):
                values = st.tuples(legal, mutation.values, st.integers(0, top - 1)).map(_set)
                yield replace(mutation, values=values, at=f"[]{mutation.at}")


_Limit: TypeAlias = tuple[str, str, st.SearchStrategy[JSON]]


def _possible(limits: Iterable[_Limit]) -> Iterator[Mutation]:
    for name, type, values in limits:
        if not values.is_empty:
            yield Mutation(name, type, values.map(InvalidValue))


def _text_limits(schema: Object) -> Iterator[_Limit]:
    yield "too short", "string_too_short", too_short(schema)
    yield "too long", "string_too_long", too_long(schema)


def _number_limits(schema: Object, *, integer: bool) -> Iterator[_Limit]:
    limits = Range.of(schema, integer=integer)
    small, large = too_small(schema, integer=integer), too_large(schema, integer=integer)
    if limits.above:
        yield "not above minimum", "greater_than", small
    else:
        yield "below minimum", "greater_than_equal", small
    if limits.below:
        yield "not below maximum", "less_than", large
    else:
        yield "above maximum", "less_than_equal", large
    yield "not a multiple", "multiple_of", not_multiples(schema, integer=integer)


def _lists(
    items: st.SearchStrategy[JSON], least: int, most: int
) -> st.SearchStrategy[InvalidValue]:
    return st.lists(items, min_size=least, max_size=most).map(InvalidValue)


def _lacking(name: str, value: Object) -> InvalidValue:
    return InvalidValue(value, (name,))


def _put(name: str, drawn: tuple[Object, InvalidValue]) -> InvalidValue:
    value, wrong = drawn
    return InvalidValue({**value, name: wrong.value}, (name, *wrong.at))


def _set(drawn: tuple[list[JSON], InvalidValue, int]) -> InvalidValue:
    items, wrong, wanted = drawn
    place = wanted % len(items)
    return InvalidValue([*items[:place], wrong.value, *items[place + 1 :]], (place, *wrong.at))


def _beside(choice: JSON) -> list[JSON]:
    """Return values of a choice's own type that are close to it."""
    if isinstance(choice, str):
        return [f"{choice} ", choice.upper(), choice[:-1]]
    return [choice + 1, choice - 1, -choice] if is_number(choice) else []


def error_type(flat: Flat, given: str) -> str | None:
    """Return the error's type for a value of the wrong sort; None where the sort is right."""
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
    return _PARSING_ERRORS.get((kind, given), _ERROR_TYPES[kind])


def coercions(flat: Flat, given: str, value: JSON) -> list[JSON]:
    """Return what lax mode coerces a value of another sort to: one value, or none."""
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
