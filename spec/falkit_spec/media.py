"""What the overlay knows of the media that go in and come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, TypeAlias

from falkit_spec.errors import BadOverlay
from falkit_spec.pricing import exact
from falkit_spec.reading import Evidence, Reading
from falkit_spec.types import JSON, Certainty, Object, is_array, is_number, is_object

Kind: TypeAlias = Literal["image", "video", "audio"]
_KINDS: dict[JSON, Kind] = {"image": "image", "video": "video", "audio": "audio"}


@dataclass(frozen=True)
class VideoFacts:
    """The video that an input asks for: pixels, frames per second, seconds."""

    width: int
    height: int
    fps: int
    seconds: Decimal
    frames: int
    audio: bool


@dataclass(frozen=True)
class MediaInput:
    """An input field that takes a file, by URL or data URI."""

    field: str
    kind: Kind
    formats: tuple[str, ...]
    """Accepted formats, in fal's order, such as `png`; lower case."""
    max_bytes: int | None
    certainty: Certainty
    """How certain the formats are."""
    size_certainty: Certainty
    """How certain the size limit is."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> tuple[MediaInput, ...]:
        """Take the overlay's `inputs`; none where it has none."""
        if facts is None:
            return ()
        if not is_object(facts):
            raise BadOverlay(where, "`inputs` is an object, by field")
        return tuple(_input(name, fact, f"{where}.{name}") for name, fact in facts.items())


@dataclass(frozen=True)
class Video:
    """How the output video's figures follow from the input."""

    size: Reading
    fps: Reading
    seconds: Reading
    audio: Reading
    evidence: Mapping[str, Evidence]
    """By figure: `size`, `fps`, `seconds`, `audio`."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Video | None:
        """Take the overlay's `video`; None where it has none."""
        if facts is None:
            return None
        if not is_object(facts):
            raise BadOverlay(where, "`video` is an object with size, fps, seconds and audio")
        readings = {
            name: Reading.from_facts(facts.get(name), f"{where}.{name}")
            for name in ("size", "fps", "seconds", "audio")
        }
        evidence = {
            name: Evidence.from_facts(_object(facts.get(name)), f"{where}.{name}")
            for name in readings
        }
        return cls(**readings, evidence=evidence)

    def of(self, full: Mapping[str, JSON]) -> VideoFacts | None:
        """Read the figures off an input with defaults; None where one is missing or no figure."""
        size, fps, audio = self.size.of(full), exact(self.fps.of(full)), self.audio.of(full)
        seconds = exact(self.seconds.of(full))
        if not is_array(size) or len(size) != 2 or not isinstance(audio, bool):
            return None
        width, height = size
        if not is_number(width) or not is_number(height) or fps is None or seconds is None:
            return None
        frames = (seconds * fps).to_integral_value(ROUND_HALF_UP)
        return VideoFacts(int(width), int(height), int(fps), seconds, int(frames), audio)


def _input(name: str, facts: JSON, where: str) -> MediaInput:
    facts = _object(facts)
    kind = _KINDS.get(facts.get("kind"))
    formats, limit = _object(facts.get("formats")), _object(facts.get("max_bytes"))
    listed, most = formats.get("value"), limit.get("value")
    if kind is None:
        raise BadOverlay(where, "`kind` is image, video or audio")
    if not is_array(listed) or not listed:
        raise BadOverlay(where, "`formats` needs a list as its value")
    if most is not None and not isinstance(most, int):
        raise BadOverlay(where, "`max_bytes` needs a whole number as its value, or null")
    return MediaInput(
        field=name,
        kind=kind,
        formats=tuple(str(item) for item in listed),
        max_bytes=most,
        certainty=Evidence.from_facts(formats, f"{where}.formats").certainty,
        size_certainty=Evidence.from_facts(limit, f"{where}.max_bytes").certainty,
    )


def _object(value: JSON) -> Object:
    return value if is_object(value) else {}
