"""The rules of one mock, in order, and how often each has applied."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from falkit_mock.core.identity import Identity
from falkit_mock.faults import (
    Fault,
    Phase,
    RuleError,
    Table,
    as_json,
    parse_distribution,
    read_number,
)
from falkit_mock.faults.matching import MatchContext
from falkit_mock.faults.pins import Fixture, by_place
from falkit_mock.faults.rules import Rule, parse_text
from falkit_spec import JSON

# How many faults that requests named themselves are remembered, by text and key.
_MOST_NAMED = 10_000
# What stands for the id of a rule that a request names itself.
_NAMED = "named by the request"
# How many jobs are told that a rule applied to.
_NEWEST = 5


@dataclass(slots=True)
class RuleState:
    """A rule with its id: how many requests it matched, and to how many it applied."""

    id: str
    rule: Rule
    matched: int = 0
    applied: int = 0
    # The ids of the newest jobs that it applied to, or to requests about them; the newest first.
    jobs: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, value: Mapping[str, JSON], folders: Collection[str] = ()) -> RuleState:
        """Read what `to_json` wrote; raise RuleError."""
        source = value.get("rule")
        if not isinstance(source, str | dict):
            raise RuleError("rules", source, "isn't a rule")
        counts = _count(value, "matched"), _count(value, "applied")
        # A state from before has none.
        jobs = value.get("jobs", [])
        if not isinstance(jobs, list):
            raise RuleError("jobs", jobs, "isn't a list")
        newest = [*map(str, jobs[:_NEWEST])]
        return cls(str(value.get("id")), Rule.read(source, folders), *counts, newest)

    def to_json(self) -> Table:
        """Return the state as the control API has it, for `read` too."""
        return {
            "id": self.id,
            "text": self.rule.text(),
            "rule": self.rule.table(),
            "matched": self.matched,
            "applied": self.applied,
            "jobs": [*self.jobs],
        }

    def count(self, job: str) -> None:
        """Count a request that it applies to, which may be about a job."""
        self.applied += 1
        if job and self.id != _NAMED:
            self.jobs = [job, *(one for one in self.jobs if one != job)][:_NEWEST]


class TriggeredFault(NamedTuple):
    """A fault that now happens: which rule said so, and with which parameters."""

    rule: Rule
    id: str
    # Which of the rule's applications this is, from 1: what is drawn follows from it.
    application: int

    @property
    def fault(self) -> Fault:
        return self.rule.fault

    @property
    def name(self) -> str:
        return self.rule.fault.name

    @property
    def hint(self) -> str:
        return f"falkit made this fault ({self.id}: {self.rule.text()})"

    def pinned(self) -> tuple[Fixture | None, str]:
        """Return the output that is answered instead of the model's, and a hint that says so."""
        if self.rule.pin is None:
            return None, ""
        fixture = self.rule.pin.turn(self.application)
        told = ": ".join(filter(None, (self.id, fixture.name)))
        return fixture, f"falkit answered a pinned output ({told})"

    def value(self, parameter: str) -> JSON:
        """Return a parameter, given or by default; None for one that the fault hasn't."""
        return self.rule.values().get(parameter)

    def number(self, parameter: str) -> float:
        """Return a parameter as a number, infinite for `inf`."""
        value = self.value(parameter)
        return value if isinstance(value, int | float) else float(str(value))

    def text(self, parameter: str) -> str:
        """Return a parameter as text; empty where neither the rule nor the fault says one."""
        value = self.value(parameter)
        return "" if value is None else str(value)


class Rulebook:
    """Rules by id. Those that a request names itself come before those that are kept here."""

    def __init__(self, identity: Identity, rules: Sequence[Rule] = ()) -> None:
        self._identity = identity
        # What the mock was started with.
        self._first = tuple(rules)
        self._rules: dict[str, RuleState] = {}
        self._named: OrderedDict[tuple[str, str], RuleState] = OrderedDict()
        # Whether no rule is kept and no request has named a fault: then nothing need be asked.
        self.idle = True
        self._count = 0
        # Ids of rules that ever applied, whatever was reset since.
        self.used: set[str] = set()
        # The real paths of folders in which files of outputs are: those of rules that whoever
        # runs the mock has given, not of what comes by its control API.
        pins = (rule.pin.folder for rule in self._first if rule.pin is not None)
        self.folders = {*pins} - {""}
        # Raises RuleError for a rule that no endpoint can follow, before it is taken.
        self.validate: Callable[[Rule], object] = lambda rule: None
        self.reset()

    def reset(self) -> None:
        """Have the rules that the mock was started with, counted from 0."""
        self.clear()
        self._count = 0
        for rule in self._first:
            # Not validated: they were at the start, and calls tell what has changed since.
            self._keep(rule)

    def dump(self) -> dict[str, JSON]:
        """Return all there is, counts included, for `load`."""
        named: list[JSON] = [
            {"named": text, "key": key, **kept.to_json()}
            for (text, key), kept in self._named.items()
        ]
        rules: list[JSON] = [kept.to_json() for kept in self._rules.values()]
        return {"count": self._count, "rules": rules, "named": named}

    def check(self, value: JSON) -> None:
        """Raise RuleError, which is a ValueError, if load() could not take this."""
        other = Rulebook(self._identity)
        other.folders, other.validate = self.folders, self.validate
        other.load(value)

    def load(self, value: JSON) -> None:
        """Take over what `dump` returned; raise RuleError, and leave all as it was."""
        if not isinstance(value, dict):
            raise RuleError("rules", value, "isn't a table")
        read = [RuleState.read(item, self.folders) for item in _tables(value, "rules")]
        for kept in read:
            self.validate(kept.rule)
        rules = {kept.id: kept for kept in read}
        named = OrderedDict(
            ((str(item.get("named")), str(item.get("key"))), RuleState.read(item))
            for item in _tables(value, "named")
        )
        self._rules, self._named, self._count = rules, named, _count(value, "count")
        self.idle = not rules and not named

    @property
    def mark(self) -> object:
        """What differs once something of what `dump` returns does."""
        return [
            (self._count, key, id(kept.rule), kept.matched, kept.applied)
            for rules in (self._rules, self._named)
            for key, kept in rules.items()
        ] or self._count

    @property
    def first(self) -> list[JSON]:
        """What the mock was started with, as tables."""
        return [rule.table() for rule in self._first]

    def all(self) -> list[RuleState]:
        """Return the rules in the order in which they are tried."""
        return list(self._rules.values())

    def get(self, id: str) -> RuleState | None:
        return self._rules.get(id)

    def add(self, source: str | Mapping[str, JSON] | Rule) -> RuleState:
        """Add a rule behind the others; raise RuleError if it can't work.

        One that was read before, by whoever runs the mock, has files of outputs where it likes.
        """
        rule = self._read(source)
        if isinstance(source, Rule) and rule.pin is not None:
            self.folders |= {rule.pin.folder} - {""}
        return self._keep(rule)

    def _keep(self, rule: Rule) -> RuleState:
        self._count += 1
        kept = RuleState(f"r{self._count}", rule)
        self._rules[kept.id] = kept
        self.idle = False
        return kept

    def replace(self, id: str, source: str | Mapping[str, JSON]) -> RuleState | None:
        """Put another rule in a rule's place, counted from 0; None if there is no such rule."""
        if id not in self._rules:
            return None
        self._rules[id] = RuleState(id, self._read(source))
        return self._rules[id]

    def _read(self, source: str | Mapping[str, JSON] | Rule) -> Rule:
        rule = source if isinstance(source, Rule) else Rule.read(source, self.folders)
        self.validate(rule)
        return rule

    def replace_all(self, sources: Sequence[str | Mapping[str, JSON]]) -> list[RuleState]:
        """Put rules in the place of all; raise RuleError, which says which, and leave all."""
        rules = read_rules(sources, self._read)
        self.clear()
        return [self.add(rule) for rule in rules]

    def remove(self, id: str) -> bool:
        """Remove a rule; say whether there was one."""
        removed = self._rules.pop(id, None) is not None
        self.idle = not self._rules and not self._named
        return removed

    def clear(self) -> None:
        """Forget all rules, and what was counted of those that requests named."""
        self._rules.clear()
        self._named.clear()
        self.idle = True

    def name(self, text: str, key: str) -> RuleState:
        """Return the rule that a request names itself, counted by text and key; raise RuleError."""
        place = (text, key)
        kept = self._named.get(place)
        if kept is None:
            kept = self._named[place] = RuleState(_NAMED, Rule.read(text))
            self.idle = False
            if len(self._named) > _MOST_NAMED:
                self._named.popitem(last=False)
        return kept

    def choose(
        self, phase: Phase, context: MatchContext, only: Callable[[Fault], bool] | None = None
    ) -> TriggeredFault | None:
        """Return the fault of a phase that happens to a request now: the first rule's that applies.

        Rules behind it are not counted, nor are those that are out of the question by `only`. A
        text that can't be read names nothing.
        """
        return next(self._triggered(phase, context, only), None)

    def choose_all(self, phase: Phase, context: MatchContext) -> list[TriggeredFault]:
        """Return every fault of a phase that happens to a request, each name once."""
        found: dict[str, TriggeredFault] = {}
        for each in self._triggered(phase, context, lambda fault: fault.name not in found):
            found[each.name] = each
        return list(found.values())

    def _triggered(
        self, phase: Phase, context: MatchContext, only: Callable[[Fault], bool] | None
    ) -> Iterator[TriggeredFault]:
        for kept in self._tried(context):
            fault = kept.rule.fault
            asked = fault.phase == phase and (only is None or only(fault))
            if asked and self._applies(kept, context):
                yield TriggeredFault(kept.rule, kept.id, kept.applied)

    def _tried(self, context: MatchContext) -> Iterator[RuleState]:
        for text in context.named:
            try:
                yield self.name(text, context.key)
            except RuleError:
                continue
        yield from list(self._rules.values())

    def _applies(self, kept: RuleState, context: MatchContext) -> bool:
        """Tell whether a rule applies to a request, and count it."""
        matcher = kept.rule.matcher
        if not matcher.fits(context):
            return False
        kept.matched += 1
        used_up = matcher.times is not None and kept.applied >= matcher.times
        if used_up or not matcher.due(kept.matched):
            return False
        if matcher.probability is not None:
            named = f"{context.key} {kept.rule.text()}" if kept.id not in self._rules else kept.id
            random = self._identity.random(f"{named} {kept.matched}", "rule")
            if random.random() >= matcher.probability:
                return False
        kept.count(context.job)
        self.used.add(kept.id)
        return True

    def draw(self, triggered: TriggeredFault, parameter: str) -> float:
        """Return seconds of a parameter that may be a distribution, drawn by the seed."""
        found = parse_distribution(parameter, triggered.value(parameter))
        return found.draw(
            self._identity.random(f"{triggered.id} {triggered.application}", parameter)
        )


def read_rules(
    sources: Sequence[str | Mapping[str, JSON]],
    read: Callable[[str | Mapping[str, JSON]], Rule] = Rule.read,
) -> list[Rule]:
    """Read several rules; a RuleError says which of them it is, from 1."""
    rules: list[Rule] = []
    for number, source in enumerate(sources, 1):
        try:
            rules.append(read(source))
        except RuleError as error:
            name = None
            if isinstance(source, Mapping):
                name = source.get("fault", "output" if "output" in source else None)
            raise error.at(f"rule {number} ({name})" if name else f"rule {number}") from None
    return rules


def read_output(text: str, base: str = "") -> list[Rule]:
    """Read `ID=FILE.json`, `ID=FOLDER`, with matching words behind, or a FOLDER; raise RuleError.

    A folder alone has an output for each endpoint, at the place that its id says. `base` is the
    folder to which paths are relative.
    """
    if text.strip() and os.path.isdir(folder := os.path.join(base, text)):
        within = {os.path.realpath(folder)}
        return [
            Rule.read({"endpoint": id, "output": path}, within) for id, path in by_place(folder)
        ]
    id, equals, rest = text.partition("=")
    if not equals:
        fix = "names no endpoint, and is no folder that is there; write ID=FILE.json"
        raise RuleError("output", text, fix)
    words: Table = {}
    place = as_json(rest)
    if not isinstance(place, dict):
        place = rest
        if not os.path.exists(os.path.join(base, rest)):
            words = parse_text(f"output={rest}")
            place = words.pop("output")
        place = os.path.join(base, str(place)) if str(place).strip() else place
    if "endpoint" in words:
        raise RuleError("endpoint", words["endpoint"], "comes twice; give it once")
    return [Rule.read({**words, "endpoint": id.strip(), "output": place}, None)]


def _tables(value: Mapping[str, JSON], name: str) -> list[Table]:
    items = value.get(name, [])
    tables = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if tables != items:
        raise RuleError(name, items, "isn't a list of tables")
    return tables


def _count(value: Mapping[str, JSON], name: str) -> int:
    return int(read_number(name, value.get(name, 0), 0, math.inf, whole=True))
