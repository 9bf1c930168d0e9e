"""What a stream sends before its last event, by the shape of the output (wire.md §8)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from mimetypes import guess_type

from falkit_fixtures import images
from falkit_spec import JSON, Endpoint
from falkit_spec.schema import ordered
from falkit_spec.streams import Stream
from falkit_spec.types import Object, is_array, is_object

# The most events of a text, however long it is; and those of anything else.
_TEXTS, _OTHERS = 24, 3
_WORD = re.compile(r"\S+\s*|\s+")
# Whether an event is a part of the output, in the outputs of language models.
PARTIAL = "partial"


def partials(
    output: Mapping[str, JSON], input: Mapping[str, JSON], endpoint: Endpoint
) -> list[Object]:
    """Return the events that lead up to an output.

    A text grows word by word. Pictures come as previews, small ones in data URIs. Before all
    other files there are events that tell how far it is.
    """
    stream = endpoint.stream or Stream()
    files = [*_files(output)]
    if not files:
        return _growing(output, input, endpoint, stream)
    count = _OTHERS if stream.events is None else stream.events
    if any(is_picture(field, file) for field, file in files):
        preview = _previewed(output)
        assert is_object(preview)
        # A copy each, since whoever has one may change it.
        return [{**preview} for _ in range(count)]
    return [
        {"progress": round(number / (count + 1), 2), "message": "Generating..."}
        for number in range(1, count + 1)
    ]


def last(output: Mapping[str, JSON], endpoint: Endpoint) -> Object:
    """Return the last event, which is the output; one that may be partial says that it isn't."""
    told = PARTIAL in output or PARTIAL in ordered(endpoint.output_schema)
    return {**output, PARTIAL: False} if told else {**output}


def _growing(
    output: Mapping[str, JSON], input: Mapping[str, JSON], endpoint: Endpoint, stream: Stream
) -> list[Object]:
    texts = {
        name: value
        for name, value in output.items()
        # What the input has too is told back, and nothing that is made.
        if isinstance(value, str) and value and input.get(name) != value
    }
    schema = endpoint.output_schema
    required, fields = schema.get("required"), ordered(schema)
    needed = set(map(str, required)) if is_array(required) else set[str]()
    told: Object = {PARTIAL: True} if PARTIAL in output or PARTIAL in fields else {}
    # What is thought comes before what is said, wherever it stands.
    order = sorted(texts, key=lambda name: "reason" not in name.lower())
    words = [(name, word) for name in order for word in _WORD.findall(texts[name])]
    most = min(_TEXTS if stream.events is None else stream.events, len(words))
    events: list[Object] = []
    so_far = dict.fromkeys(texts, "")
    for number in range(most):
        fresh = dict.fromkeys(texts, "")
        for name, word in words[_share(number, most, words) : _share(number + 1, most, words)]:
            fresh[name] += word
            so_far[name] += word
        shown = so_far if stream.text == "so_far" else fresh
        kept = {name: value for name, value in output.items() if name in needed}
        events.append({**kept, **{n: t for n, t in shown.items() if t or n in needed}, **told})
    return events


def _share(number: int, of: int, words: list[tuple[str, str]]) -> int:
    return len(words) * number // of


def _files(
    value: JSON | Mapping[str, JSON], field: str = ""
) -> Iterator[tuple[str, Mapping[str, JSON]]]:
    """Yield the files in an output, however deep, by field: objects with a URL."""
    if isinstance(value, Mapping):
        if isinstance(value.get("url"), str):
            yield field, value
        else:
            for name, one in value.items():
                yield from _files(one, name)
    elif is_array(value):
        for one in value:
            yield from _files(one, field)


def is_picture(field: str, file: Mapping[str, JSON]) -> bool:
    """Tell whether a file is a picture, by what it says of itself, else by its field's name."""
    kind = file.get("content_type") or _by_name(file)
    return kind.startswith("image/") if isinstance(kind, str) else "image" in field.lower()


def _by_name(file: Mapping[str, JSON]) -> str | None:
    named = (str(file.get(key) or "").partition("?")[0] for key in ("file_name", "url"))
    return next((kind for name in named if (kind := guess_type(name, strict=False)[0])), None)


def _previewed(value: JSON | Mapping[str, JSON], field: str = "") -> JSON:
    """Return an output with a preview in the place of each picture."""
    if isinstance(value, Mapping):
        if isinstance(value.get("url"), str):
            if not is_picture(field, value):
                return {**value}
            typed = "content_type" in value
            kind: Object = {"content_type": "image/jpeg"} if typed else {}
            return {**value, **kind, "url": _preview()}
        return {name: _previewed(one, name) for name, one in value.items()}
    return [_previewed(one, field) for one in value] if is_array(value) else value


@cache
def _preview() -> str:
    return images.data_uri("jpeg")
