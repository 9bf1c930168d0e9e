"""Values that nobody should write: each is refused in one line, or makes a rule that works."""

from __future__ import annotations

import json
import math
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from falkit import Settings
from falkit_mock.core import parse_body
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ModelRequest
from falkit_mock.core.settings import Assumptions
from falkit_mock.faults import RuleError, parse_distribution
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.matching import MATCHING
from falkit_mock.faults.resolve import outcome_as
from falkit_mock.faults.rulebook import Rulebook, TriggeredFault
from falkit_mock.faults.rules import Rule
from falkit_mock.service.outcomes import read_request
from falkit_spec import Catalog
from serving import PROMPT, T2V, Mock, Serve

TEXTS = (
    *("nan", "-nan", "inf", "-inf", "+Infinity", "1e999", "-1e999", "1e-999", "-0", "-1", "1_0"),
    *("9" * 400, "9" * 5000, "-" + "9" * 400, "0x10", "٣", "true", "None", "", " ", "a\nb", "é"),
    *("\ud800", "\0", "uniform:1..inf", "uniform:nan..nan", "normal:1,-inf", "lognormal:inf,1"),
    *("lognormal:604800,604800", "lognormal:1e-300,604800", "[", "[1e999]", "a,[[,1e999"),
    *("[" * 9999, "a," + "[" * 9999),
)
VALUES: tuple[Any, ...] = (
    *(math.nan, math.inf, -math.inf, 10**400, 16**9999, -(10**400), -1, 1e-320, True, None),
    *([], {}, [math.inf], [[1]], [True], {"a": 1}, date(2020, 1, 1), *TEXTS),
)
BODY = b'{"prompt": "x"}'
REQUEST = ModelRequest(
    T2V,
    "fal-ai/ltx-2",
    Catalog.vendored().get(T2V),
    BODY,
    parse_body(BODY),
    "application/json",
    "",
)
PARSED = read_request(REQUEST, Settings())


def made(source: Any) -> Rule | RuleError:
    try:
        return Rule.read(source)
    except RuleError as error:
        return error


def read(source: Any) -> Rule | None:
    """Return the rule, which prints back, or None if it is refused as rules should be."""
    rule = made(source)
    if isinstance(rule, RuleError):
        assert "\n" not in str(rule)
        assert len(str(rule)) < 400
        return None
    assert Rule.read(rule.text()) == rule == Rule.read(rule.table())
    json.dumps(rule.table(), allow_nan=False)
    return rule


def carry_out(rule: Rule) -> None:
    """Have happen what a rule says, as far as it needs no server."""
    if rule.fault.phase == "outcome":
        outcome_as(rule.table(), PARSED, "queue", Assumptions())
    if rule.fault.parameter("seconds") is not None and rule.fault.phase == "latency":
        Rulebook(Identity(1)).draw(TriggeredFault(rule, "r1", 1), "seconds")


NAMES = [(fault.name, each.name) for fault in FAULTS.values() for each in fault.parameters]


@pytest.mark.parametrize("fault", [name for name in FAULTS if FAULTS[name].parameters])
def test_no_value_breaks_a_parameter(fault: str) -> None:
    for parameter in FAULTS[fault].parameters:
        for value in VALUES:
            if rule := read({"fault": fault, parameter.name: value}):
                carry_out(rule)
        for text in TEXTS:
            read(f"{fault} {parameter.name}={text}")
            read(f"{fault} {parameter.name}={json.dumps(text)}")


@pytest.mark.parametrize("word", [*MATCHING, "input.a", "fault"])
def test_no_value_breaks_a_matcher(word: str) -> None:
    for value in VALUES:
        read({"fault": "internal_error", word: value})
    for text in TEXTS:
        read(f"internal_error {word}={text}")
        read(f"internal_error {word}={json.dumps(text)}")


ODD = st.floats() | st.integers() | st.booleans() | st.none() | st.text(max_size=8)


@given(st.sampled_from(NAMES), ODD | st.lists(ODD, max_size=3))
def test_no_value_whatever_breaks_a_rule(name: tuple[str, str], value: Any) -> None:
    fault, parameter = name
    if rule := read({"fault": fault, parameter: value}):
        carry_out(rule)


def test_a_distribution_of_any_width_is_drawn_from() -> None:
    for text in ("lognormal:604800,604800", "lognormal:1e-300,604800", "normal:0,604800"):
        dice, drawn = Random(1), parse_distribution("seconds", text)
        assert all(0 <= drawn.draw(dice) <= 604_800 for _ in range(99))


def test_an_impossible_duration_is_refused_wherever_it_is_given(serve: Serve) -> None:
    mock = serve()
    rule = {"fault": "stuck", "seconds": -math.inf}
    body = json.dumps({"rule": rule}).encode()
    assert mock.http.post("/__falkit/rules", content=body).status_code == 422
    assert mock.run(PROMPT, headers={"x-falkit-fault": "stuck seconds=-inf"}).status_code == 400
    reply = mock.run({"prompt": "Rain [falkit:latency seconds=-inf]"})
    assert (reply.status_code, "-inf" in reply.headers["x-falkit-hint"]) == (200, True)


def test_a_content_type_that_no_header_can_hold_is_refused(instant: Mock) -> None:
    for text in ("a\nb", "é", "\0"):
        with pytest.raises(RuleError, match="can't stand in a header"):
            Rule.read({"fault": "media_wrong_type", "content_type": text})
    said = {"x-falkit-fault": r'media_wrong_type content_type="a\nb"'}
    assert instant.run(PROMPT, headers=said).status_code == 400


def test_messages_of_any_text_are_answered(instant: Mock) -> None:
    for rule in (r'internal_error detail="a\r\nb: \u0000"', r'image_load_error msg="\r\nx: y"'):
        reply = instant.run(PROMPT, headers={"x-falkit-fault": rule})
        assert reply.status_code in (500, 422)
        assert "\n" not in reply.headers["x-falkit-hint"]
