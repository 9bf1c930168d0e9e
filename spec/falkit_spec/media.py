"""A field of an input that takes a file: its place, its kind, and what the file must be like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field as field_of
from typing import Any, Literal, TypeAlias, get_args

from falkit_spec.overlay import ARRAY, EVIDENCE, OBJECT, Shape, expect, having
from falkit_spec.types import (
    JSON,
    Certainty,
    Object,
    copy_json,
    is_array,
    is_object,
)

MediaKind: TypeAlias = Literal[
    "image", "video", "audio", "archive", "model", "weights", "document", "file"
]
KINDS: tuple[MediaKind, ...] = get_args(MediaKind)
Step: TypeAlias = "str | None"
"""A key, or None for every item of a list and every value of a map."""
Place: TypeAlias = "tuple[str | int, ...]"
"""Where in an input a value is: keys and indexes."""

_NUMBER: Object = {"type": "number", "minimum": 0}
_MEDIA_INPUT: Shape = {
    f"`kind` is {', '.join(KINDS)} or none": having(kind={"enum": [*KINDS, "none"]}),
    "`formats` needs a list as its value": {
        "properties": {"formats": having(value={**ARRAY, "minItems": 1})}
    },
    "`max_bytes` needs a whole number as its value, or null": {
        "properties": {"max_bytes": having(value={"type": ["integer", "null"]})}
    },
    "`seconds` needs numbers as its min and max, of which one may be left out": {
        "properties": {
            "seconds": {
                **OBJECT,
                "anyOf": [{"required": ["min"]}, {"required": ["max"]}],
                "properties": {"min": _NUMBER, "max": _NUMBER},
            }
        }
    },
}
# Items of lists of one input that are looked at.
_STEPS = 100_000


@dataclass(frozen=True)
class MediaInput:
    """An input field that takes a file, by URL or data URI."""

    field: str
    """Its place as overlays write it: `image_url`, `image_urls[]`, `elements[].image_url`."""
    kind: MediaKind
    path: tuple[Step, ...]
    """The steps of `field`."""
    formats: tuple[str, ...] = ()
    """Accepted formats, in fal's order, such as `png`; lower case. None where they aren't known."""
    max_bytes: int | None = None
    certainty: Certainty = "inferred"
    """How certain the formats are."""
    size_certainty: Certainty = "confirmed"
    """How certain the size limit is."""
    min_seconds: float | None = None
    """How long a video or a sound must last at least; None where nothing says so."""
    max_seconds: float | None = None
    timeout: float | None = None
    """Seconds in which the file has to be there; None where nothing says so."""
    bounds: Mapping[str, float] = field_of(default_factory=dict[str, float])
    """Of width and height (pixels), aspect ratio and frames per second: `min_width` and so on."""
    default: JSON = None
    """What the document itself gives; that isn't judged."""

    def values(
        self, input: Mapping[str, JSON], steps: Iterator[int] | None = None
    ) -> Iterator[tuple[Place, str]]:
        """Yield the texts that an input has in this field, each with its place.

        No more items of lists are looked at than there are `steps`, by default 100,000.
        """
        first, *rest = self.path
        value = None if first is None else input.get(first)
        if rest and value is not None:
            steps = iter(range(_STEPS)) if steps is None else steps
            yield from _below(value, rest, (str(first),), steps)
        elif isinstance(value, str):
            yield (str(first),), value


def _below(
    value: JSON, path: list[Step], place: Place, steps: Iterator[int]
) -> Iterator[tuple[Place, str]]:
    if not path:
        if isinstance(value, str):
            yield place, value
        return
    step, *rest = path
    if step is not None:
        if is_object(value) and step in value:
            yield from _below(value[step], rest, (*place, step), steps)
        return
    items: Iterable[tuple[str | int, JSON]] = ()
    if is_array(value):
        items = enumerate(value)
    elif is_object(value):
        items = value.items()
    for (at, item), _ in zip(items, steps, strict=False):
        yield from _below(item, rest, (*place, at), steps)


def written(path: tuple[Step, ...]) -> str:
    """Write a path as overlays do: keys with dots between them, `[]` for each item."""
    return "".join("[]" if step is None else f".{step}" for step in path).removeprefix(".")


def steps_of(place: str) -> tuple[Step, ...]:
    """Return the steps of a place that `written` wrote."""
    steps: list[str] = re.findall(r"\[\]|[^.[]+|\[", place)
    return tuple(None if step == "[]" else step for step in steps) or ("",)


def from_facts(
    name: str, facts: JSON, where: str, known: MediaInput | None = None
) -> MediaInput | None:
    """Take one of an overlay's `inputs`; what it doesn't say is as the document has it, `known`.

    None for a field that takes no file. BadOverlay if it isn't understood.
    """
    read = expect(facts, where, _MEDIA_INPUT)
    for fact in ("formats", "max_bytes", "seconds"):
        if fact in read:
            expect(read[fact], f"{where}.{fact}", EVIDENCE)
    if read["kind"] == "none":
        return None
    old = known or MediaInput(name, read["kind"], steps_of(name))
    length = read.get("seconds", {"min": old.min_seconds, "max": old.max_seconds})
    formats, size = read.get("formats"), read.get("max_bytes")
    return MediaInput(
        field=name,
        kind=read["kind"],
        path=old.path,
        formats=tuple(map(str, formats["value"])) if formats else (),
        max_bytes=size["value"] if size else old.max_bytes,
        certainty=formats["certainty"] if formats else old.certainty,
        size_certainty=size["certainty"] if size else old.size_certainty,
        min_seconds=length.get("min"),
        max_seconds=length.get("max"),
        timeout=old.timeout,
        bounds=old.bounds,
        default=old.default,
    )


_ENDINGS = {"image": ".png", "video": ".mp4", "audio": ".mp3", "archive": ".zip", "model": ".glb"}


def example_url(wanted: MediaInput, place: Place = ()) -> str:
    """Return a public URL that stands for a file; another for each item of a list."""
    at = f"?{place[-1]}" if place and isinstance(place[-1], int) else ""
    return f"https://example.com/{wanted.kind}{_ENDINGS.get(wanted.kind, '')}{at}"


def with_urls(input: Object, files: Iterable[tuple[MediaInput, Place]]) -> Object:
    """Return a copy of an input with a public URL in each place of a file."""
    filled = copy_json(input)
    assert is_object(filled)
    for wanted, place in files:
        inner: Any = filled
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = example_url(wanted, place)
    return filled
