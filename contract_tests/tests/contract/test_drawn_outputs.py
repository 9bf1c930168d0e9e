"""Documents drawn of fal's words and shapes: outputs are valid, and their files ours."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, strategies as st

from examining import files_in, looked_at
from falkit_fixtures.making import make
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ParsedRequest
from falkit_mock.outputs import output_of
from falkit_mock.outputs.figures import Seen
from falkit_mock.outputs.kinds import MEDIA_TYPES
from falkit_mock.service.files import bytes_of
from falkit_spec import JSON, Document, Endpoint, Object
from own_documents import answering, data_of

WORDS = (
    *("image", "images", "video", "videos", "audio", "model", "glb", "mesh", "urls", "url", "file"),
    *("mask", "masks", "depth", "map", "frames", "zip", "thumbnail", "preview", "texture", "pbr"),
    *("lora", "config", "timings", "seed", "prompt", "has", "nsfw", "concepts", "usage", "tokens"),
    *("chunks", "words", "text", "output", "score", "boxes", "polygons", "points", "embedding"),
    *("waveform", "srt", "svg", "rle", "alignment", "duration", "fps", "width", "language", "id"),
    *(
        "timestamp",
        "start",
        "end",
        "role",
        "finish",
        "reason",
        "palette",
        "size",
        "aspect",
        "ratio",
    ),
)
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("_".join)
OPTIONS: dict[str, st.SearchStrategy[JSON]] = {
    "duration": st.sampled_from([5, "5", "5s", "auto", "1:30", 0, -1, 1e300, None, "∞", [], {}]),
    "image_size": st.sampled_from(
        ["square_hd", "auto", "auto_2K", {}, {"width": 9}, {"width": 99999, "height": 1}, 7, "x"]
    ),
    "resolution": st.sampled_from(
        ["1080p", "1K", "1024x1024", "2048", "landscape_16_9", "00x1", 512, -4, "4k", "0.5K", True]
    ),
    "aspect_ratio": st.sampled_from(
        ["21:9", "auto", "match_input_image", "0:1", "9:0", 1.5, "a:b"]
    ),
    "num_frames": st.sampled_from([1, 17, 481, -3, "auto", 1.5]),
    "fps": st.sampled_from([24, 23.976, 0, 1000, "30fps", "auto"]),
    "num_images": st.sampled_from([0, 1, 3, 64, 10**9, "2", True]),
    "batch_size": st.sampled_from([0, 2]),
    "output_format": st.sampled_from(["png", "jpeg", "mp3_44100_128", "VP9 (.webm)", "nonsense"]),
    "shots": st.sampled_from([[{"duration": 3}, {}], [1, "a"], {}, [{"duration": {}}]]),
    "sync_mode": st.booleans(),
    "texts": st.sampled_from([["a", "b"], []]),
    "background": st.sampled_from(["transparent", "#fff"]),
    "match_input_fps": st.booleans(),
}


def maybe(schema: Object) -> Object:
    return {"anyOf": [schema, {"type": "null"}]}


def files() -> st.SearchStrategy[Object]:
    """Objects of files, as today's documents, older ones and unions of both describe them."""
    told: Object = {
        "content_type": {"type": "string"},
        "file_name": maybe({"type": "string"}),
        "file_size": {"type": ["integer", "null"]},
        "width": {"type": "integer"},
        "height": {"type": "integer", "nullable": True},
        "fps": {"type": "number"},
        "num_frames": {"type": "integer"},
        "duration": {"type": "number"},
        "sample_rate": {"type": "integer"},
        "codec": {"type": "string"},
    }

    def file(names: list[str], needed: int) -> Object:
        return {
            "title": "File",
            "type": "object",
            "properties": {"url": {"type": "string"}, **{name: told[name] for name in names}},
            "required": ["url", *names[:needed]],
        }

    names = st.lists(st.sampled_from([*told]), min_size=1, unique=True)
    return st.builds(file, names, st.integers(0, 3))


def plain() -> st.SearchStrategy[Object]:
    return st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "format": "uri"},
            {"type": "string", "minLength": 3, "maxLength": 40},
            {"type": "integer", "minimum": 1, "maximum": 9},
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            {"type": "boolean"},
            {"type": "string", "enum": ["a", "b"]},
            {"const": "word"},
            {"type": ["string", "null"]},
            {"type": "object"},
            {"type": "array", "items": {}},
            {},
        ]
    )


def within(inner: st.SearchStrategy[Object]) -> st.SearchStrategy[Object]:
    def listed(item: Object, few: int) -> Object:
        return {"type": "array", "items": item, "minItems": few}

    def thing(fields: dict[str, Object], needs: bool) -> Object:
        return {
            "type": "object",
            "properties": {**fields},
            "required": [*fields] if needs else [],
        }

    def described(one: Object) -> Object:
        return {"allOf": [one], "description": "One, as a PNG."}

    def mapped(one: Object) -> Object:
        return {"type": "object", "additionalProperties": one}

    def either(one: Object, other: Object) -> Object:
        return {"anyOf": [one, other]}

    def pair(one: Object) -> Object:
        return {"type": "array", "prefixItems": [one, one]}

    return st.one_of(
        st.builds(listed, inner, st.integers(0, 3)),
        *(inner.map(made) for made in (maybe, described, mapped, pair)),
        st.builds(either, inner, inner),
        st.builds(thing, st.dictionaries(NAMES, inner, max_size=4), st.booleans()),
    )


SCHEMAS = st.recursive(files() | plain(), within, max_leaves=6)


@given(
    fields=st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=5),
    needed=st.booleans(),
    input=st.fixed_dictionaries({}, optional=OPTIONS),
    known=st.booleans(),
    endpoint_id=st.sampled_from(["acme/paint", "acme/rembg", "acme/tts", "acme/image-to-3d"]),
)
def test_outputs_of_drawn_documents_are_valid_and_their_files_ours(
    fields: dict[str, Object], needed: bool, input: Object, known: bool, endpoint_id: str
) -> None:
    output: Object = {
        "type": "object",
        "properties": {**fields},
        "required": [*fields] if needed else [],
    }
    inputs: dict[str, Any] = {name: {} for name in OPTIONS}
    data = answering(data_of(endpoint_id, inputs), output)
    endpoint = Endpoint(Document(json.dumps(data).encode(), source="drawn.json"))
    parsed = ParsedRequest(endpoint, input, "ab", (), None, None, None)
    seen = Seen((600, 400), (640, 360), 25, 4.0, 3.0, True) if known else Seen()
    found = output_of(parsed, "0f3a", Identity(1), "http://127.0.0.1", seen=seen, run=0.5)
    assert endpoint.validate_output(found.output) == []
    draft = found.draft
    if len(draft.files) < 20 and all(one.wanted.frames < 500 for one in draft.files):
        draft.fill(bytes_of)
    made = {f"http://127.0.0.1{one.path}": one for one in draft.files}
    for url, told in [*files_in(found.output)][:3]:
        if url not in made:
            # An object of another kind may have a text of that name, too.
            assert url.startswith("data:") or not told.keys() & {"content_type", "file_name"}
            continue
        wanted = made[url].wanted
        if wanted.width * wanted.height < 1_500_000 and wanted.frames < 200:
            looked_at(url, MEDIA_TYPES[wanted.format], make(wanted), told)
