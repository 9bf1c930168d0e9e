"""Numbers and texts that keep a schema's limits, and those that break exactly one of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

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
        """Tell whether a number lies between the limits."""
        low, high = self.low, self.high
        above = low is None or number > low or (number == low and not self.above)
        return above and (high is None or number < high or (number == high and not self.below))

    def multiples(self, step: Fraction) -> st.SearchStrategy[Fraction]:
        """Give the multiples of a step, those near zero (else near a limit) first."""
        first = None if self.low is None else _first(self.low / step, self.above)
        last = None if self.high is None else _last(self.high / step, self.below)
        least, most = first, last
        if least is None:
            least = -_EXACT if last is None else min(last, 0) - _REACH
        if most is None:
            most = _EXACT if first is None else max(first, 0) + _REACH
        if least > most:
            return st.nothing()
        return st.integers(least, most).map(lambda count: count * step)


def _first(limit: Fraction, excluded: bool) -> int:
    """Return the least whole number from a limit on, or above it where it is excluded."""
    return math.floor(limit) + 1 if excluded else math.ceil(limit)


def _last(limit: Fraction, excluded: bool) -> int:
    """Return the greatest whole number up to a limit, or below it where it is excluded."""
    return math.ceil(limit) - 1 if excluded else math.floor(limit)


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
    low, step, wider = limits.low, limits.step or Fraction(1), schema.get("minimum")
    if low is None:
        return st.nothing()
    if limits.above and is_number(wider):
        # Breaking the wider of two limits as well would be another fault.
        return Range(exact(wider), low, False, False, step).multiples(step).map(plain)
    nearest = _first(low / step, limits.above) - 1
    return st.integers(0, _REACH).map(lambda count: plain((nearest - count) * step))


def too_large(schema: Object, *, integer: bool) -> st.SearchStrategy[JSON]:
    """Give numbers that are wrong only in being too large, the nearest first."""
    # What is too large is, with the signs turned round, too small.
    turned: Object = dict(schema)
    for lower, upper in (("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")):
        limit = schema.get(upper)
        turned[lower] = -limit if is_number(limit) else None
    return too_small(turned, integer=integer).map(lambda number: -cast("float", number))


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
FORMATS: dict[JSON, st.SearchStrategy[JSON]] = {
    "uri": urls,
    "url": urls,
    "uuid": st.uuids().map(str),
    **{f"uuid{n}": st.uuids(version=n).map(str) for n in (1, 3, 4, 5)},
    "time": st.times().map(lambda time: f"{time:%H:%M:%S}Z"),
    "date": st.dates().map(str),
    "date-time": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    "email": st.just("someone@example.com"),
}


def texts(schema: Object) -> st.SearchStrategy[JSON]:
    """Give all texts that a schema allows, the shortest first."""
    least, most = whole(schema, "minLength"), whole(schema, "maxLength", -1)
    if most >= 0 and most < least:
        return st.nothing()
    formed = FORMATS.get(schema.get("format"))
    if formed is not None:
        longest = most if most >= 0 else _LONGEST
        return formed.filter(lambda text: least <= len(str(text)) <= longest)
    if least > _LONGEST:
        return st.nothing()
    ceiling = least + _SHORT if most < 0 else min(most, least + _SHORT)
    short: st.SearchStrategy[JSON] = st.text(_LETTERS, min_size=least, max_size=ceiling)
    if not ceiling < most <= _LONGEST:
        return short
    # Three in four stay short, since long ones make every example slow.
    return st.one_of(short, short, short, st.sampled_from(["a" * most, _WIDE * most]))


def too_short(schema: Object) -> st.SearchStrategy[JSON]:
    """Give texts that are too short; nothing where no text is."""
    least = whole(schema, "minLength")
    if not 0 < least <= _LONGEST:
        return st.nothing()
    return st.text(_LETTERS, max_size=min(least - 1, _SHORT)) | st.just("a" * (least - 1))


def too_long(schema: Object) -> st.SearchStrategy[JSON]:
    """Give texts that are too long, by one character first."""
    most = whole(schema, "maxLength", -1)
    if not 0 <= most <= _LONGEST:
        return st.nothing()
    return st.sampled_from(["a" * (most + 1), _WIDE * (most + 1), "a" * (2 * most + 1)])


def whole(schema: Object, keyword: str, other: int = 0) -> int:
    """Return a count from a schema."""
    value = schema.get(keyword)
    return int(value) if is_number(value) else other
