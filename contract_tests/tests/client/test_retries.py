"""What is sent a second time, when, and what never is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from falkit_client import Retries, errors

ENDPOINT = "fal-ai/ltx-2/image-to-video/fast"
JOB = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"
QUEUED = httpx.Response(202, json={"status": "IN_QUEUE", "request_id": "r1", "queue_position": 0})
OUTPUT = httpx.Response(200, json={"video": {"url": "https://example.com/a.mp4"}})

Do = Callable[..., Any]


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429),
        httpx.Response(500, headers={"x-fal-request-id": "r1"}),
        httpx.Response(502, html="<h1>nginx</h1>"),
        httpx.Response(503),
        httpx.Response(504),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
)
def test_a_status_is_asked_again(
    do: Do, respx_mock: respx.MockRouter, failure: Exception | httpx.Response, slept: list[float]
) -> None:
    route = respx_mock.get(f"{JOB}/status").mock(side_effect=[failure, failure, QUEUED])
    do("status", ENDPOINT, "r1")
    assert route.call_count == 3
    assert slept == [0.5, 1.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 499])
def test_an_answer_that_will_not_change_is_not_asked_for_again(
    do: Do, respx_mock: respx.MockRouter, status: int
) -> None:
    route = respx_mock.get(f"{JOB}/status").respond(status, json={"detail": "x"})
    with pytest.raises(errors.FalkitError):
        do("status", ENDPOINT, "r1")
    assert route.call_count == 1


def test_attempts_end_and_the_last_error_is_raised(
    do: Do, respx_mock: respx.MockRouter, slept: list[float]
) -> None:
    route = respx_mock.get(f"{JOB}/status").respond(503, json={"detail": "x"})
    with pytest.raises(errors.ServerError):
        do("status", ENDPOINT, "r1", settings={"retries": Retries(attempts=3)})
    assert route.call_count == 3
    assert slept == [0.5, 1.0]


def test_a_job_that_failed_with_5xx_is_not_asked_again(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.get(JOB).respond(
        500, json={"detail": "CUDA error"}, headers={"x-fal-request-id": "r1"}
    )
    with pytest.raises(errors.ServerError, match="CUDA error"):
        do("result", ENDPOINT, "r1")
    assert route.call_count == 1


def test_trouble_on_the_way_to_the_result_is_tried_again(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(JOB).mock(side_effect=[httpx.Response(502, html="<h1>nginx</h1>"), OUTPUT])
    assert do("result", ENDPOINT, "r1").output["video"]["url"] == "https://example.com/a.mp4"


@pytest.mark.parametrize("host", ["fal.run", "queue.fal.run"])
@pytest.mark.parametrize(
    "failure",
    [httpx.Response(500), httpx.Response(503), httpx.ReadTimeout("slow"), httpx.ReadError("reset")],
)
def test_a_call_that_may_have_been_accepted_is_never_sent_again(
    do: Do, respx_mock: respx.MockRouter, host: str, failure: Exception | httpx.Response
) -> None:
    route = respx_mock.post(f"https://{host}/{ENDPOINT}").mock(side_effect=[failure])
    with pytest.raises(errors.FalkitError):
        do("run" if host == "fal.run" else "submit", ENDPOINT, {}, check=False)
    assert route.call_count == 1


@pytest.mark.parametrize(
    ("failure", "resubmit"),
    [
        (httpx.Response(429), False),
        (httpx.ConnectError("refused"), False),
        (httpx.Response(503), True),
        (httpx.ReadTimeout("slow"), True),
    ],
)
def test_a_submit_is_sent_again_if_it_was_not_accepted_or_resubmit_is_set(
    do: Do, respx_mock: respx.MockRouter, failure: Exception | httpx.Response, resubmit: bool
) -> None:
    accepted = httpx.Response(200, json={"request_id": "r1"})
    route = respx_mock.post(f"https://queue.fal.run/{ENDPOINT}")
    route.mock(side_effect=[failure, accepted])
    do("submit", ENDPOINT, {}, check=False, settings={"retries": Retries(resubmit=resubmit)})
    assert route.call_count == 2


def test_a_submit_with_a_queue_limit_is_not_retried_at_429(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.post(url__startswith=f"https://queue.fal.run/{ENDPOINT}").respond(429)
    with pytest.raises(errors.RateLimited):
        do("submit", ENDPOINT, {}, check=False, max_queue_length=1)
    assert route.call_count == 1


def test_the_callers_own_time_limit_is_final(do: Do, respx_mock: respx.MockRouter) -> None:
    headers = {"X-Fal-Request-Timeout-Type": "user"}
    body = {"detail": "Request timed out", "error_type": "request_timeout"}
    route = respx_mock.get(JOB).respond(504, json=body, headers=headers)
    with pytest.raises(errors.StartTimeout):
        do("result", ENDPOINT, "r1")
    assert route.call_count == 1


@pytest.mark.parametrize(
    ("chance", "waits"),
    [(0.5, [1, 3, 5, 5]), (0.0, [0.8, 2.4, 4, 4]), (1.0, [1.2, 3.6, 6, 6])],
)
def test_waits_grow_up_to_a_cap_with_jitter(chance: float, waits: list[float]) -> None:
    retries = Retries(attempts=5, first=1, factor=3, cap=5, jitter=0.2)
    assert list(retries.waits(lambda: chance)) == pytest.approx(waits)


@pytest.mark.parametrize(
    "figures",
    [{"attempts": 0}, {"first": -1}, {"cap": -1}, {"factor": 0.5}, {"jitter": 2}, {"jitter": -1}],
)
def test_figures_that_make_no_schedule_are_refused(figures: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"attempts|factor"):
        Retries(**figures)
