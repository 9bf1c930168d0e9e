"""What an input says of its output: size, count, rate, length, sound, format."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from falkit_mock.core.jobs import MediaValue
from falkit_mock.outputs.fields import Fields
from falkit_mock.outputs.kinds import Kind, format_in
from falkit_spec import JSON, VideoFacts
from falkit_spec.types import is_array, is_finite, is_number, is_object

Size: TypeAlias = tuple[int, int]

# fal's names for sizes.
SIZES: Mapping[str, Size] = {
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
_RATIOS = {"square": 1.0, "landscape": 16 / 9, "portrait": 9 / 16}
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
# What is taken where nothing says it.
SECONDS, SOUND_SECONDS, FPS = 5.0, 10.0, 24.0
# Characters that are spoken in a second.
SPOKEN = 15.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the files in an input that falkit has."""

    picture: Size | None = None
    clip: Size | None = None
    fps: float | None = None
    clip_seconds: float | None = None
    sound_seconds: float | None = None
    clip_sound: bool | None = None
    small: bytes = b""
    """The first picture, small."""


NOTHING_SEEN = Seen()


@dataclass
class Figures:
    """What one input says; each figure is worked out when it is asked for."""

    input: Mapping[str, JSON]
    fields: Fields
    media: Sequence[MediaValue]
    """The files that the input has."""
    video: VideoFacts | None = None
    """The output video by an overlay, which goes before all else."""
    seen: Seen = NOTHING_SEEN
    shown: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """The document's example of the file, for what nothing else says."""

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of the files that the input has."""
        return frozenset(one.field.kind for one in self.media)

    @cached_property
    def image_size(self) -> Size:
        """Width and height of a picture."""
        return _bounded(self._size(video=False), MOST_SIDE, MOST_PIXELS)

    @cached_property
    def video_size(self) -> Size:
        """Width and height of a clip; even, since H.264 has its colours in pairs."""
        if self.video is not None:
            return self.video.width, self.video.height
        size = _bounded(self._size(video=True), MOST_VIDEO_SIDE, MOST_VIDEO_SIDE**2)
        width, height = (max(side - side % 2, LEAST_SIDE) for side in size)
        return width, height

    @cached_property
    def count(self) -> int:
        """How many pictures, or clips."""
        fields = self.fields.counts
        numbers = [n for name in fields[:1] if (n := _number(self.input.get(name))) is not None]
        if "max_images" in fields[1:] and (most := _number(self.input.get("max_images"))):
            # As many for each.
            numbers.append(most)
        return int(min(max(math.prod(numbers), 1), MOST_FILES))

    @cached_property
    def fps(self) -> float:
        if self.video is not None:
            return self.video.fps
        found = self._first(self.fields.rates) or self.seen.fps or _number(self.shown.get("fps"))
        return whole(min(max(found or FPS, 1.0), MOST_FPS))

    @cached_property
    def frames(self) -> int:
        """How many pictures a clip has."""
        if self.video is not None:
            return self.video.frames
        return self.frames_at(self.fps)

    def frames_at(self, fps: float) -> int:
        """Return how many pictures a clip has at another rate."""
        frames = self._first(self.fields.frames) or self._clip_seconds * fps
        return max(round(min(frames, MOST_SECONDS * fps)), 1)

    @property
    def clip_seconds(self) -> float:
        return whole(self.frames / self.fps)

    @cached_property
    def sound(self) -> bool:
        """Whether a clip has sound."""
        if self.video is not None:
            return self.video.audio
        if any(self.input.get(name) is True for name in self.fields.silences):
            return False
        for name in self.fields.sounds:
            if isinstance(said := self.input.get(name), bool):
                return said
        return "audio" in self.kinds or bool(self.seen.clip_sound)

    @cached_property
    def sound_seconds(self) -> float:
        """How long a sound is."""
        seconds = self._asked_seconds or self.seen.sound_seconds or self.seen.clip_seconds
        return _length(seconds or self._spoken or SOUND_SECONDS)

    @cached_property
    def heard_seconds(self) -> float:
        """How long the sound of the input is, of which a transcript tells."""
        return _length(self.seen.sound_seconds or self.seen.clip_seconds or SECONDS)

    @cached_property
    def sample_rate(self) -> int:
        """Samples per second; 0 where nothing says it."""
        asked = self._first(self.fields.sample_rates) or self._set("sample_rate")
        if not asked:
            for name in self.fields.formats:
                # mp3_44100_128
                found = re.search(r"_(\d{4,6})(?:_|$)", _text(self.input.get(name)))
                asked = float(found[1]) if found else asked
        return int(asked) if asked and 4000 <= asked <= 192_000 else 0

    @cached_property
    def channels(self) -> int:
        for name in self.fields.stereo:
            said = self.input.get(name)
            if said is True or _number(said) == 2:
                return 2
        return 2 if self._set("channel", "channels") == 2 else 1

    def format(self, kind: Kind) -> str | None:
        """Return the format that the input names for a kind of file; None where it names none."""
        for name in self.fields.formats_of[kind]:
            if found := format_in(self.input.get(name), kind):
                return found
        for name in self.fields.settings:
            inside = self.input.get(name)
            if is_object(inside) and (found := format_in(inside.get("format"), kind)):
                return found
        return None

    @cached_property
    def text(self) -> str:
        """The longest text that the input has to be spoken, or answered."""
        said = [text for name in self.fields.texts if isinstance(text := self.input.get(name), str)]
        return said[0] if said else ""

    @property
    def _spoken(self) -> float | None:
        if "text" not in self.fields.texts and not {"script", "gen_text"} & {*self.fields.texts}:
            return None
        speed = self._first(self.fields.speeds) or self._set("speed") or 1.0
        return max(len(self.text) / SPOKEN / min(max(speed, 0.1), 10.0), 1.0)

    @property
    def _asked_seconds(self) -> float | None:
        if asked := self._first(self.fields.seconds):
            return asked
        if asked := self._first(self.fields.milliseconds):
            return asked / 1000
        for start, end in self.fields.ends:
            at = [_number(self.input.get(name)) for name in (start, end)]
            if at[1] and (length := at[1] - (at[0] or 0.0)) > 0:
                return length
        return None

    @property
    def _clip_seconds(self) -> float:
        if asked := self._asked_seconds:
            return _length(asked)
        known = [n for n in (self.seen.clip_seconds, self.seen.sound_seconds) if n]
        return _length(min(known) if known else _number(self.shown.get("duration")) or SECONDS)

    def _first(self, names: tuple[str, ...]) -> float | None:
        """Return the first of some fields that is a number above zero."""
        for name in names:
            if (found := _number(self.input.get(name))) is not None and found > 0:
                return found
        return None

    def _set(self, *names: str) -> float | None:
        """Return a number in an object of settings."""
        for setting in self.fields.settings:
            if is_object(inside := self.input.get(setting)):
                for name in names:
                    if found := _number(inside.get(name)):
                        return found
        return None

    def _size(self, *, video: bool) -> Size:
        if size := self._named_size(video=video):
            return size
        own = self.seen.clip or self.seen.picture if video else self.seen.picture or self.seen.clip
        ratio = self._ratio
        if (factor := self._first(self.fields.factors)) is None:
            factors = (self.input.get(name) for name in self.fields.factors)
            factor = next((n for one in factors if (n := _times(one))), None)
        if factor and factor > 0 and ("image" in self.kinds or "video" in self.kinds):
            before = own or ((1280, 720) if video else (1024, 1024))
            return round(before[0] * factor), round(before[1] * factor)
        shape = ratio or (own[0] / own[1] if own else None)
        for name in self.fields.resolutions:
            if size := _of_resolution(self.input.get(name), shape or WIDE, video=video):
                return size
        for name in self.fields.areas:
            if (area := _number(self.input.get(name))) and 0 < area <= 64:
                return _of_area(1024 * math.sqrt(area), shape or 1.0)
        if ratio is not None:
            return _of_lines(720, ratio) if video else _of_area(1024, ratio)
        if own is not None:
            return own
        if size := _of_size(dict(self.shown)):
            return size
        # An `auto` that nothing decides.
        if video or self.fields.ratios:
            return (1280, 720) if video else _of_area(1024, WIDE)
        return 1024, 1024

    def _named_size(self, *, video: bool) -> Size | None:
        names = self.fields.sizes
        # A field for clips isn't one for pictures, where there are both.
        for name in sorted(names, key=lambda one: ("video" in one) != video):
            if size := _of_size(self.input.get(name), self._ratio, video=video):
                return size
        for name in self.fields.resolutions:
            value = self.input.get(name)
            if (is_object(value) or _PAIR.search(_text(value))) and (size := _of_size(value)):
                return size
        width, height = self._first(self.fields.widths), self._first(self.fields.heights)
        if not width and not height:
            return None
        ratio = self._ratio or (1.0 if not video else WIDE)
        width = width or (height or 0) * ratio
        return round(width), round(height or width / ratio)

    @cached_property
    def _ratio(self) -> float | None:
        for name in self.fields.ratios:
            if ratio := _of_ratio(self.input.get(name)):
                return ratio
        return None


_NUMBER = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?:s|sec|secs|seconds?|fps|ms)?\s*", re.I)
_PAIR = re.compile(r"(?<!\d)(\d{2,5})\s*[xX*\u00d7]\s*(\d{2,5})(?!\d)")
_RATIO = re.compile(r"(?<![\d.])(\d{1,4}(?:\.\d+)?)\s*[:/xX_]\s*(\d{1,4}(?:\.\d+)?)(?![\d.])")
_LINES_IN = re.compile(r"(?<!\d)(\d{3,4})\s*p?(?![\da-z])", re.I)
_KILO = re.compile(r"(?<![\d.])(\d(?:\.\d)?)\s*k(?![a-z])", re.I)


def _number(value: JSON) -> float | None:
    """Return a number, however it is written: 5, "5", "5s", "10.5"."""
    if is_number(value):
        return float(value) if is_finite(value) and abs(value) < 1e12 else None
    if isinstance(value, str) and len(value) < 40 and (match := _NUMBER.fullmatch(value)):
        return float(match[1])
    return None


def _text(value: JSON) -> str:
    """Return a short text; empty for anything else."""
    return value if isinstance(value, str) and len(value) <= 100 else ""


def _times(value: JSON) -> float | None:
    found = re.fullmatch(r"x?(\d{1,2}(?:\.\d)?)x?", _text(value).lower())
    return float(found[1]) if found else None


def whole(value: float) -> float:
    """Return a number as documents write it: 25 and not 25.0."""
    return int(value) if value == int(value) else round(value, 3)


def _length(seconds: float) -> float:
    return min(max(seconds, LEAST_SECONDS), MOST_SECONDS)


def _of_size(value: JSON, ratio: float | None = None, *, video: bool = False) -> Size | None:
    """Return what a size in any of its forms says: a name, an object, a text with both sides."""
    if is_object(value):
        width, height = _number(value.get("width")), _number(value.get("height"))
        return (round(width), round(height)) if width and height else None
    if is_array(value) and len(value) == 2:
        width, height = map(_number, value)
        return (round(width), round(height)) if width and height else None
    if not isinstance(value, str) or len(value) > 100:
        return None
    if size := SIZES.get(value.lower()):
        return size
    if pair := _PAIR.search(value):
        return int(pair[1]), int(pair[2])
    if _KILO.search(value):
        return _of_resolution(value, ratio or (WIDE if video else 1.0), video=video)
    return None


def _of_ratio(value: JSON) -> float | None:
    if is_number(value):
        return float(value) if 0.05 <= value <= 20 else None
    if not isinstance(value, str) or len(value) > 100:
        return None
    if match := _RATIO.search(value):
        width, height = float(match[1]), float(match[2])
        return min(max(width / height, 0.05), 20.0) if width and height else None
    return next((ratio for name, ratio in _RATIOS.items() if name in value.lower()), None)


def _of_resolution(value: JSON, ratio: float, *, video: bool) -> Size | None:
    """Return a size by lines (`720p`, 1080), or by thousands of pixels (`2K`)."""
    if is_number(value):
        return _of_lines(int(value), ratio) if 64 <= value <= MOST_SIDE else None
    if not isinstance(value, str) or len(value) > 100:
        return None
    if kilo := _KILO.search(value):
        thousands = float(kilo[1])
        if video:
            return _of_lines(_KILO_LINES.get(thousands, round(thousands * 540)), ratio)
        return _of_area(1024 * thousands, ratio)
    if lines := _LINES_IN.search(value):
        return _of_lines(int(lines[1]), ratio)
    named = _LINES.get(value.lower().replace("-", "_"))
    return _of_lines(named, ratio) if named else None


def _of_lines(lines: int, ratio: float) -> Size:
    """Return a size whose shorter side has so many pixels."""
    longer = round(lines * max(ratio, 1 / ratio) / 2) * 2
    return (longer, lines) if ratio >= 1 else (lines, longer)


def _of_area(side: float, ratio: float) -> Size:
    """Return a size with as many pixels as a square of that side, in steps of 8."""
    width, height = side * math.sqrt(ratio), side / math.sqrt(ratio)
    return max(round(width / 8), 2) * 8, max(round(height / 8), 2) * 8


def _bounded(size: Size, side: int, pixels: int) -> Size:
    """Return a size that can be made, of the same shape."""
    width, height = (max(each, 1) for each in size)
    by = min(1.0, side / width, side / height, math.sqrt(pixels / (width * height)))
    return max(int(width * by), 1), max(int(height * by), 1)
