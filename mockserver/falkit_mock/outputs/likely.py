"""Numbers that no rule gives and no example shows, as readers take them: boxes, scores, vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from falkit_mock.outputs.draft import Draft, Step
from falkit_mock.outputs.kinds import words
from falkit_mock.outputs.measures import Size
from falkit_mock.outputs.texts import noise
from falkit_mock.outputs.values import Figure
from falkit_spec import JSON
from falkit_spec.types import Object, is_number

# A box around the middle of a picture: each figure by its name, as a part of width or height.
_ACROSS = {
    **dict.fromkeys(("x", "x_min", "xmin", "x1", "x0", "left"), 0.25),
    **dict.fromkeys(("x_max", "xmax", "x2", "right"), 0.75),
    **dict.fromkeys(("cx", "x_center", "center_x", "w"), 0.5),
}
_DOWN = {
    **dict.fromkeys(("y", "y_min", "ymin", "y1", "y0", "top"), 0.25),
    **dict.fromkeys(("y_max", "ymax", "y2", "bottom"), 0.75),
    **dict.fromkeys(("cy", "y_center", "center_y", "h"), 0.5),
}
_SURE = frozenset(("score", "scores", "confidence", "confidences", "probability", "probabilities"))
_BAD = frozenset(("nsfw", "unsafe", "toxicity", "harm"))
_BOXES = frozenset(("box", "boxes", "bbox", "bboxes", "rectangle"))
_POINTS = frozenset(("point", "points", "keypoints", "center", "centroid", "polygon", "polygons"))
_LENGTHS = {"translation": 3, "position": 3, "rotation": 4, "quaternion": 4}
_SIZES = frozenset(("size", "dimensions", "resolution"))
_VECTOR, _RATE, _MOST_WAVE = 128, 10, 10_000
_BITRATE = 128_000


def likely(schema: Object, names: Sequence[str]) -> Step | None:
    """Return what writes a number by its name; None where the name says nothing."""
    name = names[0] if names else ""
    spelt = set(words(name))
    if name in _ACROSS or name in _DOWN:
        across = name in _ACROSS
        part = _ACROSS[name] if across else _DOWN[name]
        return _within(schema, lambda draft: _side(schema, draft, across=across) * part)
    if not _SURE.isdisjoint(spelt):
        sure = 0.0 if spelt & _BAD else 0.9
        return _within(schema, lambda draft: sure)
    if name == "channels":
        return lambda draft: draft.figures.channels
    if name in ("bitrate", "bit_rate"):
        return lambda draft: _BITRATE
    if name == "rtf":
        # Seconds that it takes to make one of sound.
        return lambda draft: round(draft.run / draft.figures.sound_seconds, 3)
    if any("timings" in words(outer) for outer in names[1:]):
        run = not spelt.isdisjoint(("inference", "total", "generation"))
        return lambda draft: round(draft.run, 3) if run else 0.0
    return None


def _within(schema: Object, figure: Figure) -> Step:
    low, high = schema.get("minimum"), schema.get("maximum")
    whole = schema.get("type") == "integer"

    def write(draft: Draft) -> JSON:
        found = figure(draft)
        value = max(found, low) if is_number(low) else found
        value = min(value, high) if is_number(high) else value
        return round(value) if whole else round(value, 4)

    return write


def _side(schema: Object, draft: Draft, *, across: bool) -> float:
    """Return what a picture's width or height counts as: its pixels, or 1."""
    text, most = schema.get("description"), schema.get("maximum")
    said = text.lower() if isinstance(text, str) else ""
    if (
        "normali" in said
        or "0 to 1" in said
        or "0 and 1" in said
        or (is_number(most) and most <= 1)
    ):
        return 1.0
    figures = draft.figures
    size = figures.seen.picture or figures.seen.clip or figures.image_size
    return float(size[0 if across else 1])


def numbers(spelt: Sequence[str], schema: Object, item: Object) -> Step | None:
    """Return what writes a list of numbers by its name's words; None where they say nothing."""
    figures = _listed({*spelt}, schema)
    if figures is None:
        return None
    few, many = schema.get("minItems"), schema.get("maxItems")
    least = min(int(few), _MOST_WAVE) if is_number(few) else 0
    most = int(many) if is_number(many) else _MOST_WAVE
    whole = item.get("type") == "integer"

    def write(draft: Draft) -> JSON:
        found = figures(draft)[:most]
        found += found[-1:] * (least - len(found))
        return [round(one) if whole or one == int(one) else round(one, 4) for one in found]

    return write


def _listed(spelt: set[str], schema: Object) -> Callable[[Draft], list[float]] | None:
    def sides(draft: Draft) -> tuple[float, float]:
        return _side(schema, draft, across=True), _side(schema, draft, across=False)

    if "seeds" in spelt:
        return lambda draft: [draft.seed + place for place in range(draft.figures.count)]
    if spelt & _BOXES:
        # From a corner to the opposite one, unless a centre and a size are said (`cxcywh`).
        centred = "cx" in str(schema.get("description"))
        parts = (0.5, 0.5, 0.5, 0.5) if centred else (0.25, 0.25, 0.75, 0.75)
        return lambda draft: [
            part * side for part, side in zip(parts, sides(draft) * 2, strict=True)
        ]
    if spelt & _POINTS:
        return lambda draft: [0.5 * side for side in sides(draft)]
    if spelt & _SURE:
        return lambda draft: [0.9]
    if "waveform" in spelt or "peaks" in spelt:
        return _wave
    if spelt & {"embedding", "embeddings", "vector"}:
        return _vector
    if "durations" in spelt:
        return lambda draft: [draft.figures.sound_seconds] * draft.figures.count
    if spelt & _SIZES:
        return lambda draft: [*map(float, _size(spelt, draft))]
    length = next((count for name, count in _LENGTHS.items() if name in spelt), None)
    # No turn at all is a quaternion whose first figure is 1.
    return None if length is None else lambda draft: [float(length == 4), *[0.0] * (length - 1)]


def _size(spelt: set[str], draft: Draft) -> Size:
    figures = draft.figures
    if spelt & {"original", "input", "source"}:
        found = figures.seen.clip or figures.seen.picture
        if found:
            return found
    return figures.video_size if "video" in figures.kinds else figures.image_size


def _wave(draft: Draft) -> list[float]:
    asked = draft.input.get("points_per_second")
    rate = asked if is_number(asked) and 0 < asked <= 1000 else _RATE
    count = min(max(round(draft.figures.heard_seconds * rate), 1), _MOST_WAVE)
    return [math.sin(math.tau * place / 16) * 0.8 for place in range(count)]


def _vector(draft: Draft) -> list[float]:
    numbers = noise(draft.digest, _VECTOR)
    long = math.sqrt(sum((byte - 127.5) ** 2 for byte in numbers))
    return [(byte - 127.5) / long for byte in numbers]
