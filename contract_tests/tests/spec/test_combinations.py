from __future__ import annotations

import json
from decimal import Decimal

import pytest

from falkit_spec import JSON, Catalog, Document, Endpoint, Object, SpecError

FAST, PRO = "fal-ai/ltx-2/image-to-video/fast", "fal-ai/ltx-2/image-to-video"


def endpoint_taking(properties: Object) -> Endpoint:
    schema: JSON = {"type": "object", "properties": properties}
    body = {"content": {"application/json": {"schema": schema}}}
    data = {"paths": {"/acme/odd": {"post": {"requestBody": body}}}}
    return Endpoint(Document(json.dumps(data).encode(), source="odd.json"))


@pytest.mark.parametrize(
    ("endpoint_id", "count", "legal"),
    [
        (FAST, 48, 23),
        (PRO, 18, 18),
        ("fal-ai/ltx-2/text-to-video/fast", 48, 23),
        ("fal-ai/ltx-2/text-to-video", 18, 18),
        ("fal-ai/ltx-2/retake-video", 3, 3),
        ("fal-ai/ltx-2/extend-video", 2, 2),
        ("fal-ai/ltx-2/audio-to-video", 0, 0),
    ],
)
def test_the_legal_combinations_are_those_that_the_prose_allows(
    endpoint_id: str, count: int, legal: int
) -> None:
    endpoint = Catalog.vendored().get(endpoint_id)
    found = endpoint.combinations()
    assert len(found) == count
    assert sum(one.legal for one in found) == legal
    first = Catalog.vendored("2026-01")
    if endpoint_id not in first.later:
        # What changed since leaves them as they were, prices and all.
        assert first.get(endpoint_id).combinations() == found


def test_above_ten_seconds_only_25_fps_at_1080p_is_legal() -> None:
    for one in Catalog.vendored().get(FAST).combinations():
        duration = one.values["duration"]
        assert isinstance(duration, int)
        plain = one.values["fps"] == 25 and one.values["resolution"] == "1080p"
        assert one.legal is (duration <= 10 or plain)
        assert (one.why is None) is one.legal


@pytest.mark.parametrize("as_of", ["2026-01", "2026-05"])
@pytest.mark.parametrize("endpoint_id", [FAST, PRO])
def test_validation_agrees_with_the_combinations(endpoint_id: str, as_of: str) -> None:
    endpoint = Catalog.vendored(as_of).get(endpoint_id)
    for one in endpoint.combinations():
        body = {**endpoint.example_input(), **one.values}
        assert endpoint.is_valid(body) is one.legal
        assert (endpoint.validate(body) == []) is one.legal


def test_axes_stand_in_the_documents_order_and_single_values_and_switches_are_none() -> None:
    first = Catalog.vendored().get(FAST).combinations()[0]
    assert list(first.values) == ["duration", "resolution", "fps"]


def test_an_endpoint_without_choices_has_no_combinations() -> None:
    assert endpoint_taking({"prompt": {"type": "string"}}).combinations() == []


def test_null_is_a_choice_and_an_open_branch_leaves_none() -> None:
    a: JSON = {"anyOf": [{"enum": [1, 2]}, {"type": "null"}]}
    b: JSON = {"anyOf": [{"enum": ["x"]}, {"type": "string"}]}
    found = endpoint_taking({"a": a, "b": b}).combinations()
    assert [one.values for one in found] == [{"a": 1}, {"a": 2}, {"a": None}]


def test_too_many_combinations_are_counted_and_not_listed() -> None:
    values: list[JSON] = list(range(101))
    endpoint = endpoint_taking({"a": {"enum": values}, "b": {"enum": values}})
    with pytest.raises(SpecError, match="has 10,201 combinations; at most 10,000"):
        endpoint.combinations()


@pytest.mark.parametrize(
    ("endpoint_id", "body", "dollars"),
    [
        (PRO, {}, "0.36"),
        (PRO, {"duration": 10}, "0.60"),
        (PRO, {"duration": 10, "resolution": "2160p"}, "2.40"),
        (PRO, {"duration": 8, "resolution": "1440p", "fps": 50, "generate_audio": False}, "0.96"),
        (FAST, {}, "0.24"),
        (FAST, {"duration": 20}, "0.80"),
        (FAST, {"duration": 10, "resolution": "2160p"}, "1.60"),
        ("fal-ai/ltx-2/retake-video", {}, "0.50"),
        ("fal-ai/ltx-2/retake-video", {"duration": 2.5}, "0.25"),
        ("fal-ai/ltx-2/extend-video", {}, "0.50"),
        ("fal-ai/ltx-2/extend-video", {"duration": 1.5, "mode": "start"}, "0.15"),
        ("fal-ai/ltx-2/retake-video", {"duration": 0.1 + 0.2}, "0.030000000000000004"),
    ],
)
def test_prices_are_fals(endpoint_id: str, body: Object, dollars: str) -> None:
    price = Catalog.vendored().get(endpoint_id).price(body)
    assert price == Decimal(dollars)
    assert isinstance(price, Decimal)


def test_seconds_are_what_is_billed() -> None:
    assert Catalog.vendored().get(PRO).billable_units({"duration": 8}) == 8


@pytest.mark.parametrize("duration", ["6", None, True, [], float("nan"), float("inf")])
def test_a_duration_that_is_not_a_number_has_no_price_and_no_video(duration: JSON) -> None:
    endpoint = Catalog.vendored().get(FAST)
    assert endpoint.price({"duration": duration}) is None
    assert endpoint.billable_units({"duration": duration}) is None
    assert endpoint.video({"duration": duration}) is None


@pytest.mark.parametrize("resolution", ["720p", 1080, None, []])
def test_a_size_that_is_not_sold_has_no_price_and_no_video(resolution: JSON) -> None:
    endpoint = Catalog.vendored().get(FAST)
    assert endpoint.price({"resolution": resolution}) is None
    assert endpoint.video({"resolution": resolution}) is None


@pytest.mark.parametrize(
    ("body", "width", "height", "frames", "audio"),
    [
        ({}, 1920, 1080, 150, True),
        ({"resolution": "1440p", "fps": 50}, 2560, 1440, 300, True),
        ({"resolution": "2160p", "duration": 10, "fps": 50}, 3840, 2160, 500, True),
        ({"duration": 20, "generate_audio": False}, 1920, 1080, 500, False),
    ],
)
def test_the_video_is_as_large_and_long_as_asked(
    body: Object, width: int, height: int, frames: int, audio: bool
) -> None:
    video = Catalog.vendored().get(FAST).video(body)
    assert video is not None
    assert (video.width, video.height, video.frames, video.audio) == (width, height, frames, audio)


def test_a_retaken_video_is_assumed_to_be_1080p_at_25_fps() -> None:
    video = Catalog.vendored().get("fal-ai/ltx-2/retake-video").video({"duration": 2.5})
    assert video is not None
    assert (video.width, video.fps, video.seconds, video.frames) == (1920, 25, Decimal("2.5"), 63)


def test_an_extended_video_is_as_long_as_both_parts_and_the_added_one_is_billed() -> None:
    endpoint = Catalog.vendored().get("fal-ai/ltx-2/extend-video")
    assert endpoint.measured == ("video_url",)
    assert endpoint.video({}) is None
    figures = endpoint.figures({"duration": 2.5}, {"video_url": 4.0})
    assert figures.video is not None
    assert (figures.video.seconds, figures.units) == (Decimal("6.5"), Decimal("2.5"))


def test_a_video_for_a_sound_is_as_long_as_the_sound_which_is_billed() -> None:
    endpoint = Catalog.vendored().get("fal-ai/ltx-2/audio-to-video")
    assert endpoint.price({"audio_url": "x"}) is None
    figures = endpoint.figures({}, {"audio_url": 3.0})
    assert figures.video is not None
    assert endpoint.pricing is not None
    assert (figures.video.seconds, figures.units) == (Decimal(3), Decimal(3))
    assert endpoint.pricing.cost(figures.units, {}) == Decimal("0.30")


@pytest.mark.parametrize(
    ("more", "right"),
    [
        ({}, False),
        ({"image_url": None, "prompt": None}, False),
        ({"prompt": "x"}, True),
        ({"image_url": "https://example.com/x.png"}, True),
        ({"image_url": "https://example.com/x.png", "prompt": None}, True),
    ],
)
def test_a_sound_needs_a_picture_or_a_prompt(more: Object, right: bool) -> None:
    endpoint = Catalog.vendored().get("fal-ai/ltx-2/audio-to-video")
    body: Object = {"audio_url": "https://example.com/x.mp3", **more}
    assert endpoint.is_valid(body) is right
    messages = [fault["msg"] for fault in endpoint.validate(body)]
    broken = ["Value error, prompt is required if there is no image_url"]
    assert messages == ([] if right else broken)


def test_images_are_taken_in_fals_five_formats() -> None:
    [image] = Catalog.vendored().get(FAST).media_inputs
    assert (image.field, image.kind) == ("image_url", "image")
    assert image.formats == ("png", "jpeg", "webp", "avif", "heif")
    assert (image.certainty, image.size_certainty) == ("confirmed", "inferred")
    [video] = Catalog.vendored().get("fal-ai/ltx-2/retake-video").media_inputs
    assert (video.field, video.kind, video.certainty) == ("video_url", "video", "inferred")
