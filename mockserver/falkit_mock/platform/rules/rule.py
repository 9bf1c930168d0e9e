"""A rule: a fault by name, its parameters, and whom it befalls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from falkit_mock.platform.rules.catalogue import find_fault
from falkit_mock.platform.rules.errors import RuleError
from falkit_mock.platform.rules.fault import Fault, Operation, reached
from falkit_mock.platform.rules.matcher import MATCHING, Matcher, read_matcher, written
from falkit_mock.platform.rules.text import INPUT, Table, parse_text, to_text
from falkit_spec import JSON


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom and what; `given` are the parameters that were said, the others have their defaults."""

    fault: Fault
    matcher: Matcher
    given: tuple[tuple[str, JSON], ...] = ()

    @classmethod
    def read(cls, source: str | Mapping[str, JSON]) -> Rule:
        """Read a line or a table; raise RuleError, which names the field and the mend."""
        table = parse_text(source) if isinstance(source, str) else dict(source)
        if "fault" not in table:
            raise RuleError.lacking("fault", "give the name of one; `falkit faults` lists them")
        name = table.pop("fault")
        if not isinstance(name, str):
            raise RuleError("fault", name, "is no fault's name; `falkit faults` lists them")
        fault = find_fault(name)
        table = _gathered(table)
        given = [
            (key, _parameter(fault, key, value))
            for key, value in table.items()
            if key not in MATCHING
        ]
        return cls(fault, read_matcher(table, fault), tuple(sorted(given)))

    def table(self) -> Table:
        """Return the rule as a file or the control API has it."""
        return {"fault": self.fault.name, **written(self.matcher, self.fault), **dict(self.given)}

    def text(self) -> str:
        """Return the rule in one line."""
        return to_text(self.table())

    def missed(self, endpoints: Iterable[str]) -> str | None:
        """Say that none of the endpoints there are is one that the rule means, if so.

        It is no error: what is posted to may be more than the documents have.
        """
        glob = self.matcher.endpoint
        known = [*endpoints]
        if glob is None or any(fnmatchcase(endpoint, glob) for endpoint in known):
            return None
        near = get_close_matches(glob.strip("*"), known, n=1)
        meant = f"did you mean {near[0]}?" if near else "`falkit spec list` has those that do"
        return f"no endpoint of this mock fits endpoint={glob}; {meant}"

    def misplaced(self, here: Operation) -> str | None:
        """Say why the rule does nothing where a call of one operation names it, if so."""
        on, name = self.matcher.on, self.fault.name
        if any(operation in on for operation in reached(here)):
            return None
        if here in self.fault.may:
            return f"{name} happens on {', '.join(on)}, not on {here}; say on={here} to have it"
        return f"{name} can't happen on {here}; it can on {', '.join(self.fault.may)}"

    def parameters(self) -> Table:
        """Return all of the fault's parameters, with their defaults."""
        every = {parameter.name: parameter.default for parameter in self.fault.parameters}
        return {**every, **dict(self.given)}


def _gathered(table: Mapping[str, JSON]) -> Table:
    """Bring `input.duration` and `input = {duration = …}` to the one form."""
    found: Table = {}
    fields: Table = {}
    for key, value in table.items():
        if key.startswith(INPUT) and len(key) > len(INPUT):
            fields[key.removeprefix(INPUT)] = value
        elif key == "input" and isinstance(value, dict) and value:
            fields |= value
        else:
            found[key if key in MATCHING else key.replace("-", "_")] = value
    if fields:
        found["input"] = fields
    return found


def _parameter(fault: Fault, key: str, value: JSON) -> JSON:
    parameter = fault.parameter(key)
    if parameter is not None:
        return parameter.read(value)
    own = [each.name for each in fault.parameters]
    near = get_close_matches(key, [*own, *MATCHING], n=1)
    if near:
        mend = f"did you mean {near[0]}?"
    elif own:
        mend = f"{fault.name} takes {', '.join(own)}"
    else:
        mend = f"{fault.name} takes none"
    raise RuleError(key, value, f"belongs to no parameter; {mend}")
