"""A job that has not started in time ends with 504, in every timing and at every door."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from serving import PROMPT, T2V, Mock, Serve, WatchedClock

TIMED_OUT = {"detail": "Request timed out", "error_type": "request_timeout"}


def within(seconds: str) -> dict[str, str]:
    return {"x-fal-request-start-timeout": seconds}


def assert_timed_out(reply: httpx.Response) -> None:
    assert (reply.status_code, reply.json()) == (504, TIMED_OUT)
    assert reply.headers["x-fal-error-type"] == "request_timeout"
    assert reply.headers["x-fal-request-timeout-type"] == "user"
    assert "x-fal-request-id" in reply.headers


@pytest.mark.parametrize("name", ["x-fal-request-timeout", "X-Fal-Request-Start-Timeout"])
@pytest.mark.parametrize("timing", ["held", "9,1"])
def test_a_job_waits_until_its_start_timeout_and_is_then_completed(
    timed: Serve, timing: str, name: str
) -> None:
    mock = timed(timing)
    job = mock.submit(headers={name: "3.0"})
    mock.advance(2.9)
    assert mock.status(job)["status"] == "IN_QUEUE"
    assert mock.result(job).status_code == 400
    mock.advance(0.1)
    status = mock.status(job, logs=1)
    assert status["status"] == "COMPLETED"
    assert (status["error"], status["error_type"]) == ("Request timed out", "request_timeout")
    assert (status["metrics"], status["logs"]) == ({}, [])
    assert_timed_out(mock.result(job))
    assert mock.cancel(job).json() == {"status": "ALREADY_COMPLETED"}


def test_a_polls_job_times_out_too_unless_a_status_came_in_time(timed: Serve) -> None:
    mock = timed("polls")
    job, other = mock.submit(headers=within("3")), mock.submit(headers=within("3"))
    mock.status(job)
    mock.advance(3)
    assert mock.status(job)["status"] == "IN_PROGRESS"
    assert mock.status(other)["error_type"] == "request_timeout"


def test_the_documented_name_counts_where_both_are_given(timed: Serve) -> None:
    mock = timed("held")
    job = mock.submit(headers={**within("5"), "x-fal-request-timeout": "1"})
    mock.advance(4.9)
    assert mock.status(job)["status"] == "IN_QUEUE"
    mock.advance(0.1)
    assert mock.status(job)["status"] == "COMPLETED"


def test_a_job_that_starts_exactly_at_its_timeout_runs(timed: Serve) -> None:
    mock = timed("3,1")
    job = mock.submit(headers=within("3"))
    mock.advance(4)
    assert mock.result(job).status_code == 200


def test_a_running_job_is_never_ended_by_its_start_timeout(timed: Serve) -> None:
    mock = timed("0,60")
    job = mock.submit(headers=within("1"))
    mock.advance(60)
    assert mock.result(job).status_code == 200


def test_a_cancellation_ahead_may_save_it(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    first = mock.submit()
    job = mock.submit(headers=within("5"))
    mock.advance(4)
    mock.cancel(first)
    assert mock.status(job)["status"] == "IN_PROGRESS"
    mock.advance(10)
    assert mock.result(job).status_code == 200


def test_a_job_that_was_given_up_takes_no_place(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    mock.submit(headers=within("5"))
    last = mock.submit()
    assert mock.status(last)["queue_position"] == 1
    mock.advance(5)
    assert mock.status(last)["queue_position"] == 0
    mock.advance(5)
    assert mock.status(last)["status"] == "IN_PROGRESS"


def test_a_stream_hears_of_it_at_the_moment(timed: Serve, clock: WatchedClock) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    job, behind = mock.submit(headers=within("5")), mock.submit()
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(events, mock, job)
        watched = pool.submit(events, mock, behind)
        clock.until_waited_for()
        mock.advance(5)
        assert [event["status"] for event in heard.result()] == ["IN_QUEUE", "COMPLETED"]
        clock.until_waited_for()
        for _ in range(2):
            mock.advance(10)
        assert watched.result()[0]["queue_position"] == 0


def events(mock: Mock, job: dict[str, Any]) -> list[dict[str, Any]]:
    text = mock.http.get(f"{job['status_url']}/stream").text
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_a_direct_call_that_is_held_ends_so(timed: Serve, clock: WatchedClock) -> None:
    mock = timed("held")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(mock.run, PROMPT, headers=within("3"))
        clock.until_waited_for()
        mock.advance(3)
        assert_timed_out(call.result())


def test_the_history_has_it_as_an_error_without_a_duration(timed: Serve) -> None:
    mock = timed("held")
    mock.submit(headers=within("3"))
    mock.advance(60)
    query = {"endpoint_id": "fal-ai/ltx-2/text-to-video"}
    reply = mock.http.get("/api.fal.ai/v1/models/requests/by-endpoint", params=query)
    (item,) = reply.json()["items"]
    assert (item["status_code"], item["duration"]) == (504, 0.0)
    assert item["ended_at"].endswith(":03.000Z")


@pytest.mark.parametrize(
    "value", ["0.1", "0", "-3", "soon", "nan", "inf", "1e400", "1e1", "+5", "1_0"]
)
def test_a_malformed_timeout_is_refused_before_the_body_is_read(timed: Serve, value: str) -> None:
    mock = timed("instant")
    for host in ("fal.run", "queue.fal.run"):
        reply = mock.http.post(f"/{host}/{T2V}", content="no input", headers=within(value))
        assert reply.status_code == 400
        assert reply.json()["error_type"] == reply.headers["x-fal-error-type"] == "bad_request"
        assert reply.json()["detail"].startswith(f"X-Fal-Request-Start-Timeout: {value!r} must be")


def test_the_key_and_the_app_are_looked_at_before_headers(timed: Serve) -> None:
    mock = timed("instant")
    unknown = mock.run({}, endpoint="fal-ai/no-such-app", headers=within("0"))
    assert unknown.status_code == 404
    keyless = httpx.post(f"{mock.url}/fal.run/{T2V}", headers=within("0"))
    assert keyless.status_code == 401
