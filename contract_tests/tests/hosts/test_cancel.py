"""Cancel: 202 once, 400 after the end, and then 499 as the result (wire.md §3.5)."""

from __future__ import annotations

import pytest

from serving import PROMPT, T2V, Mock, Serve


@pytest.mark.parametrize("seconds", [0, 1], ids=["queued", "running"])
def test_a_job_before_its_end_is_cancelled_with_202(slow: Mock, seconds: float) -> None:
    job = slow.submit()
    slow.advance(seconds)
    reply = slow.cancel(job)
    assert (reply.status_code, reply.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert reply.headers["x-fal-request-id"] == job["request_id"]


def test_a_job_that_waits_is_gone_at_once_and_never_runs(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1, runners=1)
    running, waiting, behind = (mock.submit() for _ in range(3))
    assert mock.status(behind)["queue_position"] == 1
    assert mock.cancel(waiting).status_code == 202
    assert mock.status(behind)["queue_position"] == 0
    url = f"/queue.fal.run/{T2V}?fal_max_queue_length=1"
    assert mock.http.post(url, json=PROMPT).status_code == 200, "one waits now, and no more"
    status = mock.status(waiting, logs=1)
    assert (status["status"], status["metrics"], status["logs"]) == ("COMPLETED", {}, [])
    mock.advance(10)
    assert mock.status(running)["status"] == "COMPLETED"
    assert mock.status(behind)["status"] == "IN_PROGRESS", "its runner was never taken"
    assert mock.http.get("/__falkit/billing").json()["billed"] == 1


def test_the_result_of_a_cancelled_job_is_499(slow: Mock) -> None:
    job = slow.submit()
    slow.cancel(job)
    reply = slow.result(job)
    assert (reply.status_code, reply.reason_phrase) == (499, "Client Closed Request")
    assert reply.json() == {
        "detail": "Request cancelled by the client.",
        "error_type": "client_cancelled",
    }
    assert reply.headers["x-fal-error-type"] == "client_cancelled"


def test_a_finished_job_answers_400(slow: Mock) -> None:
    job = slow.submit()
    slow.advance(11)
    reply = slow.cancel(job)
    assert (reply.status_code, reply.json()) == (400, {"status": "ALREADY_COMPLETED"})
    assert slow.result(job).status_code == 200


def test_a_second_cancellation_answers_400(slow: Mock) -> None:
    job = slow.submit()
    slow.cancel(job)
    assert slow.cancel(job).json() == {"status": "ALREADY_COMPLETED"}


def test_an_unknown_request_answers_404(mock: Mock) -> None:
    reply = mock.http.put("/queue.fal.run/fal-ai/ltx-2/requests/nobody/cancel")
    assert (reply.status_code, reply.json()) == (404, {"status": "NOT_FOUND"})


def test_a_held_job_can_be_cancelled(held: Mock) -> None:
    job = held.submit()
    assert held.cancel(job).status_code == 202
    assert held.status(job)["status"] == "COMPLETED"
    assert held.result(job).status_code == 499
