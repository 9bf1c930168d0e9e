"""Cancel: 202 once, 400 after the end, and then 499 as the result (wire.md §3.5)."""

from __future__ import annotations

import pytest

from serving import Mock


@pytest.mark.parametrize("seconds", [0, 1], ids=["queued", "running"])
def test_a_job_before_its_end_is_cancelled_with_202(slow: Mock, seconds: float) -> None:
    job = slow.submit()
    slow.advance(seconds)
    reply = slow.cancel(job)
    assert (reply.status_code, reply.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert reply.headers["x-fal-request-id"] == job["request_id"]


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
