"""The `x-falkit-hint` header: what a reply's own words leave unsaid."""

from __future__ import annotations

from typing import cast

import pytest

from contract.constructs import endpoint_taking
from falkit_mock.service.hints import of_lax_values, of_refusal
from falkit_spec import JSON, Catalog, Object
from falkit_spec.errors import near_misses
from falkit_spec.types import Fault
from serving import I2V_FAST, PROMPT, T2V, Mock

HINT = "x-falkit-hint"


@pytest.mark.parametrize("host", ["fal.run", "queue.fal.run"])
def test_a_misspelt_input_is_named_with_what_was_meant(mock: Mock, host: str) -> None:
    reply = mock.http.post(f"/{host}/{T2V}", json={**PROMPT, "durations": 8, "zebra": 1})
    assert reply.status_code == 200
    hint = reply.headers[HINT]
    assert "durations (did you mean duration?)" in hint
    assert "zebra" in hint


def test_an_item_given_twice_for_a_set_is_taken_with_a_hint() -> None:
    colours: Object = {"type": "array", "uniqueItems": True, "items": {"type": "string"}}
    endpoint, body = endpoint_taking({"colours": colours}), cast("Object", {"colours": ["a", "a"]})
    assert endpoint.validate(body, coerce=True) == []
    hint = of_lax_values(endpoint, body)
    assert (
        hint == """colours: the document lists each item once; fal's Pydantic takes ["a","a"] too"""
    )


def test_an_input_with_nothing_amiss_brings_no_hint(mock: Mock) -> None:
    assert HINT not in mock.run({**PROMPT, "duration": 8}).headers


@pytest.mark.parametrize("host", ["fal.run", "queue.fal.run"])
def test_a_misspelt_path_of_a_known_app_names_a_similar_one(mock: Mock, host: str) -> None:
    reply = mock.http.post(f"/{host}/fal-ai/ltx-2/image-to-vid/fast", json=PROMPT)
    assert f"did you mean {I2V_FAST}" in reply.headers[HINT]


def test_a_stream_of_a_model_without_one_has_a_hint(mock: Mock) -> None:
    reply = mock.run(PROMPT, f"{I2V_FAST}/stream")
    assert reply.status_code == 404
    hint = reply.headers[HINT]
    assert hint.startswith(
        f"{I2V_FAST} answers a plain POST, and no overlay says that it has /stream "
    )


def test_a_stream_of_an_id_that_is_one_has_a_hint(mock: Mock) -> None:
    reply = mock.run(PROMPT, "fal-ai/flux-lora/stream/stream")
    assert reply.status_code == 404
    hint = 'fal-ai/flux-lora/stream has /stream already; fal_client.stream takes path="" then'
    assert reply.headers[HINT] == hint


def test_a_local_path_as_a_file_hints_at_urls(mock: Mock) -> None:
    reply = mock.run({**PROMPT, "image_url": "photos/me.png"}, I2V_FAST)
    assert "or as a data URI" in reply.headers[HINT]


def test_an_ellipsis_is_written_as_dots(mock: Mock) -> None:
    hint = mock.http.get("/queue.fal.run/fal-ai").headers["x-falkit-hint"]
    assert hint.startswith("a model's path is /owner/alias/..., such as ")


def test_a_webhook_that_is_named_by_nothing_is_a_hint(mock: Mock) -> None:
    reply = mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT, params={"fal_webhook": ""})
    assert reply.headers[HINT].startswith("fal_webhook: it is empty, so no webhook is sent")


def test_text_in_place_of_an_object_is_not_taken_for_malformed_json() -> None:
    def item(*loc: str) -> list[Fault]:
        return [{"type": "model_attributes_type", "loc": [*loc], "msg": "", "input": "huge"}]

    endpoint = Catalog.vendored().get("fal-ai/flux/dev")
    given: JSON = {"image_size": "huge"}
    assert "was not read as JSON" in str(of_refusal(endpoint, item("body"), "huge"))
    assert of_refusal(endpoint, item("body", "image_size"), given) is None


@pytest.mark.parametrize(
    ("endpoint_id", "input", "hint"),
    [
        ("fal-ai/veo3.1", {"duration": 8}, 'duration: the document lists texts, so send "8s"'),
        ("fal-ai/veo3.1", {"duration": "8"}, 'duration: the document lists texts, so send "8s"'),
        ("fal-ai/veo3.1", {"duration": 80}, None),
        (T2V, {"duration": "8"}, "duration: the document lists integers, so send 8 without"),
        (T2V, {"duration": "7"}, None),
        (
            "fal-ai/kling-video/v2.6/pro/text-to-video",
            {"duration": 5},
            'duration: the document lists texts, so send "5"',
        ),
        (
            "fal-ai/flux/dev",
            {"image_size": {"width": "x", "height": 512}},
            "image_size.width: the document lists an integer",
        ),
        (
            "fal-ai/flux/dev",
            {"image_size": {"width": "640", "height": 512}},
            "image_size.width: the document lists an integer; fal's Pydantic takes",
        ),
        ("fal-ai/flux/dev", {"image_size": "huge"}, None),
    ],
)
def test_the_hint_names_the_place_in_the_input_and_what_the_document_lists(
    mock: Mock, endpoint_id: str, input: dict[str, JSON], hint: str | None
) -> None:
    said = mock.run({"prompt": "A lighthouse", **input}, endpoint_id).headers.get(HINT)
    assert said is None if hint is None else str(said).startswith(hint), said


def test_a_required_input_by_another_name_is_hinted_at(mock: Mock) -> None:
    given: JSON = {"prompt": "A lighthouse", "image_url": "https://example.com/a.png"}
    reply = mock.run(given, "fal-ai/kling-video/v2.6/pro/image-to-video")
    assert reply.json()["detail"][0]["loc"] == ["body", "start_image_url"]
    assert "image_url (did you mean start_image_url?)" in reply.headers[HINT]


def test_a_hint_names_few_of_many_fields(mock: Mock) -> None:
    input = {**PROMPT, **{f"k{number}": 1 for number in range(20_000)}, "x" * 9000: 1}
    hint = mock.run(input).headers["x-falkit-hint"]
    assert "k0, k1, k10, k100, k1000, 19996 more" in hint
    assert len(hint) < 300


def test_a_long_word_is_compared_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def compared(*_: object) -> None:
        pytest.fail("it is compared")

    monkeypatch.setattr("difflib.get_close_matches", compared)
    assert near_misses("x" * 101, ["x"]) == []
