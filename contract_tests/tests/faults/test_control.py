"""Rules by the control API: added, listed, replaced, removed, and what can be refused."""

from __future__ import annotations

from typing import Any

import pytest

from falkit_mock.core.identity import Identity
from falkit_mock.faults import RuleError
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.matching import MatchContext
from falkit_mock.faults.rulebook import Rulebook
from serving import PROMPT, T2V, Mock, Serve

RULES = "/__falkit/rules"


@pytest.fixture
def mock(serve: Serve) -> Mock:
    return serve()


def test_a_rule_is_added_listed_and_removed(mock: Mock) -> None:
    line = mock.http.post(RULES, json={"rule": "image_load_error times=1 endpoint=fal-ai/*"})
    assert line.status_code == 201
    added = line.json()
    assert added["rule"] == {"fault": "image_load_error", "endpoint": "fal-ai/*", "times": 1}
    table = {"fault": "latency", "seconds": "uniform:0..0.01", "input": {"duration": 8}}
    other = mock.http.post(RULES, json={"rule": table}).json()
    assert other["text"] == "latency input.duration=8 seconds=uniform:0.0..0.01"
    failed = mock.submit(PROMPT)["request_id"]
    mock.submit(PROMPT)
    seen = mock.http.get(f"{RULES}/{added['id']}").json()
    assert (seen["matched"], seen["applied"], seen["jobs"]) == (2, 1, [failed])
    assert [rule["id"] for rule in mock.http.get(RULES).json()["rules"]] == ["r1", "r2"]
    assert mock.http.delete(f"{RULES}/r1").json() == {"removed": 1}
    assert mock.http.get(f"{RULES}/r1").status_code == 404
    assert mock.http.delete(RULES).json() == {"removed": 1}
    assert mock.http.get(RULES).json() == {"rules": []}


def test_all_rules_are_replaced_or_none(mock: Mock) -> None:
    mock.http.put(RULES, json={"rules": ["bad_key", {"fault": "internal_error", "times": 1}]})
    refused = mock.http.put(RULES, json={"rules": ["hang", "latency times=0"]})
    assert refused.status_code == 422
    assert refused.json()["detail"] == "rule 2: times: 0 is too small; give 1 or more"
    assert [rule["text"] for rule in mock.http.get(RULES).json()["rules"]] == [
        "bad_key",
        "internal_error times=1",
    ]


def test_a_rule_is_replaced_and_counted_again(mock: Mock) -> None:
    mock.http.post(RULES, json={"rule": "internal_error times=1"})
    assert [mock.run(PROMPT).status_code for _ in range(2)] == [500, 200]
    replaced = mock.http.put(f"{RULES}/r1", json={"rule": "internal_error times=1"}).json()
    assert (replaced["id"], replaced["matched"]) == ("r1", 0)
    assert mock.run(PROMPT).status_code == 500


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "rule: missing"),
        ({"rule": 3}, "rule: 3 is not a line such as"),
        ({"rule": ""}, "rule: '' does not begin with a fault's name"),
        ({"rule": {}}, "fault: missing; give the name of one"),
        ({"rule": {"fault": None}}, "fault: null isn't a fault's name"),
        ({"rule": "image_lod_error"}, "did you mean image_load_error?"),
        ({"rule": {"fault": "latency", "seconds": "x"}}, "seconds: 'x' is not a time"),
        ({"rules": []}, "body: 'rules' is not a field here; the fields are rule"),
        ({"rule": "x" * 9999}, "…"),
    ],
)
def test_a_malformed_rule_is_refused(mock: Mock, body: dict[str, Any], detail: str) -> None:
    reply = mock.http.post(RULES, json=body)
    assert reply.status_code == 422
    assert detail in reply.json()["detail"]
    assert len(reply.json()["detail"]) < 400


def test_the_catalogue_is_listed(mock: Mock) -> None:
    listed = mock.http.get("/__falkit/faults").json()["faults"]
    assert [fault["name"] for fault in listed] == list(FAULTS)
    (small,) = [fault for fault in listed if fault["name"] == "image_too_small"]
    assert {parameter["name"]: parameter["default"] for parameter in small["parameters"]} == {
        "min_height": 512,
        "min_width": 512,
        "field": None,
        "msg": None,
    }


def test_a_rulebook_is_written_down_and_read_back_with_its_counts() -> None:
    subject = MatchContext("run", T2V, "id", ("internal_error times=1",), job="a")
    first = Rulebook(Identity(1))
    first.add("runner_server_error times=2")
    first.add('latency seconds=uniform:1..2 prompt="a b"')
    for _ in range(2):
        assert first.choose("outcome", subject) is not None
    second = Rulebook(Identity(1))
    second.load(first.dump())
    assert second.dump() == first.dump()
    assert second.choose("outcome", subject) is not None, "one of two is left"
    assert second.choose("outcome", subject) is None
    assert second.add("bad_key").id == "r3"


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"rules": 3},
        {"rules": [3]},
        {"rules": [{"id": "r1"}]},
        {"rules": [{"id": "r1", "rule": {"fault": "x"}}]},
        {"rules": [{"id": "r1", "rule": {"fault": "bad_key"}, "matched": -1}]},
        {"named": [{"named": "x", "key": "id"}]},
        {"count": "x"},
    ],
)
def test_a_malformed_rulebook_is_refused_and_changes_nothing(value: Any) -> None:
    book = Rulebook(Identity(1))
    book.add("bad_key")
    before = book.dump()
    with pytest.raises(RuleError):
        book.check(value)
    assert book.dump() == before


def test_a_reset_brings_back_the_rules_of_the_start(serve: Serve) -> None:
    mock = serve("internal_error times=1")
    mock.run(PROMPT)
    mock.http.post(RULES, json={"rule": "bad_key"})
    mock.http.post("/__falkit/reset")
    (kept,) = mock.http.get(RULES).json()["rules"]
    assert (kept["id"], kept["text"], kept["matched"]) == ("r1", "internal_error times=1", 0)
