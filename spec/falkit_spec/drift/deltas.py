"""Differences between two schemas, keyword by keyword: whether they take fewer values, or more."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

from falkit_spec.drift.shapes import written
from falkit_spec.schema import resolve
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

Effect: TypeAlias = Literal["fewer", "more", "other", "lost", "gained", "default", "prose"]
"""What a change does: it takes fewer values, more, or others; a field is lost or gained; what is
left out counts as something else; words.
"""
FEWER: tuple[Effect, ...] = ("fewer", "other", "lost", "default")
MORE: tuple[Effect, ...] = ("more", "other", "gained")
OPAQUE = ("not", "contains", "propertyNames", "patternProperties", "allOf", "$defs")
"""Keywords that are the same or not; what they take isn't compared."""
_PROSE = (
    "title",
    "description",
    "examples",
    "example",
    "deprecated",
    "x-fal-order-properties",
    "ui",
)


@dataclass(frozen=True)
class Delta:
    """One difference; in its message `{takes}` stands for what an input does, or an output."""

    effect: Effect
    field: str
    rule: str
    message: str
    before: JSON = None
    after: JSON = None


def inside(name: str, deltas: Iterable[Delta]) -> Iterable[Delta]:
    for delta in deltas:
        dot = "." if delta.field and not delta.field.startswith("[") else ""
        yield replace(delta, field=f"{name}{dot}{delta.field}")


def compare_numbers(old: Object, new: Object) -> Iterable[Delta]:
    was, now = (one.get("type") == "integer" for one in (old, new))
    if was != now:
        words = "integer → number" if was else "number → integer"
        yield Delta("more" if was else "fewer", "", "type", words)
    for word, sign in (("minimum", 1), ("maximum", -1)):
        before, after = (_bound(one, word, sign) for one in (old, new))
        if before == after:
            continue
        effect: Effect = "fewer" if after > before else "more"
        texts = (_bound_text(one, sign) for one in (before, after))
        yield Delta(
            effect,
            "",
            word,
            f"{word}: " + " → ".join(texts),
            _written(old, word),
            _written(new, word),
        )
    step, steps = old.get("multipleOf"), new.get("multipleOf")
    if step != steps:
        words = f"multiple of: {value_text(step)} → {value_text(steps)}"
        yield Delta(_by_multiple(step, steps), "", "multipleOf", words, step, steps)


def _bound(schema: Object, word: str, sign: int) -> tuple[float, bool]:
    """Return the nearer of the two bounds, turned so that a greater one takes fewer values, and
    whether it is itself excluded.
    """
    exclusive = f"exclusive{word.capitalize()}"
    both = ((schema.get(word), False), (schema.get(exclusive), True))
    found = max(
        [(limit * sign, strict) for limit, strict in both if is_number(limit)],
        default=(-math.inf, False),
    )
    if schema.get("type") == "integer" and math.isfinite(found[0]):
        return (math.floor(found[0]) + 1 if found[1] else math.ceil(found[0])), False
    return found


def _bound_text(bound: tuple[float, bool], sign: int) -> str:
    limit, strict = bound
    if not math.isfinite(limit):
        return "none"
    return (
        f"{'above ' if sign > 0 else 'below ' if strict else ''}{limit * sign}"
        if strict
        else f"{limit * sign}"
    )


def _written(schema: Object, word: str) -> JSON:
    exclusive = f"exclusive{word.capitalize()}"
    return {key: schema[key] for key in (word, exclusive) if key in schema} or None


def _by_multiple(old: JSON, new: JSON) -> Effect:
    if not is_number(old) or not is_number(new):
        return "fewer" if is_number(new) else "more"
    ratio = Fraction(str(new)) / Fraction(str(old))
    return "fewer" if ratio.denominator == 1 else "more" if ratio.numerator == 1 else "other"


def compare_sizes(word: str, unset: float, old: Object, new: Object) -> Iterable[Delta]:
    before, after = (one.get(word, unset) for one in (old, new))
    if before == after or not is_number(before) or not is_number(after):
        return
    narrower = after > before if unset == 0 else after < before
    texts = (value_text(None if limit == unset else limit) for limit in (before, after))
    words = f"{word}: " + " → ".join(texts)
    yield Delta("fewer" if narrower else "more", "", word, words, old.get(word), new.get(word))


def compare_as_written(words: Iterable[str], old: Object, new: Object) -> Iterable[Delta]:
    for word in words:
        before, after = old.get(word), new.get(word)
        notes = word == "format" and all(one in (None, "binary") for one in (before, after))
        if notes or written(before) == written(after):
            continue
        effect: Effect = "fewer" if before is None else "more" if after is None else "other"
        shown = (
            f": {value_text(before)} → {value_text(after)}" if word in ("format", "pattern") else ""
        )
        yield Delta(effect, "", word, f"{word}{shown or ' changed'}", before, after)


def media_limits(schema: Object, root: Object) -> Object:
    """Return the limits of a file, wherever in a union they stand."""
    parts = schema.get("anyOf")
    for one in (schema, *(resolve(part, root) for part in (parts if is_array(parts) else ()))):
        if is_object(limits := one.get("x-fal")):
            return limits
    return {}


def compare_limits(old: Object, new: Object) -> Iterable[Delta]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before == after or not name.startswith(("min_", "max_")):
            continue
        effect: Effect = "fewer" if before is None else "more" if after is None else "other"
        if is_number(before) and is_number(after):
            effect = "fewer" if (after > before) == name.startswith("min_") else "more"
        yield Delta(
            effect, "", "file", f"{name}: {value_text(before)} → {value_text(after)}", before, after
        )


def compare_prose(old: Object, new: Object) -> Iterable[Delta]:
    for word in dict.fromkeys(
        key for key in (*old, *new) if key in _PROSE or key.startswith("_fal")
    ):
        if written(old.get(word)) != written(new.get(word)):
            yield Delta("prose", "", word, f"{word} changed", old.get(word), new.get(word))


def value_text(value: JSON) -> str:
    text = "none" if value is None else written(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}…"


def values_text(values: Iterable[JSON]) -> str:
    every = [written(value).decode() for value in values]
    more = f" and {len(every) - 12} more" if len(every) > 12 else ""
    return ", ".join(text if len(text) <= 40 else f"{text[:40]}…" for text in every[:12]) + more
