"""The rules between fields, met without filtering: every choice of the fields that they read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hypothesis import strategies as st

from falkit_contract.strategies._schemas import Schemas, fields, required
from falkit_contract.strategies._values import canonical
from falkit_spec import Endpoint
from falkit_spec.facts import Rule
from falkit_spec.types import JSON, Object

_MOST = 20_000
"""Choices beyond this are not listed; inputs are then filtered."""


class _Absent:
    """Marks a field that is left out."""


_ABSENT = _Absent()


@dataclass(frozen=True)
class Choices:
    """All values that the fields read by an endpoint's rules can take together.

    None where a field is open: any number, any text.
    """

    endpoint: Endpoint
    schemas: Schemas

    @property
    def names(self) -> frozenset[str]:
        """The fields that any rule reads."""
        return frozenset(name for rule in self.endpoint.rules for name in rule.reads)

    @cached_property
    def all(self) -> list[Object] | None:
        """Every choice, legal or not."""
        flat = self.schemas.flat(self.endpoint.input_schema, "")
        nodes, musts = fields(flat), required(flat)
        domains: dict[str, list[JSON | _Absent]] = {}
        for name in (name for name in nodes if name in self.names):
            values = self._values(nodes[name], f".{name}")
            if values is None:
                return None
            domains[name] = [*values] if name in musts else [_ABSENT, *values]
        if math.prod(len(values) for values in domains.values()) > _MOST:
            return None
        chosen = itertools.product(*domains.values())
        return [
            {
                name: value
                for name, value in zip(domains, values, strict=True)
                if not isinstance(value, _Absent)
            }
            for values in chosen
        ]

    @cached_property
    def legal(self) -> list[Object] | None:
        """The choices that break no rule."""
        return None if self.all is None else [one for one in self.all if not self.broken(one)]

    def breaking(self, rule: Rule) -> list[Object]:
        """The choices that break this rule and no other; none where they can't be listed."""
        return [one for one in self.all or [] if self.broken(one) == [rule]]

    def broken(self, input: Mapping[str, JSON]) -> list[Rule]:
        """Return the rules that an input breaks, its defaults filled in."""
        filled = self.endpoint.with_defaults(input)
        return [rule for rule in self.endpoint.rules if rule.broken_by(filled)]

    def _values(self, node: JSON, path: str) -> list[JSON] | None:
        flat = self.schemas.flat(node, path)
        if flat.choices is not None:
            compiled = self.schemas.compiled(node)
            return [value for value in flat.choices if compiled.is_valid(value)]
        if flat.kind == "boolean":
            return [False, True]
        if flat.kind == "null":
            return [None]
        branches = [self._values(branch, path) for branch in self.schemas.branches(flat)]
        known = [values for values in branches if values is not None]
        if not known or len(known) < len(branches):
            return None
        return [value for values in known for value in values]


@st.composite
def one_of(draw: st.DrawFn, choices: list[Object]) -> Object:
    """Pick a choice field by field, so that each shrinks by itself: left out, then as listed."""
    left = choices
    for name in dict.fromkeys(name for choice in choices for name in choice):
        found = list(dict.fromkeys(_written(choice, name) for choice in left))
        picked = draw(st.sampled_from(sorted(found, key=bool)))
        left = [choice for choice in left if _written(choice, name) == picked]
    return left[0]


def _written(choice: Object, name: str) -> str:
    return canonical(choice[name]) if name in choice else ""
