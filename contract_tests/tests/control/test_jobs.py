"""Jobs by the control API: listed, shown, held, released, failed and completed."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from control.taking import until_taken
from falkit import Settings
from serving import I2V_FAST, PATIENCE, PROMPT, T2V, Mock, running


def listed(mock: Mock, **query: Any) -> list[str]:
    """Return the ids of a page of jobs."""
    reply = mock.http.get("/__falkit/jobs", params=query)
    assert reply.status_code == 200, reply.text
    return [job["request_id"] for job in reply.json()["jobs"]]


def known(mock: Mock, job: dict[str, Any]) -> dict[str, Any]:
    reply = mock.http.get(f"/__falkit/jobs/{job['request_id']}")
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


def steer(mock: Mock, job: dict[str, Any], action: str, body: Any = None) -> tuple[int, Any]:
    url = f"/__falkit/jobs/{job['request_id']}/{action}"
    reply = mock.http.post(url, json=body) if body is not None else mock.http.post(url)
    return reply.status_code, reply.json()


def test_jobs_are_listed_by_pages_the_newest_first(manual: Mock) -> None:
    ids = [manual.submit()["request_id"] for _ in range(5)]
    first = manual.http.get("/__falkit/jobs", params={"limit": 2}).json()
    assert [job["request_id"] for job in first["jobs"]] == [ids[4], ids[3]]
    manual.submit()
    seen = listed(manual, limit=2, cursor=first["next_cursor"])
    last = manual.http.get("/__falkit/jobs", params={"limit": 3, "cursor": first["next_cursor"]})
    assert (seen, last.json()["next_cursor"]) == ([ids[2], ids[1]], None)


def test_a_list_tells_as_much_of_each_as_is_known_on_request(manual: Mock) -> None:
    jobs = [manual.submit() for _ in range(2)]
    manual.advance(31)
    page = manual.http.get("/__falkit/jobs", params={"details": True}).json()["jobs"]
    assert page == [known(manual, job) for job in reversed(jobs)]
    assert page[1]["outcome"]["body"]["video"]["content_type"] == "video/mp4"


def test_jobs_are_listed_by_endpoint_status_key_and_moment(manual: Mock) -> None:
    early = manual.submit()["request_id"]
    manual.advance(15)
    key = {"authorization": "Key other:secret"}
    late = manual.submit({**PROMPT, "image_url": "https://x.org/a.png"}, I2V_FAST, headers=key)
    late = late["request_id"]
    assert listed(manual) == [late, early]
    assert listed(manual, endpoint=T2V) == [early]
    assert listed(manual, endpoint="fal-ai/ltx-2/*fast") == [late]
    assert listed(manual, status="IN_PROGRESS") == listed(manual, status="in_progress") == [early]
    assert listed(manual, key="other") == [late]
    assert listed(manual, since=manual.clock.now() - 1) == [late]
    assert listed(manual, since="2027-01-15T08:00:10Z") == [late]
    assert listed(manual, since="2027-01-15T09:00:00+01:00") == [late, early]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"status": "DONE"}, ["status: 'DONE'", "IN_QUEUE or IN_PROGRESS or COMPLETED"]),
        ({"limit": "0"}, ["limit: '0'", "from 1 to 1000"]),
        ({"limit": "1.5"}, ["limit: '1.5'", "whole"]),
        ({"since": "yesterday"}, ["since: 'yesterday'", "ISO 8601"]),
        ({"limt": "1"}, ["query: 'limt'", "limit"]),
    ],
)
def test_an_invalid_query_of_jobs_is_refused_with_its_field(
    mock: Mock, query: dict[str, str], words: list[str]
) -> None:
    reply = mock.http.get("/__falkit/jobs", params=query)
    assert reply.status_code == 422
    assert all(word in reply.json()["detail"] for word in words), reply.text


def test_one_job_has_all_details_and_no_secret_of_its_key(manual: Mock) -> None:
    hook = {"fal_webhook": "http://127.0.0.1:9/hook"}
    job = manual.submit(params=hook, headers={"x-fal-queue-priority": "low"})
    told = known(manual, job)
    assert (told["input"], told["status"], told["queue_position"]) == (PROMPT, "IN_QUEUE", 0)
    assert (told["created"], told["starts"], told["ends"]) == (1.8e9, 1.8e9 + 10, 1.8e9 + 30)
    assert told["outcome"]["status_code"] == 200
    assert told["outcome"]["body"]["video"]["url"].endswith(".mp4")
    options = told["options"]
    assert (options["webhook"], options["priority"], options["key"]) == (
        hook["fal_webhook"],
        "low",
        "id",
    )
    assert told["cost"] is None
    manual.advance(30)
    assert known(manual, job)["cost"] == "0.36"
    assert "secret" not in manual.http.get(f"/__falkit/jobs/{job['request_id']}").text


@pytest.mark.parametrize("action", ["", "/hold", "/release", "/fail", "/complete"])
def test_an_unknown_job_is_404(mock: Mock, action: str) -> None:
    method = "POST" if action else "GET"
    body = {"status_code": 500} if action == "/fail" else None
    reply = mock.http.request(method, f"/__falkit/jobs/nobody{action}", json=body)
    assert (reply.status_code, "'nobody'" in reply.json()["detail"]) == (404, True)


def test_a_job_held_in_the_queue_stays_there_and_the_next_job_takes_its_place(
    manual: Mock,
) -> None:
    first, second, third = (manual.submit() for _ in range(3))
    assert steer(manual, first, "hold") == (
        200,
        {"request_id": first["request_id"], "status": "IN_QUEUE"},
    )
    manual.advance(31)
    assert manual.status(first)["status"] == "IN_QUEUE"
    assert [manual.status(job)["status"] for job in (second, third)] == ["COMPLETED"] * 2
    assert manual.release(first).json()["status"] == "COMPLETED"
    assert manual.result(first).status_code == 200


def test_a_job_held_while_it_runs_stays_in_progress_until_it_is_released(manual: Mock) -> None:
    job = manual.submit()
    manual.advance(15)
    steer(manual, job, "hold")
    manual.advance(3600)
    assert manual.status(job)["status"] == "IN_PROGRESS"
    manual.release(job)
    assert manual.status(job)["status"] == "COMPLETED"


def test_a_held_job_that_is_released_goes_on_by_the_clock(manual: Mock) -> None:
    waiting, running = manual.submit(), manual.submit()
    steer(manual, waiting, "hold")
    manual.advance(15)
    steer(manual, running, "hold")
    manual.advance(3600)
    assert steer(manual, waiting, "release")[1]["status"] == "IN_PROGRESS"
    assert steer(manual, running, "release")[1]["status"] == "IN_PROGRESS"
    manual.advance(19.9)
    assert [manual.status(job)["status"] for job in (waiting, running)] == ["IN_PROGRESS"] * 2
    manual.advance(0.1)
    assert [manual.result(job).status_code for job in (waiting, running)] == [200, 200]


def test_a_released_job_waits_for_its_time_and_for_a_runner(manual: Mock) -> None:
    early, *others = (manual.submit() for _ in range(3))
    steer(manual, early, "hold")
    manual.advance(5)
    steer(manual, early, "release")
    manual.advance(5)
    assert manual.status(early)["status"] == "IN_PROGRESS"
    assert [manual.status(job)["status"] for job in others] == ["IN_PROGRESS", "IN_QUEUE"]
    last = others[1]
    steer(manual, last, "hold")
    manual.advance(10)
    assert steer(manual, last, "release")[1]["status"] == "IN_QUEUE", "both runners are taken"
    manual.advance(10)
    assert manual.status(last)["status"] == "IN_PROGRESS"


def test_releasing_a_job_that_is_not_held_changes_nothing(manual: Mock) -> None:
    job = manual.submit()
    assert steer(manual, job, "release")[1]["status"] == "IN_QUEUE"
    manual.advance(30)
    assert steer(manual, job, "release")[1]["status"] == "COMPLETED"


def test_releasing_a_job_that_no_clock_drives_ends_it() -> None:
    with running(Settings(timing="held")) as held:
        job = held.submit()
        assert steer(held, job, "release")[1]["status"] == "COMPLETED"


def test_failing_a_job_with_a_fault_ends_it_as_a_rule_does(manual: Mock) -> None:
    job = manual.submit()
    body = {"fault": "image_too_small", "parameters": {"min_width": 600}}
    assert steer(manual, job, "fail", body)[0] == 200
    reply = manual.result(job)
    (item,) = reply.json()["detail"]
    assert (reply.status_code, item["type"]) == (422, "image_too_small")
    assert item["ctx"]["min_width"] == 600
    status = manual.status(job)
    assert (status["status"], status["error"]) == ("COMPLETED", "Invalid status code: 422")


def test_a_job_fails_with_a_reply_of_the_tests_own(manual: Mock) -> None:
    job = manual.submit()
    manual.advance(15)
    headers = {"X-Fal-Retryable": "true", "x-fal-error-type": "runner_server_error"}
    body = {"status_code": 503, "body": {"detail": "later"}, "headers": headers}
    assert steer(manual, job, "fail", body)[0] == 200
    reply = manual.result(job)
    assert (reply.status_code, reply.json()) == (503, {"detail": "later"})
    assert reply.headers["x-fal-retryable"] == "true"
    assert manual.status(job)["error_type"] == "runner_server_error"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ["fault: missing"]),
        ({"fault": "image_too_smal"}, ["'image_too_smal'", "did you mean image_too_small"]),
        ({"fault": "latency"}, ["'latency'"]),
        ({"fault": "image_too_small", "parameters": {"min_size": 1}}, ["min_size"]),
        ({"fault": "image_too_small", "status_code": 500}, ["status_code: 500", "fault"]),
        ({"status_code": 200}, ["status_code: 200", "400 to 599"]),
        ({"status_code": 500, "headers": {"content-length": "3"}}, ["'content-length'"]),
        ({"status_code": 500, "headers": {"x-a": "b\r\nc: d"}}, ["headers.x-a"]),
        ({"status_code": 500, "parameters": {}}, ["parameters"]),
        ({"status_code": 500, "headers": []}, ["headers"]),
        ({"fault": "image_too_small", "parameters": []}, ["parameters"]),
        ([], ["body", "object"]),
    ],
)
def test_an_invalid_failure_is_refused_and_the_job_goes_on(
    manual: Mock, body: Any, words: list[str]
) -> None:
    job = manual.submit()
    code, refusal = steer(manual, job, "fail", body)
    assert code == 422
    assert all(word in refusal["detail"] for word in words), refusal
    assert manual.status(job)["status"] == "IN_QUEUE"


def test_a_job_ends_with_its_own_answer_or_with_a_given_output(manual: Mock) -> None:
    own, given = manual.submit(), manual.submit()
    assert steer(manual, own, "complete")[1]["status"] == "COMPLETED"
    assert manual.result(own).json()["video"]["file_name"] == "ltxv-2-t2v-output.mp4"
    steer(manual, given, "complete", {"output": {"video": None}})
    assert manual.result(given).json() == {"video": None}
    assert steer(manual, manual.submit(), "complete", {"output": 5})[0] == 422


@pytest.mark.parametrize("action", ["hold", "fail", "complete"])
def test_a_job_that_has_ended_cannot_be_held_failed_or_completed(mock: Mock, action: str) -> None:
    job = mock.submit()
    body = {"status_code": 500} if action == "fail" else {}
    code, refusal = steer(mock, job, action, body)
    assert (code, "COMPLETED" in refusal["detail"]) == (409, True)


def test_a_waiting_direct_call_is_answered_when_its_job_is_failed_or_completed(
    manual: Mock,
) -> None:
    answers: list[tuple[int, Any]] = []

    def call() -> None:
        reply = manual.run(PROMPT)
        answers.append((reply.status_code, reply.json()))

    ends: dict[str, Any] = {
        "fail": {"status_code": 503, "body": [1]},
        "complete": {"output": {}},
    }
    for action, body in ends.items():
        caller = threading.Thread(target=call)
        caller.start()
        until_taken(manual)
        (request_id,) = listed(manual, status="IN_PROGRESS")
        steer(manual, {"request_id": request_id}, "hold")
        steer(manual, {"request_id": request_id}, action, body)
        caller.join(PATIENCE)
    assert answers == [(503, [1]), (200, {})]
