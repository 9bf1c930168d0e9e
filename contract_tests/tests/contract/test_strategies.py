"""The strategies that teams are given: what they draw, how it shrinks, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from urllib.request import urlopen

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings, strategies as st

from contract.constructs import EVERY, PROPERTIES, REQUIRED, endpoint_of, endpoint_taking
from falkit_contract import BadArgument, ContractError, UnsupportedSchema
from falkit_contract.strategies import (
    MutatedInput,
    SeveralFaults,
    inputs,
    invalid_inputs,
    mutations,
    several_faults,
)
from falkit_fixtures import images
from falkit_spec import JSON, Catalog, Endpoint, Object, Overlay, UnknownEndpoint

I2V_FAST = "fal-ai/ltx-2/image-to-video/fast"
T2V = "fal-ai/ltx-2/text-to-video"
# Other documents' turn is where any document's is: with those of all constructs.
LTX_2 = [
    endpoint
    for date in ("2026-01", "2026-05")
    for endpoint in Catalog.vendored(date)
    if endpoint.app == "fal-ai/ltx-2"
]
IDS = list(dict.fromkeys(endpoint.id for endpoint in LTX_2))
# What is drawn from these has many parts; none of it is thrown away.
LARGE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    "endpoint",
    LTX_2,
    ids=lambda endpoint: f"{endpoint.document.date}-{endpoint.id}",
)
@settings(deadline=None)
@given(data=st.data())
def test_inputs_are_legal(endpoint: Endpoint, data: st.DataObject) -> None:
    input = data.draw(inputs(endpoint))
    assert endpoint.validate(input) == []
    assert [*input] == [name for name in _order(endpoint) if name in input]


def _order(endpoint: Endpoint) -> list[str]:
    schema: Any = endpoint.input_schema
    return list(schema["x-fal-order-properties"])


@LARGE
@given(input=inputs(EVERY))
def test_inputs_of_every_construct_are_legal(input: Object) -> None:
    assert EVERY.validate(input) == []


@pytest.mark.parametrize("name", PROPERTIES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_each_construct_yields_legal_values(name: str, data: st.DataObject) -> None:
    endpoint = endpoint_taking({name: PROPERTIES[name]}, name)
    assert endpoint.validate(data.draw(inputs(endpoint))) == []


@pytest.mark.parametrize(
    ("name", "count"),
    [("title", 2), ("seed", 2), ("mixed", 4), ("either", 2), ("loras", 3), ("pair", 2)],
)
def test_a_construct_with_branches_yields_each(name: str, count: int) -> None:
    endpoint, seen = endpoint_taking({name: PROPERTIES[name]}, name), set[str]()

    @settings(database=None, deadline=None)
    @given(input=inputs(endpoint))
    def gather(input: Object) -> None:
        value = input[name]
        if isinstance(value, list):
            seen.add(f"a list of {len(value)}")
        seen.add(str(value) if name == "mixed" else type(value).__name__)

    gather()
    assert len(seen) >= count


@LARGE
@given(invalid=invalid_inputs(EVERY))
def test_an_invalid_input_of_any_construct_has_the_one_fault_it_names(
    invalid: MutatedInput,
) -> None:
    found = EVERY.validate(invalid.input)
    said = [(fault["type"], tuple(fault["loc"])) for fault in found]
    assert tuple(type for type, _ in said) == invalid.types
    if len(said) > 1:
        # One for each branch of the union.
        assert all(loc[: len(invalid.loc)] == invalid.loc for _, loc in said)
    else:
        assert said == [(invalid.type, invalid.loc)]


@pytest.mark.parametrize(("field", "mutation"), mutations(EVERY))
def test_every_mutation_of_every_construct_can_be_drawn(field: str, mutation: str) -> None:
    drawn = find(
        invalid_inputs(EVERY, field=field or None, mutation=mutation),
        lambda invalid: True,
        settings=settings(database=None, phases=[Phase.generate], max_examples=5),
    )
    assert (drawn.field, drawn.mutation) == (field, mutation)
    assert EVERY.validate(drawn.input) != []


@LARGE
@given(invalid=several_faults(EVERY))
def test_several_faults_of_any_construct_are_all_found(invalid: SeveralFaults) -> None:
    found = {str(fault["loc"][1]) for fault in EVERY.validate(invalid.input)}
    assert found == {expected.field for expected in invalid.expected}
    assert len(invalid.expected) >= 2


def test_the_mutations_of_a_field_are_those_its_schema_has() -> None:
    found = [mutation for field, mutation in mutations(EVERY) if field == "steps"]
    assert [mutation for mutation in found if not mutation.startswith("wrong type")] == [
        "below minimum",
        "above maximum",
        "not a multiple",
    ]
    assert "wrong type: string for integer" in found
    # Which lax mode takes for an integer.
    assert "wrong type: number in a string for integer" not in found
    nested = [mutation for field, mutation in mutations(EVERY) if field == "loras"]
    assert "not above minimum at [].scale" in nested
    assert "missing at [].path" in nested


def test_an_optional_field_that_may_be_null_is_never_called_wrong_for_it() -> None:
    assert not [
        mutation
        for field, mutation in mutations(EVERY)
        if field == "title" and "null for" in mutation
    ]


@pytest.mark.parametrize("name", REQUIRED)
def test_only_what_is_required_can_be_missing(name: str) -> None:
    missing = {field for field, mutation in mutations(EVERY) if mutation == "missing"}
    assert name in missing
    assert missing == set(REQUIRED)


def test_a_legal_input_shrinks_to_what_is_required() -> None:
    assert find(inputs(I2V_FAST), lambda input: True) == {
        "image_url": "https://example.com/image.png",
        "prompt": "0",
    }


@pytest.mark.parametrize(
    ("name", "value"), [("fps", 50), ("generate_audio", False), ("resolution", "2160p")]
)
def test_a_legal_input_shrinks_to_the_field_that_matters(name: str, value: JSON) -> None:
    found = find(inputs(T2V), lambda input: input.get(name) == value)
    assert found == {"prompt": "0", name: value}


def test_an_invalid_input_shrinks_to_its_fault() -> None:
    found = find(
        invalid_inputs(T2V, field="fps"), lambda invalid: invalid.mutation == "not in enum"
    )
    assert found.input == {"prompt": "0", "fps": 26}


def test_rules_are_met_without_throwing_examples_away() -> None:
    drawn = 0

    @settings(max_examples=200, database=None, deadline=None, suppress_health_check=[])
    @given(input=inputs(I2V_FAST))
    def count(input: Object) -> None:
        nonlocal drawn
        drawn += input.get("duration", 6) in (12, 14, 16, 18, 20)

    count()
    assert drawn > 10, "long clips are legal, and so must come"


def with_rule(properties: Object, when: Object, require: Object) -> Endpoint:
    """An endpoint with one rule between its fields."""
    rule: Object = {
        "loc": ["x"],
        "message": "no",
        "when": when,
        "require": require,
        "certainty": "inferred",
        "source": "made up",
    }
    action: Object = {
        "target": "$.paths['/acme/odd'].post",
        "update": {"x-falkit": {"rules": [rule]}},
    }
    info: Object = {"title": "Made up", "version": "1"}
    data: Object = {"overlay": "1.0.0", "info": info, "actions": [action]}
    overlay = Overlay.from_data(data, source="made up")
    return Endpoint(endpoint_taking(properties).document, lambda: [overlay])


def one(name: str, **value: JSON) -> Object:
    """A schema of one property."""
    return {"properties": {name: dict(value)}, "required": [name]}


RULED = {
    "switches": with_rule(
        {"x": {"type": "boolean", "default": False}, "y": {"type": ["boolean", "null"]}},
        one("x", const=True),
        one("y", const=False),
    ),
    "open fields": with_rule(
        {"x": {"type": "integer", "minimum": 0}, "y": {"type": "integer"}, "z": {"type": "string"}},
        one("x", minimum=5),
        one("y", type="integer"),
    ),
    "more choices than are listed": with_rule(
        {name: {"enum": list(range(40))} for name in "xyz"},
        one("x", minimum=30),
        {"properties": {"y": {"maximum": 35}, "z": {"minimum": 1}}},
    ),
    "an open branch": with_rule(
        {"x": {"anyOf": [{"enum": [1, 2]}, {"type": "string"}]}, "y": {"enum": ["a", "b"]}},
        one("x", const=2),
        one("y", const="b"),
    ),
}


@pytest.mark.parametrize("name", RULED)
@settings(deadline=None)
@given(data=st.data())
def test_rules_over_any_fields_are_kept(name: str, data: st.DataObject) -> None:
    endpoint = RULED[name]
    assert endpoint.validate(data.draw(inputs(endpoint))) == []
    invalid = data.draw(several_faults(endpoint))
    said = {str(fault["loc"][1]) for fault in endpoint.validate(invalid.input)}
    assert said == {expected.field for expected in invalid.expected}


def test_a_rule_is_broken_beside_other_faults() -> None:
    found = find(
        several_faults(I2V_FAST),
        lambda invalid: any(
            expected.mutation.startswith("rule: ") for expected in invalid.expected
        ),
    )
    assert [expected.field for expected in found.expected] == ["image_url", "duration"]


def test_a_rule_that_nothing_meets_is_refused() -> None:
    properties: Object = {"x": {"enum": [1, 2], "default": 1}}
    with pytest.raises(UnsupportedSchema, match="no input meets the overlay's rules"):
        inputs(with_rule(properties, {}, one("x", const=3)))


def test_custom_fields_replace_the_documents() -> None:
    mine: st.SearchStrategy[JSON] = st.just("mine")
    found = find(inputs(I2V_FAST, fields={"prompt": mine}), lambda input: True)
    assert found["prompt"] == "mine"


@settings(deadline=None)
@given(input=inputs(I2V_FAST, fields={"duration": st.sampled_from([10, 12])}))
def test_custom_fields_keep_the_rules(input: Object) -> None:
    assert Catalog.vendored().get(I2V_FAST).is_valid(input)


def test_pictures_come_as_urls_and_as_data_of_each_format_and_writing() -> None:
    seen, ends = set[str](), set[str]()
    samples = {images.sample(kind) for kind in images.KINDS}

    @settings(max_examples=400, database=None, deadline=None)
    @given(input=inputs(I2V_FAST))
    def gather(input: Object) -> None:
        url = str(input["image_url"])
        seen.add(url.partition("/")[2].partition(";")[0][:4])
        if url.strip()[:5].lower() == "data:":
            with urlopen(url) as response:
                assert response.read() in samples
            ends.update(mark for mark in ("\r\n", "%2B", "DATA:", ", ", ",\n") if mark in url)

    gather()
    assert seen >= {"png", "jpeg", "webp", "avif", "heif", "/exa"}
    assert len(ends) == 5


def test_an_input_that_takes_anything_yields_objects() -> None:
    found = find(inputs(endpoint_of({"$ref": "#/components/schemas/Gone"})), lambda input: True)
    assert found == {}


@pytest.mark.parametrize(
    ("schema", "path", "why"),
    [
        ({"not": {"type": "string"}}, "input.x", "'not' is not supported"),
        ({"type": "array", "contains": {"type": "string"}}, "input.x", "'contains'"),
        ({"type": "object", "propertyNames": {"maxLength": 2}}, "input.x", "'propertyNames'"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "input.x", "no value"),
        ({"type": "string", "minLength": 5, "maxLength": 4}, "input.x", "no value"),
        ({"type": "array", "items": {"not": {}}, "minItems": 1}, "input.x[]", "not"),
        ({"type": "integer", "enum": ["a"]}, "input.x", "no value"),
        ({"type": "array", "minItems": 2, "maxItems": 1}, "input.x", "no value"),
        ({"type": "array", "minItems": 1, "items": False}, "input.x", "no value"),
        ({"type": "object", "minProperties": 2, "maxProperties": 1}, "input.x", "no value"),
        ({"type": "array", "prefixItems": [False]}, "input.x[0]", "no value is allowed here"),
        ({"$ref": "#/components/schemas/Lora", "multipleOf": 2, "not": {}}, "input.x", "not"),
    ],
)
def test_an_impossible_strategy_is_refused_at_the_call(schema: Object, path: str, why: str) -> None:
    with pytest.raises(UnsupportedSchema, match="acme/odd") as refused:
        inputs(endpoint_taking({"x": schema}))
    assert path in str(refused.value)
    assert why in str(refused.value)
    assert isinstance(refused.value, ContractError)


def test_an_unknown_endpoint_is_refused_with_what_comes_near() -> None:
    with pytest.raises(UnknownEndpoint, match="did you mean"):
        inputs("fal-ai/ltx-2/text-to-vide")


def test_an_unknown_field_is_refused_with_those_there_are() -> None:
    for call in (
        lambda: inputs(T2V, fields={"promt": st.just("x")}),
        lambda: invalid_inputs(T2V, field="promt"),
    ):
        with pytest.raises(BadArgument, match=r"'promt': .* has prompt, duration"):
            call()


def test_an_unknown_mutation_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadArgument, match="can be wrong by: missing, wrong type"):
        invalid_inputs(T2V, field="prompt", mutation="too loud")


def test_a_field_that_takes_anything_cannot_be_invalid() -> None:
    with pytest.raises(BadArgument, match="'open': acme/odd takes anything there"):
        invalid_inputs(EVERY, field="open")


def test_a_field_that_is_not_a_strategy_is_refused() -> None:
    fields: Any = {"prompt": "just this"}
    with pytest.raises(BadArgument, match="give a strategy"):
        inputs(T2V, fields=fields)


def test_an_endpoint_of_another_type_is_refused() -> None:
    endpoint: Any = {"id": T2V}
    with pytest.raises(BadArgument, match="give an Endpoint"):
        inputs(endpoint)


def test_without_hypothesis_the_fix_is_named() -> None:
    # As in an environment that has falkit alone.
    code = (
        "import importlib.util as u; u.find_spec = lambda name: None; "
        "import falkit_contract.strategies"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'falkit[testing]'" in done.stderr.splitlines()[-1]


def test_several_faults_need_several_fields() -> None:
    with pytest.raises(UnsupportedSchema, match="fewer than two"):
        several_faults(endpoint_taking({"x": {"type": "string"}, "y": {}}))
