"""Values that follow from the names of an output's fields: numbers, texts, times, echoes."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

from falkit_fixtures.wanted import Wanted
from falkit_mock.outputs.draft import MISSING, Draft, Missing, Step
from falkit_mock.outputs.kinds import Kind, words, words_of
from falkit_mock.outputs.lists import hears
from falkit_mock.outputs.measures import Size
from falkit_spec import JSON
from falkit_spec.schema import resolve
from falkit_spec.types import Object, is_array, is_number

Echo: TypeAlias = "Callable[[Mapping[str, JSON]], JSON | Missing]"

_PYTHON: Mapping[JSON, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def echoed(name: str, kind: JSON, schema: Object) -> Echo:
    """Return what reads an input of the same name, where its type is the output's."""
    types = _PYTHON.get(kind, ())
    values = schema.get("enum")

    def echo(input: Mapping[str, JSON]) -> JSON | Missing:
        value = input.get(name)
        fits = isinstance(value, types) and (kind == "boolean" or not isinstance(value, bool))
        if fits and is_array(values):
            fits = value in values
        return value if fits else MISSING

    return echo


# So many fields of an input may ask for an output.
_MOST_ASKING = 500
# Words of a flag that asks who speaks, and of what it asks for.
_WHO = frozenset(("diarize", "diarization"))
_SPEAKERS = frozenset(("speaker", "speakers", "diarization"))
# Words that say nothing of which output it is.
_GENERIC = frozenset(("output", "file", "url", "image", "video", "result"))


class OptionalOutputs:
    """Which optional fields an output has, by what its input says: lists of names, and flags."""

    def __init__(self, inputs: Object, root: Object) -> None:
        self._lists: dict[str, str] = {}
        self._flags: list[tuple[str, frozenset[str]]] = []
        for field, node in islice(inputs.items(), _MOST_ASKING):
            schema = resolve(node, root)
            parts = schema.get("anyOf")
            for part in parts if is_array(parts) else [schema]:
                read = resolve(part, root)
                values = resolve(read.get("items"), root).get("enum")
                for value in values if is_array(values) else ():
                    if isinstance(value, str):
                        self._lists.setdefault(value, field)
                kinds = read.get("type")
                if "boolean" in kinds if is_array(kinds) else kinds == "boolean":
                    self._flags.append((field, _stems(field)))

    def condition(self, name: str) -> Callable[[Mapping[str, JSON]], bool] | None:
        """Return what tells whether an input asks for an output; None where none says."""
        if (listed := self._lists.get(name)) is not None:
            return lambda input: name in _listed(input.get(listed))
        core = _stems(name) - _GENERIC
        for flag, stems in self._flags if core else ():
            if core <= stems:
                return _is_set(flag)
        return self.of_speakers(name)

    def of_speakers(self, name: str) -> Callable[[Mapping[str, JSON]], bool] | None:
        """Return what tells whether an input asks who speaks, of an output that says it."""
        if _SPEAKERS.isdisjoint(words(name)):
            return None
        asking = (flag for flag, stems in self._flags if not _WHO.isdisjoint(stems))
        return _is_set(flag) if (flag := next(asking, None)) else None


def _stems(name: str) -> frozenset[str]:
    return frozenset(word.removesuffix("s") for word in words(name))


def _is_set(flag: str) -> Callable[[Mapping[str, JSON]], bool]:
    return lambda input: input.get(flag) is True


def _listed(value: JSON) -> list[JSON]:
    return value if is_array(value) else []


def boolean(names: Sequence[str]) -> Step | None:
    """Return what writes a flag by its name; None where that says nothing."""
    spelt = set(words_of(names))
    if spelt & {"nsfw", "partial", "flagged", "truncated"}:
        return lambda draft: False
    return (lambda draft: True) if spelt & {"success", "succeeded", "ok", "done"} else None


Figure: TypeAlias = Callable[[Draft], float]
_ROWS: Mapping[str, Figure] = {
    **dict.fromkeys(
        ("start", "start_time", "begin", "start_s", "start_seconds"),
        lambda draft: draft.row.start if draft.row else 0.0,
    ),
    **dict.fromkeys(
        ("end", "end_time", "stop", "end_s", "end_seconds"),
        lambda draft: draft.row.end if draft.row else 0.0,
    ),
}
_ASKED, _ANSWERED = ("prompt", "input"), ("completion", "output", "answer")


def _figure(spelt: list[str], makes: Kind) -> Figure | None:
    """Return the figure that a number's name says."""
    if "seed" in spelt:
        return lambda draft: draft.seed
    if "tokens" in spelt and not {"detail", "details"} & {*spelt}:
        if not {*spelt}.isdisjoint(_ASKED):
            return lambda draft: draft.asked_tokens
        if not {*spelt}.isdisjoint(_ANSWERED):
            return lambda draft: draft.answered_tokens
        if "total" in spelt:
            return lambda draft: draft.asked_tokens + draft.answered_tokens
        return lambda draft: 0
    if "cost" in spelt:
        return lambda draft: round((draft.asked_tokens + draft.answered_tokens) * 1e-6, 9)
    if "fps" in spelt or spelt == ["frame", "rate"]:
        return lambda draft: draft.figures.fps
    if "frames" in spelt or spelt == ["frame", "count"]:
        return lambda draft: draft.figures.frames
    if "duration" in spelt or spelt[-2:] == ["length", "seconds"]:
        return _duration(spelt, makes)
    if spelt == ["sample", "rate"]:
        return lambda draft: draft.figures.sample_rate or 24_000
    if spelt[-1:] in (["width"], ["height"]):
        side = int(spelt[-1] == "height")
        if spelt[0] in ("original", "input", "source"):
            return lambda draft: _before(draft, makes)[side]
        if makes == "video":
            return lambda draft: draft.figures.video_size[side]
        return lambda draft: draft.figures.image_size[side]
    if spelt[-1:] in (["fps"], ["framerate"]):
        return lambda draft: draft.figures.fps
    if "time" in spelt and {"inference", "processing", "generation", "elapsed"} & {*spelt}:
        return lambda draft: round(draft.run, 3)
    return None


def _before(draft: Draft, makes: Kind) -> Size:
    """Return the size of the input's picture or clip, as far as it is known."""
    seen = draft.figures.seen
    known = seen.clip if makes == "video" else seen.picture
    return known or (draft.figures.video_size if makes == "video" else draft.figures.image_size)


def _duration(spelt: list[str], makes: Kind) -> Figure:
    times = 1000 if {"ms", "milliseconds"} & {*spelt} else 1
    if {"original", "input", "source"} & {*spelt} or makes == "document":
        return lambda draft: draft.figures.heard_seconds * times
    if makes == "audio":
        return lambda draft: draft.figures.sound_seconds * times
    return lambda draft: draft.figures.clip_seconds * times


def number(schema: Object, names: Sequence[str], makes: Kind) -> Step | None:
    """Return what writes a number by its name; None where that says nothing."""
    kinds = schema.get("type")
    whole = "integer" in kinds if is_array(kinds) else kinds == "integer"
    low, high = schema.get("minimum"), schema.get("maximum")
    least = low if is_number(low) else None
    most = high if is_number(high) else None
    name = names[0] if names else ""
    figure = _ROWS.get(name) or _figure(words(name), makes)
    if figure is None:
        return None

    def write(draft: Draft) -> JSON:
        found = figure(draft)
        found = found if least is None else max(found, least)
        found = found if most is None else min(found, most)
        return int(found) if whole or found == int(found) else round(found, 9)

    return write


_TEXTS = frozenset(
    (
        *("text", "output", "outputs", "description", "caption", "answer", "response", "result"),
        *("results", "transcript", "transcription", "lyrics", "summary", "content", "message"),
        *("translation", "sentence", "word", "title", "generated", "completion", "reply"),
    )
)
_SPOKEN = frozenset(("transcript", "transcription"))
_HEX = re.compile(r"[^0-9a-f]")


def text(schema: Object, names: Sequence[str], exampled: bool) -> Step | None:
    """Return what writes a text by its name or format; None where neither says anything.

    `exampled` is whether the document has an example, which goes before what is made of nothing.
    """
    name = names[0] if names else ""
    spelt = words(name)
    if not exampled and (step := _technical(spelt, names)):
        return _fitting(schema, step)
    match schema.get("format"):
        case "date-time":
            return lambda draft: "2026-01-01T00:00:00Z"
        case "date":
            return lambda draft: "2026-01-01"
        case str() as kind if kind.startswith("uuid"):
            return _uuid
        case "email" | "binary":
            return None
        case _:
            pass
    if "prompt" in spelt:
        return _fitting(schema, lambda draft: draft.prompt or draft.text)
    if not _TEXTS.isdisjoint(spelt):
        heard = not _SPOKEN.isdisjoint(spelt)

        def write(draft: Draft) -> str:
            if draft.row is not None:
                return draft.row.text
            return draft.heard if heard or hears(draft) else draft.text

        return _fitting(schema, write)
    if "speaker" in spelt or "speakers" in spelt:
        return lambda draft: "SPEAKER_00"
    if name in ("finish_reason", "stop_reason"):
        return lambda draft: "stop"
    if spelt[-1:] == ["id"]:
        return _fitting(schema, lambda draft: _HEX.sub("", draft.request_id)[-12:])
    if exampled or not name:
        return None
    if "language" in spelt:
        return _fitting(schema, lambda draft: "en")
    if "error" in spelt or "id" in spelt:
        return None
    return _fitting(schema, lambda draft: draft.text)


# Texts that a reader takes apart, by the last word of their name.
_TECHNICAL: Mapping[str, Callable[[Draft], str]] = {
    "container": lambda draft: "mp4",
    "profile": lambda draft: "Constrained Baseline",
    "timebase": lambda draft: f"1/{draft.figures.fps:g}",
    "reason": lambda draft: "stop",
    "role": lambda draft: "assistant",
    "rate": lambda draft: f"{draft.figures.fps:g}",
    "type": lambda draft: "word" if draft.row else draft.text.split()[0].lower(),
    "palette": lambda draft: f"#{draft.digest[:6]:0>6}",
    "hex": lambda draft: f"#{draft.digest[:6]:0>6}",
    "b64": lambda draft: base64.b64encode(draft.text.encode()).decode(),
    "base64": lambda draft: base64.b64encode(draft.text.encode()).decode(),
    # From a start so many pixels are set.
    "rle": lambda draft: "0 64 128 64",
    **dict.fromkeys(
        ("label", "class", "category"), lambda draft: draft.text.split()[0].strip(".").lower()
    ),
}
_TWO_WORDS = frozenset((("frame", "rate"), ("finish", "reason"), ("stop", "reason")))


def _technical(spelt: list[str], names: Sequence[str]) -> Callable[[Draft], str] | None:
    """Return what writes a text of a form that readers expect, by its name."""
    last = spelt[-1] if spelt else ""
    if last == "codec":
        return lambda draft: "aac" if any("audio" in words(name) for name in names) else "h264"
    if spelt == ["pixel", "format"]:
        return lambda draft: "yuv420p"
    for format in ("svg", "srt", "vtt"):
        if format in spelt:
            return _written(format)
    if last in ("rate", "reason") and tuple(spelt[-2:]) not in _TWO_WORDS:
        return None
    if last == "ratio" and "aspect" in spelt:
        return _proportion
    if last == "type" and "content" in spelt:
        return None
    return _TECHNICAL.get(last)


def _proportion(draft: Draft) -> str:
    """Return the shape of the file of which it is told, or of a picture."""
    wanted = draft.files[-1].wanted if draft.files else None
    width, height = (wanted.width, wanted.height) if wanted else draft.figures.image_size
    by = math.gcd(width, height) or 1
    return f"{width // by}:{height // by}"


def _written(format: str) -> Callable[[Draft], str]:
    """Return what writes a file of text as a text: `svg_content`, `srt`."""

    def write(draft: Draft) -> str:
        from falkit_fixtures.making import make

        figures = draft.figures
        size = figures.image_size if format == "svg" else (0, 0)
        wanted = Wanted(format, draft.endpoint_id, draft.request_id, draft.digest, 0, *size)
        return make(replace(wanted, seconds=figures.heard_seconds)).decode()

    return write


def _uuid(draft: Draft) -> str:
    digits = _HEX.sub("", draft.request_id).ljust(32, "0")[-32:]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def _fitting(schema: Object, write: Callable[[Draft], str]) -> Step:
    """Return a step whose text is as long as the schema has it."""
    least, most = schema.get("minLength"), schema.get("maxLength")
    low = int(least) if is_number(least) else 0
    high = int(most) if is_number(most) else None
    if not low and high is None:
        return write
    return lambda draft: write(draft).ljust(min(low, 10_000), ".")[:high]


def language(values: list[JSON]) -> Step:
    """Return what writes a language out of a list: the input's, English, or the first."""
    usual = "en" if "en" in values else values[0]

    def write(draft: Draft) -> JSON:
        asked = draft.input.get("language")
        return asked if isinstance(asked, str) and asked in values else usual

    return write
