"""Reports that others hand over to a mock, such as tests with mocks of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from falkit_mock.cli.spend import Budget
from falkit_spec.findings import Report
from falkit_spec.reports import adding
from findings.conftest import Own
from findings.conversing import astray, report
from reporting import clean, found, full
from serving import T2V, Mock, Serve


def hand_over(mock: Mock, told: Report, **changes: Any) -> httpx.Response:
    body = json.dumps({**told.to_json(), **changes})
    headers = {"content-type": "application/json"}
    return mock.http.post("/__falkit/report", content=body, headers=headers)


def test_what_others_hand_over_is_in_the_report_of_their_mock_and_stays(serve: Serve) -> None:
    mock = serve(tenants=True, budget="0.50")
    mock.http.headers["authorization"] = "Key anna:secret"
    astray(mock)
    own = report(mock, conclude="true")
    told = replace(full(), spend=own.spend, jobs=own.jobs, tests=2, untried=["http://a/"])
    told.not_done = {"jobs": 1, "billed": 0, "unpriced": 1, "cost": "0"}
    assert hand_over(mock, told).json() == {"findings": 6, "tests": 2}
    del mock.http.headers["authorization"]
    # That of no key is the mock's own.
    assert hand_over(mock, told, command="jest").status_code == 200
    assert mock.http.delete("/__falkit/tenants/anna").status_code == 200
    whole = report(mock, conclude="true")
    assert [one.accepted for one in whole.findings if one.accepted] == ["ticket 12"]
    assert {(one.kind.code, one.times) for one in whole.findings} == {
        (one.kind.code, one.times * 2) for one in told.findings
    } | {("whole-id-url", 1)}
    assert whole.requests == {"total": 2 + 2 * 41, "failed": 1 + 2 * 3}
    assert whole.jobs["total"] == 3
    # The tenant's own is gone, and what it spent with it.
    assert (whole.spend["cost"], whole.spend["keys"]) == ("0.72", [])
    budget = Budget(mock.server.wait())
    mock.server.call(budget.check)
    assert budget.line == f"over the budget of $0.50 by $0.22: {T2V} $0.72 (2 jobs)"
    assert (whole.not_done["unpriced"], whole.untried, whole.tests) == (2, ["http://a/"], 4)
    assert whole.problems == told.problems
    assert {(one["command"], one["requests"]) for one in whole.handed} == {
        ("pytest -q", 41),
        ("jest", 41),
    }
    mock.http.post("/__falkit/reset", params={"key": "anna"})
    assert report(mock).requests["total"] == 2 + 2 * 41


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"findings": [7]}, "findings[0]: 7 is no object"),
        ({"findings": [{"x": 1}]}, "findings[0].code: is missing"),
        ({"findings": "x"}, "findings: 'x' is not a list"),
        ({"requests": {"total": -1}}, "requests.total: -1 is no count; give a whole number"),
        ({"jobs": {"jobs": 1}}, "jobs: there is no 'jobs'; give total, done, failed, cancelled"),
        ({"spend": {"jobs": 1}}, "spend.endpoints: give a list of at most 1,000"),
        ({"not_done": {"jobs": 1, "billed": 1, "unpriced": 0, "cost": "1e9"}}, "not_done.cost: "),
        ({"tests": True}, "tests: true is not a whole number"),
        ({"handed": [1]}, "handed: has more than objects"),
        ({"found": 1}, "body: 'found' is not a field here"),
    ],
)
def test_what_is_no_report_is_not_taken(own: Own, changes: dict[str, Any], why: str) -> None:
    mock = own()
    before = report(mock)
    refused = hand_over(mock, clean(), **changes)
    assert (refused.status_code, why in refused.json()["detail"]) == (422, True), refused.text
    assert report(mock) == before


def test_what_is_handed_over_is_bounded_and_may_be_any_text(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "_FINDINGS", 2)
    monkeypatch.setattr(adding, "_HANDED", 2)
    mock = own()
    seen = [f"{word} \ud800 {'x' * 5_000}" for word in ("one", "two", "three")]
    told = replace(clean(), findings=[found("input-wrapper", one, test=one) for one in seen])
    for _ in range(3):
        assert hand_over(mock, told).status_code == 200
    kept = report(mock)
    assert max(len(one.seen) for one in kept.findings) <= 1_000
    assert len(kept.findings) == 2
    assert kept.problems == ["1 finding could not be kept: too many of them"]
    assert [(one["command"], one["requests"]) for one in kept.handed] == [("3 reports", 12)]
