"""How a figure follows from the input: the same always, a field's value, or a table's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from falkit_spec.errors import BadOverlay
from falkit_spec.types import JSON, Certainty, Object, is_object


@dataclass(frozen=True)
class Evidence:
    """How certain a fact is, and where it comes from."""

    certainty: Certainty
    source: str

    @classmethod
    def from_facts(cls, facts: Object, where: str) -> Evidence:
        """Take `certainty` and `source`; BadOverlay if a fact lacks them."""
        certainty, source = facts.get("certainty"), facts.get("source")
        if certainty not in ("confirmed", "inferred"):
            raise BadOverlay(where, "`certainty` is confirmed or inferred")
        if not isinstance(source, str) or not source:
            raise BadOverlay(where, "`source` says where the fact comes from")
        return cls("confirmed" if certainty == "confirmed" else "inferred", source)


@dataclass(frozen=True)
class Reading:
    """One figure and the way to it."""

    field: str | None = None
    """The input field that holds the figure, or that the table is looked up by."""
    table: Mapping[str, JSON] | None = None
    value: JSON = None

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Reading:
        """Take one of `{value}`, `{field}` and `{by, values}`; BadOverlay for anything else."""
        if is_object(facts):
            field, by, values = facts.get("field"), facts.get("by"), facts.get("values")
            if isinstance(by, str) and is_object(values):
                return cls(field=by, table=values)
            if isinstance(field, str):
                return cls(field=field)
            if "value" in facts:
                return cls(value=facts["value"])
        raise BadOverlay(where, "needs `value`, or `field`, or `by` with `values`")

    def of(self, full: Mapping[str, JSON]) -> JSON:
        """Read the figure off an input whose defaults are filled in; None if it isn't there."""
        if self.field is None:
            return self.value
        held = full.get(self.field)
        if self.table is None:
            return held
        return self.table.get(held) if isinstance(held, str) else None
