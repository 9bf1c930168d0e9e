"""What a stream sends before its last event, by the shape of the output (wire.md §8)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from mimetypes import guess_type

from falkit_fixtures.making import make
from falkit_fixtures.wanted import Wanted
from falkit_mock.core.jobs import ParsedRequest
from falkit_mock.outputs.reading import required_of
from falkit_spec import JSON, Endpoint
from falkit_spec.schema import ordered
from falkit_spec.streams import Stream
from falkit_spec.types import Object, is_array, is_object

# The most events of a text, however long it is; and those of anything else.
_TEXTS, _OTHERS = 24, 3
# Pixels of the longer side of the last preview.
_SIDE = 256
_WORD = re.compile(r"\S+\s*|\s+")
# The field by which an event of a language model says whether more follows.
PARTIAL = "partial"


def partials(output: Mapping[str, JSON], parsed: ParsedRequest, request_id: str) -> list[Object]:
    """Return the events that lead up to an output; blocks for some milliseconds.

    A text grows word by word. Pictures come as previews in data URIs, each larger than the one
    before. Before all other files there are events that tell how far it is.
    """
    endpoint = parsed.endpoint
    stream = endpoint.stream or Stream()
    files = [*_files(output)]
    if not files:
        return _growing(output, parsed.input, endpoint, stream)
    count = _OTHERS if stream.events is None else stream.events
    if any(is_picture(field, file) for field, file in files):
        sides = [_SIDE * number // count for number in range(1, count + 1)]
        return [_Previews(parsed, request_id, side).of(output) for side in sides]
    return [
        {"progress": round(number / (count + 1), 2), "message": "Generating..."}
        for number in range(1, count + 1)
    ]


def chunks(output: Mapping[str, JSON], input: Mapping[str, JSON]) -> list[Object]:
    """Return a chat completion as OpenAI streams it: chunks of its text, and the reason to stop."""
    options = input.get("stream_options")
    message = _first(output.get("choices")).get("message")
    text = message.get("content") if is_object(message) else ""
    shared = {name: output[name] for name in ("id", "created", "model") if name in output}
    chunk: Object = {**shared, "object": "chat.completion.chunk"}
    said: list[Object] = [{"role": "assistant", "content": ""}]
    said += [{"content": word} for word in _WORD.findall(text if isinstance(text, str) else "")]
    events: list[Object] = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in said
    ]
    events.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if is_object(options) and options.get("include_usage") is True:
        events.append({**chunk, "choices": [], "usage": output.get("usage")})
    return events


def response_events(output: Mapping[str, JSON]) -> list[Object]:
    """Return an answer as OpenAI's responses stream it: its start, its text in pieces, its end."""
    item = _first(output.get("output"))
    part = _first(item.get("content"))
    text = str(part.get("text") or "")
    begun: Object = {**output, "status": "in_progress", "output": [], "usage": None}
    empty: Object = {**item, "status": "in_progress", "content": []}
    of_item: Object = {"item_id": item.get("id"), "output_index": 0}
    of_part: Object = {**of_item, "content_index": 0}
    deltas = [
        {"type": "response.output_text.delta", **of_part, "delta": word, "logprobs": []}
        for word in _WORD.findall(text)
    ]
    events: list[Object] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", **of_part, "part": {**part, "text": ""}},
        *deltas,
        {"type": "response.output_text.done", **of_part, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **of_part, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {**output}},
    ]
    return [{**event, "sequence_number": place} for place, event in enumerate(events)]


def _first(listed: JSON) -> Object:
    """Return the first item of a list, if it is an object; else an empty one."""
    first = listed[0] if is_array(listed) and listed else None
    return first if is_object(first) else {}


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
    needed = required_of(schema)
    told: Object = {PARTIAL: True} if PARTIAL in output or PARTIAL in ordered(schema) else {}
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


class _Previews:
    """Previews of an output's pictures, of some pixels at the longer side."""

    def __init__(self, parsed: ParsedRequest, request_id: str, side: int) -> None:
        self._parsed = parsed
        self._request_id = request_id
        self._side = max(side, 16)
        self._count = 0

    def of(self, output: Mapping[str, JSON]) -> Object:
        """Return an output with a preview in the place of each picture."""
        return {name: self._of(one, name) for name, one in output.items()}

    def _of(self, value: JSON, field: str) -> JSON:
        if is_array(value):
            return [self._of(one, field) for one in value]
        if not is_object(value):
            return value
        if not isinstance(value.get("url"), str):
            return self.of(value)
        return self._preview(value) if is_picture(field, value) else value

    def _preview(self, file: Object) -> Object:
        width, height = (_pixels(file.get(name)) for name in ("width", "height"))
        scale = self._side / max(width, height)
        wanted = Wanted(
            "jpg",
            endpoint=self._parsed.endpoint.id,
            request_id=self._request_id,
            digest=self._parsed.digest,
            index=self._count,
            width=max(16, round(width * scale)),
            height=max(16, round(height * scale)),
        )
        self._count += 1
        url = f"data:image/jpeg;base64,{base64.b64encode(make(wanted)).decode()}"
        kind: Object = {"content_type": "image/jpeg"} if "content_type" in file else {}
        return {**file, **kind, "url": url}


def _pixels(value: JSON) -> int:
    return value if isinstance(value, int) and 0 < value < 100_000 else 1024
