"""Nothing wrong is sent, and nothing wrong is taken for an output."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import respx

from falkit_client import AsyncClient, Client, errors

FAST = "fal-ai/ltx-2/image-to-video/fast"
INPUT = {"prompt": "A tram in the rain", "image_url": "https://example.com/tram.png"}

Do = Callable[..., Any]


@pytest.mark.parametrize("name", ["run", "submit", "subscribe"])
def test_all_faults_are_found_before_anything_is_sent(
    do: Do, respx_mock: respx.MockRouter, name: str
) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        do(name, FAST, {"duration": "6", "fps": 30})
    assert [fault["loc"][-1] for fault in caught.value.faults] == [
        "image_url",
        "prompt",
        "duration",
        "fps",
    ]
    assert caught.value.status is None
    assert not respx_mock.calls


def test_an_integer_sent_as_text_is_reported_with_the_fix(do: Do) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        do("submit", FAST, {**INPUT, "resolution": "720p", "duration": "6"})
    assert caught.value.hint == "duration: send the integer 6, without quotes"
    with pytest.raises(errors.InvalidInput) as caught:
        do("submit", "fal-ai/veo3.1", {"prompt": "A lighthouse", "duration": 6})
    assert caught.value.hint == 'duration: send the text "6s"'
    with pytest.raises(errors.UnknownEndpoint, match=r"documents=\[…\] names yours; check=False"):
        do("submit", "acme/paint", {})


def test_the_rule_between_fields_is_checked_too(do: Do) -> None:
    with pytest.raises(errors.InvalidInput, match=r"body\.duration: Value error"):
        do("submit", FAST, {**INPUT, "duration": 12, "fps": 50})


def test_check_false_sends_a_wrong_input(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json={"request_id": "r1"})
    do("submit", FAST, {"duration": "6"}, check=False)
    assert route.calls.last.request.content == b'{"duration": "6"}'


def test_a_client_with_check_false_leaves_inputs_unchecked(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json={"request_id": "r1"})
    do("submit", FAST, {}, settings={"check": False})
    with pytest.raises(errors.InvalidInput):
        do("submit", FAST, {}, check=True, settings={"check": False})
    assert route.call_count == 1


def test_values_without_json_are_all_named(do: Do) -> None:
    body = {"prompt": {1}, "image_url": 1j, "more": [1, float("nan"), {"a": {1}}]}
    with pytest.raises(errors.InvalidInput) as caught:
        do("submit", FAST, body, check=False)
    assert [fault["loc"] for fault in caught.value.faults] == [
        ["body", "prompt"],
        ["body", "image_url"],
        ["body", "more", 1],
        ["body", "more", 2, "a"],
    ]


def test_text_that_cannot_be_sent_is_named(do: Do) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        do("submit", FAST, {**INPUT, "prompt": "half \ud800"})
    assert [fault["loc"] for fault in caught.value.faults] == [["body", "prompt"]]


def test_an_input_that_is_not_a_mapping_is_refused(do: Do) -> None:
    for wrong in ([INPUT], "prompt", None):
        with pytest.raises(errors.InvalidInput, match="give a mapping"):
            do("submit", FAST, wrong)


def test_tuples_go_out_as_lists(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post("https://queue.fal.run/o/a").respond(json={"request_id": "r1"})
    do("submit", "o/a", {"size": (1, 2), "text": "é"}, check=False)
    assert route.calls.last.request.content == '{"size": [1, 2], "text": "é"}'.encode()


def test_an_unknown_endpoint_names_similar_ones(do: Do, respx_mock: respx.MockRouter) -> None:
    with pytest.raises(errors.UnknownEndpoint) as caught:
        do("run", "fal-ai/ltx-2/image-to-video/fats", INPUT)
    assert FAST in caught.value.near
    assert not respx_mock.calls


def test_an_unknown_endpoint_is_called_unchecked_on_request(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post("https://fal.run/some/model").respond(json={"anything": 1})
    assert do("run", "some/model", {}, check=False).output == {"anything": 1}


@pytest.mark.parametrize("endpoint", ["", "fal-ai", "fal-ai//x", "/fal-ai/x", "a/../b", "a/b/"])
def test_a_malformed_endpoint_id_is_refused_even_unchecked(do: Do, endpoint: str) -> None:
    with pytest.raises(errors.UnknownEndpoint, match="isn't an endpoint id"):
        do("run", endpoint, {}, check=False)


def test_an_output_that_breaks_the_document_is_not_lost(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(f"https://fal.run/{FAST}").respond(json={"video": {"url": 7}})
    with pytest.raises(errors.BadOutput, match="url") as caught:
        do("run", FAST, INPUT)
    assert caught.value.result.output == {"video": {"url": 7}}


def test_an_output_is_not_checked_on_request(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(f"https://fal.run/{FAST}").respond(json={"clip": 1})
    assert do("run", FAST, INPUT, check=False).output == {"clip": 1}


def test_price_is_known_without_a_request(respx_mock: respx.MockRouter) -> None:
    with Client("id:secret") as client:
        assert client.price(FAST, INPUT) == Decimal("0.24")
        assert client.price(FAST, {**INPUT, "duration": 10, "resolution": "2160p"}) == Decimal(
            "1.6"
        )
    assert not respx_mock.calls


def test_an_asynchronous_client_answers_a_price_at_once() -> None:
    assert AsyncClient("id:secret").price(FAST, INPUT) == Decimal("0.24")


def test_finite_numbers_go_out_as_they_are(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post("https://fal.run/o/a").respond(json={})
    do("run", "o/a", {"start": 1.5, "end": 2, "loop": None, "on": True}, check=False)
    assert route.calls.last.request.content == (
        b'{"start": 1.5, "end": 2, "loop": null, "on": true}'
    )


def test_the_output_of_an_unknown_endpoint_is_taken_as_it_is(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get("https://queue.fal.run/some/model/requests/r1").respond(json={"a": 1})
    assert do("result", "some/model/x", "r1").output == {"a": 1}
