"""What overlays add to an endpoint (`x-falkit`): rules between fields, prices, videos.

Every fact has its evidence. Amounts are decimal throughout, since prices are compared exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import TypeAlias

from falkit_spec.errors import BadOverlay
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
from falkit_spec.types import (
    JSON,
    Certainty,
    Fault,
    Object,
    is_array,
    is_finite,
    is_number,
    is_object,
)

_LOOKUP: Shape = {
    "needs `value`, or `field`, or `by` with `values`, or `length_of`": {
        "anyOf": [
            having(value=True),
            having(field=TEXT),
            having(by=TEXT, values=OBJECT),
            having(length_of=TEXT),
        ]
    },
    "`plus` names a field": {"properties": {"plus": TEXT}},
}
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

Lengths: TypeAlias = Mapping[str, float]
"""How many seconds the files of an input last, by field, as far as they were looked at."""
NO_LENGTHS: Lengths = {}


@dataclass(frozen=True)
class Lookup:
    """How a figure follows from the input: always the same, a field's value, or a table's, or the
    length of a file.
    """

    field: str | None = None
    """The input field that holds the figure, that the table is looked up by, or that is added to
    the file's length.
    """
    table: Mapping[str, JSON] | None = None
    value: JSON = None
    length_of: str | None = None
    """The input field with the file whose length counts."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Lookup:
        """Take one of `{value}`, `{field}`, `{by, values}` and `{length_of[, plus]}`.

        BadOverlay for anything else.
        """
        read = expect(facts, where, _LOOKUP)
        if "by" in read:
            return cls(read["by"], read["values"])
        if "length_of" in read:
            return cls(read.get("plus"), length_of=read["length_of"])
        return cls(read.get("field"), value=read.get("value"))

    def of(self, full: Mapping[str, JSON], lengths: Lengths = NO_LENGTHS) -> JSON:
        """Read the figure off an input whose defaults are filled in; None if it isn't known."""
        if self.length_of is not None:
            added = 0 if self.field is None else full.get(self.field)
            return _sum(lengths.get(self.length_of), added)
        if self.field is None:
            return self.value
        value = full.get(self.field)
        if self.table is None:
            return value
        return self.table.get(value) if isinstance(value, str) else None


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


@dataclass(frozen=True)
class Pricing:
    """A price per unit and how many units a request takes."""

    unit: str
    """What is billed: `second`."""
    quantity: Lookup
    amount: Lookup
    """Dollars per unit, as text."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Pricing:
        """Take the overlay's `pricing`; BadOverlay if it isn't understood."""
        shape = {"`pricing` needs a unit, a quantity and an amount": having(unit=TEXT)}
        read = expect(facts, where, shape)
        amount = Lookup.from_facts(read.get("amount"), f"{where}.amount")
        for value in amount.table.values() if amount.table else [amount.value]:
            if not isinstance(value, str) or not _PRICE.fullmatch(value):
                reason = f'{value!r} is not a price; write dollars as text, such as "0.04"'
                raise BadOverlay(f"{where}.amount", reason)
        quantity = Lookup.from_facts(read.get("quantity"), f"{where}.quantity")
        expect(facts, where, _EVIDENCE)
        return cls(read["unit"], quantity, amount)

    def units(self, full: Mapping[str, JSON], lengths: Lengths = NO_LENGTHS) -> Decimal | None:
        """Count the billable units; None where the figure is not a number, or not known yet."""
        return to_decimal(self.quantity.of(full, lengths))

    def price(self, full: Mapping[str, JSON]) -> Decimal | None:
        """Return US dollars; None where the input has no such figure."""
        return self.cost(self.units(full), full)

    def cost(self, units: Decimal | None, full: Mapping[str, JSON]) -> Decimal | None:
        """Return what some units of an input cost, US dollars; None where that isn't known."""
        amount = self.amount.of(full)
        return units * Decimal(amount) if units is not None and isinstance(amount, str) else None


def to_decimal(value: JSON) -> Decimal | None:
    """Turn a JSON number into the decimal it is written as; None for anything else."""
    if not is_number(value) or not is_finite(value):
        return None
    return Decimal(value if isinstance(value, int) else repr(value))


def _sum(one: JSON, other: JSON) -> JSON:
    """Add two numbers as they are written, to the millisecond; None where one isn't a number."""
    first, second = to_decimal(one), to_decimal(other)
    if first is None or second is None:
        return None
    total = round(first + second, 3)
    return int(total) if total == int(total) else float(total)


@dataclass(frozen=True)
class VideoFacts:
    """The video that an input asks for: pixels, frames per second, seconds."""

    width: int
    height: int
    fps: int
    seconds: Decimal
    frames: int
    audio: bool


@dataclass(frozen=True)
class Video:
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
        fps, seconds = to_decimal(self.fps.of(full)), to_decimal(self.seconds.of(full, lengths))
        if not is_array(size) or len(size) != 2 or not isinstance(audio, bool):
            return None
        width, height = size
        if not is_number(width) or not is_number(height) or fps is None or seconds is None:
            return None
        frames = (seconds * fps).to_integral_value(ROUND_HALF_UP)
        return VideoFacts(int(width), int(height), int(fps), seconds, int(frames), audio)
