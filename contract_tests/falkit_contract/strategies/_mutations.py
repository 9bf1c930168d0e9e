"""The mutations of a value that break its schema: in one place and by one keyword at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import NamedTuple, TypeAlias

from hypothesis import strategies as st

from falkit_contract.strategies._scalars import (
    FORMATS,
    Range,
    not_multiples,
    too_large,
    too_long,
    too_short,
    too_small,
    whole,
)
from falkit_contract.strategies._values import (
    LONGEST,
    Endless,
    Flat,
    Schemas,
    fields,
    lists,
    required,
)
from falkit_spec.refusals import InputValidator
from falkit_spec.schema import Compiled
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
    others: tuple[str, ...] = ()
    """The types of further items, where each branch of a union has one."""


def mutations_of(
    schemas: Schemas, node: JSON, path: str, refs: tuple[str, ...] = ()
) -> Iterator[Mutation]:
    """Yield every mutation that breaks one schema, simplest first."""
    flat = schemas.flat(node, path, refs)
    branches, compiled = schemas.branches(flat), schemas.compiled(node)
    real = [one for one in branches if not (is_object(one) and one.get("type") == "null")]
    if len(real) == 1:
        nullable = len(real) < len(branches)
        for mutation in mutations_of(schemas, real[0], path, flat.refs):
            if mutation.at or not (nullable and mutation.name.startswith("wrong type: null")):
                yield mutation
        return
    if branches:
        yield from _for_any_branch([schemas.flat(one, path, flat.refs) for one in real], compiled)
        return
    yield from _types(flat, compiled)
    if flat.choices is not None:
        near = [value for choice in flat.choices for value in _beside(choice)]
        yield from _some("not in enum", "literal_error", near, compiled)
    elif flat.exact:
        yield from _limits(schemas, flat, path)


def _some(name: str, type: str, values: Iterable[JSON], compiled: Compiled) -> Iterator[Mutation]:
    """Yield the mutation to those of the values that are invalid, if there are any."""
    wrong = [value for value in values if not compiled.is_valid(value)]
    if wrong:
        yield Mutation(name, type, st.sampled_from(wrong).map(InvalidValue))


def _types(flat: Flat, compiled: Compiled) -> Iterator[Mutation]:
    """Yield values of a wrong sort that Pydantic's lax mode refuses too (wire.md §14.4)."""
    for given, values in EXAMPLES.items():
        error = error_type(flat, given)
        if error is not None:
            name = f"wrong type: {given} for {flat.kind or 'any of the values'}"
            yield from _some(name, error, values, compiled)


def _for_any_branch(flats: list[Flat], compiled: Compiled) -> Iterator[Mutation]:
    """Yield values of a type that no branch has; those that break a limit are left out."""
    for given, values in EXAMPLES.items():
        errors = [error for branch in flats if (error := error_type(branch, given))]
        if len(errors) == len(flats):
            name = f"wrong type: {given} for any of {len(flats)}"
            for mutation in _some(name, errors[0], values, compiled):
                yield replace(mutation, others=tuple(errors[1:]))


def _limits(schemas: Schemas, flat: Flat, path: str) -> Iterator[Mutation]:
    match flat.kind:
        case "string" if flat.schema.get("format") not in FORMATS:
            yield from _possible("too short", "string_too_short", too_short(flat.schema))
            yield from _possible("too long", "string_too_long", too_long(flat.schema))
        case "integer" | "number" as kind:
            yield from _number_limits(flat.schema, integer=kind == "integer")
        case "array":
            yield from _list(schemas, flat, path)
        case "object":
            yield from _object(schemas, flat, path)
        case _:
            return


def _object(schemas: Schemas, flat: Flat, path: str) -> Iterator[Mutation]:
    if flat.schema.keys() & {"minProperties", "maxProperties"}:
        return
    legal = schemas.object(flat, path)
    for name, node in fields(flat).items():
        if name in required(flat):
            absent = schemas.object(flat, path, without=frozenset((name,)))
            values = absent.map(partial(InvalidValue, at=(name,)))
            yield Mutation("missing", "missing", values, f".{name}")
        with suppress(Endless):
            for mutation in mutations_of(schemas, node, f"{path}.{name}", flat.refs):
                values = st.tuples(legal, mutation.values).map(partial(_put, name))
                yield replace(mutation, values=values, at=f".{name}{mutation.at}")


def _list(schemas: Schemas, flat: Flat, path: str) -> Iterator[Mutation]:
    schema = flat.schema
    if is_array(schema.get("prefixItems")) or schema.get("items") is False:
        return
    node, unique = schema.get("items", True), schema.get("uniqueItems") is True
    try:
        items = schemas.of(node, f"{path}[]", flat.refs)
    except Endless:
        return
    least = whole(schema, "minItems")
    most = whole(schema, "maxItems", least + 3)
    if least:
        # A set has each item once.
        fewer = lists(items, 0, min(least - 1, 3), unique=unique)
        yield Mutation("too few items", "too_short", fewer.map(InvalidValue))
    if "maxItems" in schema and most < (20 if unique else LONGEST):
        more = lists(items, most + 1, most + 2, unique=unique)
        yield Mutation("too many items", "too_long", more.map(InvalidValue))
    if most and not unique:
        legal = lists(items, max(least, 1), min(most, max(least, 1) + 3))
        for mutation in mutations_of(schemas, node, f"{path}[]", flat.refs):
            values = st.tuples(legal, mutation.values, st.integers(0, most - 1)).map(_set)
            yield replace(mutation, values=values, at=f"[]{mutation.at}")


def _possible(name: str, type: str, values: st.SearchStrategy[JSON]) -> Iterator[Mutation]:
    if not values.is_empty:
        yield Mutation(name, type, values.map(InvalidValue))


def _number_limits(schema: Object, *, integer: bool) -> Iterator[Mutation]:
    limits = Range.of(schema, integer=integer)
    low = ("not above", "greater_than") if limits.above else ("below", "greater_than_equal")
    high = ("not below", "less_than") if limits.below else ("above", "less_than_equal")
    small, large = too_small(schema, integer=integer), too_large(schema, integer=integer)
    yield from _possible(f"{low[0]} minimum", low[1], small)
    yield from _possible(f"{high[0]} maximum", high[1], large)
    part = not_multiples(schema, integer=integer)
    yield from _possible("not a multiple", "multiple_of", part)


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
    """Return the error's type for a value of the wrong sort; None where the sort is taken."""
    if flat.choices is not None:
        right = {sort for choice in flat.choices for sort in _RIGHT[_KINDS[type(choice)]]}
        if any(type(choice) is int and choice in (0, 1) for choice in flat.choices):
            # To Python, and so to Pydantic, they are equal to booleans.
            right.add("boolean")
        return None if given in right else "literal_error"
    kind = flat.kind
    if kind is None or given in _RIGHT[kind]:
        return None
    # Of what is inside nothing shows but whether there is anything.
    shape: Object = {
        key: [True for _ in value]
        if is_array(value)
        else {"x": True}
        if is_object(value)
        else value
        for key in ("prefixItems", "items", "minItems", "maxItems", "properties", "format")
        if (value := flat.schema.get(key)) is not None
    }
    return _refused(json.dumps({**shape, "type": kind}), given)


@cache
def _refused(schema: str, given: str) -> str | None:
    """Return the type of Pydantic's error for a value of a wrong sort; None where it is taken."""
    validator = InputValidator({"properties": {"x": json.loads(schema)}}, (), {})
    faults = validator.faults({"x": EXAMPLES[given][0]}, coerce=True)
    return faults[0]["type"] if faults else None


_KINDS = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
