"""Clips of lengths that no list names, and what a file tells of its request."""

# pyright: reportUnknownMemberType=false
# PyAV leaves the parameters of its types open.
from __future__ import annotations

import io

import av
import pytest

import measuring
from falkit_spec import Object
from serving import PROMPT, RETAKE, Mock


@pytest.mark.parametrize("mode", ["replace_audio", "replace_video", "replace_audio_and_video"])
@pytest.mark.parametrize("seconds", [2, 5.5, 12.345, 20])
def test_each_retake_plays_as_long_as_asked(mock: Mock, mode: str, seconds: float) -> None:
    url = "https://example.com/x.mp4"
    input: Object = {**PROMPT, "video_url": url, "duration": seconds, "retake_mode": mode}
    reply = mock.run(input, RETAKE)
    assert reply.status_code == 200, reply.text
    found = measuring.measure(mock.http.get(reply.json()["video"]["url"]).content)
    assert (found.size, found.frames) == ((1920, 1080), round(seconds * 25))
    assert found.rate == 25


def test_a_file_names_its_request(mock: Mock) -> None:
    reply = mock.run(PROMPT, "fal-ai/ltx-2/text-to-video")
    data = mock.http.get(reply.json()["video"]["url"]).content
    with av.open(io.BytesIO(data), "r") as container:
        named = dict(container.metadata)
    assert named["falkit_request_id"] == reply.headers["x-fal-request-id"]
    assert named["falkit_endpoint"] == "fal-ai/ltx-2/text-to-video"
    assert len(bytes.fromhex(named["falkit_input_digest"])) == 32
