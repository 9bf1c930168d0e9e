"""Every combination of every endpoint's inputs, sent to the mock and measured by PyAV."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# PyAV leaves the parameter of its Packet type open.
from __future__ import annotations

import io
from fractions import Fraction

import av
import pytest

from falkit_spec import JSON, Catalog, Endpoint, Object
from serving import PROMPT, RETAKE, Mock

SIZES: dict[JSON, tuple[int, int]] = {
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "2160p": (3840, 2160),
}
IMAGE: Object = {"image_url": "https://example.com/x.png"}
MODELS = [endpoint for endpoint in Catalog.vendored() if endpoint.id != RETAKE]


def _measure(mock: Mock, endpoint: str, input: Object) -> tuple[object, ...]:
    """Return size, frame rate, frames, seconds of picture and of sound."""
    reply = mock.run(input, endpoint)
    assert reply.status_code == 200, reply.text
    data = mock.http.get(reply.json()["video"]["url"]).content
    with av.open(io.BytesIO(data), "r") as container:
        (video,) = container.streams.video
        packets = [packet for packet in container.demux() if packet.size]
        frames = [packet for packet in packets if packet.stream is video]
        heard = sum(packet.duration or 0 for packet in packets if packet.stream is not video)
        assert (video.codec_context.name, len(container.streams.audio)) == ("h264", int(heard > 0))
        seconds = Fraction(container.duration or 0, av.time_base)
        size = (video.width, video.height)
        return size, video.average_rate, len(frames), seconds, Fraction(heard, 48000)


@pytest.mark.parametrize("audio", [True, False], ids=["with sound", "silent"])
@pytest.mark.parametrize("endpoint", MODELS, ids=lambda endpoint: endpoint.id)
def test_each_legal_combination_plays_as_asked(mock: Mock, endpoint: Endpoint, audio: bool) -> None:
    legal = [each.values for each in endpoint.combinations() if each.legal]
    assert len(legal) == (23 if endpoint.id.endswith("/fast") else 18)
    for values in legal:
        input: Object = {**PROMPT, **IMAGE, **values, "generate_audio": audio}
        seconds, fps = Fraction(str(values["duration"])), Fraction(str(values["fps"]))
        size, rate, frames, length, heard = _measure(mock, endpoint.id, input)
        wanted = (SIZES[values["resolution"]], fps, seconds * fps, seconds)
        assert (size, rate, frames, length) == wanted, values
        # Sound comes in frames of 1024 samples, so that it may end a little after the picture.
        assert isinstance(heard, Fraction)
        if audio:
            assert 0 <= heard - seconds <= Fraction(2 * 1024, 48000), values
        else:
            assert heard == 0, values


@pytest.mark.parametrize(
    "endpoint", [each for each in MODELS if each.id.endswith("/fast")], ids=lambda each: each.id
)
def test_each_illegal_combination_is_refused(mock: Mock, endpoint: Endpoint) -> None:
    illegal = [each.values for each in endpoint.combinations() if not each.legal]
    assert len(illegal) == 25
    for values in illegal:
        reply = mock.run({**PROMPT, **IMAGE, **values}, endpoint.id)
        assert reply.status_code == 422, values
        (fault,) = reply.json()["detail"]
        assert (fault["type"], fault["loc"]) == ("value_error", ["body", "duration"])


@pytest.mark.parametrize("mode", ["replace_audio", "replace_video", "replace_audio_and_video"])
@pytest.mark.parametrize("seconds", [2, 5.5, 12.345, 20])
def test_each_retake_plays_as_long_as_asked(mock: Mock, mode: str, seconds: float) -> None:
    url = "https://example.com/x.mp4"
    input: Object = {**PROMPT, "video_url": url, "duration": seconds, "retake_mode": mode}
    size, rate, frames, _, _ = _measure(mock, RETAKE, input)
    assert (size, rate, frames) == ((1920, 1080), 25, round(seconds * 25))


def test_a_file_names_its_request(mock: Mock) -> None:
    reply = mock.run(PROMPT, "fal-ai/ltx-2/text-to-video")
    data = mock.http.get(reply.json()["video"]["url"]).content
    with av.open(io.BytesIO(data), "r") as container:
        named = dict(container.metadata)
    assert named["falkit_request_id"] == reply.headers["x-fal-request-id"]
    assert named["falkit_endpoint"] == "fal-ai/ltx-2/text-to-video"
    assert len(bytes.fromhex(named["falkit_input_digest"])) == 32
