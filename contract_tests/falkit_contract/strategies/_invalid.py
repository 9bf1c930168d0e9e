"""Inputs that are invalid in known places, each with the error that names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from hypothesis import strategies as st

from falkit_contract import BadArgument
from falkit_contract.strategies._inputs import FieldStrategies, Inputs, inputs_of
from falkit_contract.strategies._mutations import EXAMPLES, InvalidValue, Mutation, mutations_of
from falkit_contract.strategies._values import fields as fields_of, required
from falkit_spec import Endpoint
from falkit_spec.facts import Rule
from falkit_spec.types import JSON, Object


@dataclass(frozen=True)
class Expected:
    """One thing wrong with an input, and the error by which fal names it."""

    field: str
    """The field of the input; empty where the body itself is not an object."""
    mutation: str
    """What is wrong, such as `missing`, `too long` or `wrong type: string for integer`."""
    type: str
    """The `type` of the item in `detail`, such as `string_too_long`."""
    loc: tuple[str | int, ...]
    """The item's `loc`; where no branch of a union takes the value, what each `loc` begins with."""
    types: tuple[str, ...]
    """The `type` of every item that this fault has in `detail`: one, or one for each branch of a
    union that takes none of the value, in the document's order."""


@dataclass(frozen=True)
class MutatedInput(Expected):
    """An input in which exactly one thing is wrong, and the error by which fal names it.

    No branch of a union takes such a thing, so it may have several items in `detail`: `types`.
    """

    input: JSON


@dataclass(frozen=True)
class SeveralFaults:
    """An input in which several things are wrong, one per field."""

    input: JSON
    expected: tuple[Expected, ...]
    """In the order of the document's fields, which is that of `detail`."""


@dataclass(frozen=True)
class InputMutation:
    """One mutation of an endpoint's input: of a field, against a rule, or of the whole body."""

    field: str
    change: Mutation
    rule: Rule | None = None

    @property
    def name(self) -> str:
        """What is wrong, and where inside the field."""
        return f"{self.change.name} at {self.change.at}" if self.change.at else self.change.name

    def expected(self, at: tuple[str | int, ...] = ()) -> Expected:
        """Return the expected error; `at` is its place inside the field."""
        inside = self.rule.loc if self.rule else (self.field, *at) if self.field else ()
        types = (self.change.type, *self.change.others)
        return Expected(self.field, self.name, types[0], ("body", *inside), types)


# A field left out.
_REMOVAL = Mutation("missing", "missing", st.just(InvalidValue(None)))


class InputMutations:
    """All mutations that make an endpoint's input invalid."""

    def __init__(self, made: Inputs) -> None:
        self.inputs = made

    @cached_property
    def in_fields(self) -> list[InputMutation]:
        """Those of single fields, in the document's order."""
        flat = self.inputs.flat
        found: list[InputMutation] = []
        for name, node in fields_of(flat).items():
            if name in required(flat):
                found.append(InputMutation(name, _REMOVAL))
            changes = mutations_of(self.inputs.schemas, node, f".{name}", flat.refs)
            found += [InputMutation(name, change) for change in changes]
        return found

    @cached_property
    def of_rules(self) -> list[InputMutation]:
        """Those against the overlay's rules, as far as their fields can be listed."""
        return [
            InputMutation(
                rule.loc[0], Mutation(f"rule: {rule.message}", rule.type, st.nothing()), rule
            )
            for rule in self.inputs.endpoint.rules
            if self.inputs.breaking(rule)
        ]

    @cached_property
    def all(self) -> list[InputMutation]:
        """All of them; last those by which the body isn't an object."""
        wrong = [v for sort, values in EXAMPLES.items() if sort != "object" for v in values]
        values = st.sampled_from(wrong).map(InvalidValue)
        whole = Mutation("not an object", "model_attributes_type", values)
        return [*self.in_fields, *self.of_rules, InputMutation("", whole)]

    def mutated(
        self, mutations: Sequence[InputMutation]
    ) -> st.SearchStrategy[tuple[JSON, tuple[Expected, ...]]]:
        """Give inputs that have these mutations and are legal otherwise, with the errors."""
        first, order = mutations[0], list(fields_of(self.inputs.flat))
        if not first.field:
            return first.change.values.map(lambda wrong: (wrong.value, (first.expected(),)))
        broken = [(one, one.rule) for one in mutations if one.rule]
        single = [one for one in mutations if not one.rule]
        base = self.inputs.legal
        for _, rule in broken:
            base = self.inputs.with_choice(self.inputs.breaking(rule))

        def mutate(
            parts: tuple[Object, tuple[InvalidValue, ...]],
        ) -> tuple[JSON, tuple[Expected, ...]]:
            input, errors = dict(parts[0]), [one.expected() for one, _ in broken]
            for mutation, wrong in zip(single, parts[1], strict=True):
                input[mutation.field] = wrong.value
                if mutation.change is _REMOVAL:
                    del input[mutation.field]
                errors.append(mutation.expected(wrong.at))
            return input, tuple(sorted(errors, key=lambda error: order.index(error.field)))

        return st.tuples(base, st.tuples(*(one.change.values for one in single))).map(mutate)

    def together(self) -> st.SearchStrategy[list[InputMutation]]:
        """Give two mutations or more that hide no error: one a field, and perhaps a rule's."""
        mixed = [_several(self.in_fields, 2)]
        for mutation in self.of_rules:
            reads = mutation.rule.reads if mutation.rule else frozenset[str]()
            others = [one for one in self.in_fields if one.field not in reads]
            if others:
                mixed.append(_several(others, 1, mutation))
        return st.one_of(mixed)


@st.composite
def _several(
    draw: st.DrawFn, mutations: list[InputMutation], least: int, rule: InputMutation | None = None
) -> list[InputMutation]:
    by_field: dict[str, list[InputMutation]] = {}
    for mutation in mutations:
        by_field.setdefault(mutation.field, []).append(mutation)
    names = draw(st.lists(st.sampled_from(list(by_field)), min_size=least, unique=True))
    found = [draw(st.sampled_from(by_field[name])) for name in names]
    return [*found, rule] if rule else found


_mutations_of = lru_cache(maxsize=64)(InputMutations)


def mutations(endpoint: Endpoint | str) -> list[tuple[str, str]]:
    """List every mutation that makes an endpoint's input invalid, as field and mutation.

    Each pair can be given to `invalid_inputs`; with pytest's `parametrize` that makes one test
    of each. The field is empty where the body as a whole is invalid.

    >>> mutations("fal-ai/ltx-2/text-to-video")[:3]
    [('prompt', 'missing'), ('prompt', 'wrong type: null for string'), \
('prompt', 'wrong type: boolean for string')]
    """
    return [(one.field, one.name) for one in _mutations_of(inputs_of(endpoint, None)).all]


def invalid_inputs(
    endpoint: Endpoint | str,
    *,
    field: str | None = None,
    mutation: str | None = None,
    fields: FieldStrategies | None = None,
) -> st.SearchStrategy[MutatedInput]:
    """Give inputs in which exactly one thing is wrong, with the error by which fal names it.

    `field` keeps to one field, `mutation` to one of those that `mutations` lists; `endpoint` and
    `fields` are as for `inputs`. A `curl` line for the input is printed when a test fails.

    Raises, at the call: UnknownEndpoint, UnsupportedSchema, BadArgument.

    >>> from hypothesis import find
    >>> too_long = invalid_inputs("fal-ai/ltx-2/text-to-video", field="prompt", mutation="too long")
    >>> find(too_long, lambda invalid: True).type
    'string_too_long'
    """
    made = inputs_of(endpoint, fields)
    known = _mutations_of(made)
    if field:
        made.known(field, "field")
    possible = [one for one in known.all if field in (None, one.field)]
    if not possible:
        raise BadArgument("field", field, f"{made.endpoint.id} takes anything there")
    chosen = [one for one in possible if mutation in (None, one.name)]
    if not chosen:
        names = ", ".join(dict.fromkeys(one.name for one in possible))
        raise BadArgument("mutation", mutation, f"{made.endpoint.id} can be wrong by: {names}")

    def shown(drawn: tuple[JSON, tuple[Expected, ...]]) -> MutatedInput:
        made.noted(drawn[0])
        return MutatedInput(**vars(drawn[1][0]), input=drawn[0])

    prepared = {id(one): known.mutated([one]) for one in chosen}
    return st.sampled_from(chosen).flatmap(lambda one: prepared[id(one)]).map(shown)


def several_faults(
    endpoint: Endpoint | str, *, fields: FieldStrategies | None = None
) -> st.SearchStrategy[SeveralFaults]:
    """Give inputs in which two things or more are wrong, one a field, none hiding another.

    What is expected stands in the order in which fal reports it: that of the document's fields.

    Raises, at the call, what `inputs` does, and UnsupportedSchema where fewer than two fields
    can be wrong.

    >>> from hypothesis import find
    >>> invalid = find(several_faults("fal-ai/ltx-2/image-to-video"), lambda invalid: True)
    >>> invalid.input, [(one.field, one.mutation) for one in invalid.expected]
    ({}, [('image_url', 'missing'), ('prompt', 'missing')])
    """
    made = inputs_of(endpoint, fields)
    known = _mutations_of(made)
    if len({one.field for one in known.in_fields}) < 2:
        raise made.schemas.refuse("", "fewer than two of its fields can be wrong")

    def shown(drawn: tuple[JSON, tuple[Expected, ...]]) -> SeveralFaults:
        made.noted(drawn[0])
        return SeveralFaults(*drawn)

    return known.together().flatmap(known.mutated).map(shown)
