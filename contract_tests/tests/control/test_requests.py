"""The request log by the control API: filtered, waited for and cleared."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from control.taking import until_taken
from falkit import Settings
from serving import PATIENCE, PROMPT, T2V, Mock, running


def logged(mock: Mock, **query: Any) -> list[dict[str, Any]]:
    reply = mock.http.get("/__falkit/requests", params=query)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["requests"]
    return found


def test_each_request_is_logged_without_its_secret(manual: Mock) -> None:
    job = manual.submit(headers={"authorization": "Key alice:hush"})
    (line,) = logged(manual)
    assert line == {
        "number": 1,
        "time": 1.8e9,
        "method": "POST",
        "host": "queue.fal.run",
        "path": f"/{T2V}",
        "key": "alice",
        "status": 200,
        "request_id": job["request_id"],
        "hint": None,
        "faults": [],
        "ms": line["ms"],
    }
    assert line["ms"] > 0
    assert "hush" not in manual.http.get("/__falkit/requests").text


def test_only_requests_to_fals_hosts_are_logged(mock: Mock) -> None:
    mock.http.get("/nowhere")
    mock.http.get("/__falkit/health")
    mock.run(PROMPT, headers={"authorization": ""})
    (refused,) = logged(mock)
    assert (refused["host"], refused["status"]) == ("fal.run", 401)
    assert "Authorization: Key" in refused["hint"]


def test_requests_are_filtered_by_method_host_path_status_key_and_id(mock: Mock) -> None:
    job = mock.submit()
    mock.result(job)
    mock.run({}, headers={"authorization": "Key bob:x"})
    assert [line["number"] for line in logged(mock, method="get")] == [2]
    assert [line["number"] for line in logged(mock, host="queue.*")] == [1, 2]
    assert [line["number"] for line in logged(mock, path="*/requests/*")] == [2]
    assert [line["number"] for line in logged(mock, status=422)] == [3]
    assert [line["number"] for line in logged(mock, key="bob")] == [3]
    assert [line["number"] for line in logged(mock, request_id=job["request_id"])] == [1, 2]
    assert [line["number"] for line in logged(mock, limit=2)] == [2, 3]


def test_paging_with_since_misses_no_request(mock: Mock) -> None:
    for _ in range(5):
        mock.run(PROMPT)
    numbers: list[int] = []
    last = 0
    for _ in range(3):
        params: dict[str, Any] = {"since": last, "limit": 2}
        page = mock.http.get("/__falkit/requests", params=params).json()
        numbers += [line["number"] for line in page["requests"]]
        last = page["last"]
    assert (numbers, last) == ([1, 2, 3, 4, 5], 5)


def test_only_the_newest_requests_are_kept() -> None:
    with running(Settings(request_log=2)) as mock:
        for _ in range(3):
            mock.run({})
        assert [line["number"] for line in logged(mock)] == [2, 3]


def test_no_request_is_kept_with_a_request_log_of_size_0() -> None:
    with running(Settings(request_log=0)) as mock:
        mock.run({})
        assert logged(mock) == []


def test_a_wait_ends_once_enough_requests_came(mock: Mock) -> None:
    answers: list[httpx.Response] = []

    def wait() -> None:
        params: dict[str, Any] = {"path": f"/{T2V}", "count": 2, "wait": PATIENCE}
        answers.append(httpx.get(f"{mock.url}/__falkit/requests", params=params, timeout=PATIENCE))

    waiter = threading.Thread(target=wait)
    waiter.start()
    mock.run(PROMPT)
    mock.run(PROMPT)
    waiter.join(PATIENCE)
    (answer,) = answers
    assert len(answer.json()["requests"]) == 2


def test_a_wait_that_times_out_lists_no_request(mock: Mock) -> None:
    assert logged(mock, path="/none", wait=0.01) == []


def test_a_held_call_is_logged_before_it_is_answered(manual: Mock) -> None:
    caller = threading.Thread(target=lambda: manual.run(PROMPT))
    caller.start()
    (line,) = logged(manual, path=f"/{T2V}", wait=PATIENCE)
    assert (line["host"], line["status"], line["ms"]) == ("fal.run", None, None)
    until_taken(manual)
    manual.advance(30)
    caller.join(PATIENCE)
    assert logged(manual, path=f"/{T2V}", status=200, wait=PATIENCE)


def test_numbers_go_on_after_the_request_log_is_cleared(mock: Mock) -> None:
    mock.run(PROMPT)
    assert mock.http.delete("/__falkit/requests").json() == {"cleared": 1}
    mock.run(PROMPT)
    assert [line["number"] for line in logged(mock)] == [2]


def test_the_faults_that_applied_to_a_request_are_logged(mock: Mock) -> None:
    for fault in ("ingress_error", "connection_reset", "image_too_small"):
        mock.http.post("/__falkit/rules", json={"rule": f"{fault} times=1"})
        try:
            mock.run(PROMPT)
        except httpx.HTTPError:
            assert fault == "connection_reset"
    mock.run(PROMPT)
    found = [(line["faults"], line["status"]) for line in logged(mock)]
    assert found == [
        (["ingress_error"], 503),
        (["connection_reset"], 0),
        (["image_too_small"], 422),
        ([], 200),
    ]


def test_a_caller_that_hangs_up_while_it_waits_is_not_an_error(
    mock: Mock, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        mock.http.get("/__falkit/requests", params={"path": "/x", "wait": 20}, timeout=0.05)
    assert mock.http.get("/__falkit/health").status_code == 200
    assert not caplog.records


def test_requests_are_found_by_the_fault_that_was_applied(mock: Mock) -> None:
    mock.http.post("/__falkit/rules", json={"rule": "content_policy_violation times=1"})
    hit, _ = mock.submit(), mock.submit()
    found = mock.http.get("/__falkit/requests", params={"fault": "content_policy_violation"})
    assert [one["request_id"] for one in found.json()["requests"]] == [hit["request_id"]]
    none = mock.http.get("/__falkit/requests", params={"fault": "hang"}).json()
    assert none["requests"] == []
