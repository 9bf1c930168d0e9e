"""Every combination of an endpoint's enumerated inputs, counted without being made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from falkit_spec.facts import Rule
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import JSON, Object, is_array

LIMIT = 10_000
"""More combinations than this are counted, or taken one by one, not listed."""


class Combination(NamedTuple):
    """One choice per enumerated input; the other inputs keep their defaults."""

    values: Object
    legal: bool
    why: str | None
    """The rules that forbid it; None where it is legal."""
    price: Decimal | None
    """US dollars; None where no price is known."""


def axes(schema: Object) -> dict[str, list[JSON]]:
    """Find the inputs that combine: those with an enum of two values or more, in the
    document's order. One value is no choice, and booleans are switches.
    """
    values = {name: _values(node, schema) for name, node in ordered(schema).items()}
    return {name: listed for name, listed in values.items() if len(listed) > 1}


class Combinations:
    """The combinations of an input's enumerated fields."""

    def __init__(
        self,
        schema: Object,
        rules: Sequence[Rule],
        defaults: Object,
        price: Callable[[Mapping[str, JSON]], Decimal | None],
    ) -> None:
        self._schema = schema
        self._rules = rules
        self._defaults = defaults
        self._price = price

    @cached_property
    def choices(self) -> dict[str, list[JSON]]:
        """The inputs that combine, each with its values."""
        return axes(self._schema)

    def each(self, fields: Collection[str] | None = None) -> Iterator[Combination]:
        """Yield the combinations one by one, of some of the inputs that combine or of all."""
        choices = self._choices_of(fields)
        for values in itertools.product(*choices.values()) if choices else ():
            yield self._combination(dict(zip(choices, values, strict=True)))

    def count(self, fields: Collection[str] | None = None) -> int:
        """Count the combinations, of some of the inputs that combine or of all, without them."""
        choices = self._choices_of(fields)
        return math.prod(map(len, choices.values())) if choices else 0

    def count_legal(self) -> int | None:
        """Count those that keep the rules; None where it would take more than 10,000 of them."""
        read = {name for rule in self._rules for name in rule.reads} & self.choices.keys()
        judged = self.count(read)
        if not read:
            # Rules that read no such input judge all alike.
            first = next(self.each(), None)
            return self.count() if first is None or first.legal else 0
        if judged > LIMIT:
            return None
        legal = sum(one.legal for one in self.each(read))
        return legal * (self.count() // judged)

    def _choices_of(self, fields: Collection[str] | None) -> dict[str, list[JSON]]:
        if fields is None:
            return self.choices
        return {name: listed for name, listed in self.choices.items() if name in fields}

    def _combination(self, values: Object) -> Combination:
        full = {**self._defaults, **values}
        # A rule that speaks of nothing that combines is kept or broken by what stands beside it.
        rules = [rule for rule in self._rules if not rule.reads.isdisjoint(values)]
        broken = [rule.message for rule in rules if rule.broken_by(full)]
        return Combination(values, not broken, "; ".join(broken) or None, self._price(values))


def _values(node: JSON, root: Object, deep: int = 8) -> list[JSON]:
    schema = resolve(node, root)
    values, branches = schema.get("enum"), schema.get("anyOf", schema.get("oneOf"))
    if is_array(values):
        return values
    if "const" in schema:
        return [schema["const"]]
    # A branch may lead to the union that it is in.
    if not is_array(branches) or not deep:
        return []
    found = [
        [None] if branch == {"type": "null"} else _values(branch, root, deep - 1)
        for branch in branches
    ]
    # Where one branch is open (any number, any text), there is nothing to enumerate.
    return [value for values in found for value in values] if all(found) else []
