"""The rules of one mock, in order, and how often each has been at work."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from falkit_mock.core.identity import Identity
from falkit_mock.faults import Fault, Phase, RuleError, Table, parse_distribution
from falkit_mock.faults.matching import MatchContext
from falkit_mock.faults.rules import Rule
from falkit_spec import JSON

# How many faults that requests named themselves are remembered, by text and key.
_MOST_NAMED = 10_000


@dataclass(slots=True)
class RuleState:
    """A rule with its id, and its place: how many matches it saw, and to how many it applied."""

    id: str
    rule: Rule
    seen: int = 0
    applied: int = 0

    def as_json(self) -> Table:
        return {
            "id": self.id,
            "text": self.rule.text(),
            "rule": self.rule.table(),
            "seen": self.seen,
            "applied": self.applied,
        }


@dataclass(frozen=True, slots=True)
class TriggeredFault:
    """A fault that now happens: which rule said so, and with what."""

    rule: Rule
    id: str
    # Which of the rule's applications this is, from 1: what its dice follow from.
    number: int

    @property
    def name(self) -> str:
        return self.rule.fault.name

    def parameters(self) -> Table:
        return self.rule.parameters()

    @property
    def hint(self) -> str:
        return f"falkit made this fault ({self.id}: {self.rule.text()})"


class Rulebook:
    """Rules by id. Those that a request names itself come before those that are kept here."""

    def __init__(self, identity: Identity, rules: Sequence[Rule] = ()) -> None:
        self._identity = identity
        # What the mock was started with.
        self._first = tuple(rules)
        self._rules: dict[str, RuleState] = {}
        self._named: OrderedDict[tuple[str, str], RuleState] = OrderedDict()
        self._count = 0
        # Ids of rules that ever applied, whatever was reset since.
        self.used: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Have the rules that the mock was started with, counted anew."""
        self.clear()
        self._count = 0
        for rule in self._first:
            self.add(rule)

    def dump(self) -> JSON:
        return self.as_json()

    def check(self, value: JSON) -> None:
        """Raise RuleError, which is a ValueError, if load() could not take this."""
        Rulebook(self._identity).load(value)

    def load(self, value: JSON) -> None:
        if not isinstance(value, dict):
            raise RuleError("rules", value, "is no table")
        self.from_json(value)

    @property
    def idle(self) -> bool:
        """Whether no rule is kept and no request has named a fault: then nothing need be asked."""
        return not self._rules and not self._named

    def all(self) -> list[RuleState]:
        """Return the rules in the order in which they are tried."""
        return list(self._rules.values())

    def get(self, id: str) -> RuleState | None:
        return self._rules.get(id)

    def add(self, source: str | Mapping[str, JSON] | Rule) -> RuleState:
        """Add a rule behind the others; raise RuleError if it can't work."""
        rule = source if isinstance(source, Rule) else Rule.read(source)
        self._count += 1
        kept = RuleState(f"r{self._count}", rule)
        self._rules[kept.id] = kept
        return kept

    def replace(self, id: str, source: str | Mapping[str, JSON]) -> RuleState | None:
        """Put another rule in a rule's place, counted anew; None if there is no such rule."""
        if id not in self._rules:
            return None
        self._rules[id] = RuleState(id, Rule.read(source))
        return self._rules[id]

    def replace_all(self, sources: Sequence[str | Mapping[str, JSON]]) -> list[RuleState]:
        """Put rules in the place of all; raise RuleError, which says which, and leave all."""
        rules = read_rules(sources)
        self.clear()
        return [self.add(rule) for rule in rules]

    def remove(self, id: str) -> bool:
        """Remove a rule; say whether there was one."""
        return self._rules.pop(id, None) is not None

    def clear(self) -> None:
        """Forget all rules, and what was counted of those that requests named."""
        self._rules.clear()
        self._named.clear()

    def name(self, text: str, key: str) -> RuleState:
        """Return the rule that a request names itself, counted by text and key; raise RuleError."""
        place = (text, key)
        kept = self._named.get(place)
        if kept is None:
            kept = self._named[place] = RuleState("named by the request", Rule.read(text))
            if len(self._named) > _MOST_NAMED:
                self._named.popitem(last=False)
        return kept

    def choose(
        self, phase: Phase, context: MatchContext, only: Callable[[Fault], bool] | None = None
    ) -> TriggeredFault | None:
        """Return the fault of a phase that befalls a request now: the first rule's that applies.

        Rules behind it are not counted, nor are those that are out of the question by `only`. A
        text that can't be read names nothing.
        """
        for kept in self._tried(context):
            if only is not None and not only(kept.rule.fault):
                continue
            if triggered := self._try(kept, phase, context):
                return triggered
        return None

    def choose_all(self, phase: Phase, context: MatchContext) -> list[TriggeredFault]:
        """Return every fault of a phase that befalls a request, each name once."""
        found: dict[str, TriggeredFault] = {}
        for kept in self._tried(context):
            if kept.rule.fault.name not in found and (triggered := self._try(kept, phase, context)):
                found[triggered.name] = triggered
        return list(found.values())

    def _tried(self, context: MatchContext) -> Iterator[RuleState]:
        for text in context.named:
            try:
                yield self.name(text, context.key)
            except RuleError:
                continue
        yield from list(self._rules.values())

    def _try(self, kept: RuleState, phase: Phase, context: MatchContext) -> TriggeredFault | None:
        rule = kept.rule
        if rule.fault.phase != phase or not rule.matcher.fits(context):
            return None
        kept.seen += 1
        if not rule.matcher.due(kept.seen) or not self._lucky(kept, context):
            return None
        if rule.matcher.times is not None and kept.applied >= rule.matcher.times:
            return None
        kept.applied += 1
        self.used.add(kept.id)
        return TriggeredFault(rule, kept.id, kept.applied)

    def _lucky(self, kept: RuleState, context: MatchContext) -> bool:
        probability = kept.rule.matcher.probability
        if probability is None:
            return True
        named = f"{context.key} {kept.rule.text()}" if kept.id not in self._rules else kept.id
        return self._identity.random(f"{named} {kept.seen}", "rule").random() < probability

    def draw(self, triggered: TriggeredFault, parameter: str) -> float:
        """Return seconds of a parameter that may be a distribution, drawn by the seed."""
        found = parse_distribution(parameter, triggered.parameters()[parameter])
        return found.draw(self._identity.random(f"{triggered.id} {triggered.number}", parameter))

    def as_json(self) -> dict[str, JSON]:
        """Return all there is, counts included, for `from_json`."""
        return {
            "count": self._count,
            "rules": [kept.as_json() for kept in self._rules.values()],
            "named": [
                {"text": text, "key": key, "seen": kept.seen, "applied": kept.applied}
                for (text, key), kept in self._named.items()
            ],
        }

    def from_json(self, value: Mapping[str, JSON]) -> None:
        """Take over what `as_json` wrote; raise RuleError, and leave all as it was."""
        rules: dict[str, RuleState] = {}
        for item in _tables(value, "rules"):
            table = item.get("rule")
            if not isinstance(table, dict):
                raise RuleError("rules", item, "has no rule in it")
            id = str(item.get("id"))
            rules[id] = RuleState(
                id, Rule.read(table), _number(item, "seen"), _number(item, "applied")
            )
        named: OrderedDict[tuple[str, str], RuleState] = OrderedDict()
        for item in _tables(value, "named"):
            text = str(item.get("text"))
            counts = (_number(item, "seen"), _number(item, "applied"))
            kept = RuleState("named by the request", Rule.read(text), *counts)
            named[text, str(item.get("key"))] = kept
        self._rules, self._named, self._count = rules, named, _number(value, "count")


def read_rules(sources: Sequence[str | Mapping[str, JSON]]) -> list[Rule]:
    """Read several rules; a RuleError says which of them it is, from 1."""
    rules: list[Rule] = []
    for number, source in enumerate(sources, 1):
        try:
            rules.append(Rule.read(source))
        except RuleError as error:
            name = source.get("fault") if isinstance(source, Mapping) else None
            raise error.at(f"rule {number} ({name})" if name else f"rule {number}") from None
    return rules


def _tables(value: Mapping[str, JSON], name: str) -> list[dict[str, JSON]]:
    items = value.get(name, [])
    if not isinstance(items, list):
        raise RuleError(name, items, "is no list")
    tables = [item for item in items if isinstance(item, dict)]
    if len(tables) < len(items):
        raise RuleError(name, items, "has items that are no tables")
    return tables


def _number(value: Mapping[str, JSON], name: str) -> int:
    number = value.get(name, 0)
    if not isinstance(number, int) or number < 0:
        raise RuleError(name, number, "is no count")
    return number
