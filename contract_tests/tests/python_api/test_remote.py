"""A mock of another process is read and steered as one of this process is."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

import falkit
from falkit.parts import Parts
from falkit.remote import Control, Remote
from falkit.views import Delivery
from receiver import Receiver
from serving import START, T2V

KEY = "anna:secret"


@pytest.fixture(scope="module")
def tenants() -> Generator[falkit.Mock]:
    with falkit.Mock(tenants=True, timing="10,20", clock="manual", clock_start=START) as mock:
        yield mock


@pytest.fixture
def both(tenants: falkit.Mock) -> Generator[tuple[Parts, Remote]]:
    """One mock, from within and from afar."""
    control = Control(tenants.url)
    yield tenants.tenant(KEY), Remote(control, KEY)
    control.ask("DELETE", "/tenants/anna")
    control.close()


def submit(mock: Remote, body: object, **query: str) -> str:
    url = f"{mock.url}/queue.fal.run/{T2V}"
    reply = httpx.post(url, json=body, params=query, headers={"authorization": f"Key {KEY}"})
    return str(reply.json()["request_id"])


def rounded(deliveries: Iterable[Delivery]) -> list[Delivery]:
    return [replace(one, seconds=round(one.seconds, 6)) for one in deliveries]


def test_jobs_and_requests_are_told_alike(both: tuple[Parts, Remote]) -> None:
    near, far = both
    far.faults.add("content_policy_violation times=1")
    for body in ({"prompt": "Rain"}, {"prompt": "Snow"}, {"duration": 6}, {"prompt": "Hail"}):
        submit(far, body)
    assert far.jobs == near.jobs
    assert far.clock.advance("30s") > 0
    assert {job.status for job in far.jobs} == {"COMPLETED", "IN_PROGRESS"}
    far.clock.advance(60)
    assert far.jobs == near.jobs
    assert [job.status_code for job in near.jobs] == [422, 200, 422, 200]
    # Only who called, and how the mock took it, isn't told.
    told = [replace(one, client="", ms=None) for one in near.requests]
    assert [replace(one, ms=None) for one in far.requests] == told


def test_rules_are_set_and_told_alike(both: tuple[Parts, Remote], tmp_path: Path) -> None:
    near, far = both
    file = tmp_path / "cat.json"
    file.write_text(json.dumps({"video": {"url": "https://example.com/cat.mp4"}}))
    first = far.pin(T2V, file, times=1)
    second = far.faults.add({"fault": "internal_server_error", "prompt": "Snow"})
    assert [*far.faults] == [*near.faults] == [first, second]
    far.faults.remove(first.id)
    with pytest.raises(KeyError, match="isn't a rule's id"):
        far.faults.remove(first.id)
    with pytest.raises(ValueError, match="did you mean internal_server_error"):
        far.faults.add("internal_servr_error")
    far.reset()
    assert [*near.faults] == []


def test_webhooks_are_told_alike(both: tuple[Parts, Remote], receiver: Receiver) -> None:
    near, far = both
    job = submit(far, {"prompt": "Rain"}, fal_webhook=receiver.url)
    far.clock.advance("1m")
    assert far.webhooks.wait() == rounded(near.webhooks.wait())
    assert far.webhooks.resend(job) == rounded(near.webhooks)[-1]
    assert [one.payload["request_id"] for one in far.webhooks] == [job, job]
    with pytest.raises(TimeoutError, match=r"2 of 3 webhooks after 0\.1 s"):
        far.webhooks.wait(3, 0.1)


def test_time_is_moved(both: tuple[Parts, Remote]) -> None:
    near, far = both
    assert far.clock.now() == near.clock.now() == START
    far.clock.set(START + 60)
    far.clock.run()
    assert near.clock.running
    far.clock.pause()
    assert not far.clock.running
    assert near.clock.now() >= START + 60
    with pytest.raises(ValueError, match="time: -1 can't pass"):
        far.clock.advance(-1)


def test_a_video_is_measured(both: tuple[Parts, Remote]) -> None:
    near, far = both
    job = submit(far, {"prompt": "Rain", "duration": 8, "generate_audio": False})
    with pytest.raises(ValueError, match="is IN_QUEUE, and has no video"):
        far.video_of(job)
    far.clock.advance("1m")
    video = far.video_of(job)
    assert (video.width, video.height, video.fps, video.frames) == (1920, 1080, 25, 200)
    assert (video.seconds, video.sound, video.format) == (8, False, "mp4")
    assert near.video_of(near.jobs[0]) == video


def test_a_mock_that_is_gone_is_said_to_be() -> None:
    with falkit.Mock() as mock:
        url, far = mock.url, Remote(Control(mock.url), KEY)
        assert far.jobs == []
    with pytest.raises(ConnectionError, match=f"the mock at {url} doesn't answer"):
        print(far.jobs)
