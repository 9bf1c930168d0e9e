"""How a figure follows from an input: the forms that overlays have for it.

```yaml
{value: 25}                                     the same for every request
{field: duration}                               what an input field holds
{number_in: duration}                           the number in a text: 8 of "8s" or "8"
{by: resolution, values: {720p: .., 1080p: ..}} looked up by a field
{by: [resolution, generate_audio], values: {720p: {"true": .., "false": ..}}}   by several
{length_of: audio_url, plus: duration}          the seconds that a file lasts, and perhaps a field
{megapixels_of: image_size}                     of a size by fal's names or in pixels, rounded up;
                                                `times` a field, each of so many `pixels`
{characters_of: text}                           how long a text is
{product: [.., ..]}, {sum: [.., ..]}            of other figures
```

A table is looked up by text: `"true"`, `"1024"`, and `"null"` for a field that isn't there;
`otherwise` is what counts for values that it hasn't. Of what isn't known, no figure is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from falkit_spec.errors import BadOverlay
from falkit_spec.overlay import ARRAY, OBJECT, TEXT, Shape, expect, having
from falkit_spec.types import JSON, Object, is_array, is_finite, is_number, is_object

Lengths: TypeAlias = Mapping[str, float]
"""How many seconds the files of an input last, by field, as far as they were looked at."""
NO_LENGTHS: Lengths = {}
Figure: TypeAlias = "JSON | Decimal"

MEGAPIXEL = 1024 * 1024
"""As fal counts for pictures: one of 1024x1024 is one megapixel."""
SIZES: Mapping[str, tuple[int, int]] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_3_4": (768, 1024),
    "portrait_3_2": (768, 1152),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_3_2": (1152, 768),
    "landscape_16_9": (1024, 576),
}
"""Width and height in pixels, by fal's names."""
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)s?", re.ASCII)

_DEEPEST = 10
_PARTS: Object = {**ARRAY, "minItems": 2}
_LOOKUP: Shape = {
    "needs `value`, or `field`, or `number_in`, or `by` with `values`, or `length_of`, "
    "or `megapixels_of`, or `characters_of`, or `product` or `sum` with a list of two or more": {
        "anyOf": [
            having(value=True),
            having(field=TEXT),
            having(number_in=TEXT),
            having(by={"anyOf": [TEXT, {**ARRAY, "items": TEXT, "minItems": 1}]}, values=OBJECT),
            having(length_of=TEXT),
            having(megapixels_of=TEXT),
            having(characters_of=TEXT),
            having(product=_PARTS),
            having(sum=_PARTS),
        ]
    },
    "`plus` and `times` name a field": {"properties": {"plus": TEXT, "times": TEXT}},
    "`pixels` is a whole number above 0": {
        "properties": {"pixels": {"type": "integer", "minimum": 1}}
    },
}


@dataclass(frozen=True)
class Lookup:
    """A figure that follows from an input whose defaults are filled in."""

    find: Callable[[Mapping[str, JSON], Lengths], Figure]
    reads: tuple[str, ...] = ()
    """The input fields that it follows from."""
    measures: tuple[str, ...] = ()
    """The input fields with the files whose length counts."""
    constants: tuple[JSON, ...] = ()
    """What the overlay itself says: values, and the ends of tables."""
    cases: Mapping[str, JSON] | None = None
    """The table that it is looked up in, as far as it is no more than one."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Lookup:
        """Take one of the forms above; BadOverlay for anything else."""
        if where.count("[") > _DEEPEST:
            raise BadOverlay(where, f"figures stand in figures at most {_DEEPEST} deep")
        read = expect(facts, where, _LOOKUP)
        for form, make in _FORMS.items():
            if form in read:
                return make(read, where)
        return _table(read, where)

    def of(self, full: Mapping[str, JSON], lengths: Lengths = NO_LENGTHS) -> Figure:
        """Read the figure off an input; None if it isn't known."""
        return self.find(full, lengths)

    def number(self, full: Mapping[str, JSON], lengths: Lengths = NO_LENGTHS) -> Decimal | None:
        """Read a number off an input; None if it isn't known, or not a number."""
        return to_decimal(self.find(full, lengths))


def to_decimal(value: Figure) -> Decimal | None:
    """Turn a JSON number into the decimal it is written as; None for anything else."""
    if isinstance(value, Decimal):
        return value
    if not is_number(value) or not is_finite(value):
        return None
    return Decimal(value if isinstance(value, int) else repr(value))


def _written(value: JSON) -> Figure:
    """Return the number that a text is; anything else as it is."""
    number = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return Decimal(number[1]) if number else value


def _value(read: Object, _where: str) -> Lookup:
    value = _written(read["value"])
    return Lookup(lambda _full, _lengths: value, constants=(read["value"],))


def _field(read: Object, _where: str) -> Lookup:
    field = str(read["field"])
    return Lookup(lambda full, _lengths: full.get(field), (field,))


def _number_in(read: Object, _where: str) -> Lookup:
    field = str(read["number_in"])
    return Lookup(lambda full, _lengths: _written(full.get(field)), (field,))


def _table(read: Object, where: str) -> Lookup:
    by, values, rest = read["by"], read["values"], read.get("otherwise")
    fields = tuple(map(str, by)) if is_array(by) else (str(by),)
    ends = list(_ends(values, len(fields), where))

    def find(full: Mapping[str, JSON], _lengths: Lengths) -> Figure:
        found = values
        for field in fields:
            key = _key(full.get(field))
            if key is None or not is_object(found) or key not in found:
                return _written(rest)
            found = found[key]
        return _written(found)

    cases = values if len(fields) == 1 and is_object(values) else None
    constants = (*ends, rest) if "otherwise" in read else tuple(ends)
    return Lookup(find, fields, constants=constants, cases=cases)


def _ends(values: JSON, depth: int, where: str) -> Sequence[JSON]:
    if depth == 0:
        return [values]
    if not is_object(values) or not values:
        raise BadOverlay(f"{where}.values", "is a table for each field of `by`, one in the other")
    return [end for below in values.values() for end in _ends(below, depth - 1, where)]


def _key(value: JSON) -> str | None:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    number = to_decimal(value)
    return None if number is None else f"{number.normalize():f}"


def _length(read: Object, _where: str) -> Lookup:
    file, plus = str(read["length_of"]), read.get("plus")

    def find(full: Mapping[str, JSON], lengths: Lengths) -> Figure:
        seconds = to_decimal(lengths.get(file))
        added = to_decimal(full.get(plus)) if isinstance(plus, str) else Decimal(0)
        # To the millisecond: that is as far as containers tell.
        return None if seconds is None or added is None else round(seconds + added, 3).normalize()

    return Lookup(find, (plus,) if isinstance(plus, str) else (), (file,))


def _megapixels(read: Object, _where: str) -> Lookup:
    field, times, pixels = str(read["megapixels_of"]), read.get("times"), read.get("pixels")
    unit = pixels if isinstance(pixels, int) else MEGAPIXEL

    def find(full: Mapping[str, JSON], _lengths: Lengths) -> Figure:
        size = full.get(field)
        named = SIZES.get(size) if isinstance(size, str) else None
        sides = named or ((size.get("width"), size.get("height")) if is_object(size) else (None,))
        factors = [*sides, full.get(times)] if isinstance(times, str) else [*sides]
        numbers = [number for number in map(to_decimal, factors) if number is not None]
        if len(numbers) < len(factors):
            return None
        return Decimal(math.ceil(math.prod(numbers) / unit))

    return Lookup(find, (field, times) if isinstance(times, str) else (field,))


def _characters(read: Object, _where: str) -> Lookup:
    field = str(read["characters_of"])

    def find(full: Mapping[str, JSON], _lengths: Lengths) -> Figure:
        text = full.get(field)
        return len(text) if isinstance(text, str) else None

    return Lookup(find, (field,))


def _together(
    form: str, together: Callable[[Sequence[Decimal]], Decimal]
) -> Callable[[Object, str], Lookup]:
    def make(read: Object, where: str) -> Lookup:
        listed = read[form]
        parts = [
            Lookup.from_facts(part, f"{where}.{form}[{number}]")
            for number, part in enumerate(listed if is_array(listed) else ())
        ]

        def find(full: Mapping[str, JSON], lengths: Lengths) -> Figure:
            numbers = [part.number(full, lengths) for part in parts]
            known = [number for number in numbers if number is not None]
            return together(known) if len(known) == len(numbers) else None

        return Lookup(
            find,
            tuple(field for part in parts for field in part.reads),
            tuple(field for part in parts for field in part.measures),
            tuple(value for part in parts for value in part.constants),
        )

    return make


_FORMS: Mapping[str, Callable[[Object, str], Lookup]] = {
    "value": _value,
    "length_of": _length,
    "field": _field,
    "number_in": _number_in,
    "megapixels_of": _megapixels,
    "characters_of": _characters,
    "product": _together("product", lambda numbers: math.prod(numbers, start=Decimal(1))),
    "sum": _together("sum", lambda numbers: sum(numbers, Decimal(0))),
}
