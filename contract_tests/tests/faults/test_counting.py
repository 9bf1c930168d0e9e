"""Which requests of a row a rule applies to: first ones, some, every so manieth, by chance."""

from __future__ import annotations

from typing import Any

import pytest

from falkit_mock.core.identity import Identity
from falkit_mock.faults.matching import MatchContext
from falkit_mock.faults.rulebook import Rulebook
from faults.conftest import Serve
from serving import PROMPT, T2V, Mock


def codes(mock: Mock, count: int, **options: Any) -> list[int]:
    return [mock.run(PROMPT, **options).status_code for _ in range(count)]


def applied(rule: str, count: int, seed: int = 1) -> list[int]:
    """Return the places in a row of requests to which a rule applies, from 1."""
    book = Rulebook(Identity(seed))
    book.add(rule)
    subject = MatchContext("run", T2V, "id")
    return [place for place in range(1, count + 1) if book.choose("outcome", subject) is not None]


def test_it_fails_twice_and_then_succeeds(serve: Serve) -> None:
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
def test_places_in_the_row(rule: str, places: list[int]) -> None:
    assert applied(rule, 6) == places


def test_chance_follows_from_the_seed_alone() -> None:
    rule = "internal_error probability=0.3"
    first = applied(rule, 400)
    assert first == applied(rule, 400)
    assert first != applied(rule, 400, seed=2)
    assert 0.2 < len(first) / 400 < 0.4


def test_two_rules_alike_have_dice_of_their_own() -> None:
    book = Rulebook(Identity(1))
    subject = MatchContext("run", T2V)
    for _ in range(2):
        book.add("internal_error probability=0.5")
    thrown = [book.choose("outcome", subject) for _ in range(200)]
    missed = sum(chosen is None for chosen in thrown)
    assert 25 < missed < 75, "one in four is missed by both"


def test_the_first_rule_of_a_phase_decides_and_the_others_are_not_counted(serve: Serve) -> None:
    mock = serve("runner_server_error times=1", "internal_error times=1", "bad_request nth=1")
    reply = [mock.run(PROMPT).headers.get("x-fal-error-type") for _ in range(4)]
    assert reply == ["runner_server_error", "internal_error", "bad_request", None]
    assert [kept.matched for kept in mock.service.rules.all()] == [4, 3, 2]


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


def test_what_a_request_names_comes_before_the_rules(serve: Serve) -> None:
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
