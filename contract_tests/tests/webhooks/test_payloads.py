"""The body of a webhook, from what a job answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from falkit_mock.core.jobs import Outcome
from falkit_mock.webhooks.signing import PAYLOAD_ERROR, SAMPLES, SampleName, body_of, sample
from falkit_spec import Catalog
from falkit_spec.protocol import Protocol

ID = "019b76da-a801-7ea2-9375-91fe11b55777"
T2V = Catalog.vendored().get("fal-ai/ltx-2/text-to-video")


def payload(outcome: Outcome, gateway: str = ID) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(body_of(outcome, ID, gateway))
    return read


def test_an_output_comes_as_the_model_wrote_it() -> None:
    body = body_of(Outcome(200, b'{ "video" : {"url": "\\u00e4"} }'), ID, ID)
    head = f'{{"request_id":"{ID}","gateway_request_id":"{ID}","status":"OK","payload":'
    assert body == head.encode() + b'{ "video" : {"url": "\\u00e4"} }}'


def test_an_error_comes_with_its_code_and_its_body() -> None:
    found = payload(Outcome(422, b'{"detail": []}'))
    assert found["status"] == "ERROR"
    assert found["error"] == "Invalid status code: 422"
    assert found["payload"] == {"detail": []}


@pytest.mark.parametrize(
    "body", [b"", b"\x89PNG", b"<html>", b'{"n": NaN}', b"[" * 5000, b'{"a": 1'], ids=repr
)
def test_an_output_that_is_not_json_comes_as_ok_without_it(body: bytes) -> None:
    found = payload(Outcome(200, body))
    assert (found["status"], found["payload"]) == ("OK", None)
    assert found["payload_error"] == PAYLOAD_ERROR
    assert "error" not in found


def test_an_error_that_is_not_json_comes_with_both_texts() -> None:
    found = payload(Outcome(404, b"404 page not found"))
    assert found["error"] == "Invalid status code: 404"
    assert (found["payload"], found["payload_error"]) == (None, PAYLOAD_ERROR)


@pytest.mark.parametrize("body", [b'"\\ud800"', b"null", b"7", b"1" * 400], ids=repr)
def test_odd_json_is_json(body: bytes) -> None:
    assert "payload_error" not in payload(Outcome(200, body))


@pytest.mark.parametrize("name", SAMPLES)
def test_each_sample_is_a_payload_of_the_protocol(name: SampleName) -> None:
    schema = Draft202012Validator(Protocol.vendored().schema("WebhookPayload"))
    found = payload(sample(name, T2V))
    assert schema.is_valid(found), found
