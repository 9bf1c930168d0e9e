"""The journal: what was asked of fal's hosts, looked through, waited for and cleared."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from control.taking import until_taken
from falkit_mock.settings import Settings
from serving import PATIENCE, PROMPT, T2V, Mock, running


def seen(mock: Mock, **query: Any) -> list[dict[str, Any]]:
    reply = mock.http.get("/__falkit/journal", params=query)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["requests"]
    return found


def test_each_request_is_a_line_without_its_secret(manual: Mock) -> None:
    job = manual.submit(headers={"authorization": "Key alice:hush"})
    (line,) = seen(manual)
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
    assert "hush" not in manual.http.get("/__falkit/journal").text


def test_only_requests_to_fals_hosts_are_there(mock: Mock) -> None:
    mock.http.get("/nowhere")
    mock.http.get("/__falkit/health")
    mock.run(PROMPT, headers={"authorization": ""})
    (refused,) = seen(mock)
    assert (refused["host"], refused["status"]) == ("fal.run", 401)
    assert "Authorization: Key" in refused["hint"]


def test_lines_are_found_by_what_they_say(mock: Mock) -> None:
    job = mock.submit()
    mock.result(job)
    mock.run({}, headers={"authorization": "Key bob:x"})
    assert [line["number"] for line in seen(mock, method="get")] == [2]
    assert [line["number"] for line in seen(mock, host="queue.*")] == [1, 2]
    assert [line["number"] for line in seen(mock, path="*/requests/*")] == [2]
    assert [line["number"] for line in seen(mock, status=422)] == [3]
    assert [line["number"] for line in seen(mock, key="bob")] == [3]
    assert [line["number"] for line in seen(mock, request_id=job["request_id"])] == [1, 2]
    assert [line["number"] for line in seen(mock, limit=2)] == [2, 3]


def test_whoever_follows_misses_nothing(mock: Mock) -> None:
    for _ in range(5):
        mock.run(PROMPT)
    numbers: list[int] = []
    last = 0
    for _ in range(3):
        params: dict[str, Any] = {"since": last, "limit": 2}
        page = mock.http.get("/__falkit/journal", params=params).json()
        numbers += [line["number"] for line in page["requests"]]
        last = page["last"]
    assert (numbers, last) == ([1, 2, 3, 4, 5], 5)


def test_only_the_newest_are_kept() -> None:
    with running(Settings(request_log=2)) as mock:
        for _ in range(3):
            mock.run({})
        assert [line["number"] for line in seen(mock)] == [2, 3]


def test_none_are_kept_if_none_are_wanted() -> None:
    with running(Settings(request_log=0)) as mock:
        mock.run({})
        assert seen(mock) == []


def test_a_wait_ends_when_the_request_comes(mock: Mock) -> None:
    answers: list[httpx.Response] = []

    def wait() -> None:
        params: dict[str, Any] = {"path": f"/{T2V}", "count": 2, "wait": PATIENCE}
        answers.append(httpx.get(f"{mock.url}/__falkit/journal", params=params, timeout=PATIENCE))

    waiter = threading.Thread(target=wait)
    waiter.start()
    mock.run(PROMPT)
    mock.run(PROMPT)
    waiter.join(PATIENCE)
    (answer,) = answers
    assert len(answer.json()["requests"]) == 2


def test_a_wait_for_what_never_comes_ends_with_nothing(mock: Mock) -> None:
    assert seen(mock, path="/none", wait=0.01) == []


def test_a_held_call_is_seen_before_it_is_answered(manual: Mock) -> None:
    caller = threading.Thread(target=lambda: manual.run(PROMPT))
    caller.start()
    (line,) = seen(manual, path=f"/{T2V}", wait=PATIENCE)
    assert (line["host"], line["status"], line["ms"]) == ("fal.run", None, None)
    until_taken(manual)
    manual.advance(30)
    caller.join(PATIENCE)
    assert seen(manual, path=f"/{T2V}", status=200, wait=PATIENCE)


def test_a_cleared_journal_numbers_on(mock: Mock) -> None:
    mock.run(PROMPT)
    assert mock.http.delete("/__falkit/journal").json() == {"cleared": 1}
    mock.run(PROMPT)
    assert [line["number"] for line in seen(mock)] == [2]


@pytest.mark.parametrize("query", [{"wait": "61"}, {"status": "x"}, {"body": "x"}])
def test_what_the_journal_cannot_tell_is_refused(mock: Mock, query: dict[str, str]) -> None:
    reply = mock.http.get("/__falkit/journal", params=query)
    assert (reply.status_code, next(iter(query)) in reply.json()["detail"]) == (422, True)


def test_faults_are_told_of_the_requests_that_they_befell(mock: Mock) -> None:
    for fault in ("ingress_error", "connection_reset", "image_too_small"):
        mock.http.post("/__falkit/rules", json={"rule": f"{fault} times=1"})
        try:
            mock.run(PROMPT)
        except httpx.HTTPError:
            assert fault == "connection_reset"
    mock.run(PROMPT)
    found = [(line["faults"], line["status"]) for line in seen(mock)]
    assert found == [
        (["ingress_error"], 503),
        (["connection_reset"], 0),
        (["image_too_small"], 422),
        ([], 200),
    ]


def test_a_caller_who_no_longer_waits_is_no_failure(
    mock: Mock, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        mock.http.get("/__falkit/journal", params={"path": "/x", "wait": 20}, timeout=0.05)
    assert mock.http.get("/__falkit/health").status_code == 200
    assert not caplog.records
