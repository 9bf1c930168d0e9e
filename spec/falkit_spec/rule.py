"""A rule between fields that stands only in a model's prose, kept as two JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from falkit_spec.compiled import Compiled
from falkit_spec.errors import BadOverlay
from falkit_spec.reading import Evidence
from falkit_spec.types import JSON, Fault, Object, is_array, is_object


@dataclass(frozen=True)
class Rule:
    """Where an input meets `when`, it must meet `require`; both see the defaults filled in."""

    when: Object
    require: Object
    loc: tuple[str, ...]
    """The field that bears the blame."""
    type: str
    message: str
    evidence: Evidence

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> tuple[Rule, ...]:
        """Take the overlay's `rules`; none where it has none."""
        if facts is None:
            return ()
        if not is_array(facts):
            raise BadOverlay(where, "`rules` is a list")
        return tuple(_rule(fact, f"{where}[{number}]") for number, fact in enumerate(facts))

    @cached_property
    def reads(self) -> frozenset[str]:
        """The fields that the rule looks at: it is silent while one of them is itself wrong."""
        return frozenset(_properties(self.when) | _properties(self.require) | {self.loc[0]})

    def broken_by(self, full: Mapping[str, JSON]) -> bool:
        """Tell whether an input, defaults filled in, breaks the rule."""
        return not self._compiled.is_valid({k: full[k] for k in self.reads if k in full})

    def fault(self, full: Mapping[str, JSON]) -> Fault:
        """Say what is wrong as a Pydantic validator would that raises ValueError."""
        fault: Fault = {
            "type": self.type,
            "loc": ["body", *self.loc],
            "msg": self.message,
            "input": full.get(self.loc[0]),
        }
        if self.type == "value_error":
            # FastAPI renders the exception that Pydantic keeps here as an empty object.
            fault["msg"] = f"Value error, {self.message}"
            fault["ctx"] = {"error": {}}
        return fault

    @cached_property
    def _compiled(self) -> Compiled:
        return Compiled({"if": self.when, "then": self.require})


def _rule(facts: JSON, where: str) -> Rule:
    if not is_object(facts):
        raise BadOverlay(where, "a rule is an object")
    when, require = facts.get("when"), facts.get("require")
    loc, message = facts.get("loc"), facts.get("message")
    if not is_object(when) or not is_object(require):
        raise BadOverlay(where, "`when` and `require` are JSON Schemas")
    if not is_array(loc) or not loc or not all(isinstance(part, str) for part in loc):
        raise BadOverlay(where, "`loc` is a list that begins with a field's name")
    if not isinstance(message, str):
        raise BadOverlay(where, "`message` says what the rule asks for")
    return Rule(
        when=when,
        require=require,
        loc=tuple(str(part) for part in loc),
        type=str(facts.get("type", "value_error")),
        message=message,
        evidence=Evidence.from_facts(facts, where),
    )


def _properties(schema: JSON) -> set[str]:
    if is_array(schema):
        return {name for part in schema for name in _properties(part)}
    if not is_object(schema):
        return set()
    named, required = schema.get("properties"), schema.get("required")
    found = set(named) if is_object(named) else set[str]()
    if is_array(required):
        found |= {name for name in required if isinstance(name, str)}
    for keyword in ("anyOf", "allOf", "oneOf", "not", "if", "then", "else"):
        found |= _properties(schema.get(keyword))
    return found
