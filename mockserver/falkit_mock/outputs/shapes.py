"""Files in an output's schema: which objects and texts are files, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from falkit_mock.outputs.draft import MISSING, Draft, DraftFile, Step
from falkit_mock.outputs.kinds import (
    FORMATS,
    MEDIA_TYPES,
    SURE,
    Kind,
    example_in,
    extension,
    file_in,
    format_described,
    format_in,
    format_of_name,
    kind_of_file,
    removes_background,
    words,
    words_of,
)
from falkit_mock.outputs.measures import whole
from falkit_spec import JSON
from falkit_spec.schema import ordered
from falkit_spec.types import Object, is_number, is_object

# Fields that a file's object has beside its URL; one of them tells that it is a file's.
_TELLING = frozenset(("content_type", "file_name", "file_size", "file_data"))
_SHORTEST = 100
"""Characters that a URL of ours may have."""
_URLS = frozenset(("url", "urls", "uri", "uris"))


def is_file(schema: Object) -> bool:
    """Tell whether an object is a file's: it has a URL, and what else files have."""
    fields = ordered(schema)
    url = fields.get("url")
    if is_object(url) and _is_short(url):
        return False
    return "url" in fields and (not _TELLING.isdisjoint(fields) or all(map(is_told, fields)))


def _is_short(schema: Object) -> bool:
    most = schema.get("maxLength")
    return is_number(most) and most < _SHORTEST


def is_file_text(names: Sequence[str], schema: Object, example: JSON) -> bool:
    """Tell whether a text is a file's URL, by its name or the document's example."""
    spelt = words_of(names)
    shown = example if isinstance(example, str) else ""
    if shown.startswith(("http://", "https://")) or schema.get("format") == "uri":
        return True
    if _is_short(schema) or ("svg" in spelt and spelt[-1] not in _URLS):
        return False
    if not spelt or (shown and not shown.startswith("data:")):
        return bool(spelt) and spelt[-1] in _URLS and not shown
    if spelt[-1] in _URLS:
        return True
    return spelt[-1] in SURE or spelt[-1].removesuffix("s") in SURE


# Words of a name that say nothing of how a picture looks.
_PLAIN = frozenset(("image", "images", "picture", "file", "files", "url", "urls", "output"))
# How a file differs from its kind's usual, by the words of its field.
_LIKE: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset(("thumbnail", "thumbnails")), "small"),
    (frozenset(("frames",)), "frames"),
    (frozenset(("mask", "masks", "matte")), "mask"),
    (frozenset(("cutout", "foreground", "sticker", "transparent")), "clear"),
)


@dataclass(frozen=True, slots=True)
class FileStep:
    """Adds one file to an output, always of one kind."""

    kind: Kind
    fixed: str | None
    """The format, where the field's name says it."""
    usual: str
    """The format where the input names none."""
    name: str
    """What the file is called, without its format."""
    known: bool
    """Whether the document says the format where the input doesn't."""
    named: bool
    """Whether the document's example has a name."""
    like: str
    """How it differs from its kind's usual; see `Draft.add`."""

    @classmethod
    def of(
        cls, names: Sequence[str], example: JSON, makes: Kind, schema: Object | None = None
    ) -> FileStep:
        """Find out what a field's file is; `example` is what the document shows of it."""
        shown, read = example_in(example), schema or {}
        text = read.get("description")
        described = text if isinstance(text, str) else ""
        kind = kind_of_file(names, shown, makes, fields=ordered(read), described=described)
        fixed = next((found for one in names if (found := format_of_name(one, kind))), None)
        file = file_in(example)
        usual = extension(shown) or ""
        if usual not in FORMATS[kind]:
            usual = format_in(file.get("content_type"), kind) or format_described(described) or ""
        if not (known := usual in FORMATS[kind]):
            usual = next(iter(FORMATS[kind]))
        stem = ""
        if isinstance(name := file.get("file_name"), str):
            stem = name.rpartition("/")[2].rpartition(".")[0] or name
        stem = "".join(
            letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-"
            for letter in stem
        )
        # Of `masks[].image` the list says what it is of.
        spelt = next((w for w in map(words, names) if not _PLAIN.issuperset(w)), list[str]())
        like = next((like for said, like in _LIKE if not said.isdisjoint(spelt)), "")
        if not like and names and removes_background(names[0]):
            like = "clear"
        return cls(kind, fixed, usual, stem[:80].strip("-") or "output", known, bool(stem), like)

    @property
    def named_no_format(self) -> bool:
        """Whether it is a picture of which neither name nor example says a format."""
        return self.kind == "image" and self.fixed is None and not self.like and not self.known

    def add(self, draft: Draft) -> DraftFile:
        """Add the file to an output."""
        format = self.fixed or draft.figures.format(self.kind) or self.usual
        return draft.add(self.kind, format, self.name, like=self.like)

    def url(self, draft: Draft) -> JSON:
        """Add the file, and return its URL alone."""
        return f"{draft.media_base}{self.add(draft).path}"


Told: TypeAlias = Callable[[DraftFile], JSON]
_CODECS = {
    **dict.fromkeys(("mp4", "mov"), "h264"),
    **dict.fromkeys(("m4a", "aac"), "aac"),
    **dict.fromkeys(("ogg", "opus"), "opus"),
    "webm": "vp8",
    "wav": "pcm_s16le",
}
_CONTAINERS = {"m4a": "mp4", "opus": "ogg"}


def _seconds(file: DraftFile) -> JSON:
    wanted = file.wanted
    return wanted.seconds or whole(wanted.frames / wanted.fps)


def _sample_rate(file: DraftFile) -> JSON:
    from falkit_fixtures.sounds import rate_of

    return rate_of(file.wanted)


_TOLD: Mapping[str, Told] = {
    "content_type": lambda file: MEDIA_TYPES[file.wanted.format],
    "file_name": lambda file: file.name,
    "width": lambda file: file.wanted.width,
    "height": lambda file: file.wanted.height,
    "fps": lambda file: file.wanted.fps,
    "frame_rate": lambda file: file.wanted.fps,
    "num_frames": lambda file: file.wanted.frames,
    "frame_count": lambda file: file.wanted.frames,
    "codec": lambda file: _CODECS.get(file.wanted.format, file.wanted.format),
    "container": lambda file: _CONTAINERS.get(file.wanted.format, file.wanted.format),
    "duration": _seconds,
    "sample_rate": _sample_rate,
    "channels": lambda file: file.wanted.channels,
}
# What is told of a kind of file alone; of others it is null.
_OF: Mapping[Kind, frozenset[str]] = {
    "image": frozenset(("width", "height")),
    "video": frozenset(
        (
            *("width", "height", "fps", "frame_rate", "num_frames", "frame_count", "duration"),
            *("codec", "container"),
        )
    ),
    "audio": frozenset(("duration", "channels", "sample_rate", "codec", "container")),
}
_OF_ANY = frozenset(("content_type", "file_name"))


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a file's object."""

    name: str
    told: Told | None
    """What is told there; None where nothing is known, so that it is null or left out."""
    nullable: bool
    required: bool
    step: Step | None = None
    """What makes a field that isn't one of files'."""


def file_object(file: FileStep, parts: Sequence[Part], example: Mapping[str, JSON]) -> Step:
    """Return what writes a file's object.

    Where an overlay says what the video is, the object has the fields that the example has; else
    all that the schema has. An example that tells more of the file than its URL and its size shows
    what is told at all: the rest is null, or left out, unless details are asked for.
    """
    shown = [part for part in parts if part.name in example or part.required] if example else parts
    telling = not _TELLING.isdisjoint(example)
    untold = {
        part.name
        for part in parts
        if telling and not (part.required or part.name in example or part.name in _OF_ANY)
    }

    def write(draft: Draft) -> JSON:
        added = file.add(draft)
        made: dict[str, JSON] = {}
        for part in shown if draft.figures.video is not None else parts:
            name = part.name
            if name == "url":
                made[name] = f"{draft.media_base}{added.path}"
            elif name == "file_size":
                if draft.details or (part.required and not part.nullable):
                    made[name], added.sized, draft.sized = 0, True, True
                elif part.nullable:
                    made[name] = None
            elif name == "file_name":
                if draft.details or file.named or not part.nullable:
                    made[name] = added.name
                else:
                    made[name] = None
            elif part.step is not None:
                if (value := part.step(draft)) is not MISSING:
                    made[name] = value
            elif part.told is not None and (draft.details or name not in untold):
                made[name] = part.told(added)
            elif part.nullable:
                made[name] = None
        added.holder = made
        return made

    return write


def told_of(name: str, kind: Kind) -> Told | None:
    """Return what is told of a kind of file in a field; None where nothing is."""
    return _TOLD.get(name) if name in _OF_ANY or name in _OF.get(kind, ()) else None


def is_told(name: str) -> bool:
    """Tell whether a field of a file's object is one that files have."""
    return name in _TOLD or name in ("url", "file_size", "file_data")


def ours(value: JSON, names: Sequence[str], makes: Kind) -> Step:
    """Return what writes an example, with files of the mock's own in place of its URLs."""
    match value:
        case str() if value.startswith(("http://", "https://", "data:")):
            return FileStep.of(names, value, makes).url
        case dict() if isinstance(value.get("url"), str) and all(map(is_told, value)):
            file = FileStep.of(names, value, makes, {"properties": value})
            told = {key: told_of(key, file.kind) for key in value}
            return file_object(
                file,
                [
                    Part(key, told[key], False, True, None if told[key] else ours(one, (), makes))
                    for key, one in value.items()
                ],
                {},
            )
        case dict():
            fields = {key: ours(one, (key, *names), makes) for key, one in value.items()}
            return lambda draft: {
                key: made for key, step in fields.items() if (made := step(draft)) is not MISSING
            }
        case list():
            steps = [ours(one, names, makes) for one in value]
            return lambda draft: [made for step in steps if (made := step(draft)) is not MISSING]
        case _:
            return lambda draft: value
