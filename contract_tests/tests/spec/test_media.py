"""Which fields of a document take files, and of which kind: by names, shapes and overlays."""

from __future__ import annotations

import json
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from falkit_spec import JSON, Catalog, Document, Endpoint, MediaInput, Object, Overlay
from falkit_spec.media import steps_of, written
from falkit_spec.media_fields import files_of

TEXT: Object = {"type": "string"}
NULL: Object = {"type": "null"}
FILE: Object = {"type": "object", "properties": {"url": TEXT, "file_name": TEXT}}
DEFS: Object = {
    "File": FILE,
    "Image": FILE,
    "VideoFile": FILE,
    "ImageToVideoElement": FILE,
    "Url": TEXT,
    "LoraWeight": {"type": "object", "properties": {"path": TEXT, "scale": {"type": "number"}}},
}


def ref(name: str) -> Object:
    return {"$ref": f"#/$defs/{name}"}


def listed(of: JSON) -> Object:
    return {"type": "array", "items": of}


def some(**properties: JSON) -> Object:
    return {"type": "object", "properties": properties}


def found(**fields: JSON) -> dict[str, str]:
    return {name: one.kind for name, one in files_of({**some(**fields), "$defs": DEFS}).items()}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("image", "image_url face_image_url first_frame_url mask_url image_2_url imageUrl"),
        ("image", "photo_url base_image_url model_image_url lora_image_url start_image"),
        ("image", "control_image mask input_photo image_uri image_data_uri"),
        ("video", "video_url mask_video_url video_mask_url reference_video_uri clip_url video"),
        ("audio", "audio_url voice_url reference_audio_url audio_clip_url song_url audio_file"),
        ("archive", "training_data_url images_data_url frames_zip_url dataset_url image_archive"),
        ("model", "model_url mesh_url image_model_url glb_url"),
        ("weights", "lora_url lora_path weights_url controlnet_url checkpoint_url"),
        ("document", "pdf_url document_url subtitles_url"),
        ("file", "file_url media_url url source_url upload_file"),
    ],
)
def test_a_text_is_a_file_of_the_kind_that_its_name_says(kind: str, names: str) -> None:
    for name in names.split():
        assert found(**{name: TEXT}) == {name: kind}
        # In the dialects of Pydantic 2 and 1, and in that of JSON Schema.
        nodes: list[Object] = [
            {"anyOf": [TEXT, NULL]},
            {"allOf": [ref("Url")]},
            {"type": ["string", "null"]},
        ]
        for node in nodes:
            assert found(**{name: node}) == {name: kind}
        assert found(**{f"{name}s" if name.endswith("url") else name: listed(TEXT)}).values()


@pytest.mark.parametrize(
    "name",
    [
        *("webhook_url", "video_webhook_url", "callback_url", "api_url", "base_url", "website_url"),
        *("prompt", "video_id", "image_size", "voice", "color", "image_prompt", "lora_scale"),
        *("model", "model_name", "image_format", "path", "image_path", "data", "style", "", "1"),
    ],
)
def test_other_texts_are_no_files(name: str) -> None:
    assert found(**{name: TEXT}) == {}


def test_what_is_no_text_of_any_kind_is_no_file() -> None:
    number: Object = {"type": "integer"}
    moment: Object = {"type": "string", "format": "date-time"}
    assert found(image_url=number, video_url={}, frames=listed(number), clip_url=moment) == {}
    assert found(audio_url={**TEXT, "enum": ["a"]}, image_url={"const": "a", **TEXT}) == {}
    assert found(voice_url={"anyOf": [{**TEXT, "enum": ["a"]}, TEXT]}) == {}
    # A document that shows something else than URLs means something else.
    assert found(image={**TEXT, "examples": ["a cat"]}, video={**TEXT, "default": "x"}) == {}
    assert found(image={**TEXT, "examples": ["https://a.b/c"], "default": ""}) == {"image": "image"}


def test_files_are_found_in_lists_objects_and_unions() -> None:
    keyframe = some(url=TEXT, timestamp={"type": "number"})
    element = some(frontal_image_url=TEXT, reference_image_urls=listed(TEXT), video_url=TEXT)
    part = some(type=TEXT, image_url=some(url=TEXT, detail=TEXT), text=TEXT)
    assert found(
        image={"anyOf": [TEXT, ref("File"), NULL]},
        shot={"anyOf": [TEXT, ref("VideoFile")]},
        preset={"anyOf": [{**TEXT, "default": "calm"}, ref("File")]},
        input={"allOf": [ref("Image")], "title": "Input"},
        other=ref("VideoFile"),
        parts=listed(ref("ImageToVideoElement")),
        images=listed(ref("File")),
        loras=listed(ref("LoraWeight")),
        paths=listed(ref("LoraWeight")),
        elements={"anyOf": [listed(element), NULL]},
        tracks=listed(some(id=TEXT, keyframes=listed(keyframe))),
        messages=listed(some(content={"anyOf": [TEXT, listed(part)]})),
        voices={"type": "object", "additionalProperties": some(audio_url=TEXT)},
        pair={"type": "array", "prefixItems": [TEXT, some(image_url=TEXT)]},
        webhook=some(url=TEXT),
    ) == {
        "image": "image",
        "image.url": "image",
        "shot": "file",
        "shot.url": "video",
        "preset.url": "file",
        "input.url": "image",
        "other.url": "video",
        "parts[].url": "file",
        "images[].url": "image",
        "loras[].path": "weights",
        "paths[].path": "weights",
        "elements[].frontal_image_url": "image",
        "elements[].reference_image_urls[]": "image",
        "elements[].video_url": "video",
        "tracks[].keyframes[].url": "file",
        "messages[].content[].image_url.url": "image",
        "voices[].audio_url": "audio",
        "pair[].image_url": "image",
    }


def test_limits_may_stand_on_the_field_a_branch_or_the_items() -> None:
    limits: Object = {"max_file_size": 9, "min_duration": 3, "max_duration": 10.05, "timeout": 20}
    sizes: Object = {"min_width": 300, "max_aspect_ratio": 2.5, "max_fps": 60}
    clip: Object = {**TEXT, "x-fal": limits}
    files = files_of(
        some(
            video_url=clip,
            end_image_url={"anyOf": [{**TEXT, "x-fal": sizes}, NULL], "x-fal": {"timeout": 7}},
            image_urls={**listed({**TEXT, "x-fal": sizes}), "x-fal": {"max_file_size": 5}},
            clips=listed(clip),
            odd_url={**TEXT, "x-fal": {"max_file_size": "9", "min_width": -1, "max_width": True}},
            endless_url={**TEXT, "x-fal": {"max_file_size": float("inf"), "min_width": 1e400}},
        )
    )
    video, end, images, clips, odd, endless = files.values()
    assert (video.max_bytes, video.min_seconds, video.max_seconds, video.timeout) == (
        9,
        3,
        10.05,
        20,
    )
    assert (end.bounds, end.timeout, end.kind) == (sizes, 7, "image")
    assert (images.field, images.bounds, images.max_bytes) == ("image_urls[]", sizes, 5)
    assert (clips.field, clips.kind, clips.max_bytes) == ("clips[]", "video", 9)
    assert (odd.bounds, odd.max_bytes, endless.bounds, endless.max_bytes) == ({}, None, {}, None)


def test_a_widget_says_what_a_name_does_not() -> None:
    assert found(start={**TEXT, "_fal_ui_field": "image"}) == {"start": "image"}
    assert found(end_audio={**TEXT, "_fal_ui_field": "image"}) == {"end_audio": "audio"}
    assert found(start={**TEXT, "_fal_ui_field": "slider"}) == {}


def endpoint(schema: Object, inputs: Object | None = None) -> Endpoint:
    post: Object = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    data = json.dumps({"paths": {"/a/b": {"post": post}}}).encode()
    actions: list[JSON] = [
        {"target": "$.paths['/a/b'].post", "update": {"x-falkit": {"inputs": inputs or {}}}}
    ]
    info: Object = {"title": "t", "version": "1"}
    overlay = Overlay.from_data({"overlay": "1.0.0", "info": info, "actions": actions}, source="t")
    return Catalog.from_documents([Document(data, source="t.json")], [overlay]).get("a/b")


def test_an_overlay_corrects_what_a_name_says() -> None:
    said: Object = {"certainty": "confirmed", "source": "a test"}
    limits: Object = {"max_file_size": 9, "max_duration": 3, "min_fps": 24}
    one = endpoint(
        some(
            shots=listed(some(scene_url={**TEXT, "x-fal": limits}, image_url=TEXT)),
            garment=TEXT,
            text_url=TEXT,
        ),
        {
            "garment": {"kind": "image", "formats": {"value": ["png"], **said}},
            "shots[].scene_url": {"kind": "video", "max_bytes": {"value": None, **said}},
            "text_url": {"kind": "none"},
            "gone_url": {"kind": "image"},
        },
    )
    scene, image, garment = one.file_fields
    assert (scene.field, scene.kind, scene.max_bytes) == ("shots[].scene_url", "video", None)
    assert (scene.max_seconds, scene.bounds) == (3, {"min_fps": 24})
    assert (image.field, image.kind) == ("shots[].image_url", "image")
    assert (garment.field, garment.path, garment.formats) == ("garment", ("garment",), ("png",))
    assert [field.field for field in one.media_inputs] == [
        *("shots[].scene_url", "garment", "gone_url")
    ]


@given(path=st.lists(st.from_regex(r"[a-z_]+", fullmatch=True) | st.none(), min_size=1))
def test_a_place_is_read_as_it_is_written(path: list[str | None]) -> None:
    steps = ("a", *path)
    assert steps_of(written(steps)) == steps


def test_the_files_of_an_input_come_with_their_places() -> None:
    one = endpoint(
        some(
            image_urls=listed(TEXT),
            tracks=listed(some(keyframes=listed(some(url={**TEXT, "default": "x"})))),
            audio_url={**TEXT, "default": "https://a.b/c.wav"},
            faces={"type": "object", "additionalProperties": some(image_url=TEXT)},
        )
    )
    given: Object = {
        "image_urls": ["a", None, "b", 3],
        "tracks": [{"keyframes": [{"url": "c"}, {"url": "x"}]}, {}, {"keyframes": None}, "y"],
        "faces": {"me": {"image_url": "d"}, "you": {}},
    }
    assert [(place, value) for _, place, value in one.files(one.with_defaults(given))] == [
        (("image_urls", 0), "a"),
        (("image_urls", 2), "b"),
        (("tracks", 0, "keyframes", 0, "url"), "c"),
        (("faces", "me", "image_url"), "d"),
    ]
    assert [value for _, _, value in one.files({"audio_url": "other"})] == ["other"]
    assert [*one.files(one.with_defaults({"audio_url": "https://a.b/c.wav"}))] == []


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("properties", "items", "anyOf", "allOf", "$ref", "x-fal", "type", "default"),
                    *("additionalProperties", "prefixItems", "image_url", "urls", "examples"),
                ]
            ),
            inner | st.sampled_from(["string", "array", "#/$defs/A", ["string", "null"]]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(schema=st.dictionaries(st.sampled_from(["properties", "$defs"]), JUNK), given=JUNK)
def test_no_schema_however_broken_crashes_the_search(schema: Object, given: JSON) -> None:
    for one in files_of(schema).values():
        assert isinstance(one, MediaInput)
        for _, value in one.values(given if isinstance(given, dict) else {}):
            assert isinstance(value, str)


def test_a_schema_in_circles_or_of_any_size_is_searched_in_bounded_time() -> None:
    node = some(image_url=TEXT, left=ref("Node"), right=listed(ref("Node")))
    wide = some(**{f"a{n}": some(image_url=TEXT) for n in range(100_000)})
    started = perf_counter()
    circle = files_of({**some(root=ref("Node")), "$defs": {"Node": node}})
    assert 10 < len(circle) <= 200
    assert len(files_of(wide)) == 200
    deep: JSON = some(image_url=TEXT)
    for _ in range(300):
        deep = some(a=deep)
    assert files_of(some(a=deep)) == {}
    assert perf_counter() - started < 2


def test_a_huge_input_is_looked_at_in_bounded_time() -> None:
    shapes = {f"f{n}_url": TEXT for n in range(150)}
    one = endpoint(some(items=listed(listed(some(**shapes)))))
    assert len(one.file_fields) == 150
    row: list[JSON] = [{}] * 1000
    rows: list[JSON] = [row] * 400
    started = perf_counter()
    assert [*one.files({"items": rows})] == []
    assert perf_counter() - started < 0.5
