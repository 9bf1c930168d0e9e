"""Outputs of any document: valid, with files of the mock's own that are what the input asks for."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field as made_by
from time import process_time
from typing import Any

import pytest

from fal_documents import OWN, endpoints_in
from falkit import Settings
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ParsedRequest
from falkit_mock.outputs import output_of
from falkit_spec import JSON, Catalog, Document, Endpoint, Object
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import is_array, is_object
from opening import Opened, opened
from serving import Mock, output_in, running

OURS = endpoints_in(OWN)
PARTS = 4
NAMED = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}


@dataclass(frozen=True)
class Asked:
    """An input, and what its files have to be like."""

    input: dict[str, JSON]
    size: tuple[int, int] | None = None
    ratio: float | None = None
    lines: int | None = None
    count: int | None = None
    seconds: float | None = None
    frames: int | None = None
    fps: float | None = None
    sound: bool | None = None
    formats: tuple[str, ...] = ()


def values(
    endpoint: Endpoint, name: str, tried: list[JSON]
) -> Iterator[tuple[JSON, dict[str, JSON]]]:
    """Yield values of a field that the document takes, each with its whole input."""
    base = endpoint.example_input()
    schema = resolve(ordered(endpoint.input_schema)[name], endpoint.input_schema)
    listed = schema.get("enum")
    parts = schema.get("anyOf")
    for part in parts if is_array(parts) else []:
        inner = resolve(part, endpoint.input_schema).get("enum")
        listed = listed or inner
    for value in [*(listed if is_array(listed) else []), *tried]:
        if value is not None and endpoint.is_valid(whole := {**base, name: value}):
            yield value, whole


def seconds_of(value: JSON) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)s?", str(value))
    return float(match[1]) if match and not isinstance(value, bool) else None


def asked(endpoint: Endpoint) -> Iterator[Asked]:
    """Yield inputs that ask for other sizes, lengths and counts, as far as there are any."""
    fields = ordered(endpoint.input_schema)
    yield Asked(endpoint.example_input())
    if "image_size" in fields:
        for value, input in values(endpoint, "image_size", [{"width": 640, "height": 384}]):
            if is_object(value):
                yield Asked(input, size=(640, 384))
            elif str(value) in NAMED:
                yield Asked(input, size=NAMED[str(value)])
    elif {"width", "height"} <= fields.keys():
        input = {**endpoint.example_input(), "width": 768, "height": 512}
        if endpoint.is_valid(input):
            yield Asked(input, size=(768, 512))
    elif "aspect_ratio" in fields and not fields.keys() & {"video_size", "size"}:
        for value, input in values(endpoint, "aspect_ratio", []):
            if match := re.fullmatch(r"(\d+):(\d+)", str(value)):
                yield Asked(input, ratio=int(match[1]) / int(match[2]))
    if "resolution" in fields and not fields.keys() & {"image_size", "video_size"}:
        for value, input in values(endpoint, "resolution", []):
            if match := re.fullmatch(r"(\d{3,4})[pP]", str(value)):
                yield Asked(input, lines=int(match[1]))
    if "num_images" in fields:
        for value, input in values(endpoint, "num_images", [1, 2, 4]):
            if isinstance(value, int) and not isinstance(value, bool):
                yield Asked(input, count=value)
    if "num_frames" not in fields and "duration" in fields:
        tried: list[JSON] = [2, 3.5, 6, "6"]
        for value, input in [*values(endpoint, "duration", tried)][:6]:
            if (seconds := seconds_of(value)) is not None:
                yield Asked(input, seconds=seconds)
    if "num_frames" in fields:
        for value, input in values(endpoint, "num_frames", [17, 49, 97]):
            if isinstance(value, int):
                yield Asked(input, frames=value)
    for name in ("fps", "frames_per_second"):
        if name in fields:
            for value, input in [*values(endpoint, name, [12, 30])][:3]:
                if isinstance(value, int):
                    yield Asked(input, fps=value)
    if "generate_audio" in fields:
        for value, input in values(endpoint, "generate_audio", [True, False]):
            yield Asked(input, sound=value is True)
    for name in ("output_format", "audio_format", "format", "video_output_type"):
        if name in fields:
            for value, input in values(endpoint, name, []):
                if match := re.search(r"\(\.(\w+)\)", str(value)):
                    yield Asked(input, formats=(match[1],))
                if value in (
                    "png",
                    "jpeg",
                    "webp",
                    "wav",
                    "mp3",
                    "flac",
                    "mp4",
                    "webm",
                    "glb",
                    "obj",
                ):
                    yield Asked(input, formats=({"jpeg": "jpg"}.get(str(value), str(value)),))


@dataclass
class Found:
    """What is wrong, and how many files of each type there were."""

    wrong: list[str] = made_by(default_factory=list[str])
    types: Counter[str] = made_by(default_factory=Counter[str])


def files_in(value: JSON) -> Iterator[tuple[str, dict[str, JSON]]]:
    """Yield the URLs of an output, each with the object that has it."""
    if is_object(value):
        for name, part in value.items():
            if isinstance(part, str) and re.match(r"(https?|data):", part):
                yield part, value if name == "url" else {}
            else:
                yield from files_in(part)
    elif is_array(value):
        for part in value:
            if isinstance(part, str) and re.match(r"(https?|data):", part):
                yield part, {}
            else:
                yield from files_in(part)


def check(mock: Mock, endpoint: Endpoint, found: Found, most: int) -> None:
    """Ask for all that can be asked for, by fal.run, and look at what comes."""
    base = endpoint.example_input()
    for number, one in enumerate([*asked(endpoint)][:most]):
        reply = mock.run(one.input, endpoint.id)
        changed = {name: value for name, value in one.input.items() if base.get(name) != value}
        where = f"{endpoint.id} {changed}"
        if reply.status_code != 200:
            found.wrong.append(f"{where}: {reply.status_code} {reply.text[:200]}")
            continue
        output = output_in(reply)
        found.wrong += [f"{where}: {why}" for why in endpoint.validate_output(output)]
        seen: list[Opened] = []
        for url, told in files_in(output):
            if not url.startswith(f"{mock.url}/"):
                # An echo of what the input has.
                if url not in str(one.input):
                    found.wrong.append(f"{where}: {url} isn't ours")
                continue
            try:
                seen.append(fetched(mock, url, told, found, whole=number == 0))
            except Exception as error:
                found.wrong.append(f"{where}: {url}: {error!r}"[:600])
        found.wrong += [f"{where}: {why}" for why in differing(one, seen, output)]


def fetched(mock: Mock, url: str, told: dict[str, JSON], found: Found, *, whole: bool) -> Opened:
    reply = mock.http.get(url)
    assert reply.status_code == 200, reply.status_code
    content_type, name = reply.headers["content-type"], url.rpartition("/")[2]
    found.types[content_type] += 1
    if whole:
        part = mock.http.get(url, headers={"range": "bytes=3-9"})
        assert (part.status_code, part.content) == (206, reply.content[3:10])
        head = mock.http.head(url)
        assert head.headers["content-length"] == str(len(reply.content))
    file = opened(name, content_type, reply.content)
    facts = {
        "content_type": content_type,
        "width": file.size[0],
        "height": file.size[1],
        "fps": file.fps,
        "num_frames": file.frames,
        "file_size": len(reply.content),
    }
    for key, fact in facts.items():
        said = told.get(key)
        assert said is None or said == fact or _near(said, fact), f"{key}: {said}, not {fact}"
    return file


def _near(said: JSON, fact: Any) -> bool:
    return isinstance(said, float) and math.isclose(said, fact, rel_tol=1e-3)


def differing(one: Asked, seen: list[Opened], output: JSON) -> list[str]:
    """Return in what the files differ from what was asked for."""
    shown = [file for file in seen if file.kind in ("image", "video")]
    heard = [file for file in seen if file.kind in ("video", "audio")]
    wrong: list[str] = []
    first = shown[0] if shown else None
    if one.count is not None and is_object(output) and is_array(images := output.get("images")):
        if len(images) != one.count:
            wrong.append(f"{len(images)} images")
        flags = output.get("has_nsfw_concepts")
        if is_array(flags) and len(flags) != one.count:
            wrong.append(f"{len(flags)} flags")
    if first is not None:
        width, height = first.size
        if one.size is not None and first.size != one.size:
            wrong.append(f"the size is {first.size}")
        if one.ratio is not None and abs(width / height / one.ratio - 1) > 0.02:
            wrong.append(f"the ratio is {width / height}")
        if one.lines is not None and min(first.size) != one.lines:
            wrong.append(f"the size is {first.size}")
    clips = [file for file in seen if file.kind == "video"]
    if clips:
        clip = clips[0]
        if one.frames is not None and clip.frames != one.frames:
            wrong.append(f"{clip.frames} frames")
        if one.fps is not None and not math.isclose(clip.fps, one.fps, rel_tol=1e-3):
            wrong.append(f"{clip.fps} fps")
        if one.sound is not None and clip.sound != one.sound:
            wrong.append(f"sound: {clip.sound}")
    media = [file for file in seen if file.kind in ("image", "audio", "video", "model")]
    if one.formats and media and media[0].format not in one.formats:
        wrong.append(f"it is {media[0].format}")
    if one.seconds is not None and heard and abs(heard[0].seconds - one.seconds) > 0.1:
        wrong.append(f"it lasts {heard[0].seconds} s")
    return wrong


@pytest.fixture(scope="module")
def ours() -> Generator[Mock]:
    with running(Settings(timing="instant", seed=1), catalog=Catalog.read([OWN])) as mock:
        yield mock


def test_the_outputs_of_our_documents_are_what_is_asked_for(ours: Mock) -> None:
    found = Found()
    for endpoint in OURS.values():
        check(ours, endpoint, found, 12)
    assert found.wrong == []
    assert len(found.types) >= 8, found.types


@pytest.mark.parametrize("part", range(PARTS))
def test_the_outputs_of_fals_documents_are_what_is_asked_for(
    part: int, fal_documents: dict[str, Endpoint], capsys: pytest.CaptureFixture[str]
) -> None:
    some = [*fal_documents.values()][part::PARTS]
    found = Found()
    newest = {each.id: each for each in some}
    catalog = Catalog.from_documents([each.document for each in newest.values()])
    with running(Settings(timing="instant", seed=1), catalog=catalog) as mock:
        for endpoint in newest.values():
            check(mock, endpoint, found, 24)
    with capsys.disabled():
        print(f"\npart {part}: files by type: {dict(found.types)}")
    assert found.wrong == [], "\n".join(found.wrong)


@pytest.mark.parametrize(
    "field", [{"$ref": "#/components/schemas/Made"}, {"type": "array", "items": {"type": "string"}}]
)
def test_a_wide_document_is_planned_in_no_time(field: Object) -> None:
    made: Object = {"type": "object", "properties": {f"f{n}": field for n in range(3000)}}
    content: Object = {"content": {"application/json": {"schema": made}}}
    data: Object = {
        "components": {"schemas": {"Made": made}},
        "paths": {
            "/acme/wide": {"post": {"requestBody": content}},
            "/acme/wide/requests/{request_id}": {"get": {"responses": {"200": content}}},
        },
    }
    endpoint = Endpoint(Document(json.dumps(data).encode(), source="wide.json"))
    parsed = ParsedRequest(endpoint, {}, "", (), None, None, None)
    endpoint.example_output()
    began = process_time()
    output = output_of(parsed, "id", Identity(1), "http://127.0.0.1").output
    assert process_time() - began < 1.0
    assert endpoint.is_valid_output(output)
