"""All that is wrong with an input: the schema's faults and the rules', in fal's form."""

from __future__ import annotations

from collections.abc import Sequence

from falkit_spec.combinations import ordered
from falkit_spec.findings import Explainer, Finding, Path
from falkit_spec.rule import Rule
from falkit_spec.types import JSON, Fault, Object, is_array, is_object


class Examination:
    """Says what is wrong with inputs of one schema and its rules."""

    def __init__(self, schema: Object, rules: Sequence[Rule], defaults: Object) -> None:
        self._explainer = Explainer(schema)
        self._schema = schema
        self._rules = rules
        self._defaults = defaults

    def faults(self, input: JSON, *, coerce: bool = False) -> list[Fault]:
        """Return all that is wrong, in the document's order."""
        found = self._explainer.explain(input)
        if coerce:
            input = _mended(input, found)
            found = [finding for finding in found if not finding.lenient]
        faults = [finding.fault() for finding in found]
        broken = self._broken(input, faults)
        if not broken:
            return faults
        fields = list(ordered(self._schema))
        return sorted([*faults, *broken], key=lambda fault: _place(fault, fields))

    def coerced(self, input: JSON) -> JSON:
        """Return the input with what lax mode would take put right."""
        return _mended(input, self._explainer.explain(input))

    def _broken(self, input: JSON, faults: list[Fault]) -> list[Fault]:
        if not is_object(input):
            return []
        full = {**self._defaults, **input}
        wrong = {fault["loc"][1] for fault in faults if len(fault["loc"]) > 1}
        return [
            rule.fault(full)
            for rule in self._rules
            if not rule.reads & wrong and rule.broken_by(full)
        ]


def _mended(input: JSON, found: list[Finding]) -> JSON:
    for finding in found:
        if finding.mend is not None:
            input = _with(input, finding.path, finding.mend.value)
    return input


def _with(whole: JSON, path: Path, value: JSON) -> JSON:
    """Return the whole with one value replaced; what lies beside the way is shared."""
    if not path:
        return value
    first, *rest = path
    if is_object(whole) and isinstance(first, str):
        return {**whole, first: _with(whole[first], tuple(rest), value)}
    if is_array(whole) and isinstance(first, int):
        below = _with(whole[first], tuple(rest), value)
        return [*whole[:first], below, *whole[first + 1 :]]
    return whole


def _place(fault: Fault, fields: list[str]) -> int:
    name = fault["loc"][1] if len(fault["loc"]) > 1 else ""
    return fields.index(name) if isinstance(name, str) and name in fields else len(fields)
