"""Which fields of an input say what its output is like: by their names, found once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from falkit_mock.outputs.kinds import FORMATS, Kind, words

Names: TypeAlias = tuple[str, ...]


class Fields(NamedTuple):
    """Names of fields by what they say; the most telling first."""

    sizes: Names
    widths: Names
    heights: Names
    ratios: Names
    resolutions: Names
    areas: Names
    factors: Names
    counts: Names
    rates: Names
    frames: Names
    seconds: Names
    milliseconds: Names
    ends: tuple[tuple[str, str], ...]
    sounds: Names
    silences: Names
    texts: Names
    voices: Names
    """What says who speaks: then a prompt is what is said."""
    speeds: Names
    formats: Names
    formats_of: Mapping[Kind, Names]
    """The fields that may name a format of a kind, those that name the kind first."""
    sample_rates: Names
    stereo: Names
    matches: Names
    """Flags that say that a figure is that of the input's clip."""
    shots: Names
    """Lists whose items have lengths that add up."""
    batches: Names
    """Lists of which each item makes a file, where no field counts."""
    modes: Names
    backgrounds: Names
    """What says whether a picture has a transparent background."""
    settings: Names
    """Objects with fields of these kinds in them, as `audio_setting`."""


# Fields that are about something other than the output as a whole.
_OTHERS = frozenset(
    (
        *("mask", "lora", "control", "controlnet", "tile", "kernel", "batch", "chunk", "step"),
        *("steps", "octree", "operating", "detection", "detect", "det", "face", "ref", "reference"),
        *("mc", "voxel", "processing", "validation", "training", "internal", "working", "latent"),
        *("original", "input", "source", "font", "crop", "ensemble", "segment", "patch", "grid"),
        *("window", "context", "line", "stroke", "border", "outline", "margin", "rigging", "bbox"),
        *("box", "tone", "foreground", "sharpen", "cfg", "expand", "character", "model", "dwpose"),
    )
)
# Words of a ratio that is a picture's.
_SHAPES = frozenset(("aspect", "orientation", "image", "video", "output", "target", "size"))
_COUNTS = (
    *("num_images", "number_of_images", "num_outputs", "num_videos", "number_of_videos"),
    *("num_results", "num_samples", "num_variations", "num_generations", "image_count"),
    *("num_songs", "num_layers", "num_audios", "num_clips", "num_masks"),
    *("n", "count", "samples", "batch_size", "max_images"),
)
_SECONDS = (
    *("duration", "duration_seconds", "duration_in_seconds", "video_duration", "audio_duration"),
    *("seconds", "num_seconds", "seconds_total", "video_length", "length", "audio_length"),
    *("length_seconds", "total_seconds", "target_duration", "output_duration"),
    *("audio_length_in_s", "audio_end_in_s", "max_duration", "music_duration", "clip_duration"),
)
_MILLISECONDS = ("duration_ms", "music_length_ms", "length_ms", "audio_length_ms")
_ENDS = (("start_time", "end_time"), ("start", "end"), ("trim_start", "trim_end"))
_TEXTS = (
    *("text", "prompt", "input", "gen_text", "script", "lyrics", "text_input", "dialogue"),
    *("tts_text", "inputs", "lyrics_prompt", "sentence"),
)
_RATES = (
    *("fps", "frames_per_second", "frame_rate", "output_fps", "target_fps", "video_fps"),
    *("framerate", "export_fps", "frames_per_sec"),
)
_FRAMES = ("num_frames", "number_of_frames", "frame_num", "video_num_frames", "frame_count")
_SOUNDS = frozenset(
    (
        *("generate_audio", "with_audio", "enable_audio", "generate_audio_switch", "audio"),
        *("sound", "has_audio", "add_audio", "generate_sound", "sound_effect_switch", "keep_audio"),
        *("enable_sound", "include_audio", "use_audio", "with_sound", "keep_original_sound"),
    )
)
_SILENCES = frozenset(("mute", "muted", "no_audio", "remove_audio", "silent", "strip_audio"))
_VOICES = frozenset(("voice", "voices", "speaker", "speakers"))
_SHOTS = frozenset(("shots", "shot", "prompts", "multi", "scenes", "clips", "segments"))
_SURE_FACTORS = ("upscale_factor", "scale_factor", "upscaling_factor")
_FACTORS = (
    *_SURE_FACTORS,
    *(
        "scaling_factor",
        "scale",
        "factor",
        "upscale",
        "magnification",
        "resize_factor",
        "desired_increase",
        "scale_ratio",
    ),
)


@lru_cache(maxsize=2048)
def fields_of(names: Names, scales: bool) -> Fields:
    """Find the fields of an input that say what comes out; `scales` where it is an upscaler."""
    there = frozenset(names)

    def known(listed: Iterable[str]) -> Names:
        return tuple(name for name in listed if name in there)

    def having(*wanted: str) -> Names:
        """Return the fields with one of these words, and none that leads elsewhere."""
        found = [
            name
            for name in names
            if not _OTHERS.intersection(spelt := words(name)) and not set(wanted).isdisjoint(spelt)
        ]
        return tuple(sorted(found, key=lambda name: (name not in wanted, len(words(name)))))

    factors = known(_FACTORS if scales else _SURE_FACTORS)
    formats = tuple(
        name
        for name in names
        if not {"format", "type", "extension", "container"}.isdisjoint(words(name))
        and not {"input", "response", "data", "thinking", "archive"}.intersection(words(name))
    )
    return Fields(
        sizes=tuple(n for n in having("size", "dimensions") if "texture" not in words(n)),
        widths=having("width"),
        heights=having("height"),
        ratios=tuple(
            name
            for name in having("ratio", "orientation")
            if name in ("ratio", "orientation") or not _SHAPES.isdisjoint(words(name)[:-1])
        ),
        resolutions=having("resolution"),
        areas=having("megapixels", "megapixel"),
        factors=factors,
        counts=known(_COUNTS),
        rates=known(_RATES),
        frames=known(_FRAMES),
        seconds=known(_SECONDS),
        milliseconds=known(_MILLISECONDS),
        ends=tuple(pair for pair in _ENDS if there.issuperset(pair)),
        sounds=tuple(name for name in names if name in _SOUNDS),
        silences=tuple(name for name in names if name in _SILENCES),
        texts=known(_TEXTS),
        voices=tuple(name for name in names if not _VOICES.isdisjoint(words(name))),
        speeds=known(("speed", "speaking_rate", "speech_rate", "voice_speed", "speech_speed")),
        formats=formats,
        formats_of={
            kind: tuple(sorted(formats, key=lambda name: kind not in words(name)))
            for kind in FORMATS
        },
        sample_rates=known(
            ("sample_rate", "sampling_rate", "output_sample_rate", "sample_rate_hertz")
        ),
        stereo=known(("stereo", "channels", "channel", "num_channels")),
        matches=tuple(name for name in names if "match" in words(name)),
        shots=tuple(name for name in names if not _SHOTS.isdisjoint(words(name))),
        batches=known(("texts", "prompts")),
        modes=tuple(name for name in names if words(name)[-1:] == ["mode"]),
        backgrounds=known(
            ("background", "transparent_background", "transparent", "remove_background")
        ),
        settings=tuple(n for n in names if words(n)[-1:] in (["setting"], ["settings"])),
    )
