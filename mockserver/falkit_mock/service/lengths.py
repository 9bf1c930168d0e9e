"""How long videos and sounds last, as far as their containers say."""

from __future__ import annotations

import math
import wave
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO

from falkit_fixtures import UnreadableVideo, mp4
from falkit_mock.core.jobs import ParsedRequest

# A file that isn't looked at, or doesn't say how long it is, counts as this long.
ASSUMED = 5.0
# LTX-2 takes nothing longer, and no clip of ours can be much longer.
_MOST = 500.0


def measured(parsed: ParsedRequest, lengths: Mapping[str, float]) -> ParsedRequest:
    """Return a request with the figures that follow from how long its files last, by field."""
    fields = parsed.endpoint.measured
    if not fields:
        return parsed
    figures = parsed.endpoint.figures(
        parsed.input, {field: lengths.get(field, ASSUMED) for field in fields}
    )
    why = "public URLs aren't fetched, and not every file says how long it is"
    hints = [
        f"{field}: taken to last {ASSUMED:g} s, since {why}"
        for field in fields
        if field not in lengths
    ]
    hint = "; ".join([parsed.hint, *hints] if parsed.hint else hints) or None
    return replace(parsed, video=figures.video, units=figures.units, hint=hint)


def seconds_of(data: bytes) -> float | None:
    """Return how long a file lasts, to the millisecond; None where that can't be read."""
    for read in (_of_mp4, _of_wav):
        found = read(data)
        if found is not None and math.isfinite(found) and round(found, 3) > 0:
            return min(round(found, 3), _MOST)
    return None


def _of_mp4(data: bytes) -> float | None:
    try:
        return mp4.read(data).duration
    except UnreadableVideo:
        return None


def _of_wav(data: bytes) -> float | None:
    try:
        with wave.open(BytesIO(data)) as sound:
            frames, rate = sound.getnframes(), sound.getframerate()
            return float(frames) / float(rate)
    except (wave.Error, EOFError, ZeroDivisionError):
        return None
