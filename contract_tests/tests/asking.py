"""Inputs that ask for something else, and what a user expects of each: by its document alone.

Nothing here knows how falkit reads an input: this is a second reading of fal's options.
"""

from __future__ import annotations

import base64
import io
import re
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from PIL import Image

from falkit_spec import JSON, Endpoint
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import Object, is_array, is_number, is_object

NAMED = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
SHAPE = (512, 320)
"""Pixels of the picture that is sent."""
HEARD = 2.5
"""Seconds of the sound that is sent."""
_SIZES = ("image_size", "video_size")
_LENGTHS = {
    **dict.fromkeys(("duration", "seconds_total", "total_seconds", "duration_seconds"), 1.0),
    **dict.fromkeys(("seconds", "music_duration", "audio_duration", "video_length"), 1.0),
    **dict.fromkeys(("music_length_ms", "duration_ms"), 0.001),
}
_FRAMES = ("num_frames", "number_of_frames")
_RATES = ("fps", "frames_per_second", "frame_rate", "output_fps", "export_fps")
_COUNTS = ("num_images", "num_samples", "num_outputs", "num_results", "num_videos")
_SOUNDS = ("generate_audio", "generate_audio_switch", "enable_audio")
_FORMATS = ("output_format", "audio_format", "format", "image_format", "video_output_type")
_ENDINGS = {
    **{name: name for name in ("png", "webp", "gif", "wav", "mp3", "flac", "ogg", "opus", "mp4")},
    **{name: name for name in ("webm", "glb", "obj", "fbx", "stl", "usdz", "aac", "m4a", "mov")},
    "jpeg": "jpg",
    "jpg": "jpg",
}
_TEXTS = ("A boat. ", "A boat leaves the harbour while the light of the station still shines. ")


@dataclass(frozen=True)
class Asked:
    """An input, and what its files have to be like; None where it doesn't say."""

    input: Object
    size: tuple[int, int] | None = None
    ratio: float | None = None
    lines: int | None = None
    area: float | None = None
    """Pixels of a picture in all, roughly."""
    count: int | None = None
    seconds: float | None = None
    frames: int | None = None
    fps: float | None = None
    sound: bool | None = None
    format: str | None = None
    spoken: int | None = None
    """Characters of a text that is spoken."""
    inline: bool = False
    """Whether files come as data URIs."""


def drawn(endpoint: Endpoint, count: int) -> Iterator[Asked]:
    """Yield inputs: the document's example, and so many with other options drawn for each."""
    base = endpoint.example_input()
    yield expected(endpoint, base)
    random = Random(endpoint.id)
    axes = [options for options in _axes(endpoint) if options]
    for options in axes:
        random.shuffle(options)
    for number in range(count if axes else 0):
        input = base
        for options in axes:
            # The next option that goes with the others: rules may join two fields.
            for step in range(len(options)):
                changed = {**input, **options[(number + step) % len(options)]}
                if endpoint.is_valid(changed):
                    input = changed
                    break
        yield expected(endpoint, input)


def _axes(endpoint: Endpoint) -> Iterator[list[Object]]:
    """Yield what can be asked for independently: each a list of fields and their values."""
    fields = ordered(endpoint.input_schema)

    def options(name: str, *tried: JSON) -> list[Object]:
        return [{name: value} for value in [*_listed(fields[name], endpoint), *tried]]

    for name in _SIZES:
        if name in fields:
            yield options(name, {"width": 640, "height": 384}, {"width": 832, "height": 1216})
    if {"width", "height"} <= fields.keys():
        yield [{"width": 768, "height": 512}, {"width": 448, "height": 640}]
    if "sync_mode" in fields:
        yield [{"sync_mode": False}, {"sync_mode": True}]
    for name in ("aspect_ratio", "resolution", *_SOUNDS, *_FORMATS):
        if name in fields:
            yield options(name, *((True, False) if name in _SOUNDS else ()))
    for name in _COUNTS:
        if name in fields:
            yield options(name, 2, 3, 1)
    for name in _LENGTHS:
        if name in fields:
            yield options(name, *((3000, 7000) if name.endswith("ms") else (3, 6.5, 8, "4")))
    for name in _FRAMES:
        if name in fields:
            yield options(name, 17, 49, 97)
    for name in _RATES:
        if name in fields:
            yield options(name, 12, 30)
    if "text" in fields:
        yield [{"text": text * 6} for text in _TEXTS]
    if "voice" in fields and "text" not in fields and "prompt" in fields:
        yield [{"prompt": text * 6} for text in _TEXTS]
    if "image_url" in fields:
        yield [{"image_url": picture()}]
    if "audio_url" in fields:
        yield [{"audio_url": sound()}]


def _listed(node: JSON, endpoint: Endpoint) -> list[JSON]:
    schema = resolve(node, endpoint.input_schema)
    parts = schema.get("anyOf")
    found: list[JSON] = []
    for part in [schema, *(parts if is_array(parts) else [])]:
        values = resolve(part, endpoint.input_schema).get("enum")
        found += values if is_array(values) else []
    return [value for value in found if value is not None]


def expected(endpoint: Endpoint, input: Object) -> Asked:
    """Return what a user expects of an input, with the document's defaults in mind."""
    whole = {**endpoint.defaults, **input}
    size = _size(whole)
    wide = whole.get("aspect_ratio")
    ratio = re.fullmatch(r"(\d+):(\d+)", wide) if isinstance(wide, str) and not size else None
    shown = whole.get("resolution")
    lines = re.fullmatch(r"(\d{3,4})p", str(shown), re.I) if not size else None
    kilo = re.fullmatch(r"([\d.]+)K", str(shown)) if not size else None
    frames = _first(whole, _FRAMES)
    heard = whole.get("match_audio_length") is True and str(whole.get("audio_url"))
    matched = HEARD if heard and heard.startswith("data:") else None
    return Asked(
        input,
        size=size,
        ratio=int(ratio[1]) / int(ratio[2]) if ratio else _own_shape(endpoint, whole),
        lines=int(lines[1]) if lines else None,
        area=(1024 * float(kilo[1])) ** 2 if kilo else None,
        count=_count(whole),
        seconds=matched or (None if frames else _length(whole)),
        frames=int(frames) if frames and not matched else None,
        fps=_first(whole, _RATES),
        sound=next((v for n in _SOUNDS if isinstance(v := whole.get(n), bool)), None),
        format=_format(whole),
        inline=whole.get("sync_mode") is True,
        spoken=_spoken(whole),
    )


def _size(whole: Mapping[str, JSON]) -> tuple[int, int] | None:
    for name in _SIZES:
        said = whole.get(name)
        if is_object(said):
            width, height = said.get("width", 512), said.get("height", 512)
            assert isinstance(width, int)
            assert isinstance(height, int)
            return width, height
        if said in NAMED:
            return NAMED[str(said)]
    width, height = whole.get("width"), whole.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _own_shape(endpoint: Endpoint, whole: Mapping[str, JSON]) -> float | None:
    """Return the shape of the picture that is sent, where it alone says it: it becomes a clip."""
    says = {*_SIZES, "width", "aspect_ratio"} & ordered(endpoint.input_schema).keys()
    moves = "image-to-video" in endpoint.id and str(whole.get("image_url")).startswith("data:")
    auto = whole.get("aspect_ratio") == "auto"
    facts = endpoint.video(whole)
    return SHAPE[0] / SHAPE[1] if moves and facts is None and (not says or auto) else None


def _count(whole: Mapping[str, JSON]) -> int | None:
    said = next((v for n in _COUNTS if isinstance(v := whole.get(n), int)), None)
    most = whole.get("max_images")
    return said * most if said is not None and isinstance(most, int) else said


def _length(whole: Mapping[str, JSON]) -> float | None:
    for name, unit in _LENGTHS.items():
        if match := re.fullmatch(r"(\d+(?:\.\d+)?)s?", str(whole.get(name))):
            return float(match[1]) * unit or None
    return None


def _spoken(whole: Mapping[str, JSON]) -> int | None:
    text = whole.get("text", whole.get("prompt") if "voice" in whole else None)
    return len(text) if isinstance(text, str) else None


def _first(whole: Mapping[str, JSON], names: tuple[str, ...]) -> float | None:
    return next((float(v) for n in names if is_number(v := whole.get(n)) and v > 0), None)


def _format(whole: Mapping[str, JSON]) -> str | None:
    for name in _FORMATS:
        said = str(whole.get(name))
        if match := re.search(r"\(\.(\w+)\)", said):
            return match[1]
        if found := _ENDINGS.get(said.partition("_")[0]):
            return found
    return None


def picture() -> str:
    """Return a picture as a data URI."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize(SHAPE).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def sound() -> str:
    """Return a sound as a data URI."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(2 * round(8000 * HEARD)))
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"
