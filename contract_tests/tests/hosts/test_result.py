"""Result: 400 before the end, and from then on always the same (wire.md §3.4)."""

from __future__ import annotations

from serving import Mock


def test_a_result_before_the_end_is_400_with_the_text_that_clients_match(slow: Mock) -> None:
    job = slow.submit()
    for seconds in (0, 1, 9):
        slow.advance(seconds)
        reply = slow.result(job)
        assert reply.status_code == 400
        assert reply.json() == {
            "detail": "Request is still in progress",
            **{name: job[name] for name in ("request_id", "response_url", "status_url")},
            "cancel_url": job["cancel_url"],
        }
        assert reply.headers["x-fal-request-id"] == job["request_id"]


def test_success_is_the_models_output_unwrapped(slow: Mock) -> None:
    job = slow.submit()
    slow.advance(11)
    reply = slow.result(job)
    assert reply.status_code == 200
    assert list(reply.json()) == ["video"]
    assert reply.headers["x-fal-request-id"] == job["request_id"]
    assert reply.headers["x-fal-billable-units"] == "6"


def test_refusal_is_replayed_with_its_detail(slow: Mock) -> None:
    job = slow.submit({"prompt": "x", "duration": 7})
    slow.advance(1)
    reply = slow.result(job)
    assert (reply.status_code, reply.reason_phrase) == (422, "Unprocessable Entity")
    (fault,) = reply.json()["detail"]
    assert (fault["type"], fault["loc"]) == ("literal_error", ["body", "duration"])
    assert reply.headers["x-fal-billable-units"] == "0"
    assert reply.headers["x-fal-retryable"] == "false"
    assert reply.headers["x-fal-needs-retry"] == "false"


def test_a_result_is_the_same_every_time(slow: Mock) -> None:
    done, refused = slow.submit(), slow.submit({})
    slow.advance(30)
    for job in (done, refused):
        first = slow.result(job)
        slow.advance(60)
        assert slow.status(job)["status"] == "COMPLETED"
        again = slow.result(job)
        assert (again.status_code, again.content) == (first.status_code, first.content)


def test_a_job_submitted_through_one_address_names_urls_of_the_address_that_asks(
    slow: Mock,
) -> None:
    job = slow.submit()
    path = job["response_url"].partition("queue.fal.run")[2]
    target = {"x-fal-target-url": f"https://queue.fal.run{path}"}
    body = slow.http.get("/", headers=target).json()
    assert body["response_url"] == f"https://queue.fal.run{path}"
