"""Numbers, sizes, ratios and lengths as inputs write them: `5s`, `landscape_16_9`, `1080p`."""

from __future__ import annotations

import math
import re
from typing import TypeAlias

from falkit_spec import JSON
from falkit_spec.lookup import SIZES
from falkit_spec.types import is_array, is_finite, is_number, is_object

Size: TypeAlias = tuple[int, int]

_RATIOS = {
    "square": 1.0,
    "landscape": 16 / 9,
    "portrait": 9 / 16,
    "horizontal": 16 / 9,
    "vertical": 9 / 16,
    "widescreen": 16 / 9,
}
_LINES = {"sd": 480, "hd": 720, "full_hd": 1080, "fhd": 1080, "qhd": 1440, "uhd": 2160}
# Of a video, which is as high as that; a picture has as many pixels as a square of so many.
_KILO_LINES = {0.5: 512, 1: 1080, 2: 1440, 4: 2160, 8: 4320}
WIDE = 16 / 9
# Nothing larger or longer is made, whatever is asked for.
MOST_SIDE, MOST_PIXELS = 16_384, 4096 * 4096
MOST_VIDEO_SIDE, LEAST_SIDE = 4096, 16
MOST_SECONDS, LEAST_SECONDS = 600.0, 0.1
MOST_FPS = 60.0
MOST_FILES = 64

_NUMBER = re.compile(
    r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(s|secs?|seconds?|fps|ms|min|minutes?|k?hz)?\s*", re.I
)
# By which a number with a unit is multiplied.
_UNITS = {"ms": 0.001, "min": 60.0, "minute": 60.0, "minutes": 60.0, "khz": 1000.0}
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:\.\d{1,3})?)")
_PAIR = re.compile(r"(?<!\d)(\d{2,5})\s*[xX*\u00d7]\s*(\d{2,5})(?!\d)")
_RATIO = re.compile(r"(?<![\d.])(\d{1,4}(?:\.\d+)?)\s*[:/xX_]\s*(\d{1,4}(?:\.\d+)?)(?![\d.])")
_LINES_IN = re.compile(r"(?<!\d)(\d{3,4})\s*p?(?![\da-z])", re.I)
_KILO = re.compile(r"(?<![\d.])(\d(?:\.\d)?)\s*k(?![a-z])", re.I)


def number_in(value: JSON) -> float | None:
    """Return a number, however it is written: 5, "5", "5s", "10.5", "500 ms", "48 kHz"."""
    if is_number(value):
        return float(value) if is_finite(value) and abs(value) < 1e12 else None
    if isinstance(value, str) and len(value) < 40 and (match := _NUMBER.fullmatch(value)):
        return float(match[1]) * _UNITS.get((match[2] or "").lower(), 1.0)
    return None


def seconds_in(value: JSON) -> float | None:
    """Return a time in seconds: a number, or as a clock shows it: `1:30`, `00:01:30`."""
    if (number := number_in(value)) is not None or not isinstance(value, str) or len(value) >= 40:
        return number
    if (match := _CLOCK.fullmatch(value.strip())) is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def short_text(value: JSON) -> str:
    """Return a short text; empty for anything else."""
    return value if isinstance(value, str) and len(value) <= 100 else ""


def times_in(value: JSON) -> float | None:
    found = re.fullmatch(r"x?(\d{1,2}(?:\.\d)?)x?", short_text(value).lower())
    return float(found[1]) if found else None


def whole(value: float) -> float:
    """Return a number as documents write it: 25 and not 25.0."""
    return int(value) if value == int(value) else round(value, 3)


def bounded_length(seconds: float) -> float:
    return min(max(seconds, LEAST_SECONDS), MOST_SECONDS)


def size_in(value: JSON, ratio: float | None = None, *, video: bool = False) -> Size | None:
    """Return what a size in any of its forms says: a name, an object, a text with both sides."""
    if is_object(value):
        width, height = number_in(value.get("width")), number_in(value.get("height"))
        return (round(width), round(height)) if width and height else None
    if is_array(value) and len(value) == 2:
        width, height = map(number_in, value)
        return (round(width), round(height)) if width and height else None
    if not isinstance(value, str) or len(value) > 100:
        return None
    if size := SIZES.get(value.lower()):
        return size
    if pair := _PAIR.search(value):
        return max(int(pair[1]), 1), max(int(pair[2]), 1)
    if _KILO.search(value):
        return size_of_resolution(value, ratio, video=video)
    return None


def ratio_in(value: JSON) -> float | None:
    """Return width by height, as `16:9`, `landscape_16_9`, `portrait`, 1.5 say it."""
    if is_number(value):
        return float(value) if 0.05 <= value <= 20 else None
    if not isinstance(value, str) or len(value) > 100:
        return None
    if match := _RATIO.search(value):
        width, height = float(match[1]), float(match[2])
        if not width or not height:
            return None
        ratio = min(max(width / height, 0.05), 20.0)
        # `portrait_4_3`
        return 1 / ratio if ratio > 1 and "portrait" in value.lower() else ratio
    return next((ratio for name, ratio in _RATIOS.items() if name in value.lower()), None)


def size_of_resolution(value: JSON, ratio: float | None, *, video: bool) -> Size | None:
    """Return a size by lines (`720p`, 1080 of a clip), or by a square's side (`2K`, 1024)."""
    if not video and (side := number_in(value)):
        return size_of_area(side, ratio or 1.0) if 64 <= side <= MOST_SIDE else None
    if is_number(value):
        return size_of_lines(int(value), ratio or WIDE) if 64 <= value <= MOST_SIDE else None
    if not isinstance(value, str) or len(value) > 100:
        return None
    if size := SIZES.get(value.lower()):
        return size
    # `portrait_1080p`
    ratio = ratio or next((one for name, one in _RATIOS.items() if name in value.lower()), None)
    if kilo := _KILO.search(value):
        thousands = float(kilo[1])
        if video:
            lines = _KILO_LINES.get(thousands, round(thousands * 540))
            return size_of_lines(lines, ratio or WIDE)
        return size_of_area(1024 * thousands, ratio or 1.0)
    if found := _LINES_IN.search(value):
        return size_of_lines(int(found[1]), ratio or WIDE)
    named = _LINES.get(value.lower().replace("-", "_"))
    return size_of_lines(named, ratio or WIDE) if named else None


def size_of_lines(lines: int, ratio: float) -> Size:
    """Return a size whose shorter side has so many pixels."""
    longer = round(lines * max(ratio, 1 / ratio) / 2) * 2
    return (longer, lines) if ratio >= 1 else (lines, longer)


def size_of_area(side: float, ratio: float) -> Size:
    """Return a size with as many pixels as a square of that side, in steps of 8."""
    width, height = side * math.sqrt(ratio), side / math.sqrt(ratio)
    return max(round(width / 8), 2) * 8, max(round(height / 8), 2) * 8


def bounded(size: Size, side: int, pixels: int) -> Size:
    """Return a size that can be made, of the same shape."""
    width, height = (max(each, 1) for each in size)
    by = min(1.0, side / width, side / height, math.sqrt(pixels / (width * height)))
    return max(int(width * by), 1), max(int(height * by), 1)
