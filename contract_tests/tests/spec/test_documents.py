"""The documents hold fal's facts: names, types, limits, defaults, orders, wrapper."""

from __future__ import annotations

import copy

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from falkit_spec import JSON, Catalog, Endpoint, Object
from falkit_spec.reader import self_contained
from falkit_spec.schema import Compiled
from falkit_spec.types import dig, is_object

FAST, PRO = "fal-ai/ltx-2/image-to-video/fast", "fal-ai/ltx-2/image-to-video"
DATES = ("2026-01", "2026-05", "2026-10")
EVERY = list(
    {one.document.source: one for date in DATES for one in Catalog.vendored(date)}.values()
)
of_ltx_2 = pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in EVERY if endpoint.app == "fal-ai/ltx-2"],
    ids=lambda endpoint: f"{endpoint.document.date}-{endpoint.id}",
)
every = pytest.mark.parametrize(
    "endpoint", EVERY, ids=lambda endpoint: f"{endpoint.document.date}-{endpoint.id}"
)


def fields(endpoint: Endpoint) -> dict[str, Object]:
    found = endpoint.input_schema["properties"]
    assert isinstance(found, dict)
    return {name: node for name, node in found.items() if isinstance(node, dict)}


@every
def test_a_document_relabelled_as_3_1_is_valid_openapi(endpoint: Endpoint) -> None:
    data = copy.deepcopy(endpoint.document.data)
    OpenAPIV31SpecValidator({**data, "openapi": "3.1.0"}).validate()


@every
def test_the_wrapper_is_fals(endpoint: Endpoint) -> None:
    endpoint_id, data = endpoint.id, endpoint.document.data
    paths, components = data["paths"], data["components"]
    assert isinstance(paths, dict)
    assert isinstance(components, dict)
    assert isinstance(components["schemas"], dict)
    request = f"/{endpoint_id}/requests/{{request_id}}"
    assert list(data) == ["openapi", "info", "components", "paths", "servers", "security"]
    assert data["openapi"] == "3.0.4"
    assert list(paths) == [f"{request}/status", f"{request}/cancel", f"/{endpoint_id}", request]
    assert data["servers"] == [{"url": "https://queue.fal.run"}]
    assert data["security"] == [{"apiKeyAuth": []}]
    names = list(components["schemas"])
    assert names[0] == "QueueStatus"
    assert names[1].endswith("Input")
    assert names[2].endswith("Output")


@pytest.mark.parametrize(
    ("date", "shapes", "title"),
    [
        ("2026-01", {"aspect_ratio": "16:9"}, "LTXVImageToVideoFastRequest"),
        ("2026-05", {}, "LTXV20ImageToVideoFastRequest"),
    ],
)
def test_fast_takes_what_fal_says(date: str, shapes: Object, title: str) -> None:
    endpoint = Catalog.vendored(date).get(FAST)
    given = fields(endpoint)
    assert list(given) == endpoint.input_schema["x-fal-order-properties"]
    order = ["image_url", "prompt", "duration", "resolution", *shapes, "fps", "generate_audio"]
    assert list(given) == order
    assert endpoint.input_schema["required"] == ["prompt", "image_url"]
    assert endpoint.input_schema["title"] == title
    assert given["duration"]["enum"] == [6, 8, 10, 12, 14, 16, 18, 20]
    assert given["fps"]["title"] == "Frames per Second"
    assert given["image_url"]["title"] == "Image URL"
    assert "format" not in given["image_url"]
    assert endpoint.defaults == {
        "duration": 6,
        "resolution": "1080p",
        **shapes,
        "fps": 25,
        "generate_audio": True,
    }


def test_files_have_nullable_fields_since_may() -> None:
    answered: Object = {"video": {"url": "x", "file_size": None, "fps": None, "duration": None}}
    assert Catalog.vendored("2026-05").get(FAST).validate_output(answered) == []
    where = ("components", "schemas", "VideoFile", "properties")
    old, new = (dig(Catalog.vendored(date).get(FAST).document.data, *where) for date in DATES[:2])
    assert is_object(old)
    assert is_object(new)
    assert old.keys() - new.keys() == {"file_data"}
    nullable = [name for name, node in new.items() if is_object(node) and "anyOf" in node]
    assert nullable == [name for name in new if name != "url"]
    assert "anyOf" not in str(old)


def test_pro_and_text_to_video_differ_as_fal_says() -> None:
    catalog = Catalog.vendored()
    assert fields(catalog.get(PRO))["duration"]["enum"] == [6, 8, 10]
    text = catalog.get("fal-ai/ltx-2/text-to-video")
    assert "image_url" not in fields(text)
    assert text.input_schema["required"] == ["prompt"]


def test_retake_takes_what_fal_says() -> None:
    endpoint = Catalog.vendored().get("fal-ai/ltx-2/retake-video")
    assert endpoint.input_schema["required"] == ["video_url", "prompt"]
    assert list(fields(endpoint)) == [
        *("video_url", "prompt", "start_time", "duration", "retake_mode"),
    ]
    duration = fields(endpoint)["duration"]
    assert duration["type"] == "number"
    assert (duration["minimum"], duration["maximum"], duration["default"]) == (2, 20, 5)
    assert endpoint.category == "video-to-video"


def test_extend_takes_what_fal_says() -> None:
    endpoint = Catalog.vendored().get("fal-ai/ltx-2/extend-video")
    assert endpoint.input_schema["required"] == ["video_url"]
    given = fields(endpoint)
    assert list(given) == ["video_url", "prompt", "duration", "mode", "context"]
    assert given["prompt"]["anyOf"] == [{"type": "string", "maxLength": 5000}, {"type": "null"}]
    context = {"type": "number", "minimum": 1, "maximum": 20}
    assert given["context"]["anyOf"] == [context, {"type": "null"}]
    assert endpoint.defaults == {"duration": 5, "mode": "end"}
    assert endpoint.category == "video-to-video"


def test_audio_to_video_takes_what_fal_says() -> None:
    endpoint = Catalog.vendored().get("fal-ai/ltx-2/audio-to-video")
    assert endpoint.input_schema["required"] == ["audio_url"]
    given = fields(endpoint)
    assert list(given) == ["audio_url", "image_url", "prompt", "guidance_scale"]
    guidance = {"type": "number", "minimum": 1, "maximum": 50}
    assert given["guidance_scale"]["anyOf"] == [guidance, {"type": "null"}]
    assert endpoint.defaults == {}
    assert endpoint.category == "audio-to-video"
    assert [media.field for media in endpoint.media_inputs] == ["audio_url", "image_url"]


KINDS = {
    "image-to-video": "i2v",
    "text-to-video": "t2v",
    "retake-video": "retake",
    "extend-video": "extend",
    "audio-to-video": "a2v",
}


@of_ltx_2
def test_the_example_is_the_video_that_the_output_refers_to(endpoint: Endpoint) -> None:
    kind = KINDS[endpoint.id.split("/")[2]]
    output = endpoint.example_output()
    video = output["video"]
    assert isinstance(video, dict)
    assert list(video) == ["file_name", "content_type", "url"]
    assert video["file_name"] == f"ltxv-2-{kind}-output.mp4"
    assert video["content_type"] == "video/mp4"
    assert endpoint.validate_output(output) == []


@every
def test_the_example_input_is_valid(endpoint: Endpoint) -> None:
    assert endpoint.validate(endpoint.example_input()) == []


def test_an_example_is_the_callers_to_change() -> None:
    endpoint = Catalog.vendored().get(FAST)
    endpoint.example_output()["video"] = None
    video = endpoint.example_output()["video"]
    assert isinstance(video, dict)
    video.clear()
    assert endpoint.validate_output(endpoint.example_output()) == []


@pytest.mark.parametrize(("logs", "right"), [(None, True), ([], True), ({}, False)])
def test_the_overlaid_status_has_logs_as_the_service_sends_them(logs: JSON, right: bool) -> None:
    data = Catalog.vendored().get(FAST).overlaid
    schema = self_contained(dig(data, "components", "schemas", "QueueStatus"), data)
    status: Object = {"status": "COMPLETED", "request_id": "1", "logs": logs}
    assert Compiled(schema).is_valid(status) is right
