"""Inputs that are wrong in known ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from hypothesis import strategies as st

from falkit_contract.errors import BadArgument
from falkit_contract.strategies._expected import Expected, FaultyInput, SeveralFaults
from falkit_contract.strategies._inputs import Given, Inputs, made_for, noted
from falkit_contract.strategies._kinds import GIVEN
from falkit_contract.strategies._schemas import fields as fields_of, required
from falkit_contract.strategies._ways import Spoiled, Way, Ways
from falkit_spec import Endpoint
from falkit_spec.facts import Rule
from falkit_spec.types import JSON, Object

_LEFT_OUT = "missing"


@dataclass(frozen=True)
class Fault:
    """One way to spoil an endpoint's input: in a field, by a rule, or as a whole."""

    field: str
    way: Way
    rule: Rule | None = None

    @property
    def absent(self) -> bool:
        """Whether it is wrong because the field is not there."""
        return self.way.name == _LEFT_OUT and not self.way.at

    def expected(self, at: tuple[str | int, ...] = ()) -> Expected:
        """Say what is wrong, the place inside the field being known now."""
        loc = ("body", *self.rule.loc) if self.rule else ("body", self.field, *at)
        if not self.field:
            loc = ("body",)
        return Expected(self.field, f"{self.way.name}{self._inside}", self.way.type, loc)

    @property
    def _inside(self) -> str:
        return f" at {self.way.at}" if self.way.at else ""


class Faulty:
    """All the ways in which an endpoint's input can be wrong."""

    def __init__(self, made: Inputs) -> None:
        self.inputs = made
        self._ways = Ways(made.schemas, made.values)

    @cached_property
    def in_fields(self) -> list[Fault]:
        """Those of single fields, in the document's order."""
        flat = self.inputs.flat
        found: list[Fault] = []
        for name, node in fields_of(flat).items():
            if name in required(flat):
                found.append(Fault(name, Way(_LEFT_OUT, "missing", st.just(Spoiled(None)))))
            found += [Fault(name, way) for way in self._ways.of(node, f".{name}", flat.refs)]
        return found

    @cached_property
    def of_rules(self) -> list[Fault]:
        """Those of the overlay's rules, as far as their fields can be listed."""
        return [
            Fault(rule.loc[0], Way(f"rule: {rule.message}", rule.type, st.nothing()), rule)
            for rule in self.inputs.endpoint.rules
            if self.inputs.choices.breaking(rule)
        ]

    @cached_property
    def of_the_whole(self) -> list[Fault]:
        """Those in which the body is no object."""
        wrong = [v for sort, values in GIVEN.items() if sort != "object" for v in values]
        way = Way("no object", "model_attributes_type", st.sampled_from(wrong).map(Spoiled))
        return [Fault("", way)]

    def spoiled(self, faults: Sequence[Fault]) -> st.SearchStrategy[tuple[JSON, list[Expected]]]:
        """Give inputs in which these faults are made, and nothing else is wrong."""
        if not faults[0].field:
            return faults[0].way.values.map(lambda wrong: (wrong.value, [faults[0].expected()]))
        rules = [fault.rule for fault in faults if fault.rule]
        single = [fault for fault in faults if not fault.rule]
        made = self.inputs
        base = made.with_choice(made.choices.breaking(rules[0])) if rules else made.legal
        drawn = st.tuples(base, st.tuples(*(fault.way.values for fault in single)))

        def spoil(parts: tuple[Object, tuple[Spoiled, ...]]) -> tuple[JSON, list[Expected]]:
            input, said = dict(parts[0]), [fault.expected() for fault in faults if fault.rule]
            for fault, wrong in zip(single, parts[1], strict=True):
                if fault.absent:
                    input.pop(fault.field, None)
                else:
                    input[fault.field] = wrong.value
                said.append(fault.expected(wrong.at))
            order = list(fields_of(made.flat))
            return input, sorted(said, key=lambda one: order.index(one.field))

        return drawn.map(spoil)

    def together(self) -> st.SearchStrategy[list[Fault]]:
        """Give two faults or more that do not hide each other: one a field, and a rule perhaps."""
        mixed = [_several(self.in_fields, 2)]
        for fault in self.of_rules:
            reads = fault.rule.reads if fault.rule else frozenset[str]()
            beside = [one for one in self.in_fields if one.field not in reads]
            if beside:
                mixed.append(_several(beside, 1, fault))
        return st.one_of(mixed)


@st.composite
def _several(
    draw: st.DrawFn, faults: list[Fault], least: int, rule: Fault | None = None
) -> list[Fault]:
    by_field: dict[str, list[Fault]] = {}
    for fault in faults:
        by_field.setdefault(fault.field, []).append(fault)
    names = draw(st.lists(st.sampled_from(list(by_field)), min_size=least, unique=True))
    found = [draw(st.sampled_from(by_field[name])) for name in names]
    return [*found, rule] if rule else found


def ways(endpoint: Endpoint | str) -> list[tuple[str, str]]:
    """List every way in which an endpoint's input can be wrong, as field and way.

    Each pair can be given to `faulty_inputs`; with pytest's `parametrize` that makes one test
    of each. The field is empty where the body as a whole is wrong.

    >>> ways("fal-ai/ltx-2/text-to-video")[:3]
    [('prompt', 'missing'), ('prompt', 'wrong type: null for string'), \
('prompt', 'wrong type: boolean for string')]
    """
    faulty = _faulty(made_for(endpoint, None))
    return [(one.field, one.expected().way) for one in _all(faulty)]


def faulty_inputs(
    endpoint: Endpoint | str,
    *,
    field: str | None = None,
    way: str | None = None,
    fields: Given | None = None,
) -> st.SearchStrategy[FaultyInput]:
    """Give inputs in which exactly one thing is wrong, with the fault that fal names it by.

    `field` keeps to one field, `way` to one of the ways that `ways` lists; `endpoint` and
    `fields` are as for `inputs`. A `curl` line for the input is printed when a test fails.

    Raises, at the call: UnknownEndpoint, UnsupportedSchema, BadArgument.

    >>> from hypothesis import find
    >>> too_long = faulty_inputs("fal-ai/ltx-2/text-to-video", field="prompt", way="too long")
    >>> find(too_long, lambda faulty: True).type
    'string_too_long'
    """
    made = made_for(endpoint, fields)
    faulty = _faulty(made)
    if field:
        made.known(field, "field")
    chosen = [
        fault
        for fault in _all(faulty)
        if field in (None, fault.field) and way in (None, fault.expected().way)
    ]
    if not chosen:
        possible = [fault.expected().way for fault in _all(faulty) if field in (None, fault.field)]
        if not possible:
            raise BadArgument("field", field, f"{made.endpoint.id} takes anything there")
        known = ", ".join(dict.fromkeys(possible))
        raise BadArgument("way", way, f"{made.endpoint.id} can be wrong by: {known}")

    def shown(spoiled: tuple[JSON, list[Expected]]) -> FaultyInput:
        noted(made.endpoint, spoiled[0])
        return FaultyInput(spoiled[0], spoiled[1][0])

    prepared = {id(fault): faulty.spoiled([fault]) for fault in chosen}
    return st.sampled_from(chosen).flatmap(lambda fault: prepared[id(fault)]).map(shown)


def several_faults(
    endpoint: Endpoint | str, *, fields: Given | None = None
) -> st.SearchStrategy[SeveralFaults]:
    """Give inputs in which two things or more are wrong, one a field, none hiding another.

    What is expected stands in the order in which fal reports it: that of the document's fields.

    Raises, at the call, what `inputs` does, and UnsupportedSchema where fewer than two fields
    can be wrong.

    >>> from hypothesis import find
    >>> faulty = find(several_faults("fal-ai/ltx-2/image-to-video"), lambda faulty: True)
    >>> faulty.input, [(one.field, one.way) for one in faulty.expected]
    ({}, [('image_url', 'missing'), ('prompt', 'missing')])
    """
    made = made_for(endpoint, fields)
    faulty = _faulty(made)
    if len({fault.field for fault in faulty.in_fields}) < 2:
        raise made.schemas.refuse("", "fewer than two of its fields can be wrong")

    def shown(spoiled: tuple[JSON, list[Expected]]) -> SeveralFaults:
        noted(made.endpoint, spoiled[0])
        return SeveralFaults(spoiled[0], tuple(spoiled[1]))

    return faulty.together().flatmap(faulty.spoiled).map(shown)


@lru_cache(maxsize=64)
def _faulty(made: Inputs) -> Faulty:
    return Faulty(made)


def _all(faulty: Faulty) -> list[Fault]:
    return [*faulty.in_fields, *faulty.of_rules, *faulty.of_the_whole]
