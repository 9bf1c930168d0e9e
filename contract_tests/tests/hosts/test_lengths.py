"""Clips and bills that follow from how long an input's file lasts."""

from __future__ import annotations

import base64
import wave
from fractions import Fraction
from io import BytesIO
from typing import Any

import httpx
import pytest

import measuring
from falkit import Mock as PythonMock
from falkit_fixtures import mp4
from serving import A2V, AUDIO, EXTEND, PROMPT, VIDEO, Mock

HINT, UNITS = "x-falkit-hint", "x-fal-billable-units"


def wav(seconds: float, rate: int = 8000) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(rate)
        sound.writeframes(b"\x80" * round(seconds * rate))
    return file.getvalue()


def inline(data: bytes, label: str) -> str:
    return f"data:{label};base64,{base64.b64encode(data).decode()}"


def clip(mock: Mock, reply: httpx.Response) -> measuring.Measured:
    assert reply.status_code == 200, reply.text
    return measuring.measure(mock.http.get(reply.json()["video"]["url"]).content)


@pytest.mark.parametrize("mode", ["start", "end"])
def test_a_clip_of_the_mocks_own_is_extended_by_what_is_billed(mock: Mock, mode: str) -> None:
    made = mock.run({**PROMPT, "duration": 8}).json()["video"]["url"]
    reply = mock.run({"video_url": made, "duration": 2.5, "mode": mode}, EXTEND)
    assert (reply.headers[UNITS], HINT in reply.headers) == ("2.5", False)
    assert clip(mock, reply).duration == Fraction("10.52")  # whole frames, at 25 fps


def test_an_extended_clip_can_be_extended_again(mock: Mock) -> None:
    url, seconds = mock.run({**PROMPT, "duration": 6}).json()["video"]["url"], 6
    for _ in range(2):
        reply = mock.run({"video_url": url, "duration": 4}, EXTEND)
        url, seconds = reply.json()["video"]["url"], seconds + 4
        assert clip(mock, reply).duration == seconds


def test_an_inline_video_is_measured_too(mock: Mock) -> None:
    short = mp4.render(mp4.Clip(width=1920, height=1080, fps=25, frames=50, audio=False))
    reply = mock.run({"video_url": inline(short, "video/mp4")}, EXTEND)
    assert clip(mock, reply).duration == 7


def test_a_video_for_a_sound_is_as_long_and_billed_as_long(mock: Mock) -> None:
    body = {**PROMPT, "audio_url": inline(wav(3.2), "audio/wav")}
    job = mock.submit(body, A2V)
    reply = mock.result(job)
    assert reply.headers[UNITS] == "3.2"
    assert "taken to last" not in reply.headers[HINT]
    assert clip(mock, reply).duration == Fraction("3.2")
    events = mock.http.get("/api.fal.ai/v1/models/billing-events", params={"endpoint_id": A2V})
    of_job = job["request_id"]
    (event,) = (one for one in events.json()["billing_events"] if one["request_id"] == of_job)
    assert (event["output_units"], event["cost_total"]) == (3.2, 0.32)


@pytest.mark.parametrize(
    ("endpoint", "body", "seconds", "units"),
    [
        (EXTEND, {"video_url": VIDEO, "duration": 2}, 7, "2"),
        (A2V, {**PROMPT, "audio_url": AUDIO}, 5, "5"),
    ],
)
def test_a_file_on_trust_counts_as_five_seconds_and_the_hint_says_so(
    mock: Mock, endpoint: str, body: dict[str, Any], seconds: int, units: str
) -> None:
    reply = mock.run(body, endpoint)
    assert reply.headers[UNITS] == units
    assert "taken to last 5 s, since public URLs aren't fetched" in reply.headers[HINT]
    assert clip(mock, reply).duration == seconds


def test_the_summary_of_a_mock_bills_what_the_answers_said() -> None:
    body = {**PROMPT, "audio_url": inline(wav(2.5), "audio/wav")}
    with PythonMock(timing="instant") as mock:
        url, key = f"{mock.url}/fal.run/{A2V}", {"authorization": "Key falkit"}
        assert httpx.post(url, json=body, headers=key).status_code == 200
        assert str(mock.jobs[-1].cost) == "0.250"


def test_a_sound_that_is_too_short_or_too_long_is_refused(mock: Mock) -> None:
    for seconds, kind in ((1.9, "short"), (10.1, "long")):
        reply = mock.run({**PROMPT, "audio_url": inline(wav(seconds), "audio/wav")}, A2V)
        (fault,) = reply.json()["detail"]
        assert (reply.status_code, fault["type"]) == (422, f"audio_duration_too_{kind}")


def test_an_absurd_length_makes_a_clip_all_the_same(mock: Mock) -> None:
    clips = mp4.render(mp4.Clip(width=1920, height=1080, fps=25, frames=14_000, audio=False))
    reply = mock.run({"video_url": inline(clips, "video/mp4"), "duration": 20}, EXTEND)
    assert clip(mock, reply).duration == 520
