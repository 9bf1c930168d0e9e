"""The body of a webhook, from what a job answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import (
    booleans,
    dictionaries,
    floats,
    integers,
    lists,
    none,
    recursive,
    text,
)
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


@pytest.mark.parametrize(
    ("output", "written"),
    [
        (
            '{ "video" : {"url": "ä", "file_size":null} }',
            '{"video": {"file_size": null, "url": "\\u00e4"}}',
        ),
        ('{"b":[{"d":1,"c":2}],"a":0}', '{"a": 0, "b": [{"c": 2, "d": 1}]}'),
        ('{"B":1,"a":2,"é":3,"_":4}', '{"B": 1, "_": 4, "a": 2, "\\u00e9": 3}'),
        ('{"a":1,"a":2}', '{"a": 2}'),
        ('{"seed":17454220438242315174}', '{"seed": 17454220438242315174}'),
        ("[1e3,1.50,-0.0,-0,1e-7,1e22,0.1]", "[1000.0, 1.5, -0.0, 0, 1e-07, 1e+22, 0.1]"),
        ('["\\ud800","😀","\\/","\\u007f"]', '["\\ud800", "\\ud83d\\ude00", "/", "\\u007f"]'),
        ("[]", "[]"),
        ("{}", "{}"),
    ],
)
def test_an_output_is_written_as_python_writes_json(output: str, written: str) -> None:
    """wire.md §5.1."""
    body = body_of(Outcome(200, output.encode()), ID, ID)
    ids = f'"gateway_request_id": "{ID}", "payload": {written}, "request_id": "{ID}"'
    assert body.decode("ascii") == f'{{"error": null, {ids}, "status": "OK"}}'


@given(
    recursive(
        none() | booleans() | integers() | floats(allow_nan=False, allow_infinity=False) | text(),
        lambda inner: lists(inner) | dictionaries(text(), inner),
    )
)
def test_a_body_is_what_python_would_write(output: Any) -> None:
    body = body_of(Outcome(200, json.dumps(output, ensure_ascii=False).encode()), ID, ID)
    fields = {"error": None, "gateway_request_id": ID, "request_id": ID, "status": "OK"}
    assert body == json.dumps({**fields, "payload": output}, sort_keys=True).encode()


def test_an_error_comes_with_its_code_and_its_body() -> None:
    found = payload(Outcome(422, b'{"detail": []}'))
    assert found["status"] == "ERROR"
    assert found["error"] == "Invalid status code: 422"
    assert found["payload"] == {"detail": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x89PNG",
        b"<html>",
        b'{"n": NaN}',
        b"-Infinity",
        b"1e400",
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a": 1',
        b"1" * 5000,
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'"\xff"',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_an_output_that_is_not_json_comes_as_ok_without_it(body: bytes) -> None:
    found = payload(Outcome(200, body))
    assert (found["status"], found["payload"]) == ("OK", None)
    assert found["payload_error"] == PAYLOAD_ERROR
    assert found["error"] is None


def test_an_error_that_is_not_json_comes_with_both_texts() -> None:
    found = payload(Outcome(404, b"404 page not found"))
    assert found["error"] == "Invalid status code: 404"
    assert (found["payload"], found["payload_error"]) == (None, PAYLOAD_ERROR)
    assert list(found) == sorted(found)


@pytest.mark.parametrize("body", [b'"\\ud800"', b"null", b"7", b"1" * 400], ids=repr)
def test_odd_json_is_json(body: bytes) -> None:
    assert "payload_error" not in payload(Outcome(200, body))


@pytest.mark.parametrize("name", SAMPLES)
def test_each_sample_is_a_payload_of_the_protocol(name: SampleName) -> None:
    schema = Draft202012Validator(Protocol.vendored().schema("WebhookPayload"))
    found = payload(sample(name, T2V))
    assert schema.is_valid(found), found
