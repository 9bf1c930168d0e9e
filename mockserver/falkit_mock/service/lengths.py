"""What follows from how long an input's videos and sounds last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from falkit_mock.core.jobs import ParsedRequest

# A file that isn't looked at, or doesn't say how long it is, counts as this long.
ASSUMED = 5.0
# LTX-2 takes nothing longer, and no clip of ours can be much longer.
_MOST = 500.0


def measured(parsed: ParsedRequest, lengths: Mapping[str, float | None]) -> ParsedRequest:
    """Return a request with the figures that follow from its files' lengths, by field."""
    fields = parsed.endpoint.measured
    if not fields:
        return parsed
    # To the millisecond, of which there has to be one.
    known = {field: min(round(lengths.get(field) or 0.0, 3), _MOST) for field in fields}
    figures = parsed.endpoint.figures(
        parsed.input, {field: known[field] or ASSUMED for field in fields}
    )
    why = "public URLs aren't fetched, and not every file says how long it is"
    hints = [
        f"{field}: taken to last {ASSUMED:g} s, since {why}" for field in fields if not known[field]
    ]
    hint = "; ".join([parsed.hint, *hints] if parsed.hint else hints) or None
    return replace(parsed, video=figures.video, units=figures.units, hint=hint)
