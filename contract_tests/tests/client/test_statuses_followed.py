"""From submit to output: polling, logs, limits of time, and what interrupts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from falkit_client import (
    AsyncClient,
    Client,
    Completed,
    InProgress,
    LogLine,
    Queued,
    Status,
    errors,
)

FAST = "fal-ai/ltx-2/image-to-video/fast"
INPUT = {"prompt": "A tram in the rain", "image_url": "https://example.com/tram.png"}
JOB = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"
VIDEO = {"video": {"url": "https://v3b.fal.media/files/b/0/out.mp4"}}

Do = Callable[..., Any]


def accept(router: respx.MockRouter) -> None:
    router.post(f"https://queue.fal.run/{FAST}").respond(json={"request_id": "r1"})


def answer(status: str, **fields: object) -> httpx.Response:
    code = 200 if status == "COMPLETED" else 202
    body: dict[str, object] = {"status": status, "request_id": "r1", "logs": None, **fields}
    return httpx.Response(code, json=body)


def lines(*messages: str) -> list[dict[str, str]]:
    return [{"message": message, "timestamp": f"t{message}"} for message in messages]


def test_subscribe_reports_each_change_and_gives_the_output(
    do: Do, respx_mock: respx.MockRouter, slept: list[float]
) -> None:
    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(
        side_effect=[
            answer("IN_QUEUE", queue_position=1),
            answer("IN_QUEUE", queue_position=1),
            answer("IN_QUEUE", queue_position=0),
            answer("IN_PROGRESS"),
            answer("IN_PROGRESS"),
            answer("COMPLETED", metrics={"inference_time": 1.5}),
        ]
    )
    respx_mock.get(JOB).respond(json=VIDEO)
    seen: list[Status] = []
    result = do("subscribe", FAST, INPUT, on_update=seen.append)
    assert result.output == VIDEO
    assert result.request_id == "r1"
    assert seen == [
        Queued("r1", 1),
        Queued("r1", 0),
        InProgress("r1"),
        Completed("r1", metrics={"inference_time": 1.5}),
    ]
    assert slept == [0.5] * 5


def test_each_log_line_is_delivered_once(do: Do, respx_mock: respx.MockRouter) -> None:
    accept(respx_mock)
    respx_mock.get(f"{JOB}/status", params={"logs": "1"}).mock(
        side_effect=[
            answer("IN_PROGRESS", logs=lines("a", "b")),
            answer("IN_PROGRESS", logs=lines("b", "c")),
            answer("IN_PROGRESS", logs=None),
            answer("IN_PROGRESS", logs=lines("b", "c")),
            answer("COMPLETED", logs=lines("x", "y")),
        ]
    )
    respx_mock.get(JOB).respond(json=VIDEO)
    seen: list[Status] = []
    do("subscribe", FAST, INPUT, logs=True, on_update=seen.append)
    told = [[line.message for line in status.logs] for status in seen]
    assert told == [["a", "b"], ["c"], ["x", "y"]]


def test_iter_events_ends_with_completed(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(f"{JOB}/status").mock(side_effect=[answer("IN_PROGRESS"), answer("COMPLETED")])
    assert do("iter_events", FAST, "r1") == [InProgress("r1"), Completed("r1")]


def test_a_failed_job_is_completed_and_its_error_comes_at_the_result(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    accept(respx_mock)
    failed = answer("COMPLETED", error="Invalid status code: 422", error_type="bad_request")
    respx_mock.get(f"{JOB}/status").mock(return_value=failed)
    fault = {"type": "image_load_error", "loc": ["body", "image_url"], "msg": "Bad image"}
    respx_mock.get(JOB).respond(422, json={"detail": [fault]})
    seen: list[Status] = []
    with pytest.raises(errors.InvalidInput, match=r"body\.image_url: Bad image") as caught:
        do("subscribe", FAST, INPUT, on_update=seen.append)
    assert caught.value.request_id == "r1"
    assert seen == [
        Completed("r1", error="Invalid status code: 422", error_type="bad_request"),
    ]


def test_a_timeout_cancels_the_job_and_says_so(
    do: Do, respx_mock: respx.MockRouter, slept: list[float]
) -> None:
    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(return_value=answer("IN_QUEUE", queue_position=0))
    cancel = respx_mock.put(f"{JOB}/cancel").respond(202, json={"status": "CANCELLATION_REQUESTED"})
    with pytest.raises(
        errors.TimedOut, match=r"did not finish within 1\.2 s and was cancelled"
    ) as caught:
        do("subscribe", FAST, INPUT, timeout=1.2)
    assert cancel.call_count == 1
    assert (caught.value.request_id, caught.value.cancelled) == ("r1", True)
    assert sum(slept) == pytest.approx(1.2)


def test_a_timeout_whose_cancel_fails_says_that_the_job_may_cost(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(return_value=answer("IN_PROGRESS"))
    respx_mock.put(f"{JOB}/cancel").respond(403, json={"detail": "locked"})
    with pytest.raises(errors.TimedOut, match="may run on and be billed") as caught:
        do("subscribe", FAST, INPUT, timeout=1)
    assert caught.value.cancelled is False
    assert isinstance(caught.value.__cause__, errors.Forbidden)


def test_a_job_that_ends_at_the_last_moment_is_not_thrown_away(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(side_effect=[answer("IN_PROGRESS"), answer("COMPLETED")])
    respx_mock.put(f"{JOB}/cancel").respond(400, json={"status": "ALREADY_COMPLETED"})
    respx_mock.get(JOB).respond(json=VIDEO)
    assert do("subscribe", FAST, INPUT, timeout=0.2).output == VIDEO


def test_a_poll_is_no_more_patient_than_the_caller(do: Do, respx_mock: respx.MockRouter) -> None:
    accept(respx_mock)
    status = respx_mock.get(f"{JOB}/status").mock(return_value=answer("COMPLETED"))
    respx_mock.get(JOB).respond(json=VIDEO)
    do("subscribe", FAST, INPUT, timeout=3)
    assert status.calls.last.request.extensions["timeout"]["read"] == 3


def test_a_silent_server_at_the_end_of_time_is_a_timeout(
    do: Do, respx_mock: respx.MockRouter, slept: list[float]
) -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        slept.append(request.extensions["timeout"]["read"])
        raise httpx.ReadTimeout("slow", request=request)

    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(side_effect=silent)
    respx_mock.put(f"{JOB}/cancel").respond(202, json={"status": "CANCELLATION_REQUESTED"})
    with pytest.raises(errors.TimedOut):
        do("subscribe", FAST, INPUT, timeout=3)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_an_interrupted_wait_names_the_job(
    do: Do, respx_mock: respx.MockRouter, interrupt: type[BaseException]
) -> None:
    def stop(status: Status) -> None:
        raise interrupt

    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(return_value=answer("IN_PROGRESS"))
    with pytest.raises(interrupt) as caught:
        do("subscribe", FAST, INPUT, on_update=stop)
    assert caught.value.__notes__ == [
        f"job r1 of {FAST} was not cancelled: it may still be running and be billed"
    ]


def test_ctrl_c_between_two_polls_names_the_job(respx_mock: respx.MockRouter) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(return_value=answer("IN_PROGRESS"))
    client = Client("id:secret", sleep=interrupted)
    with client, pytest.raises(KeyboardInterrupt) as caught:
        client.subscribe(FAST, INPUT)
    assert "job r1 of" in caught.value.__notes__[0]


def test_ctrl_c_during_a_submit_says_that_fal_may_have_it(respx_mock: respx.MockRouter) -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    respx_mock.post(f"https://queue.fal.run/{FAST}").mock(side_effect=interrupted)
    with Client("id:secret") as client, pytest.raises(KeyboardInterrupt) as caught:
        client.submit(FAST, INPUT)
    assert "fal may have accepted the job" in caught.value.__notes__[0]


def test_a_cancelled_task_names_the_job(respx_mock: respx.MockRouter) -> None:
    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(return_value=answer("IN_PROGRESS"))

    async def scenario() -> BaseException | None:
        waiting = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        async with AsyncClient("id:secret", sleep=sleep) as client:
            task = asyncio.create_task(client.subscribe(FAST, INPUT))
            await waiting.wait()
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as error:
                return error
        return None

    error = asyncio.run(scenario())
    assert error is not None
    assert "job r1 of" in error.__notes__[0]


def test_network_trouble_during_the_wait_carries_the_request_id(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(errors.Unreachable) as caught:
        do("subscribe", FAST, INPUT)
    assert caught.value.request_id == "r1"


def test_a_coroutine_function_may_take_the_updates(respx_mock: respx.MockRouter) -> None:
    accept(respx_mock)
    respx_mock.get(f"{JOB}/status").mock(return_value=answer("COMPLETED"))
    respx_mock.get(JOB).respond(json=VIDEO)
    seen: list[Status] = []

    async def update(status: Status) -> None:
        await asyncio.sleep(0)
        seen.append(status)

    async def scenario() -> None:
        async with AsyncClient("id:secret") as client:
            await client.subscribe(FAST, INPUT, on_update=update)

    asyncio.run(scenario())
    assert seen == [Completed("r1")]


def test_a_handle_waits_as_subscribe_does(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(f"{JOB}/status").mock(
        side_effect=[answer("IN_PROGRESS", logs=lines("a")), answer("COMPLETED")]
    )
    respx_mock.get(JOB).respond(json=VIDEO)
    seen: list[Status] = []
    with Client("id:secret", sleep=lambda seconds: None) as client:
        result = client.handle(FAST, "r1").wait(logs=True, on_update=seen.append)
    assert result.output == VIDEO
    assert seen == [InProgress("r1", (LogLine("a", "ta"),)), Completed("r1")]


def test_an_asynchronous_handle_waits_too(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(f"{JOB}/status").mock(return_value=answer("COMPLETED"))
    respx_mock.get(JOB).respond(json=VIDEO)

    async def scenario() -> object:
        async with AsyncClient("id:secret") as client:
            return (await client.handle(FAST, "r1").wait()).output

    assert asyncio.run(scenario()) == VIDEO


def test_a_malformed_poll_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="poll_interval"):
        Client("id:secret", poll_interval=0)
