"""What overlays add to an endpoint (`x-falkit`): rules between fields, prices, videos.

Every fact has its evidence. Amounts are decimal throughout, since prices are compared exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cached_property
from typing import NamedTuple

from falkit_spec.errors import BadOverlay
from falkit_spec.lookup import NO_LENGTHS, Lengths, Lookup
from falkit_spec.overlay import (
    ARRAY,
    EVIDENCE as _EVIDENCE,
    OBJECT,
    TEXT,
    Shape,
    expect,
    having,
)
from falkit_spec.schema import Compiled
from falkit_spec.types import JSON, Certainty, Fault, Object, is_array, is_number, is_object

_RULE: Shape = {
    "a rule is an object": OBJECT,
    "`when` and `require` are JSON Schemas": having(when=OBJECT, require=OBJECT),
    "`loc` is a list that begins with a field's name": having(
        loc={**ARRAY, "items": TEXT, "minItems": 1}
    ),
    "`message` says what the rule asks for": having(message=TEXT),
    **_EVIDENCE,
}
_PRICE = re.compile(r"\d+(\.\d+)?")
# Units of fal's that tell only those something who know how it bills.
_IN_WORDS = {"compute second": "second of computing"}


def dollars(amount: Decimal) -> str:
    """Return US dollars as text, to the cent, or exactly where cents would be wrong.

    >>> dollars(Decimal("0.240")), dollars(Decimal("0.125"))
    ('$0.24', '$0.125')
    """
    whole, _, cents = f"{amount.normalize():f}".partition(".")
    return f"${whole}.{cents:0<2}"


def in_words(total: Decimal, unknown: int) -> str:
    """Return what calls cost, `unknown` of which at a price that isn't known: never $0 then.

    >>> in_words(Decimal("0.36"), 1), in_words(Decimal(0), 1)
    ('at least $0.36, 1 of unknown price', 'an unknown price')
    """
    if not unknown:
        return dollars(total)
    known = f"at least {dollars(total)}, {unknown:,} of unknown price"
    return known if total else "an unknown price"


def over(budget: Decimal, total: Decimal) -> str:
    """Return how far a total is over a budget, in words; nothing while it isn't."""
    if total <= budget:
        return ""
    return f"over the budget of {dollars(budget)} by {dollars(total - budget)}"


_MOST_DOLLARS = 10**15


def read_dollars(value: object) -> Decimal | None:
    """Return an amount of US dollars, 0 or more, as a number or text has it; None for none.

    >>> read_dollars("2.50"), read_dollars("2,50")
    (Decimal('2.50'), None)
    """
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    good = not isinstance(value, bool) and amount.is_finite() and 0 <= amount < _MOST_DOLLARS
    return amount if good else None


@dataclass(frozen=True)
class Rule:
    """Where an input meets `when`, it must meet `require`; both see the defaults filled in."""

    when: Object
    require: Object
    loc: tuple[str, ...]
    """The field that the error names."""
    type: str
    message: str
    certainty: Certainty

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Rule:
        """Take one of the overlay's `rules`; BadOverlay if it isn't understood."""
        read = expect(facts, where, _RULE)
        return cls(
            when=read["when"],
            require=read["require"],
            loc=tuple(read["loc"]),
            type=str(read.get("type", "value_error")),
            message=read["message"],
            certainty=read["certainty"],
        )

    @cached_property
    def reads(self) -> frozenset[str]:
        """The fields that the rule reads; while one of them is invalid, the rule isn't applied."""
        return frozenset(_properties([self.when, self.require]) | {self.loc[0]})

    def broken_by(self, full: Mapping[str, JSON]) -> bool:
        """Tell whether an input, defaults filled in, breaks the rule."""
        return not self._compiled.is_valid({k: full[k] for k in self.reads if k in full})

    def fault(self, full: Mapping[str, JSON]) -> Fault:
        """Return the error of a Pydantic validator that raises ValueError."""
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


def _properties(schema: JSON) -> set[str]:
    """Return the names of all properties that a schema, or a list of schemas, speaks of."""
    if is_array(schema):
        return {name for part in schema for name in _properties(part)}
    if not is_object(schema):
        return set()
    named, required = schema.get("properties"), schema.get("required")
    parts = ("anyOf", "allOf", "oneOf", "not", "if", "then", "else")
    return {
        *(named if is_object(named) else ()),
        *(name for name in (required if is_array(required) else ()) if isinstance(name, str)),
        *_properties([schema.get(keyword) for keyword in parts]),
    }


class Pricing(NamedTuple):
    """A price per unit and how many units a request takes."""

    unit: str
    """What is billed, such as `second`."""
    quantity: Lookup | None
    """None where no input tells it, as of seconds of computing."""
    amount: Lookup
    """US dollars per unit."""
    counted: bool
    """Whether fal's `x-fal-billable-units` counts this unit; it may count another."""
    certainty: Certainty
    source: str

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Pricing:
        """Take the overlay's `pricing`; BadOverlay if it isn't understood."""
        shape: Shape = {
            "`pricing` needs a unit and an amount": having(
                unit={**TEXT, "minLength": 1}, amount=True
            ),
            "`counted` is true or false": {"properties": {"counted": {"type": "boolean"}}},
        }
        read = expect(facts, where, shape)
        amount = Lookup.from_facts(read["amount"], f"{where}.amount")
        for value in amount.constants:
            if not isinstance(value, str) or not _PRICE.fullmatch(value):
                reason = f'{value!r} is not a price; write dollars as text, such as "0.04"'
                raise BadOverlay(f"{where}.amount", reason)
        counted = read.get("quantity")
        quantity = None if counted is None else Lookup.from_facts(counted, f"{where}.quantity")
        expect(facts, where, _EVIDENCE)
        counts = read.get("counted", True)
        return cls(read["unit"], quantity, amount, counts, read["certainty"], read["source"])

    @property
    def reads(self) -> dict[str, None]:
        """The input fields that the price follows from, in order."""
        amount, quantity = self.amount.reads, self.quantity.reads if self.quantity else ()
        return dict.fromkeys((*quantity, *amount))

    def units(self, full: Mapping[str, JSON], lengths: Lengths = NO_LENGTHS) -> Decimal | None:
        """Count the billable units; None where the figure is not a number, or not known yet."""
        return self.quantity.number(full, lengths) if self.quantity else None

    def rate(self, full: Mapping[str, JSON]) -> Decimal | None:
        """Return what one unit of an input costs, US dollars; None where that isn't known."""
        return self.amount.number(full)

    def each(self, full: Mapping[str, JSON]) -> tuple[Decimal, str] | None:
        """Return what one of what is paid for costs, US dollars, and what that is, for people.

        fal's own unit needn't say: of a sound that is billed in cents a second is told.
        """
        rate = self.rate(full)
        measures = self.quantity.measures if self.quantity else ()
        if len(measures) == 1:
            name = measures[0]
            one, two = (self.cost(self.units(full, {name: long}), full) for long in (1, 2))
            if one is not None and two == 2 * one:
                return one, f"second of {name}"
        return None if rate is None else (rate, _IN_WORDS.get(self.unit, self.unit))

    def price(self, full: Mapping[str, JSON]) -> Decimal | None:
        """Return US dollars; None where the input has no such figure."""
        return self.cost(self.units(full), full)

    def cost(self, units: Decimal | None, full: Mapping[str, JSON]) -> Decimal | None:
        """Return what some units of an input cost, US dollars; None where that isn't known."""
        rate = None if units is None else self.rate(full)
        return None if units is None or rate is None else units * rate


class VideoFacts(NamedTuple):
    """The video that an input asks for: pixels, frames per second, seconds."""

    width: int
    height: int
    fps: int
    seconds: Decimal
    frames: int
    audio: bool


class Video(NamedTuple):
    """How the output video's figures follow from the input."""

    size: Lookup
    fps: Lookup
    seconds: Lookup
    audio: Lookup

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Video:
        """Take the overlay's `video`; BadOverlay if it isn't understood."""
        shape = {"`video` is an object with size, fps, seconds and audio": OBJECT}
        read = expect(facts, where, shape)
        lookups: dict[str, Lookup] = {}
        for name in ("size", "fps", "seconds", "audio"):
            lookups[name] = Lookup.from_facts(read.get(name), f"{where}.{name}")
            expect(read[name], f"{where}.{name}", _EVIDENCE)
        return cls(**lookups)

    def of(self, full: Mapping[str, JSON], lengths: Lengths = NO_LENGTHS) -> VideoFacts | None:
        """Read the figures off an input with defaults; None where one isn't a number."""
        size, audio = self.size.of(full), self.audio.of(full)
        fps, seconds = self.fps.number(full), self.seconds.number(full, lengths)
        if not is_array(size) or len(size) != 2 or not isinstance(audio, bool):
            return None
        width, height = size
        if not is_number(width) or not is_number(height) or fps is None or seconds is None:
            return None
        frames = (seconds * fps).to_integral_value(ROUND_HALF_UP)
        return VideoFacts(int(width), int(height), int(fps), seconds, int(frames), audio)
