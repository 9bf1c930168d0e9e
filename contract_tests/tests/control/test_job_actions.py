"""Jobs that are cancelled, expired and sent again by the control API."""

from __future__ import annotations

from typing import Any

import pytest

from falkit import Settings
from serving import I2V_FAST, KEY, PROMPT, T2V, Mock, WatchedClock, running


def act(mock: Mock, job: dict[str, Any], action: str) -> tuple[int, Any]:
    reply = mock.http.post(f"/__falkit/jobs/{job['request_id']}/{action}")
    return reply.status_code, reply.json()


def known(mock: Mock, request_id: str) -> dict[str, Any]:
    found: dict[str, Any] = mock.http.get(f"/__falkit/jobs/{request_id}").json()
    return found


def test_cancelling_does_what_the_caller_may_do(manual: Mock) -> None:
    waiting, running_job = manual.submit(), manual.submit()
    manual.advance(15)
    waiting = manual.submit()
    for job in (waiting, running_job):
        assert act(manual, job, "cancel")[0] == 200
        assert manual.status(job)["status"] == "COMPLETED"
        assert manual.result(job).status_code == 499
        assert known(manual, job["request_id"])["result"] == "cancelled"
    code, refusal = act(manual, waiting, "cancel")
    assert (code, "COMPLETED" in refusal["detail"]) == (409, True)


def test_an_expired_job_is_gone_at_fals_hosts_and_its_file_too(manual: Mock) -> None:
    job = manual.submit()
    assert act(manual, job, "expire")[0] == 409, "it hasn't ended"
    manual.advance(31)
    url = manual.result(job).json()["video"]["url"]
    assert manual.http.get(url).status_code == 200
    told = known(manual, job["request_id"])
    assert (told["expires"], told["expired"]) == (manual.clock.now() - 1 + 3600, False)
    headers = told["outcome"]["headers"]
    assert act(manual, job, "expire") == (
        200,
        {"request_id": job["request_id"], "status": "COMPLETED"},
    )
    for address in (job["status_url"], job["response_url"]):
        reply = manual.http.get(address)
        assert reply.status_code == 404
        assert "expired, as" in reply.headers["x-falkit-hint"]
    assert manual.http.get(url).status_code == 404
    told = known(manual, job["request_id"])
    assert (told["result"], told["cost"], told["thumbnail"]) == ("ok", "0.36", None)
    assert (told["expires"], told["expired"]) == (told["ends"], True)
    # They are the model's own alone.
    assert told["outcome"]["headers"] == headers
    # It is what its webhook still tells, as at fal.
    assert told["outcome"]["body"]["video"]["url"] == url


def test_an_expired_job_stays_so_in_an_export(mock: Mock) -> None:
    job = mock.submit()
    act(mock, job, "expire")
    state = mock.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content
    mock.http.post("/__falkit/reset")
    assert mock.http.put("/__falkit/state", content=state).status_code == 200
    assert mock.http.get(job["response_url"]).status_code == 404


def test_a_job_is_submitted_again_as_it_was(manual: Mock) -> None:
    image = {"prompt": "Rain", "image_url": "https://example.com/a.png"}
    hook = {"fal_webhook": "http://127.0.0.1:9/hook"}
    headers = {"authorization": "Key other:secret", "x-fal-queue-priority": "low"}
    manual.http.put("/__falkit/test", json={"test": "test_first"})
    first = manual.submit(image, I2V_FAST, params=hook, headers=headers)
    manual.advance(31)
    # It is of the test in which it is submitted.
    manual.http.put("/__falkit/test", json={"test": "test_second"})
    code, reply = act(manual, first, "again")
    assert (code, reply["status"]) == (200, "IN_QUEUE")
    assert reply["request_id"] != first["request_id"]
    before, after = (known(manual, one["request_id"]) for one in (first, reply))
    same = ("endpoint_id", "key", "input", "options", "path", "app")
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert after["created"] == manual.clock.now()
    assert (before["test"], after["test"]) == ("test_first", "test_second")
    video = after["outcome"]["body"]["video"]["url"]
    assert video.startswith(f"{manual.url}/v3b.fal.media/files/")


def test_a_direct_call_is_submitted_to_the_queue(mock: Mock) -> None:
    reply = mock.run(PROMPT)
    job = {"request_id": reply.headers["x-fal-request-id"]}
    again = act(mock, job, "again")[1]
    assert known(mock, again["request_id"])["entry"] == "queue"


def test_a_fault_that_an_input_names_and_rules_apply_again(mock: Mock) -> None:
    failing = mock.submit({"prompt": "[falkit: content_policy_violation]"})
    again = act(mock, failing, "again")[1]
    assert known(mock, again["request_id"])["result"] == "failed"
    fine = mock.submit()
    rule = {"rule": "image_load_error times=1"}
    assert mock.http.post("/__falkit/rules", json=rule).status_code == 201
    mock.http.post("/__falkit/rules", json={"rule": "generation_timeout times=1"})
    again = act(mock, fine, "again")[1]
    assert known(mock, again["request_id"])["result"] == "failed"


def test_what_has_no_input_any_more_is_not_sent_again(mock: Mock) -> None:
    job = mock.submit()
    mock.http.delete(f"/api.fal.ai/v1/models/requests/{job['request_id']}/payloads")
    code, refusal = act(mock, job, "again")
    assert (code, "no input" in refusal["detail"]) == (409, True)


def test_a_mock_without_room_takes_nothing_again() -> None:
    settings = Settings(timing="instant", seed=1, max_kept=2000)
    with running(settings, WatchedClock()) as served:
        job = served.submit({"prompt": "x" * 1500})
        assert act(served, job, "again")[0] == 507
        assert served.http.get("/__falkit/jobs", headers=KEY).json()["jobs"][1:] == []


@pytest.mark.parametrize("action", ["cancel", "expire", "again"])
def test_an_unknown_job_is_404(mock: Mock, action: str) -> None:
    code, refusal = act(mock, {"request_id": "nobody"}, action)
    assert (code, "'nobody'" in refusal["detail"]) == (404, True)


def test_a_job_of_files_by_the_real_name_gets_such_again(mock: Mock) -> None:
    headers = {"host": "queue.fal.run", **KEY}
    reply = mock.http.post(f"/{T2V}", json=PROMPT, headers=headers)
    again = act(mock, reply.json(), "again")[1]
    ids = (reply.json()["request_id"], again["request_id"])
    bodies = [known(mock, one)["outcome"]["body"] for one in ids]
    first, second = (body["video"]["url"].partition("/files/")[0] for body in bodies)
    assert first == second == "http://v3b.fal.media"
