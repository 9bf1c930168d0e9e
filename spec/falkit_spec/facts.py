"""What overlays add to an endpoint (`x-falkit`): rules between fields, prices, media.

Every fact has its evidence. Amounts are decimal throughout, since prices are compared exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cached_property
from typing import Literal, TypeAlias

from falkit_spec.errors import BadOverlay
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

MediaKind: TypeAlias = Literal["image", "video", "audio"]
_MEDIA_KINDS: dict[JSON, MediaKind] = {"image": "image", "video": "video", "audio": "audio"}


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
class Lookup:
    """How a figure follows from the input: always the same, a field's value, or a table's."""

    field: str | None = None
    """The input field that holds the figure, or that the table is looked up by."""
    table: Mapping[str, JSON] | None = None
    value: JSON = None

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Lookup:
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
        """The fields that the rule reads; while one of them is invalid, the rule isn't applied."""
        return frozenset(_properties(self.when) | _properties(self.require) | {self.loc[0]})

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


@dataclass(frozen=True)
class Pricing:
    """A price per unit and how many units a request takes."""

    unit: str
    """What is billed: `second`."""
    quantity: Lookup
    amount: Lookup
    """Dollars per unit, as text."""
    evidence: Evidence

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Pricing | None:
        """Take the overlay's `pricing`; None where it has none."""
        if facts is None:
            return None
        if not is_object(facts) or not isinstance(facts.get("unit"), str):
            raise BadOverlay(where, "`pricing` needs a unit, a quantity and an amount")
        amount = Lookup.from_facts(facts.get("amount"), f"{where}.amount")
        for value in amount.table.values() if amount.table else [amount.value]:
            _check_amount(value, f"{where}.amount")
        return cls(
            unit=str(facts["unit"]),
            quantity=Lookup.from_facts(facts.get("quantity"), f"{where}.quantity"),
            amount=amount,
            evidence=Evidence.from_facts(facts, where),
        )

    def units(self, full: Mapping[str, JSON]) -> Decimal | None:
        """Count the billable units; None where the input's figure is not a number."""
        return to_decimal(self.quantity.of(full))

    def price(self, full: Mapping[str, JSON]) -> Decimal | None:
        """Return US dollars; None where the input has no such figure."""
        units, amount = self.units(full), self.amount.of(full)
        return units * Decimal(amount) if units is not None and isinstance(amount, str) else None


def to_decimal(value: JSON) -> Decimal | None:
    """Turn a JSON number into the decimal it is written as; None for anything else."""
    if not is_number(value) or not is_finite(value):
        return None
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


def _check_amount(value: JSON, where: str) -> None:
    try:
        if isinstance(value, str) and Decimal(value).is_finite():
            return
    except InvalidOperation:
        pass
    raise BadOverlay(where, f'{value!r} is not a price; write dollars as text, such as "0.04"')


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
class MediaInput:
    """An input field that takes a file, by URL or data URI."""

    field: str
    kind: MediaKind
    formats: tuple[str, ...]
    """Accepted formats, in fal's order, such as `png`; lower case."""
    max_bytes: int | None
    certainty: Certainty
    """How certain the formats are."""
    size_certainty: Certainty
    """How certain the size limit is."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> tuple[MediaInput, ...]:
        """Take the overlay's `inputs`; none where it has none."""
        if facts is None:
            return ()
        if not is_object(facts):
            raise BadOverlay(where, "`inputs` is an object, by field")
        return tuple(_input(name, fact, f"{where}.{name}") for name, fact in facts.items())


@dataclass(frozen=True)
class Video:
    """How the output video's figures follow from the input."""

    size: Lookup
    fps: Lookup
    seconds: Lookup
    audio: Lookup
    evidence: Mapping[str, Evidence]
    """By figure: `size`, `fps`, `seconds`, `audio`."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Video | None:
        """Take the overlay's `video`; None where it has none."""
        if facts is None:
            return None
        if not is_object(facts):
            raise BadOverlay(where, "`video` is an object with size, fps, seconds and audio")
        lookups = {
            name: Lookup.from_facts(facts.get(name), f"{where}.{name}")
            for name in ("size", "fps", "seconds", "audio")
        }
        evidence = {
            name: Evidence.from_facts(_object(facts.get(name)), f"{where}.{name}")
            for name in lookups
        }
        return cls(**lookups, evidence=evidence)

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """Where each figure comes from."""
        return self.size, self.fps, self.seconds, self.audio

    def of(self, full: Mapping[str, JSON]) -> VideoFacts | None:
        """Read the figures off an input with defaults; None where one isn't a number."""
        size, fps, audio = self.size.of(full), to_decimal(self.fps.of(full)), self.audio.of(full)
        seconds = to_decimal(self.seconds.of(full))
        if not is_array(size) or len(size) != 2 or not isinstance(audio, bool):
            return None
        width, height = size
        if not is_number(width) or not is_number(height) or fps is None or seconds is None:
            return None
        frames = (seconds * fps).to_integral_value(ROUND_HALF_UP)
        return VideoFacts(int(width), int(height), int(fps), seconds, int(frames), audio)


def _input(name: str, facts: JSON, where: str) -> MediaInput:
    facts = _object(facts)
    kind = _MEDIA_KINDS.get(facts.get("kind"))
    formats, limit = _object(facts.get("formats")), _object(facts.get("max_bytes"))
    listed, most = formats.get("value"), limit.get("value")
    if kind is None:
        raise BadOverlay(where, "`kind` is image, video or audio")
    if not is_array(listed) or not listed:
        raise BadOverlay(where, "`formats` needs a list as its value")
    if most is not None and not isinstance(most, int):
        raise BadOverlay(where, "`max_bytes` needs a whole number as its value, or null")
    return MediaInput(
        field=name,
        kind=kind,
        formats=tuple(str(item) for item in listed),
        max_bytes=most,
        certainty=Evidence.from_facts(formats, f"{where}.formats").certainty,
        size_certainty=Evidence.from_facts(limit, f"{where}.max_bytes").certainty,
    )


def _object(value: JSON) -> Object:
    return value if is_object(value) else {}
