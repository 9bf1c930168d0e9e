"""From the order to the MP4, and what goes wrong on the way."""

import httpx
import pytest
from falkit import InProcess

from clips.worker import MODEL, Worker

# Jobs are done at once; an input that fal would ignore a field of fails the test.
pytestmark = [pytest.mark.anyio, pytest.mark.fal(timing="instant", strict=True)]


async def ordered(service: httpx.AsyncClient, prompt: str = "Rain on a tin roof") -> str:
    """Order a clip, and return its URL."""
    reply = await service.post("/clips", json={"prompt": prompt})
    assert reply.status_code == 202
    return f"/clips/{reply.json()['id']}"


@pytest.mark.fal(budget="0.24")
async def test_an_order_becomes_an_mp4(
    service: httpx.AsyncClient, worker: Worker, fal_mock: InProcess
) -> None:
    url = await ordered(service)
    assert (await service.get(f"{url}/video.mp4")).status_code == 404
    worker.work()
    fal_mock.webhooks.wait()
    worker.work()
    assert (await service.get(url)).json()["status"] == "ready"
    fal_mock.assert_submitted(MODEL, {"prompt": "Rain on a tin roof"}, times=1)
    reply = await service.get(f"{url}/video.mp4")
    assert reply.headers["content-type"] == "video/mp4"
    video = fal_mock.video_of(fal_mock.jobs[0])
    assert (video.width, video.height, video.seconds) == (1920, 1080, 6)


async def test_a_refusal_is_shown(
    service: httpx.AsyncClient, worker: Worker, fal_mock: InProcess
) -> None:
    fal_mock.faults.add("content_policy_violation")
    url = await ordered(service)
    worker.work()
    fal_mock.webhooks.wait()
    shown = (await service.get(url)).json()
    assert shown["status"] == "failed"
    assert "content_policy_violation" in shown["error"]


async def test_a_lost_webhook_is_made_up_for(
    service: httpx.AsyncClient, impatient: Worker, fal_mock: InProcess
) -> None:
    fal_mock.faults.add("webhook_lost")
    url = await ordered(service)
    impatient.work()
    assert [delivery.status for delivery in fal_mock.webhooks] == ["lost"]
    assert (await service.get(url)).json()["status"] == "ready"


async def test_a_lost_reply_is_paid_twice(
    service: httpx.AsyncClient, impatient: Worker, fal_mock: InProcess
) -> None:
    # fal_client submits again by itself, up to ten times, and nothing tells fal that it is the
    # same order. README.md says what to do where that is too dear.
    fal_mock.faults.add("reply_lost times=1")
    url = await ordered(service)
    impatient.work()
    fal_mock.assert_submitted(MODEL, {"prompt": "Rain on a tin roof"}, times=2)
    assert (await service.get(url)).json()["status"] == "ready"


async def test_a_file_that_is_gone_is_told(
    service: httpx.AsyncClient, impatient: Worker, fal_mock: InProcess
) -> None:
    fal_mock.faults.add("media_missing")
    url = await ordered(service)
    impatient.work()
    assert (await service.get(url)).json()["error"] == "the file is no longer there"
