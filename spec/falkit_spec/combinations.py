"""Every combination of an endpoint's enumerated inputs, and whether it is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from falkit_spec.schema import resolve
from falkit_spec.types import JSON, Object, is_array, is_object

LIMIT = 10_000
"""More combinations than this are counted, not listed."""


@dataclass(frozen=True)
class Combination:
    """One choice per enumerated input; the other inputs keep their defaults."""

    values: Object
    legal: bool
    why: str | None
    """What forbids it; None where it is legal."""
    price: Decimal | None
    """US dollars; None where no price is known."""


def axes(schema: Object) -> dict[str, list[JSON]]:
    """Find the inputs that combine: those with an enum of two values or more, in the
    document's order. A choice of one is none, and booleans are switches, not choices.
    """
    found: dict[str, list[JSON]] = {}
    for name, node in ordered(schema).items():
        values = _values(node, schema)
        if len(values) > 1:
            found[name] = values
    return found


def ordered(schema: Object) -> Object:
    """Return a schema's properties in the order fal shows them."""
    properties, order = schema.get("properties"), schema.get("x-fal-order-properties")
    if not is_object(properties):
        return {}
    first = [n for n in order if isinstance(n, str) and n in properties] if is_array(order) else []
    return {name: properties[name] for name in dict.fromkeys([*first, *properties])}


def _values(node: JSON, root: Object) -> list[JSON]:
    schema = resolve(node, root)
    values, branches = schema.get("enum"), schema.get("anyOf")
    if is_array(values):
        return values
    if not is_array(branches):
        return []
    read = [[None] if branch == {"type": "null"} else _values(branch, root) for branch in branches]
    # One branch that is open (any number, any text) leaves nothing to enumerate.
    return [value for values in read for value in values] if all(read) else []
