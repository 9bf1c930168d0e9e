"""The protocol's document: sound, complete in its evidence, and one that finds faults."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import validate

from falkit_spec import Catalog, Endpoint, SpecError
from falkit_spec.protocol import Protocol
from falkit_spec.types import is_array, is_object

PROTOCOL = Protocol.vendored()
# Those of LTX-2, and one of each other kind: the document is the same for all.
OTHERS = ("fal-ai/flux/dev", "lightricks/ltx-2.5/text-to-video/pro")
ENDPOINTS = [each for each in Catalog.vendored() if each.app == "fal-ai/ltx-2" or each.id in OTHERS]
FAST = Catalog.vendored().get("fal-ai/ltx-2/image-to-video/fast")
ID = "01989c3c-0000-7000-8000-000000000000"
WAYS = {"run", "stream", "realtime"}
METHODS = ("get", "head", "post", "put")


def facts() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all that has to say how certain it is, by its place."""
    data: dict[str, Any] = PROTOCOL.data
    for kind in ("parameters", "headers", "responses", "schemas", "securitySchemes"):
        for name, node in data["components"][kind].items():
            yield f"{kind} {name}", node
    for place in ("paths", "webhooks"):
        for path, item in data[place].items():
            for method in METHODS:
                if method in item:
                    yield f"{method} {path}", item[method]


FACTS = dict(facts())


def walked(node: Any) -> Iterator[dict[str, Any]]:
    if is_object(node):
        yield node
    below = node.values() if is_object(node) else node if is_array(node) else ()
    for each in below:
        yield from walked(each)


def test_the_document_is_sound() -> None:
    validate(PROTOCOL.data)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.id)
def test_the_document_of_each_endpoint_is_sound_and_names_no_template(endpoint: Endpoint) -> None:
    data = PROTOCOL.for_endpoint(endpoint)
    validate(data)
    paths = data["paths"]
    assert isinstance(paths, dict)
    assert not [path for path in paths if "{app}" in path or "{endpoint_id}" in path]
    assert f"/queue.fal.run/{endpoint.app}/requests/{{request_id}}/status" in paths
    assert f"/queue.fal.run/{endpoint.id}/requests/{{request_id}}/status" not in paths


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.id)
def test_an_endpoints_own_schemas_are_filled_in(endpoint: Endpoint) -> None:
    schemas: Any = PROTOCOL.for_endpoint(endpoint)["components"]
    filled = Draft202012Validator(
        {"$ref": "#/components/schemas/Input", "components": schemas}, validate_formats=True
    )
    assert filled.is_valid(endpoint.example_input())
    assert not filled.is_valid({})


@pytest.mark.parametrize("place", FACTS)
def test_every_fact_names_its_certainty_and_its_source(place: str) -> None:
    fact = FACTS[place]
    info: Any = PROTOCOL.data["info"]
    tags = "|".join(map(re.escape, info["x-falkit-sources"]))
    assert fact["x-falkit-certainty"] in ("confirmed", "inferred")
    assert re.match(rf"({tags})(\b|:)", fact["x-falkit-source"])


def test_a_certainty_never_comes_without_a_source() -> None:
    for node in walked(PROTOCOL.data):
        assert ("x-falkit-certainty" in node) == ("x-falkit-source" in node), node


def test_every_definition_is_used() -> None:
    text = json.dumps(PROTOCOL.data)
    components: Any = PROTOCOL.data["components"]
    for kind in ("parameters", "headers", "responses", "schemas"):
        for name in components[kind]:
            assert f'"#/components/{kind}/{name}"' in text, f"{kind} {name}"


def test_every_answer_of_falkits_queue_and_models_has_a_request_id() -> None:
    for place, fact in FACTS.items():
        for code, node in fact.get("responses", {}).items():
            if "queue.fal.run" in place or "/fal.run" in place:
                name = node["$ref"].rpartition("/")[2]
                response = FACTS[f"responses {name}"]
                assert "x-fal-request-id" in response["headers"], f"{place} {code}"


def test_a_schema_is_complete_on_its_own() -> None:
    completed = Draft202012Validator(PROTOCOL.schema("Completed"), validate_formats=True)
    url = f"https://queue.fal.run/fal-ai/ltx-2/requests/{ID}"
    status: dict[str, Any] = {
        "status": "COMPLETED",
        "request_id": ID,
        "response_url": url,
        "status_url": f"{url}/status",
        "cancel_url": f"{url}/cancel",
        "logs": None,
        "metrics": {"inference_time": 1.5},
    }
    assert completed.is_valid(status)
    assert not completed.is_valid({**status, "queue_position": 0})
    assert not completed.is_valid({**status, "error_type": "client_cancelled"})
    assert not completed.is_valid({**status, "status": "FAILED"})


def test_an_unknown_schema_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(SpecError, match=r"no schema 'Nothing'; it has .*Completed"):
        PROTOCOL.schema("Nothing")


SUBMITTED: dict[str, Any] = {
    "status": "IN_QUEUE",
    "request_id": ID,
    "response_url": f"https://queue.fal.run/fal-ai/ltx-2/requests/{ID}",
    "status_url": f"https://queue.fal.run/fal-ai/ltx-2/requests/{ID}/status",
    "cancel_url": f"https://queue.fal.run/fal-ai/ltx-2/requests/{ID}/cancel",
    "logs": None,
    "metrics": {},
    "queue_position": 0,
}
HEADERS = {"Content-Type": "application/json", "X-Fal-Request-Id": ID}
SUBMIT = PROTOCOL.operations(FAST)["submit"]


def test_a_good_reply_has_no_faults() -> None:
    assert SUBMIT.faults(200, HEADERS, json.dumps(SUBMITTED).encode()) == []


@pytest.mark.parametrize(
    ("status_code", "headers", "body", "fault"),
    [
        (201, HEADERS, SUBMITTED, "201 is not one of 200, 400, 401, 403, 404, 413, 422, 429"),
        (200, {"Content-Type": "application/json"}, SUBMITTED, "x-fal-request-id is missing"),
        (200, {**HEADERS, "X-Fal-Request-Id": "7"}, SUBMITTED, "header x-fal-request-id"),
        (200, {**HEADERS, "Content-Type": "text/plain"}, SUBMITTED, "is not application/json"),
        (200, HEADERS, {**SUBMITTED, "queue_position": None}, "body: queue_position"),
        (200, HEADERS, {**SUBMITTED, "extra": 1}, "body: as a whole"),
        (200, HEADERS, {**SUBMITTED, "status_url": "https://x/status"}, "body: status_url"),
    ],
)
def test_a_fault_is_named(
    status_code: int, headers: dict[str, str], body: dict[str, Any], fault: str
) -> None:
    (found,) = SUBMIT.faults(status_code, headers, json.dumps(body).encode())
    assert fault in found


def test_a_body_that_is_not_json_is_a_fault() -> None:
    (found,) = SUBMIT.faults(200, HEADERS, b"<html>")
    assert "not JSON" in found


def test_a_body_where_none_belongs_is_a_fault() -> None:
    head = PROTOCOL.operations(FAST)["statusHead"]
    assert head.faults(202, HEADERS, b"") == []
    (found,) = head.faults(202, HEADERS, b"{}")
    assert "2 bytes where there should be no body" in found


@pytest.mark.parametrize(
    ("endpoint_id", "ways"),
    [
        ("fal-ai/ltx-2/image-to-video/fast", {"run": ""}),
        ("fal-ai/flux/dev", {"run": "", "stream": "/stream"}),
        ("fal-ai/flux-lora/stream", {"stream": ""}),
    ],
)
def test_an_endpoint_has_the_ways_in_which_it_is_called(
    endpoint_id: str, ways: dict[str, str]
) -> None:
    endpoint = Catalog.vendored().get(endpoint_id)
    validate(PROTOCOL.for_endpoint(endpoint))
    operations = PROTOCOL.operations(endpoint)
    found = {name: operations[name].path for name in operations.keys() & WAYS}
    assert found == {name: f"/fal.run/{endpoint_id}{rest}" for name, rest in ways.items()}


def test_each_event_of_a_stream_is_a_status() -> None:
    stream = PROTOCOL.operations(FAST)["statusStream"]
    assert stream.event_faults(SUBMITTED) == []
    assert stream.event_faults({**SUBMITTED, "status": "COMPLETED"})


UNSERIALISABLE = (
    "Response payload is not JSON serializable. Either return a JSON serializable object or use "
    "the queue endpoint to retrieve the response."
)
ALWAYS = {"request_id": ID, "gateway_request_id": ID, "error": None}
REFUSED = {"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]}


@pytest.mark.parametrize(
    ("payload", "good"),
    [
        ({"status": "OK", "payload": {"video": {"url": "https://v3b.fal.media/x"}}}, True),
        ({"status": "OK", "payload": None, "payload_error": UNSERIALISABLE}, True),
        ({"status": "ERROR", "error": "Invalid status code: 422", "payload": REFUSED}, True),
        (
            {
                "status": "ERROR",
                "error": "Invalid status code: 404",
                "payload": None,
                "payload_error": UNSERIALISABLE,
            },
            True,
        ),
        ({"status": "OK", "payload": None}, False),
        ({"status": "ERROR", "payload": REFUSED}, False),
        ({"status": "COMPLETED", "payload": {}}, False),
    ],
)
def test_the_four_webhook_payloads_are_distinguished_from_others(
    payload: dict[str, Any], good: bool
) -> None:
    webhook = Draft202012Validator(PROTOCOL.schema("WebhookPayload"), validate_formats=True)
    assert webhook.is_valid({**ALWAYS, **payload}) == good
