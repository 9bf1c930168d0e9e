"""Lengths of time as people write them: `90`, `15m`, `1h30m`."""

from __future__ import annotations

import re

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd]?)", re.A)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.A)


class DurationError(ValueError):
    """A length of time that can't be read; the message says what can."""


def parse_duration(text: str) -> float:
    """Return seconds; raise DurationError."""
    short = text.strip().lower()
    parts = _PART.findall(short)
    # A number without a unit stands alone: in 1h30 it could be either.
    alone = len(parts) == 1 or all(unit for _, unit in parts)
    if not _WHOLE.fullmatch(short) or not alone:
        raise DurationError(f"{text!r} is no length of time; give seconds, or such as 15m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
