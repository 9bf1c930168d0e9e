"""The compiled validator, which says that something is wrong, and jsonschema, which says what.

Some thousand inputs each time; a million and more with FALKIT_NIGHTLY=1. Each example of Hypothesis
brings a handful of values for each field, and inputs are dealt from those by the hundred: so
most of the time goes into checking, and what fails still shrinks to few and simple values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from contract.constructs import EVERY, PROPERTIES, endpoint_taking
from falkit_contract.strategies import inputs, invalid_inputs, mutations
from falkit_spec import JSON, Catalog, Endpoint, Object
from falkit_spec.schema import Compiled
from falkit_spec.types import is_object
from falkit_spec.validation import SchemaValidator
from nights import NIGHTLY

EXAMPLES, HAND = (200, 1000) if NIGHTLY else (10, 100)
"""So many examples of each endpoint, and so many inputs of each."""
LTX_2 = [endpoint for endpoint in Catalog.vendored() if endpoint.app == "fal-ai/ltx-2"]
ENDPOINTS = {endpoint.id: endpoint for endpoint in [*LTX_2, EVERY]}
# One that has what later ones lack.
ENDPOINTS["2026-01"] = Catalog.vendored("2026-01").get("fal-ai/ltx-2/image-to-video/fast")

NUMBERS = [
    *(
        0,
        1,
        -1,
        2,
        5,
        6,
        8,
        10,
        12,
        20,
        21,
        25,
        50,
        0.1,
        0.5,
        0.75,
        2.5,
        6.0,
        6.5,
        19.999999999999996,
    ),
    *(-0.0, 1e16, 1e308, 5e-324, 2**53, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400),
]
TEXTS = [
    *("", " ", "a", "ab", "6", "25", "auto", "only", "true", "1080p", "16:9", "9:16", "square"),
    *(
        "replace_audio",
        "https://example.com/x.png",
        "a" * 5000,
        "a" * 5001,
        "😀" * 12,
        "é́",
        "\ud800",
    ),
]
ODD = [
    *(None, True, False, float("nan"), float("inf"), [], {}, [None], [1, 1.0], [1, True]),
    *({"url": ""}, {"url": "", "file_size": None}),
]
# Values that break a field are filtered, of which a document of all constructs has many at once.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
Pools = dict[str, tuple[list[JSON], list[JSON]]]
"""By field: values that are legal, and values that hardly are."""


@cache
def pools(endpoint_id: str) -> st.SearchStrategy[Pools]:
    """Give each field some values: legal ones; and those that break it in one way, or any."""
    endpoint = ENDPOINTS[endpoint_id]
    wild: st.SearchStrategy[JSON] = st.one_of(
        st.sampled_from(NUMBERS),
        st.sampled_from(TEXTS),
        st.sampled_from(ODD),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
        st.lists(st.sampled_from([*NUMBERS, *TEXTS]), max_size=3),
        st.dictionaries(
            st.sampled_from(["url", "path", "scale", "width"]), st.sampled_from(NUMBERS)
        ),
    )
    pools = {name: _values_of(endpoint, name, wild) for name in _properties(endpoint)}
    return st.fixed_dictionaries({**pools, "unknown": st.tuples(_some(wild), _some(wild))})


def _some(values: st.SearchStrategy[JSON]) -> st.SearchStrategy[list[JSON]]:
    return st.lists(values, min_size=1, max_size=4)


def _values_of(
    endpoint: Endpoint, name: str, wild: st.SearchStrategy[JSON]
) -> st.SearchStrategy[tuple[list[JSON], list[JSON]]]:
    # Of the document of all constructs only the one field is made: the whole is slow to draw.
    alone = endpoint_taking({name: PROPERTIES[name]}, name) if endpoint is EVERY else endpoint
    legal = inputs(alone).map(lambda input: input.get(name, endpoint.defaults.get(name)))
    if name not in {field for field, _ in mutations(alone)}:
        return st.tuples(_some(legal), _some(wild))
    invalid = invalid_inputs(alone, field=name)
    broken = invalid.map(lambda one: one.input.get(name) if is_object(one.input) else None)
    return st.tuples(_some(legal), _some(broken | wild))


def _properties(endpoint: Endpoint) -> list[str]:
    named = endpoint.input_schema["properties"]
    assert isinstance(named, dict)
    return list(named)


def dealt(pools: Pools, seed: int, count: int) -> Iterator[Object]:
    """Deal inputs: some legal, most with a bad value or two, some with bad values only."""
    deal, names = Random(seed), list(pools)
    for _ in range(count):
        bad = set(deal.sample(names, deal.choice([0, 0, 1, 1, 1, 2, len(names)])))
        kept = [name for name in names if deal.random() < 0.95]
        yield {name: deal.choice(pools[name][name in bad]) for name in kept}


def both(schema: Object) -> tuple[Callable[[JSON], bool], Callable[[JSON], bool]]:
    """Return the two validators of a schema."""
    checker = SchemaValidator(schema)

    def by_jsonschema(value: JSON) -> bool:
        valid: bool = checker.is_valid(value)
        return valid

    return Compiled(schema).is_valid, by_jsonschema


@pytest.mark.parametrize("endpoint_id", ENDPOINTS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=SLOW,
)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_both_validators_agree(endpoint_id: str, data: st.DataObject, seed: int) -> None:
    endpoint, drawn = ENDPOINTS[endpoint_id], data.draw(pools(endpoint_id))
    compiled, jsonschema = both(endpoint.input_schema)
    # The document of all constructs has eight times as many fields to look at.
    hand = HAND // 10 if endpoint is EVERY else HAND
    for input in dealt(drawn, seed, hand):
        assert compiled(input) == jsonschema(input), input


@pytest.mark.parametrize("endpoint_id", ENDPOINTS)
def test_drawn_values_are_sometimes_legal(endpoint_id: str) -> None:
    endpoint, valid = ENDPOINTS[endpoint_id], list[bool]()

    @settings(max_examples=5, deadline=None, database=None, suppress_health_check=SLOW)
    @given(drawn=pools(endpoint_id), seed=st.integers(0, 2**32))
    def deal(drawn: Pools, seed: int) -> None:
        valid.extend(endpoint.is_valid(input) for input in dealt(drawn, seed, 100))

    deal()
    assert 0.02 < sum(valid) / len(valid) < 0.5


@pytest.mark.parametrize("endpoint_id", ENDPOINTS)
@settings(max_examples=10, deadline=None, suppress_health_check=SLOW)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_refused_values_are_explained(endpoint_id: str, data: st.DataObject, seed: int) -> None:
    endpoint, drawn = ENDPOINTS[endpoint_id], data.draw(pools(endpoint_id))
    for input in dealt(drawn, seed, 10):
        assert endpoint.is_valid(input) == (endpoint.validate(input) == []), input


@given(
    full=st.fixed_dictionaries(
        {},
        optional={
            "duration": st.sampled_from([6, 10, 10.5, 11, 12, "12", None, True, 1e300]),
            "fps": st.sampled_from([25, 25.0, 50, "25", None, [25]]),
            "resolution": st.sampled_from(["1080p", "2160p", 1080, None]),
        },
    )
)
@example(full={"duration": 12, "fps": 25.0})
def test_both_validators_agree_on_rules(full: Object) -> None:
    (rule,) = ENDPOINTS["fal-ai/ltx-2/image-to-video/fast"].rules
    _, jsonschema = both({"if": rule.when, "then": rule.require})
    assert rule.broken_by(full) == (not jsonschema(full))
