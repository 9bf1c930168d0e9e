"""What an input says of its output: size, count, rate, length, sound, format."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from falkit_mock.core.jobs import MediaValue
from falkit_mock.outputs.fields import Fields
from falkit_mock.outputs.kinds import Kind, format_in
from falkit_mock.outputs.measures import (
    LEAST_SIDE,
    MOST_FILES,
    MOST_FPS,
    MOST_PIXELS,
    MOST_SECONDS,
    MOST_SIDE,
    MOST_VIDEO_SIDE,
    WIDE,
    Size,
    bounded,
    bounded_length,
    number_in,
    ratio_in,
    seconds_in,
    short_text,
    size_in,
    size_of_area,
    size_of_lines,
    size_of_resolution,
    times_in,
    whole,
)
from falkit_spec import JSON, VideoFacts
from falkit_spec.types import is_array, is_object

# What is taken where nothing says it.
SECONDS, SOUND_SECONDS, FPS = 5.0, 10.0, 24.0
# Characters that are spoken in a second.
SPOKEN = 15.0
_SPOKEN = frozenset(("text", "script", "gen_text", "tts_text", "dialogue"))
"""Texts that are spoken, whatever else the input has."""
_SQUARES = frozenset(("size", "image_size", "output_size", "target_size"))
"""Sizes that may be a number: the side of a square."""


class Seen(NamedTuple):
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
    usual: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """What the input's fields are where nobody gives them."""
    hints: list[str] = field(default_factory=list[str])
    """What is asked for and can't be had."""

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of the files that the input has."""
        return frozenset(one.field.kind for one in self.media)

    @cached_property
    def image_size(self) -> Size:
        """Width and height of a picture."""
        asked = self._size(video=False)
        return self._bounded("pictures", asked, bounded(asked, MOST_SIDE, MOST_PIXELS))

    @cached_property
    def video_size(self) -> Size:
        """Width and height of a clip; even, since H.264 has its colours in pairs."""
        if self.video is not None:
            return self.video.width, self.video.height
        asked = self._size(video=True)
        size = bounded(asked, MOST_VIDEO_SIDE, MOST_VIDEO_SIDE**2)
        width, height = (max(side - side % 2, LEAST_SIDE) for side in size)
        # A pixel less is what H.264 makes of an odd number.
        close = all(abs(one - other) < 2 for one, other in zip(asked, (width, height), strict=True))
        return self._bounded("clips", (width, height) if close else asked, (width, height))

    def _bounded(self, what: str, asked: Size, made: Size) -> Size:
        if asked != made:
            sizes = [f"{width}x{height}" for width, height in (made, asked)]
            self._hint(f"{what}: made as {sizes[0]}, not {sizes[1]}")
        return made

    def _hint(self, hint: str) -> None:
        if hint not in self.hints:
            self.hints.append(hint)

    @cached_property
    def count(self) -> int:
        """How many pictures, or clips."""
        fields = self.fields.counts
        numbers = [n for name in fields[:1] if (n := number_in(self.input.get(name))) is not None]
        if "max_images" in fields[1:] and (most := number_in(self.input.get("max_images"))):
            # As many for each.
            numbers.append(most)
        for name in self.fields.batches if not numbers else ():
            if is_array(listed := self.input.get(name)):
                numbers.append(len(listed))
        return int(min(max(math.prod(numbers), 1), MOST_FILES))

    @property
    def clear(self) -> bool:
        """Whether pictures are to have a transparent background."""
        for name in self.fields.backgrounds:
            if (said := self.input.get(name)) is True or said == "transparent":
                return True
        return False

    @cached_property
    def fps(self) -> float:
        if self.video is not None:
            return self.video.fps
        asked = None if self.seen.fps and self._follows("fps", "second") else self._asked_rate
        found = asked or self.seen.fps or number_in(self.shown.get("fps"))
        return whole(min(max(found or FPS, 1.0), MOST_FPS))

    @cached_property
    def frames(self) -> int:
        """How many pictures a clip has."""
        if self.video is not None:
            return self.video.frames
        return self.frames_at(self.fps)

    def frames_at(self, fps: float) -> int:
        """Return how many pictures a clip has at another rate."""
        matched = self._matched_seconds
        frames = matched * fps if matched else self._first(self.fields.frames)
        frames = frames or self._clip_seconds * fps
        if frames > MOST_SECONDS * fps:
            self._hint(f"clips: {MOST_SECONDS:g} s at most")
        return max(round(min(frames, MOST_SECONDS * fps)), 1)

    @property
    def _asked_rate(self) -> float | None:
        return self._first(self.fields.rates)

    def _follows(self, *ends: str) -> bool:
        """Tell whether the input says that a figure is that of its clip: `match_input_fps`."""
        return any(
            self.input.get(name) is True and name.endswith(ends) for name in self.fields.matches
        )

    @property
    def _matched_seconds(self) -> float | None:
        """Return the length of the input's sound or clip, where the input says so."""
        if not self.fields.matches:
            return None
        if self._follows("audio_length"):
            return self.seen.sound_seconds
        return self.seen.clip_seconds if self._follows("num_frames", "video_length") else None

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
        # A voice that is shown says nothing of how long it is to speak.
        seconds = self._asked_seconds or (self._spoken if self._speaks and self.text else None)
        seconds = seconds or self.seen.sound_seconds or self.seen.clip_seconds
        if seconds and seconds > MOST_SECONDS:
            self._hint(f"sounds: {MOST_SECONDS:g} s at most")
        return bounded_length(seconds or self._spoken or SOUND_SECONDS)

    @cached_property
    def heard_seconds(self) -> float:
        """How long the sound of the input is, of which a transcript tells."""
        return bounded_length(self.seen.sound_seconds or self.seen.clip_seconds or SECONDS)

    @cached_property
    def sample_rate(self) -> int:
        """Samples per second; 0 where nothing says it."""
        asked = self._first(self.fields.sample_rates) or self._set("sample_rate")
        if not asked:
            for name in self.fields.formats:
                # mp3_44100_128
                found = re.search(r"_(\d{4,6})(?:_|$)", short_text(self.input.get(name)))
                asked = float(found[1]) if found else asked
        return int(asked) if asked and 4000 <= asked <= 192_000 else 0

    @cached_property
    def channels(self) -> int:
        for name in self.fields.stereo:
            said = self.input.get(name)
            if said is True or number_in(said) == 2:
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
        """The first text that the input has to be spoken, or answered: one, or parts of a talk."""
        for name in self.fields.texts:
            value = self.input.get(name)
            if isinstance(value, str):
                return value
            parts = [
                part.get("text") if is_object(part) else part
                for part in (value if is_array(value) else ())
            ]
            if said := " ".join(part for part in parts if isinstance(part, str)):
                return said
        return ""

    @property
    def said(self) -> str:
        """The text that is to be spoken; a prompt beside a sound or clip is none."""
        return self.text if self._speaks or not self.kinds & {"audio", "video"} else ""

    @property
    def _speaks(self) -> bool:
        return not _SPOKEN.isdisjoint(self.fields.texts)

    @property
    def _spoken(self) -> float | None:
        if not self._speaks and not self.fields.voices:
            return None
        speed = self._first(self.fields.speeds) or self._set("speed") or 1.0
        return max(len(self.text) / SPOKEN / min(max(speed, 0.1), 10.0), 1.0)

    @property
    def _asked_seconds(self) -> float | None:
        if asked := self._shots:
            return asked
        ended = self._ended
        # An end goes before a length that is only the default.
        for names, by in ((self.fields.seconds, 1), (self.fields.milliseconds, 1000)):
            said = [n for n in names if not ended or self.input.get(n) != self.usual.get(n)]
            if asked := self._first(tuple(said)):
                return asked / by
        return ended

    @property
    def _ended(self) -> float | None:
        for start, end in self.fields.ends:
            at = [seconds_in(self.input.get(name)) for name in (start, end)]
            if at[1] and (length := at[1] - (at[0] or 0.0)) > 0:
                return length
        return None

    @property
    def _clip_seconds(self) -> float:
        if asked := self._asked_seconds:
            # What is too long is cut where pictures are counted.
            return max(asked, bounded_length(asked))
        known = [n for n in (self.seen.clip_seconds, self.seen.sound_seconds) if n]
        return bounded_length(
            min(known) if known else number_in(self.shown.get("duration")) or SECONDS
        )

    @property
    def _shots(self) -> float | None:
        """Return how long the shots last that the input lists, each with its length."""
        for name in self.fields.shots:
            listed = self.input.get(name)
            if not is_array(listed) or not listed:
                continue
            said = [one.get("duration") for one in listed if is_object(one)]
            if any(one is not None for one in said):
                return math.fsum(seconds_in(one) or SECONDS for one in said)
        return None

    def _first(self, names: tuple[str, ...]) -> float | None:
        """Return the first of some fields that is a number above zero, or a time."""
        for name in names:
            if (found := seconds_in(self.input.get(name))) is not None and found > 0:
                return found
        return None

    def _set(self, *names: str) -> float | None:
        """Return a number in an object of settings."""
        for setting in self.fields.settings:
            if is_object(inside := self.input.get(setting)):
                for name in names:
                    if found := number_in(inside.get(name)):
                        return found
        return None

    def _size(self, *, video: bool) -> Size:
        if size := self._named_size(video=video):
            return size
        own = self.seen.clip or self.seen.picture if video else self.seen.picture or self.seen.clip
        ratio = self._ratio
        if (factor := self._first(self.fields.factors)) is None:
            factors = (self.input.get(name) for name in self.fields.factors)
            factor = next((n for one in factors if (n := times_in(one))), None)
        # `upscale_mode: target`
        if factor and any(self.input.get(name) == "target" for name in self.fields.modes):
            factor = None
        if factor and factor > 0 and ("image" in self.kinds or "video" in self.kinds):
            before = own or ((1280, 720) if video else (1024, 1024))
            return round(before[0] * factor), round(before[1] * factor)
        shape = ratio or (own[0] / own[1] if own else WIDE if self.fields.ratios else None)
        for name in self.fields.resolutions:
            if size := size_of_resolution(self.input.get(name), shape, video=video):
                return size
        for name in self.fields.areas:
            if (area := number_in(self.input.get(name))) and 0 < area <= 64:
                return size_of_area(1024 * math.sqrt(area), shape or 1.0)
        if ratio is not None:
            return size_of_lines(720, ratio) if video else size_of_area(1024, ratio)
        if own is not None:
            return own
        if size := size_in(dict(self.shown)):
            return size
        # An `auto` that nothing decides.
        if video or self.fields.ratios:
            return (1280, 720) if video else size_of_area(1024, WIDE)
        return 1024, 1024

    def _named_size(self, *, video: bool) -> Size | None:
        names = self.fields.sizes
        # A field for clips isn't one for pictures, where there are both.
        for name in sorted(names, key=lambda one: ("video" in one) != video):
            value: JSON = self.input.get(name)
            if is_object(value) and value.keys() <= {"width", "height"}:
                # A side that isn't named is as long as in fal's documents.
                value = {"width": 512, "height": 512, **value}
            elif name in _SQUARES and 64 <= (side := number_in(value) or 0) <= MOST_SIDE:
                value = {"width": side, "height": side}
            if size := size_in(value, self._ratio, video=video):
                return size
        for name in self.fields.resolutions:
            value = self.input.get(name)
            pair = is_object(value) or "x" in short_text(value).lower()
            if pair and (size := size_in(value)):
                # `768x512` with a ratio of 1:1 is 512x512.
                ratio = self._ratio or size[0] / size[1]
                same = abs(ratio * size[1] / size[0] - 1) < 0.05
                return size if same else size_of_lines(min(size), ratio)
        width, height = self._first(self.fields.widths), self._first(self.fields.heights)
        if not width and not height:
            return None
        ratio = self._ratio or (1.0 if not video else WIDE)
        width = width or (height or 0) * ratio
        return round(width), round(height or width / ratio)

    @cached_property
    def _ratio(self) -> float | None:
        for name in self.fields.ratios:
            if ratio := ratio_in(self.input.get(name)):
                return ratio
        return None
