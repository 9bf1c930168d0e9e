"""Wrong inputs of every kind, one and several at once, through fal.run and the queue.

Each fault is held against Pydantic itself: loc, type, message, input and ctx, in its order.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings, strategies as st

from contract.facts import A2V, AUDIO, EXTEND, IMAGE, PROMPT, RETAKE, VIDEO
from falkit_client import Client, errors
from falkit_contract.strategies import (
    Expected,
    MutatedInput,
    SeveralFaults,
    inputs,
    invalid_inputs,
    mutations,
    several_faults,
)
from falkit_fixtures import mp4
from falkit_spec import JSON, Catalog, Fault
from pydantic_models import MODELS, as_sent, said_by_pydantic
from serving import T2V, Mock

MUTATIONS = [
    (endpoint, field, mutation) for endpoint in MODELS for field, mutation in mutations(endpoint)
]
endpoints = pytest.mark.parametrize("endpoint", MODELS)


def replies(mock: Mock, endpoint: str, input: JSON) -> list[httpx.Response]:
    """Send an input by both ways; return the replies that say what is wrong with it."""
    # Not json=…, which sends no body at all for null.
    sent: Any = {"content": json.dumps(input), "headers": {"content-type": "application/json"}}
    submitted = mock.http.post(f"/queue.fal.run/{endpoint}", **sent)
    assert submitted.status_code == 200, submitted.text
    return [mock.http.post(f"/fal.run/{endpoint}", **sent), mock.result(submitted.json())]


def said_of(endpoint: str, input: JSON, expected: tuple[Expected, ...]) -> list[Fault]:
    """What Pydantic says of an input, and the overlay's rule where one is broken."""
    said = said_by_pydantic(MODELS[endpoint], input, strict=False)
    broken = [one for one in expected if one.mutation.startswith("rule: ")]
    if not broken or not isinstance(input, dict):
        return said
    filled = Catalog.vendored().get(endpoint).with_defaults(input)
    order = list(MODELS[endpoint].model_fields)
    rules: list[Fault] = [
        {
            "type": one.type,
            "loc": list(one.loc),
            "msg": f"Value error, {one.mutation.removeprefix('rule: ')}",
            "input": filled.get(one.field),
            "ctx": {"error": {}},
        }
        for one in broken
    ]
    return sorted([*said, *rules], key=lambda fault: order.index(str(fault["loc"][1])))


def check(mock: Mock, endpoint: str, input: JSON, expected: tuple[Expected, ...]) -> None:
    said = as_sent(said_of(endpoint, input, expected))
    if said[0]["loc"] == ["body"]:
        # The class that FastAPI never names.
        said[0].pop("ctx", None)
    assert [(fault["type"], tuple(fault["loc"])) for fault in said] == [
        (one.type, one.loc) for one in expected
    ]
    for reply in replies(mock, endpoint, input):
        assert (reply.status_code, reply.json()) == (422, {"detail": said})


@pytest.mark.parametrize(("endpoint", "field", "mutation"), MUTATIONS)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_each_mutation_is_reported_as_by_pydantic(
    endpoint: str, field: str, mutation: str, data: st.DataObject, mock: Mock
) -> None:
    invalid: MutatedInput = data.draw(invalid_inputs(endpoint, field=field, mutation=mutation))
    assert (invalid.field, invalid.mutation) == (field, mutation)
    check(mock, endpoint, invalid.input, (invalid,))


@endpoints
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_several_faults_are_reported_at_once_in_the_documents_order(
    endpoint: str, data: st.DataObject, mock: Mock
) -> None:
    invalid: SeveralFaults = data.draw(several_faults(endpoint))
    assert len(invalid.expected) >= 2
    check(mock, endpoint, invalid.input, invalid.expected)


@pytest.mark.parametrize(
    ("endpoint", "field", "value", "legal"),
    [
        *[(RETAKE, "duration", value, True) for value in (2, 2.0, 2.001, 19.999, 20, 20.0)],
        *[(RETAKE, "duration", value, False) for value in (1, 1.999, 20.001, 21)],
        *[(RETAKE, "start_time", value, True) for value in (0, -0.0, 0.001, 20)],
        *[(RETAKE, "start_time", value, False) for value in (-0.001, 20.001)],
        *[(endpoint, "prompt", "é" * count, True) for endpoint in MODELS for count in (1, 5000)],
        *[(endpoint, "prompt", "é" * 5001, False) for endpoint in MODELS],
        # The only prompt that may be empty.
        *[(endpoint, "prompt", "", endpoint == EXTEND) for endpoint in MODELS],
        *[(EXTEND, "duration", value, True) for value in (1, 1.0, 1.001, 19.999, 20)],
        *[(EXTEND, "duration", value, False) for value in (0, 0.999, 20.001)],
        *[(EXTEND, "context", value, True) for value in (None, 1, 1.001, 20)],
        *[(EXTEND, "context", value, False) for value in (0, 0.999, 20.001)],
        *[(A2V, "guidance_scale", value, True) for value in (None, 1, 1.001, 50)],
        *[(A2V, "guidance_scale", value, False) for value in (0, 0.999, 50.001)],
    ],
)
def test_limits_hold_exactly(
    endpoint: str, field: str, value: JSON, legal: bool, mock: Mock
) -> None:
    input = {"prompt": PROMPT, **IMAGE, **VIDEO, **AUDIO, field: value}
    assert (said_by_pydantic(MODELS[endpoint], input, strict=False) == []) == legal
    for reply in replies(mock, endpoint, input):
        assert reply.status_code == (200 if legal else 422), reply.text


@endpoints
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_legal_inputs_are_taken_by_pydantic_the_mock_and_the_client(
    endpoint: str, data: st.DataObject, mock: Mock, client: Client
) -> None:
    input = data.draw(inputs(endpoint))
    assert said_by_pydantic(MODELS[endpoint], input, strict=False) == []
    for reply in replies(mock, endpoint, input):
        assert reply.status_code == 200, reply.text
    assert client.run(endpoint, input).output["video"]["url"]


@endpoints
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_client_finds_the_same_faults_before_anything_is_sent(
    endpoint: str, data: st.DataObject, mock: Mock, client: Client
) -> None:
    invalid = data.draw(several_faults(endpoint))
    assert isinstance(invalid.input, dict)
    found: list[errors.InvalidInput] = []
    for checked in (True, False):
        with pytest.raises(errors.InvalidInput) as refused:
            client.run(endpoint, invalid.input, check=checked)
        found.append(refused.value)
    assert [error.status for error in found] == [None, 422]
    assert as_sent(list(found[0].faults)) == list(found[1].faults)


WORDS = ["true", "False", "YES", "n", "on", "off", "t", "1", "0", "2", "maybe", "", " true"]
BOOLEANS: st.SearchStrategy[JSON] = st.sampled_from([*WORDS, 0, 1, 2, -1, 0.0, 1.0, 0.5, None, []])


@settings(deadline=None)
@given(value=BOOLEANS | st.booleans() | st.integers() | st.text(max_size=4))
def test_a_boolean_is_what_lax_pydantic_makes_of_it(value: JSON, mock: Mock) -> None:
    model, input = MODELS[T2V], {"prompt": PROMPT, "generate_audio": value}
    said = said_by_pydantic(model, input, strict=False)
    reply = mock.run(input, T2V)
    hint = reply.headers.get("x-falkit-hint", "")
    assert ("generate_audio: the document lists a boolean" in hint) == (type(value) is not bool)
    if said:
        assert (reply.status_code, reply.json()) == (422, {"detail": as_sent(said)})
    else:
        assert reply.status_code == 200
        assert isinstance(value, bool) or f"takes {json.dumps(value)} too" in hint
        clip = mp4.read(mock.http.get(reply.json()["video"]["url"]).content)
        assert clip.audio is model.model_validate(input).model_dump()["generate_audio"]
