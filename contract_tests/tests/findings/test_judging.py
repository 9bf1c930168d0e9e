"""When findings are made and told, how long they stay, and what isn't held against a program."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest

import falkit
from falkit.remote import Control, Remote
from falkit_mock.core.events import FindingMade, RequestRecord
from falkit_mock.findings import looking
from falkit_mock.findings.paying import Amounts
from falkit_mock.findings.rules import Rule
from falkit_mock.store import BadCopy
from falkit_mock.store.rows import read_record, row_of
from falkit_spec.findings import Finding
from falkit_spec.reports.words import totals
from findings.conftest import Own
from findings.conversing import WHOLE, astray, codes, found, lost, queue, report
from receiver import Receiver
from serving import PATIENCE, PROMPT, T2V, Mock, Serve

REFUSED: dict[str, Any] = {"prompt": 7}


def misread(mock: Mock) -> None:
    """Take a failed job for a success."""
    mock.status(mock.submit(REFUSED))


def test_a_report_has_findings_and_counts_and_what_is_spent(own: Own) -> None:
    mock = own()
    astray(mock)
    misread(mock)
    told = report(mock, conclude="true")
    assert [one.kind.code for one in told.findings] == ["failure-not-read", "whole-id-url"]
    assert told.counts() == {"error": 2, "warning": 0, "note": 0}
    assert told.requests == {"total": 4, "failed": 1}
    assert told.jobs == {"total": 2, "done": 1, "failed": 1, "cancelled": 0}
    assert told.spend == mock.http.get("/__falkit/spend").json()
    assert told.problems == []
    assert told.command == mock.url
    assert (told.not_done, told.untried, told.handed) == ({}, [], [])


def test_jobs_that_are_not_done_are_counted_and_priced_as_far_as_that_is_known(own: Own) -> None:
    mock = own("held")
    mock.submit()
    mock.http.post("/__falkit/reset")
    mock.submit()
    mock.submit(REFUSED)
    mock.cancel(mock.submit())
    told = report(mock)
    assert told.jobs == {"total": 4, "done": 0, "failed": 0, "cancelled": 1}
    # One was forgotten before it was done, and one is refused without a charge.
    assert told.not_done == {"jobs": 3, "billed": 2, "unpriced": 1, "cost": "0.36"}
    assert "3 not done" in totals(told)
    assert "plus at least $0.36, 1 of unknown price for what isn't done" in totals(told)


def test_a_finding_says_where_it_was_first_seen_and_how_often(own: Own) -> None:
    mock = own()
    mock.http.headers["user-agent"] = "shop/2.1"
    jobs = [mock.submit(), mock.submit()]
    for job in jobs:
        mock.http.get(WHOLE.format(job["request_id"]))
    (one,) = found(mock)
    assert (one.kind.code, one.times, one.client) == ("whole-id-url", 2, "shop/2.1")
    assert one.seen == "GET /fal-ai/ltx-2/text-to-video/requests/{id}/status, answered 405"
    assert one.key == mock.http.headers["authorization"][4:].partition(":")[0]
    assert one.time is not None


def test_what_is_told_at_the_end_is_not_kept(own: Own) -> None:
    mock = own()
    job = mock.submit(REFUSED)
    mock.status(job)
    assert codes(mock) == {"failure-not-read": "error"}
    assert codes(mock, conclude=False) == {}
    mock.result(job)
    assert codes(mock) == {}


def test_findings_stay_through_a_reset_and_what_is_certain_is_judged_before(own: Own) -> None:
    mock = own("held")
    astray(mock)
    failed = mock.submit(REFUSED)
    mock.release(failed)
    assert mock.status(failed)["status"] == "COMPLETED"
    waited = mock.submit()
    for _ in range(3):
        mock.status(waited)
    assert mock.http.post("/__falkit/reset").status_code == 200
    assert codes(mock) == {"whole-id-url": "error", "failure-not-read": "error"}


def test_an_early_result_whose_job_is_not_over_is_a_warning(own: Own) -> None:
    mock = own("held")
    assert mock.result(mock.submit()).status_code == 400
    assert codes(mock) == {"early-result-taken": "warning"}


def test_a_failure_that_a_status_tells_of_is_a_warning(own: Own) -> None:
    mock = own()
    job = mock.submit(headers={"x-falkit-fault": "runner_server_error"})
    assert mock.status(job)["error"]
    assert codes(mock) == {"failure-not-read": "warning"}


def test_a_failure_that_a_webhook_tells_of_is_known(own: Own, receiver: Receiver) -> None:
    mock = own()
    url = receiver.url
    job = mock.http.post(queue(T2V), params={"fal_webhook": url}, json=REFUSED).json()
    receiver.wait(1)
    mock.status(job)
    assert "failure-not-read" not in codes(mock)


def test_a_failure_whose_result_can_not_be_had_was_asked_for(own: Own) -> None:
    mock = own()
    job = mock.submit(REFUSED)
    mock.status(job)
    fault = {"x-falkit-fault": "result_expired"}
    assert mock.http.get(job["response_url"], headers=fault).status_code == 404
    assert codes(mock) == {}


def test_who_reads_a_failure_and_goes_on_waits_for_another(own: Own) -> None:
    mock = own()
    job = mock.submit(REFUSED)
    for _ in range(6):
        mock.status(job)
        mock.result(job)
    assert codes(mock) == {"waits-for-failed": "error"}


def test_who_moves_the_clock_in_place_of_a_pause_is_in_no_haste(serve: Serve) -> None:
    mock = serve("1,600")
    job = mock.submit()
    for _ in range(12):
        mock.status(job)
        mock.http.post("/__falkit/clock/advance", json={"seconds": 2})
    mock.cancel(job)
    assert codes(mock) == {}


def test_a_stream_of_statuses_that_ends_tells_that_a_job_is_over(own: Own) -> None:
    mock = own()
    job = mock.submit(REFUSED)
    assert "COMPLETED" in mock.http.get(job["status_url"] + "/stream").text
    assert codes(mock) == {"failure-not-read": "error"}


def test_who_looks_by_the_control_api_is_nobody_that_is_judged(own: Own) -> None:
    mock = own("held")
    job = mock.submit(REFUSED)
    mock.release(job)
    for _ in range(30):
        mock.job(job)
    assert codes(mock) == {}


def test_what_fals_clients_do_by_design_is_a_note(own: Own) -> None:
    mock = own()
    agent = {"user-agent": "fal-client/1.0.3 (python)"}
    lost(mock, **agent)
    job = mock.http.post(queue(T2V), json=PROMPT, headers=agent).json()
    mock.result(job)
    assert codes(mock) == {"paid-twice": "note"}


@pytest.mark.parametrize("between", ["a reset", "another test", "another program", "another key"])
def test_the_same_refused_input_of_somebody_else_is_no_retry(serve: Serve, between: str) -> None:
    mock = serve()
    mock.run(REFUSED)
    if between == "a reset":
        mock.http.post("/__falkit/reset")
    elif between == "another test":
        mock.http.put("/__falkit/test", json={"test": "test_b"})
    elif between == "another program":
        mock.http.headers["user-agent"] = "other/1"
    else:
        mock.http.headers["authorization"] = "Key other:secret"
    mock.run(REFUSED)
    assert codes(mock) == {}
    mock.run(REFUSED)
    assert codes(mock) == {"refusal-retried": "warning"}


def test_a_refusal_that_may_pass_may_be_tried_again(own: Own) -> None:
    mock = own()
    for _ in range(2):
        mock.run(PROMPT, headers={"x-falkit-fault": "generation_timeout"})
    assert codes(mock) == {}


def test_a_request_that_a_fault_fails_is_nobodys_mistake(own: Own) -> None:
    mock = own()
    faults = {"ingress_error": 503, "account_locked": 403, "connection_reset": 0, "half_reply": 0}
    for fault, code in faults.items():
        with suppress(httpx.TransportError):
            reply = mock.http.post(queue(T2V), json=PROMPT, headers={"x-falkit-fault": fault})
            assert reply.status_code == code
    assert codes(mock) == {}


def test_a_program_may_hurry_where_a_test_moves_the_job(own: Own) -> None:
    mock = own("polls")
    job = mock.submit()
    while mock.status(job)["status"] != "COMPLETED":
        pass
    held = own("held")
    job = held.submit()
    for _ in range(12):
        held.status(job)
    held.cancel(job)
    assert codes(mock) == {}
    assert codes(held) == {}


def test_a_direct_call_that_is_left_and_made_again_is_paid_twice(own: Own) -> None:
    mock = own("0,0.3")
    with suppress(httpx.ReadTimeout):
        mock.run(PROMPT, timeout=0.1)
    assert mock.run(PROMPT).status_code == 200
    assert codes(mock) == {"paid-twice": "error"}


def test_an_id_that_falkit_guesses_is_a_note(own: Own) -> None:
    mock = own(unknown_endpoints="guess")
    mock.run(PROMPT, "somebody/some-model/text-to-image")
    assert codes(mock) == {"unlisted-endpoint": "note"}


def test_an_endpoint_of_which_only_falkit_lacks_the_document_is_a_warning(own: Own) -> None:
    mock = own()
    mock.run(PROMPT, "somebody/some-model/text-to-image")
    mock.run(PROMPT, "fal-ai/ltx-2/text-to-video/stream")
    severities = {one.subject: one.severity for one in found(mock)}
    assert severities == {
        "somebody/some-model/text-to-image": "warning",
        "fal-ai/ltx-2/text-to-video/stream": "error",
    }


def test_an_endpoint_that_came_later_is_told_with_its_date(own: Own) -> None:
    mock = own(as_of="2026-01")
    later = next(iter(falkit.create_app(falkit.Settings(as_of="2026-01")).catalog.later))
    mock.run(PROMPT, later)
    (one,) = found(mock)
    assert (one.kind.code, one.severity, one.subject) == ("unlisted-endpoint", "error", later)
    assert "fal has it from" in one.seen


def test_lenient_urls_are_found_though_they_are_answered(own: Own) -> None:
    mock = own(assumptions={"queue-urls": "lenient"})
    job = mock.submit()
    assert mock.http.get(WHOLE.format(job["request_id"])).status_code == 200
    assert mock.http.get(job["response_url"] + "/response").status_code == 200
    assert codes(mock) == {"whole-id-url": "error", "response-url": "error"}


def test_a_listener_hears_of_each_kind_of_finding_once_and_soon(own: Own) -> None:
    mock = own()
    heard: list[Finding] = []

    def hear(event: object) -> None:
        if isinstance(event, FindingMade):
            heard.append(event.finding)

    mock.inside(lambda: mock.service.events.listen(hear))
    with mock.http.stream("GET", "/__falkit/events", params={"kind": "finding_made"}) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": falkit"
        astray(mock)
        astray(mock)
        # Nobody asks for a report: it comes by itself.
        while not (line := next(lines)).startswith("data: "):
            pass
    told = Finding.read(json.loads(line[6:]))
    assert told.kind.code == "whole-id-url"
    assert [one.kind.code for one in heard] == ["whole-id-url"]


def test_tenants_have_their_own_findings_and_the_mock_all_of_them(serve: Serve) -> None:
    mock = serve(tenants=True)
    for key in ("anna", "bert"):
        mock.http.headers["authorization"] = f"Key {key}:secret"
        misread(mock)
        astray(mock)
    assert report(mock).counts()["error"] == 1
    del mock.http.headers["authorization"]
    assert [one.times for one in report(mock, conclude="true").findings] == [2, 2]
    # What is forgotten of a tenant isn't what was found of it.
    assert mock.http.delete("/__falkit/tenants/anna").status_code == 200
    whole = report(mock, conclude="true")
    assert [one.times for one in whole.findings] == [2, 2]
    assert whole.requests["total"] == 8


def test_a_job_that_is_followed_no_more_is_a_problem(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_OPEN", 2)
    mock = own("held")
    for _ in range(3):
        mock.status(mock.submit())
    assert report(mock).problems == ["1 job could not be followed: too many at once"]


def test_findings_are_bounded(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_KEPT", 2)
    mock = own()
    for name in ("one", "two", "three", "four"):
        mock.run({**PROMPT, name: "x"})
    assert len(found(mock)) == 2
    assert report(mock).problems == ["2 findings could not be kept: too many of them"]


def test_what_no_rule_can_judge_is_a_problem_and_no_callers(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(self: Rule, record: RequestRecord) -> None:
        raise BadCopy("is spoilt")

    monkeypatch.setattr(Amounts, "submitted", spoilt)
    mock = own()
    mock.result(mock.submit())
    astray(mock)
    told = report(mock)
    assert told.problems == ["2 events could not be judged: see the mock's log"]
    assert [one.kind.code for one in told.findings] == ["whole-id-url"]


@pytest.mark.parametrize(
    "detail", [[{"loc": ["body"], "msg": "no", "type": "literal_error"}], ["no"], "no", {"a": 1}]
)
def test_a_job_may_be_ended_with_anything(own: Own, detail: object) -> None:
    mock = own(timing="held")
    job = mock.submit({**PROMPT, "promt": "x"})
    failure = {"status_code": 422, "body": {"detail": detail}}
    assert mock.http.post(f"/__falkit/jobs/{job['request_id']}/fail", json=failure).is_success
    told = report(mock)
    assert (told.problems, codes(mock)) == ([], {"unknown-field": "warning"})


def test_who_called_is_kept_in_no_state() -> None:
    record = RequestRecord(1.0, "GET", "fal.run", "/", "id", agent=b"shop/2", began=3.0)
    record.completed = True
    _, row = row_of(1, record)
    assert isinstance(row, bytes)
    assert not {"agent", "began", "completed"} & json.loads(row).keys()
    assert read_record(0, row).agent == b""


def test_findings_from_python_in_process_and_by_url(own: Own) -> None:
    mock = own()
    astray(mock)
    key = mock.http.headers["authorization"][4:].partition(":")[0]
    with closing(Control(mock.url)) as control:
        assert Remote(control, key).findings == found(mock)
    with falkit.InProcess() as here:
        url = "https://queue.fal.run/fal-ai/ltx-2/requests/x/response"
        httpx.get(url, headers={"authorization": "Key falkit"}, timeout=PATIENCE)
        assert [one.kind.code for one in here.findings] == ["response-url"]
