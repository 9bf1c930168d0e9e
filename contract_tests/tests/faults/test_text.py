"""Rules as text: what is read prints back, and no text whatever breaks the reader."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from falkit_mock.core.limits import RULES
from falkit_mock.faults import Fault, Parameter, RuleError, Table
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.matching import MATCHING
from falkit_mock.faults.rules import Rule, find_magic, parse_texts, to_text
from falkit_spec import JSON
from serving import PROMPT, Mock

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
JSONS = st.recursive(
    SCALARS.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
GLOBS = TEXT.filter(
    lambda text: bool(text.strip()) and not set("[]:") & set(text) and not text.startswith("/")
)
PATHS = TEXT.filter(lambda text: all(text.split(".")))
MATCHERS: dict[str, st.SearchStrategy[Any]] = {
    "endpoint": GLOBS,
    "key": GLOBS,
    "prompt": st.sampled_from(["rain", "a b", r"^\d+$", "(?i)x|y", "'\"", "[a-z]]"]),
    "skip": st.integers(0, 99),
    "probability": st.floats(0.001, 1),
    "input": st.dictionaries(PATHS, JSONS, min_size=1, max_size=3),
}
ROWS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(dict[str, st.SearchStrategy[Any]]()),
    st.fixed_dictionaries({"times": st.integers(1, 9)}),
    st.fixed_dictionaries(
        {"nth": st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True)}
    ),
    st.fixed_dictionaries({"nth": st.integers(1, 9).map("every:{}".format)}),
)


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Return values that a parameter takes."""
    least, most = max(parameter.least, -1e6), min(parameter.most, 1e6)
    match parameter.kind:
        case "integer":
            return st.integers(int(least), int(most))
        case "number":
            return st.floats(least, most) | st.integers(int(least), int(most))
        case "boolean":
            return st.booleans()
        case "choice":
            return st.sampled_from(parameter.choices)
        case "list":
            return st.lists(TEXT | st.integers(-99, 99), min_size=1, max_size=3)
        case "seconds":
            times = ["uniform:1..3", "normal:2,0.5", "lognormal:1,0.25", "0.5", "7"]
            return st.sampled_from(times) | st.floats(0, 99)
        case "text":
            return PLAIN if parameter.header else TEXT


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Build a rule's table that can work."""
    fault: Fault = draw(st.sampled_from(list(FAULTS.values())))
    table: dict[str, Any] = {"fault": fault.name}
    for parameter in fault.parameters:
        if draw(st.booleans()):
            table[parameter.name] = draw(values(parameter))
    if draw(st.booleans()):
        table["on"] = draw(st.lists(st.sampled_from(fault.allowed_on), min_size=1, unique=True))
    no_model = {"initiate", "upload", "token"} >= set(table.get("on", fault.on))
    for name, strategy in MATCHERS.items():
        if draw(st.booleans()) and not (no_model and name in ("endpoint", "prompt", "input")):
            table[name] = draw(strategy)
    return {**table, **draw(ROWS)}


@given(tables())
@example({"fault": "one_of", "expected": ["1", 1, "a,b"]})
@example({"fault": "internal_error", "input": {"a b": "8", "c.d": [True, "'"]}})
def test_a_rule_prints_back(table: dict[str, Any]) -> None:
    rule = Rule.read(table)
    assert Rule.read(rule.text()) == rule
    assert Rule.read(rule.table()) == rule
    assert "\n" not in rule.text()


WORDS = st.sampled_from(
    ["latency", "image_load_error", "seconds", "times", "input.", "on", "prompt", "nth"]
)
MARKS = st.sampled_from([*"=;'\"[]\\, .:*{}()\n\t\0", "[falkit:", "every:", "é", "\ud7ff", "1e999"])


@given(st.lists(WORDS | MARKS | TEXT, max_size=12).map("".join))
@example('latency x="')
@example("latency input.a=NaN")
@example("latency " + "input.a='" + "[" * 9999 + "'")
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(RuleError):
        rule = Rule.read(text)
        assert Rule.read(rule.text()) == rule
    try:
        texts = parse_texts(text)
    except RuleError:
        return
    assert all(texts)


@given(st.lists(WORDS | MARKS | TEXT, max_size=12).map("".join))
def test_no_prompt_and_no_url_breaks_the_search_for_magic(text: str) -> None:
    found = find_magic({"prompt": f"[falkit:{text}", "image_url": f"https://falkit.test/{text}"})
    for each in found.texts:
        assert Rule.read(each)


@pytest.mark.parametrize(
    "input",
    [
        {"prompt": "[falkit:" * 100_000},
        {"prompt": "[falkit:hang " + "x" * 3_000_000},
        {"prompt": "[falkit:hang]" * 100_000},
        {"urls": ["https://falkit.test/none.png"] * 100_000},
        {"urls": ["https://falkit.test/none.png?" + "x" * 3_000_000]},
        {"numbers": [1] * 3_000_000},
    ],
    ids=["unfinished", "long", "tokens", "URLs", "a long URL", "numbers"],
)
def test_what_an_input_may_name_is_bounded(input: dict[str, JSON]) -> None:
    tracemalloc.start()
    try:
        found = find_magic(input, "submit")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.texts) + len(found.hints) <= 2 * RULES + 1
    assert max(map(len, found.hints), default=0) < 500
    assert peak < 1_000_000


def test_a_header_names_no_more_rules_than_are_read(instant: Mock) -> None:
    few, many = "; ".join(["hang times=0"] * 20), ";" + "hang times=0;" * 21
    assert len(parse_texts(few, RULES)) == 20
    reply = instant.run(PROMPT, headers={"x-falkit-fault": many})
    assert reply.status_code == 400
    assert "has more rules than 20" in reply.text + reply.headers["x-falkit-hint"]


def test_no_fault_has_a_parameter_that_means_something_else_in_a_rule() -> None:
    for fault in FAULTS.values():
        names = [parameter.name for parameter in fault.parameters]
        assert not {*MATCHING, "fault", "id"} & set(names), fault.name
        assert len(set(names)) == len(names)


def test_every_default_is_a_value_that_the_parameter_takes() -> None:
    for fault in FAULTS.values():
        for parameter in fault.parameters:
            if parameter.default is not None:
                assert parameter.read(parameter.default) == parameter.default, fault.name


def test_a_rule_is_written_as_readable_text() -> None:
    table: Table = {
        "fault": "latency",
        "endpoint": "fal-ai/ltx-2/*",
        "input": {"duration": 8},
        "times": 2,
    }
    assert to_text(table) == "latency endpoint=fal-ai/ltx-2/* input.duration=8 times=2"
