"""What a model answers: the document's own example, pointing at a file that is there."""

from __future__ import annotations

import pytest

import measuring
from falkit_spec import Catalog
from serving import PROMPT, Mock, output_in

NAMES = {
    "image-to-video": "i2v",
    "text-to-video": "t2v",
    "retake-video": "retake",
    "extend-video": "extend",
    "audio-to-video": "a2v",
}


@pytest.mark.parametrize(
    "endpoint", [one.id for one in Catalog.vendored() if one.app == "fal-ai/ltx-2"]
)
def test_fields_are_those_of_the_documents_example(mock: Mock, endpoint: str) -> None:
    endings = {"image_url": "png", "video_url": "mp4", "audio_url": "mp3"}
    media = {name: f"https://example.com/x.{ending}" for name, ending in endings.items()}
    reply = mock.run({**PROMPT, **media}, endpoint)
    assert reply.status_code == 200
    video = reply.json()["video"]
    assert list(reply.json()) == ["video"]
    name = f"ltxv-2-{NAMES[endpoint.split('/')[2]]}-output.mp4"
    assert {**video, "url": ""} == {"file_name": name, "content_type": "video/mp4", "url": ""}
    assert video["url"].endswith(name)


def test_output_meets_the_documents_schema(mock: Mock) -> None:
    for endpoint in Catalog.vendored():
        reply = mock.run(endpoint.example_input(), endpoint.id)
        assert reply.status_code == 200, endpoint.id
        assert endpoint.validate_output(output_in(reply)) == []


@pytest.mark.parametrize(
    ("more", "size", "rate"),
    [({"fps": 24}, (1920, 1080), 24), ({"aspect_ratio": "9:16"}, (1080, 1920), 25)],
)
def test_a_clip_is_of_the_size_and_rate_asked_for(
    mock: Mock, more: dict[str, object], size: tuple[int, int], rate: int
) -> None:
    video = mock.run({**PROMPT, **more}, "fal-ai/ltx-2.3/text-to-video").json()["video"]
    found = measuring.measure(mock.http.get(video["url"]).content)
    assert (found.size, found.frames) == (size, 6 * rate)
    assert found.rate == rate


@pytest.mark.parametrize(
    ("endpoint", "units"),
    [
        ("fal-ai/flux/dev", "1"),
        # fal's own unit isn't known of the first; of the second, no input tells how many there are.
        ("fal-ai/nano-banana-2", None),
        ("fal-ai/whisper", None),
    ],
)
def test_units_are_sent_where_they_are_known(mock: Mock, endpoint: str, units: str | None) -> None:
    reply = mock.run(Catalog.vendored().get(endpoint).example_input(), endpoint)
    assert reply.headers.get("x-fal-billable-units") == units


def test_file_urls_have_the_form_of_fals_and_are_never_the_same(mock: Mock) -> None:
    paths = [mock.run(PROMPT).json()["video"]["url"].partition(".media")[2] for _ in range(2)]
    for path in paths:
        _, files, b, shelf, name = path.split("/")
        assert (files, b, len(bytes.fromhex(shelf))) == ("files", "b", 4)
        assert name.endswith("_ltxv-2-t2v-output.mp4")
    assert paths[0] != paths[1]


def test_unknown_inputs_are_taken_and_ignored(mock: Mock) -> None:
    assert mock.run({**PROMPT, "seed": 5, "negative_prompt": "rain"}).status_code == 200


@pytest.mark.parametrize(
    ("input", "units"), [({}, "6"), ({"duration": 10, "resolution": "2160p"}, "10")]
)
def test_billable_units_are_the_seconds(mock: Mock, input: dict[str, object], units: str) -> None:
    reply = mock.run({**PROMPT, **input})
    assert reply.headers["x-fal-billable-units"] == units
