"""Numbers and texts that keep a schema's limits, and those that break exactly one of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

from falkit_spec.types import JSON, Object, is_number

_REACH = 10**6
"""How far from the nearest limit a number may lie where nothing else bounds it."""

_EXACT = 2**53
"""Beyond this, readers that keep every number as a float lose digits."""


@dataclass(frozen=True)
class Range:
    """What a schema allows: multiples of `step` (None: any number) between the limits."""

    low: Fraction | None
    high: Fraction | None
    above: bool
    """Whether `low` itself is excluded."""
    below: bool
    """Whether `high` itself is excluded."""
    step: Fraction | None

    @classmethod
    def of(cls, schema: Object, *, integer: bool) -> Range:
        """Read the limits of a schema."""
        low, above = _tighter(schema.get("minimum"), schema.get("exclusiveMinimum"), max)
        high, below = _tighter(schema.get("maximum"), schema.get("exclusiveMaximum"), min)
        multiple = schema.get("multipleOf")
        step = exact(multiple) if is_number(multiple) else None
        if integer:
            # A whole multiple of 3/2 is a multiple of 3.
            step = Fraction(step.numerator) if step else Fraction(1)
        return cls(low, high, above, below, step)

    def holds(self, number: Fraction) -> bool:
        """Tell whether a number is allowed."""
        if self.low is not None and (number < self.low or (self.above and number == self.low)):
            return False
        if self.high is not None and (number > self.high or (self.below and number == self.high)):
            return False
        return not self.step or number % self.step == 0

    def multiples(self, step: Fraction) -> st.SearchStrategy[Fraction]:
        """Give the multiples of a step, those near zero (else near a limit) first."""
        first = None if self.low is None else math.ceil(self.low / step)
        last = None if self.high is None else math.floor(self.high / step)
        if first is not None and self.above and first * step == self.low:
            first += 1
        if last is not None and self.below and last * step == self.high:
            last -= 1
        if first is not None and last is not None and first > last:
            return st.nothing()
        if first is None and last is None:
            first, last = -_EXACT, _EXACT
        if first is not None and last is None:
            last = max(first, 0) + _REACH
        if last is not None and first is None:
            first = min(last, 0) - _REACH
        return st.integers(first, last).map(lambda count: count * step)


def numbers(schema: Object, *, integer: bool) -> st.SearchStrategy[JSON]:
    """Give all numbers that a schema allows, whole ones first; nothing where it allows none."""
    limits = Range.of(schema, integer=integer)
    if limits.step:
        return limits.multiples(limits.step).map(plain)
    ends = [end for end in (limits.low, limits.high) if end is not None and limits.holds(end)]
    wholes = limits.multiples(Fraction(1)).map(plain)
    floats: st.SearchStrategy[JSON] = st.floats(
        min_value=None if limits.low is None else float(limits.low),
        max_value=None if limits.high is None else float(limits.high),
        exclude_min=limits.above,
        exclude_max=limits.below,
        allow_nan=False,
        allow_infinity=False,
    )
    edges: st.SearchStrategy[JSON] = st.sampled_from([plain(end) for end in ends] or [None])
    return st.one_of(wholes, edges, floats) if ends else st.one_of(wholes, floats)


def too_small(schema: Object, *, integer: bool) -> st.SearchStrategy[JSON]:
    """Give numbers that are wrong only in being too small, the nearest first."""
    limits = Range.of(schema, integer=integer)
    if limits.low is None:
        return st.nothing()
    wider = schema.get("minimum")
    if limits.above and is_number(wider):
        return _between(limits, exact(wider), limits.low)
    return _outside(limits, limits.low, limits.above, -1)


def too_large(schema: Object, *, integer: bool) -> st.SearchStrategy[JSON]:
    """Give numbers that are wrong only in being too large, the nearest first."""
    limits = Range.of(schema, integer=integer)
    if limits.high is None:
        return st.nothing()
    wider = schema.get("maximum")
    if limits.below and is_number(wider):
        return _between(limits, limits.high, exact(wider))
    return _outside(limits, limits.high, limits.below, 1)


def not_multiples(schema: Object, *, integer: bool) -> st.SearchStrategy[JSON]:
    """Give numbers that are within the limits and no multiple of the step."""
    limits = Range.of(schema, integer=integer)
    step = limits.step
    if "multipleOf" not in schema or step is None or (integer and step == 1):
        return st.nothing()
    part = Fraction(1) if integer else step / 2
    return limits.multiples(part).filter(lambda number: bool(number % step)).map(plain)


def exact(number: float) -> Fraction:
    """Return a JSON number as it is written, not as it is stored."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def plain(number: Fraction) -> JSON:
    """Return a number as JSON would have it: whole if it is."""
    return int(number) if number.denominator == 1 else float(number)


def _between(limits: Range, low: Fraction, high: Fraction) -> st.SearchStrategy[JSON]:
    """Give numbers that keep the wider of two limits: breaking both would be another fault."""
    both = Range(low, high, above=False, below=False, step=limits.step)
    return both.multiples(limits.step or Fraction(1)).map(plain)


def _outside(limits: Range, end: Fraction, excluded: bool, sign: int) -> st.SearchStrategy[JSON]:
    step = limits.step or Fraction(1)
    start = end if excluded and end % step == 0 else (_beyond(end, step, sign))
    return st.integers(0, _REACH).map(lambda count: plain(start + sign * count * step))


def _beyond(end: Fraction, step: Fraction, sign: int) -> Fraction:
    """Return the first multiple of a step that lies outside."""
    count = end / step
    return step * (math.floor(count) + 1 if sign > 0 else math.ceil(count) - 1)


def _tighter(
    plain_limit: JSON, strict: JSON, pick: Callable[[Fraction, Fraction], Fraction]
) -> tuple[Fraction | None, bool]:
    """Return the tighter of an including and an excluding limit, and whether it excludes."""
    one = exact(plain_limit) if is_number(plain_limit) else None
    other = exact(strict) if is_number(strict) else None
    if one is None or other is None:
        return (one, False) if other is None else (other, True)
    return (other, True) if pick(one, other) == other else (one, False)


_SHORT = 60
"""Most texts are no longer than this: thousands of letters test nothing more."""
_LONGEST = 100_000
_LETTERS = st.characters(exclude_categories=["Cs"])
_WIDE = "😀"
"""One character, though four bytes and two UTF-16 units: it shows how a limit counts."""

urls: st.SearchStrategy[JSON] = st.builds(
    "https://example.com/{}{}".format,
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20),
    st.sampled_from(["", ".png", ".mp4", "?a=1&b=2", "#part", "/%20/x"]),
)
_FORMATS: dict[JSON, st.SearchStrategy[JSON]] = {
    "uri": urls,
    "url": urls,
    "uuid": st.uuids().map(str),
    "uuid4": st.uuids(version=4).map(str),
    "date": st.dates().map(str),
    "date-time": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    "email": st.just("someone@example.com"),
}


def texts(schema: Object) -> st.SearchStrategy[JSON]:
    """Give all texts that a schema allows, the shortest first."""
    least, most = whole(schema, "minLength"), whole(schema, "maxLength", -1)
    if most >= 0 and most < least:
        return st.nothing()
    formed = _FORMATS.get(schema.get("format"))
    if formed is not None and not least and most < 0:
        return formed
    ceiling = least + _SHORT if most < 0 else min(most, least + _SHORT)
    short: st.SearchStrategy[JSON] = st.text(_LETTERS, min_size=least, max_size=ceiling)
    if ceiling < most <= _LONGEST:
        edge: st.SearchStrategy[JSON] = st.sampled_from(["a" * most, _WIDE * most])
        # Three in four stay short, since long ones make every example slow.
        return st.one_of(short, short, short, edge)
    return short


def too_short(schema: Object) -> st.SearchStrategy[JSON]:
    """Give texts that are too short; nothing where no text is."""
    least = whole(schema, "minLength")
    if not least:
        return st.nothing()
    if least > 1:
        return st.text(_LETTERS, max_size=min(least - 1, _SHORT)) | st.just("a" * (least - 1))
    return st.just("")


def too_long(schema: Object) -> st.SearchStrategy[JSON]:
    """Give texts that are too long, by one character first."""
    most = whole(schema, "maxLength", -1)
    if not 0 <= most <= _LONGEST:
        return st.nothing()
    over: list[JSON] = ["a" * (most + 1), _WIDE * (most + 1), "a" * (2 * most + 1)]
    return st.sampled_from(over)


def whole(schema: Object, keyword: str, other: int = 0) -> int:
    """Return a count from a schema."""
    value = schema.get(keyword)
    return int(value) if is_number(value) else other
