"""Any document of fal's: it loads, its examples are right, and drawn inputs are judged rightly.

Our own documents, one of each shape, always; fal's where DOCS names a folder of them.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings, strategies as st

from contract.constructs import endpoint_taking
from fal_documents import OWN, endpoints_in
from falkit import Settings
from falkit_contract import UnsupportedSchema
from falkit_contract.strategies import MutatedInput, inputs, invalid_inputs, mutations
from falkit_spec import JSON, Catalog, Endpoint, Fault, Object
from falkit_spec.lint import lint
from generated_models import said_by
from nights import NIGHTLY
from random_models import drawn_endpoints
from serving import KEY, Mock, running

Drawn = TypeVar("Drawn")
OURS = endpoints_in(OWN)
PARTS = 8
"""Fal's documents are tested in so many parts, for the sake of the processes that run them."""


def drawn(strategy: st.SearchStrategy[Drawn], count: int) -> list[Drawn]:
    """Draw values as a test does; Hypothesis fails if it has to throw many away."""
    found: list[Drawn] = []

    @settings(
        max_examples=count,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategy)
    def draw(value: Drawn) -> None:
        found.append(value)

    draw()
    return found


def misjudged(endpoint: Endpoint, count: int) -> list[str]:
    """List what is wrong with the judgement of so many legal and so many faulty inputs."""
    wrong: list[str] = []
    for input in drawn(inputs(endpoint), count):
        if not endpoint.is_valid(input):
            wrong.append(f"legal {input}: {endpoint.validate(input)}")
    for invalid in drawn(invalid_inputs(endpoint), count):
        said = [(one["type"], tuple(one["loc"])) for one in endpoint.validate(invalid.input)]
        if not as_promised(said, invalid):
            wrong.append(f"{invalid}: {said}")
    return wrong


def as_promised(said: list[tuple[str, tuple[str | int, ...]]], invalid: MutatedInput) -> bool:
    """Tell whether the items of a `detail` are those that an invalid input names."""
    if tuple(type for type, _ in said) != invalid.types:
        return False
    if len(said) == 1:
        return said[0][1] == invalid.loc
    return all(loc[: len(invalid.loc)] == invalid.loc for _, loc in said)


def faults(endpoint: Endpoint) -> list[str]:
    """List what is wrong with an endpoint's own examples that nobody names."""
    named = " ".join(lint(endpoint.document))
    input, output = endpoint.example_input(), endpoint.example_output()
    wrong = [f"example input {input}: {endpoint.validate(input)}"] * (not endpoint.is_valid(input))
    wrong += [f"example output {output}: {one}" for one in endpoint.validate_output(output)]
    if "no input schema" not in named and not endpoint.input_schema:
        wrong.append("its lack of an input schema isn't named")
    return wrong


@pytest.mark.parametrize("name", OURS)
def test_our_document_of_each_shape_is_judged_rightly(name: str) -> None:
    endpoint = OURS[name]
    assert endpoint.id == name
    assert faults(endpoint) == []
    assert misjudged(endpoint, 20) == []


@pytest.mark.parametrize("part", range(PARTS))
def test_fals_documents_are_judged_rightly(part: int, fal_documents: dict[str, Endpoint]) -> None:
    chosen = dict([*fal_documents.items()][part::PARTS])
    assert chosen
    wrong = {name: [*faults(one), *misjudged(one, 20)] for name, one in chosen.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_pydantic_itself_judges_what_is_drawn_as_promised() -> None:
    nightly = NIGHTLY
    for endpoint, model in drawn_endpoints(200 if nightly else 30, seed=3):
        for input in drawn(inputs(endpoint), 20 if nightly else 5):
            assert said_by(model, input) == [], endpoint.document.raw
        for invalid in drawn(invalid_inputs(endpoint), 20 if nightly else 5):
            said = [(one["type"], tuple(one["loc"])) for one in said_by(model, invalid.input)]
            assert as_promised(said, invalid), (endpoint.document.raw, invalid, said)


def test_a_text_of_another_format_is_no_url_whatever_its_name() -> None:
    day: Object = {"type": "string", "format": "date"}
    file: Object = {"type": "object", "properties": {"image_url": day}, "required": ["image_url"]}
    endpoint = endpoint_taking({"video_url": day, "first": file}, "video_url", "first")
    assert misjudged(endpoint, 10) == []


@pytest.fixture(scope="module")
def ours() -> Generator[Mock]:
    """A mock of our documents."""
    catalog = Catalog.read([OWN])
    assert not [note for note in catalog.notes if "left out" in note]
    with running(Settings(timing="instant", seed=1), catalog=catalog) as served:
        yield served


def check_over_http(mock: Mock, endpoint: Endpoint, count: int) -> list[str]:
    wrong: list[str] = []

    def answered(input: JSON) -> tuple[int, list[str]]:
        # Not json=…, which sends no body at all for null.
        sent = {**KEY, "content-type": "application/json"}
        body = json.dumps(input)
        reply = mock.http.post(f"/fal.run/{endpoint.id}", content=body, headers=sent)
        items: list[Fault] = reply.json()["detail"] if reply.status_code == 422 else []
        return reply.status_code, [item["type"] for item in items]

    for input in drawn(inputs(endpoint), count):
        if (said := answered(input)) != (200, []):
            wrong.append(f"{endpoint.id}: legal {input}: {said}")
    for invalid in drawn(invalid_inputs(endpoint), count):
        if (said := answered(invalid.input)) != (422, [*invalid.types]):
            wrong.append(f"{endpoint.id}: {invalid}: {said}")
    return wrong


def test_the_mock_answers_for_our_documents(ours: Mock) -> None:
    assert [one for each in OURS.values() for one in check_over_http(ours, each, 3)] == []


def test_the_mock_answers_for_fals_documents(fal_documents: dict[str, Endpoint]) -> None:
    some = {each.id: each for each in [*fal_documents.values()][::4]}
    catalog = Catalog.from_documents([each.document for each in some.values()])
    with running(Settings(timing="instant", seed=1), catalog=catalog) as mock:
        wrong = [one for each in some.values() for one in check_over_http(mock, each, 4)]
        assert wrong == [], "\n".join(wrong)


AGAIN: Object = {"$ref": "#/x-loop"}


def looped(**loop: JSON) -> Endpoint:
    """An endpoint whose field `x` is of a schema that refers to itself."""
    endpoint = endpoint_taking({"x": AGAIN}, "x")
    data: Any = endpoint.document.data
    data["x-loop"] = {"type": "object", **loop}
    return endpoint


@pytest.mark.parametrize(
    "loop",
    [
        {"properties": {"again": AGAIN, "n": {"type": "integer"}}, "required": ["n"]},
        {"properties": {"all": {"type": "array", "items": AGAIN}}, "required": ["all"]},
        {"properties": {"one": {"anyOf": [AGAIN, {"type": "string"}]}}, "required": ["one"]},
        {"additionalProperties": AGAIN},
    ],
)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_contains_itself_is_left_out_where_it_may_be(
    loop: Object, data: st.DataObject
) -> None:
    endpoint = looped(**loop)
    assert endpoint.validate(data.draw(inputs(endpoint))) == []
    invalid = data.draw(invalid_inputs(endpoint))
    assert [fault["type"] for fault in endpoint.validate(invalid.input)] == [*invalid.types]


def test_a_schema_that_has_to_contain_itself_is_refused() -> None:
    with pytest.raises(UnsupportedSchema, match=r"input.x.again: .* contains itself"):
        inputs(looped(properties={"again": AGAIN}, required=["again"]))


def test_limits_beyond_all_bounds_are_refused_or_left_out() -> None:
    nodes: list[Object] = [
        {"type": "string", "minLength": 10**12},
        {"type": "array", "minItems": 10**12},
    ]
    for node in nodes:
        with pytest.raises(UnsupportedSchema, match="no value"):
            inputs(endpoint_taking({"x": node}))
    many = endpoint_taking({"x": {"type": "array", "maxItems": 10**12, "items": {"const": 1}}}, "x")
    assert ("x", "too many items") not in mutations(many)
    long = endpoint_taking({"x": {"type": "array", "maxItems": 900, "items": {"const": 1}}}, "x")
    found = find(invalid_inputs(long, mutation="too many items"), lambda invalid: True)
    assert found.input == {"x": [1] * 901}
