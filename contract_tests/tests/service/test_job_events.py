"""What the listeners hear of a job: that it is accepted, starts and ends, and why it failed."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

import httpx

from falkit import Settings, create_app
from falkit_mock.core.events import Event, JobChanged, JobError
from following import go
from serving import I2V_FAST, KEY, PROMPT, Mock, Serve


def follow(mock: Mock) -> list[JobChanged]:
    """Return a list that the mock's job events are added to."""
    heard: list[JobChanged] = []

    def listen(event: Event) -> None:
        if isinstance(event, JobChanged):
            heard.append(event)

    mock.service.events.listen(listen)
    return heard


def changes(heard: list[JobChanged]) -> list[tuple[str, float]]:
    """Return each change and when it was, in seconds after the job was accepted."""
    return [(event.change, event.time - heard[0].time) for event in heard]


def test_a_job_without_delay_has_ended_before_the_reply(
    timed: Serve,
) -> None:
    mock = timed("instant")
    heard = follow(mock)
    job = mock.submit()
    assert [event.change for event in heard] == ["accepted", "started", "ended"]
    assert {event.request_id for event in heard} == {job["request_id"]}
    assert (heard[-1].error, heard[-1].cancelled) == (None, False)


def test_each_change_comes_at_its_moment(timed: Serve) -> None:
    mock = timed("1,2")
    heard = follow(mock)
    mock.submit()
    assert changes(heard) == [("accepted", 0)]
    go(mock, 1)
    assert changes(heard) == [("accepted", 0), ("started", 1)]
    go(mock, 5)
    assert changes(heard) == [("accepted", 0), ("started", 1), ("ended", 3)]


def test_a_job_that_waits_for_a_runner_starts_when_one_is_free(
    timed: Serve,
) -> None:
    mock = timed("0,10", runners=1)
    first = mock.submit()
    heard = follow(mock)
    mock.submit()
    go(mock, 30)
    own = [event for event in heard if event.request_id != first["request_id"]]
    assert changes(own) == [("accepted", 0), ("started", 10), ("ended", 20)]


def test_a_cancelled_job_ends_without_a_start(timed: Serve) -> None:
    mock = timed("5,5")
    heard = follow(mock)
    job = mock.submit()
    assert mock.cancel(job).status_code == 202
    assert [event.change for event in heard] == ["accepted", "ended"]
    assert heard[-1].cancelled
    assert heard[-1].error is not None
    assert heard[-1].error.status_code == 499


def test_a_failed_job_says_which_field_and_why(timed: Serve) -> None:
    mock = timed("instant")
    heard = follow(mock)
    mock.submit({"prompt": "x", "image_url": "https://a.example/b.png", "duration": 7}, I2V_FAST)
    (ended,) = [event for event in heard if event.change == "ended"]
    assert isinstance(ended.error, JobError)
    assert (ended.error.status_code, ended.error.field) == (422, "duration")
    assert ended.error.message.startswith("Input should be 6, 8")
    assert ended.endpoint_id == I2V_FAST


def test_a_direct_call_has_events_too(timed: Serve) -> None:
    mock = timed("instant")
    heard = follow(mock)
    mock.run(PROMPT)
    assert [event.change for event in heard] == ["accepted", "started", "ended"]


def test_a_held_job_starts_when_it_is_released(timed: Serve) -> None:
    mock = timed("held")
    heard = follow(mock)
    job = mock.submit()
    mock.release(job, "IN_PROGRESS")
    assert [event.change for event in heard] == ["accepted", "started"]
    mock.release(job)
    assert [event.change for event in heard] == ["accepted", "started", "ended"]


def test_a_reset_ends_the_following(timed: Serve) -> None:
    mock = timed("1,1")
    heard = follow(mock)
    mock.submit()
    mock.http.post("/__falkit/reset").raise_for_status()
    go(mock, 10)
    assert [event.change for event in heard] == ["accepted"]


def test_a_reset_during_a_download_leaves_no_error_behind() -> None:
    left: list[dict[str, Any]] = []

    async def reset(url: str) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: left.append(context))
        app = create_app(Settings(timing="instant", allow_private_inputs=True))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mock") as client:
            input = {"prompt": "x", "image_url": url}
            job = await client.post(f"/queue.fal.run/{I2V_FAST}", json=input, headers=KEY)
            assert job.status_code == 200
            assert (await client.post("/__falkit/reset")).status_code == 200
            gc.collect()
            app.service.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(reset(f"http://127.0.0.1:{silent.getsockname()[1]}/a.png"))
    assert left == []
