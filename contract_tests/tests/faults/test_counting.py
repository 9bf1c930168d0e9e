"""To which requests of a sequence a rule applies: the first, some, every nth, by chance."""

from __future__ import annotations

from typing import Any

import pytest

from serving import PROMPT, Mock, Serve


def codes(mock: Mock, count: int, **options: Any) -> list[int]:
    return [mock.run(PROMPT, **options).status_code for _ in range(count)]


def applied(mock: Mock, count: int) -> list[int]:
    """Return the places in a sequence of requests that fail, from 1."""
    return [place for place, code in enumerate(codes(mock, count), 1) if code == 500]


def test_a_rule_with_times_2_fails_two_requests(serve: Serve) -> None:
    assert codes(serve("runner_server_error times=2"), 4) == [500, 500, 200, 200]


@pytest.mark.parametrize(
    ("rule", "places"),
    [
        ("internal_error", [1, 2, 3, 4, 5, 6]),
        ("internal_error times=1", [1]),
        ("internal_error nth=3", [3]),
        ("internal_error nth=2,5", [2, 5]),
        ("internal_error nth=every:2", [2, 4, 6]),
        ('internal_error nth="every 3"', [3, 6]),
        ("internal_error nth=every:2 times=2", [2, 4]),
        ("internal_error skip=4", [5, 6]),
        ("internal_error skip=2 times=1", [3]),
        ("internal_error skip=1 nth=1,2", [2, 3]),
        ("internal_error probability=1 times=2", [1, 2]),
    ],
)
def test_places_in_the_sequence(serve: Serve, rule: str, places: list[int]) -> None:
    assert applied(serve(rule), 6) == places


def test_chance_follows_from_the_seed_alone(serve: Serve) -> None:
    rule = "internal_error probability=0.3"
    first = applied(serve(rule), 400)
    assert first == applied(serve(rule), 400)
    assert first != applied(serve(rule, seed=2), 400)
    assert 0.2 < len(first) / 400 < 0.4


def test_two_equal_rules_have_dice_of_their_own(serve: Serve) -> None:
    mock = serve(*["internal_error probability=0.5"] * 2)
    missed = 200 - len(applied(mock, 200))
    assert 25 < missed < 75, "one in four is missed by both"


def test_the_first_rule_of_a_phase_decides_and_the_others_are_not_counted(serve: Serve) -> None:
    mock = serve("runner_server_error times=1", "internal_error times=1", "bad_request nth=1")
    reply = [mock.run(PROMPT).headers.get("x-fal-error-type") for _ in range(4)]
    assert reply == ["runner_server_error", "internal_error", "bad_request", None]
    listed = mock.http.get("/__falkit/rules").json()["rules"]
    assert [rule["matched"] for rule in listed] == [4, 3, 2]


def test_rules_of_different_phases_go_together(serve: Serve) -> None:
    mock = serve("latency seconds=0.05", "runner_server_error")
    reply = mock.run(PROMPT)
    assert reply.status_code == 500
    assert reply.elapsed.total_seconds() >= 0.05


def test_named_faults_are_counted_by_text_and_key(instant: Mock) -> None:
    def code(text: str, key: str) -> int:
        headers = {"x-falkit-fault": text, "authorization": f"Key {key}:secret"}
        return instant.run(PROMPT, headers=headers).status_code

    text = "internal_error times=1 msg_is_not_asked=no"
    assert code(text, "count-a") == 400, "the header is read before anything is counted"
    text = "internal_error times=1"
    assert [code(text, "count-a"), code(text, "count-a")] == [500, 200]
    assert code(text, "count-b") == 500
    assert code("internal_error times=1 detail=Other", "count-a") == 500


def test_faults_named_by_a_request_come_before_the_rules(serve: Serve) -> None:
    mock = serve("runner_server_error")
    named = mock.run(PROMPT, headers={"x-falkit-fault": "image_load_error times=1"})
    assert named.status_code == 422
    again = mock.run(PROMPT, headers={"x-falkit-fault": "image_load_error times=1"})
    assert again.status_code == 500


def test_a_header_names_several(instant: Mock) -> None:
    both = {"x-falkit-fault": 'latency seconds=0.05; internal_error detail="a; b"'}
    reply = instant.run(PROMPT, headers=both)
    assert reply.json()["detail"] == "a; b"
    assert reply.elapsed.total_seconds() >= 0.05
    twice = [("x-falkit-fault", "latency seconds=0.05"), ("x-falkit-fault", "internal_error")]
    reply = instant.run(PROMPT, headers=twice)
    assert reply.status_code == 500
    assert reply.elapsed.total_seconds() >= 0.05
