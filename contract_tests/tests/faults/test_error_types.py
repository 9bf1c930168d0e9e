"""Every error type of wire.md §6, by fal.run, by the queue's result and by webhook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from falkit_spec import Catalog
from falkit_spec.protocol import Protocol
from faults.published import EVERY, MODEL, REQUEST, ModelErrorType, RequestErrorType
from receiver import receiving
from serving import I2V_FAST, PROMPT, T2V, Mock

PROTOCOL = Protocol.vendored()
OPERATIONS = PROTOCOL.operations(Catalog.vendored().get(T2V))
PAYLOAD = Draft202012Validator(PROTOCOL.schema("WebhookPayload"), validate_formats=True)


def named(fault: str) -> dict[str, str]:
    return {**PROMPT, "prompt": f"A lighthouse [falkit:{fault}] in the rain"}


def assert_documented(operation: str, reply: httpx.Response) -> None:
    faults = OPERATIONS[operation].faults(reply.status_code, reply.headers, reply.content)
    assert faults == []


def assert_model_error(reply: httpx.Response, error: ModelErrorType) -> None:
    assert reply.status_code == error.status
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-fal-request-id"]
    retries = {reply.headers[name] for name in ("x-fal-retryable", "x-fal-needs-retry")}
    assert retries <= ({"true", "false"} if error.retryable is None else {"false"})
    assert len(retries) == 1
    (item,) = reply.json()["detail"]
    assert item.keys() - {"ctx", "input"} == {"loc", "msg", "type", "url"}
    assert item["type"] == error.type
    assert item["url"] == f"https://docs.fal.ai/errors#{error.type}"
    assert item["loc"][0] == "body"
    assert set(item.get("ctx", {})) == error.ctx
    assert item["msg"]
    assert "{" not in item["msg"]


def assert_request_error(reply: httpx.Response, error: RequestErrorType) -> None:
    assert reply.status_code == error.status
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-fal-request-id"]
    assert reply.headers["x-fal-error-type"] == error.type
    body = reply.json()
    assert body.keys() == {"detail", "error_type"}
    assert body["error_type"] == error.type
    by_user = reply.headers.get("x-fal-request-timeout-type")
    assert by_user == ("user" if error.type == "request_timeout" else None)
    if error.type == "request_timeout":
        assert body["detail"] == "Request timed out"


def test_the_catalogue_has_every_published_type_and_no_other(instant: Mock) -> None:
    listed = instant.http.get("/__falkit/faults").json()["faults"]

    def of(family: str) -> set[str]:
        return {fault["name"] for fault in listed if fault["family"] == family}

    assert of("model error") == {error.type for error in MODEL}
    assert of("request error") == {error.type for error in REQUEST}
    assert len(EVERY) == len(MODEL) + len(REQUEST)


@pytest.mark.parametrize("error", MODEL, ids=lambda error: error.type)
def test_a_models_error_by_fal_run(instant: Mock, error: ModelErrorType) -> None:
    reply = instant.run(named(error.type))
    assert_model_error(reply, error)
    assert_documented("run", reply)


@pytest.mark.parametrize("error", REQUEST, ids=lambda error: error.type)
def test_a_request_error_by_fal_run(instant: Mock, error: RequestErrorType) -> None:
    reply = instant.run(named(error.type))
    assert_request_error(reply, error)
    assert reply.headers.get("x-fal-needs-retry") == ("1" if error.temporary else None)
    assert_documented("run", reply)


@pytest.mark.parametrize("error", MODEL, ids=lambda error: error.type)
def test_a_models_error_by_the_queue(instant: Mock, error: ModelErrorType) -> None:
    job = instant.submit(named(error.type))
    status = instant.http.get(job["status_url"])
    assert status.status_code == 200
    assert status.json()["status"] == "COMPLETED"
    assert status.json()["error"] == f"Invalid status code: {error.status}"
    assert "error_type" not in status.json()
    assert_documented("status", status)
    assert_model_error(instant.result(job), error)
    assert_documented("result", instant.result(job))


@pytest.mark.parametrize("error", REQUEST, ids=lambda error: error.type)
def test_a_request_error_by_the_queue(instant: Mock, error: RequestErrorType) -> None:
    job = instant.submit(named(error.type))
    status = instant.http.get(job["status_url"])
    assert status.status_code == 200
    assert status.json()["status"] == "COMPLETED"
    assert status.json()["error"] == instant.result(job).json()["detail"]
    assert status.json()["error_type"] == error.type
    assert_documented("status", status)
    assert_request_error(instant.result(job), error)
    assert_documented("result", instant.result(job))


def test_every_type_by_webhook(instant: Mock) -> None:
    with receiving() as receiver:
        jobs = {
            instant.submit(named(error.type), params={"fal_webhook": receiver.url})[
                "request_id"
            ]: error
            for error in EVERY
        }
        came = receiver.wait(len(EVERY))
    seen = {request.json["request_id"]: request.json for request in came}
    assert seen.keys() == jobs.keys()
    for request_id, error in jobs.items():
        body = seen[request_id]
        assert PAYLOAD.is_valid(body)
        assert body["status"] == "ERROR"
        assert body["error"] == f"Invalid status code: {error.status}"
        retried = isinstance(error, RequestErrorType) and error.temporary
        assert (body["gateway_request_id"] != request_id) == retried
        if isinstance(error, ModelErrorType):
            (item,) = body["payload"]["detail"]
            assert item["type"] == error.type
        else:
            assert body["payload"]["error_type"] == error.type


def test_an_answer_without_json_has_a_payload_error_in_its_webhook(instant: Mock) -> None:
    with receiving() as receiver:
        for fault in ("raw_error", "unserialisable"):
            instant.submit(named(fault), params={"fal_webhook": receiver.url})
        seen = {request.json["status"]: request.json for request in receiver.wait(2)}
    assert {body["payload"] for body in seen.values()} == {None}
    for body in seen.values():
        assert body["payload_error"].startswith("Response payload is not JSON serializable.")
    assert seen["ERROR"]["error"] == "Invalid status code: 500"
    assert seen["OK"]["error"] is None


def test_raw_answers_are_not_json(instant: Mock) -> None:
    for fault, code in (("raw_error status=502", 502), ("unserialisable", 200)):
        reply = instant.run(named(fault))
        assert (reply.status_code, reply.headers["content-type"]) == (
            code,
            "text/plain; charset=utf-8",
        )
        assert reply.headers["x-fal-request-id"]
        assert_documented("run", reply)


WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "header": lambda fault: {"headers": {"x-falkit-fault": fault}},
    "prompt": lambda fault: {"json": named(fault)},
    "url": lambda fault: {
        "json": {
            **PROMPT,
            "image_url": "https://falkit.test/{}.png?{}".format(
                *(fault.replace(" ", "&") + "&").split("&", 1)
            ),
        }
    },
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("image_load_error", 422),
        ("image_too_small min_width=9", 422),
        ("runner_server_error", 500),
        ("concurrent_requests_limit", 429),
        ("account_locked", 403),
        ("bad_key", 401),
    ],
)
def test_a_request_names_its_fault(instant: Mock, way: str, fault: str, status: int) -> None:
    input = {**PROMPT, "image_url": "https://example.com/x.png"}
    options: dict[str, Any] = {"json": input, **WAYS[way](fault)}
    options["json"] = {**input, **options["json"]}
    reply = instant.http.post(f"/fal.run/{I2V_FAST}", **options)
    assert reply.status_code == status
    if "min_width" in fault:
        assert reply.json()["detail"][0]["ctx"]["min_width"] == 9
    assert fault.partition(" ")[0] in reply.headers["x-falkit-hint"]


def test_an_error_is_about_the_field_that_fits(instant: Mock) -> None:
    def loc(fault: str, endpoint: str, **input: Any) -> Any:
        reply = instant.run({**named(fault), **input}, endpoint)
        return reply.json()["detail"][0]["loc"]

    image = {"image_url": "https://example.com/x.png"}
    assert loc("image_load_error", I2V_FAST, **image) == ["body", "image_url"]
    assert loc("image_load_error", T2V) == ["body", "prompt"]
    assert loc("less_than_equal", I2V_FAST, **image) == ["body", "duration"]
    assert loc("generation_timeout", T2V) == ["body"]
    assert loc("image_load_error field=images.0.url", T2V) == ["body", "images", 0, "url"]


def test_parameters_say_what_an_error_has(instant: Mock) -> None:
    fault = 'unsupported_image_format supported_formats=gif,bmp msg="Not this one."'
    (item,) = instant.run(named(fault)).json()["detail"]
    assert item["ctx"] == {"supported_formats": ["gif", "bmp"]}
    assert item["msg"] == "Not this one."
    assert instant.run(named("downstream_service_error status=500")).status_code == 500
    reply = instant.run(named("internal_server_error retryable=true"))
    assert reply.headers["x-fal-retryable"] == reply.headers["x-fal-needs-retry"] == "true"
    plain = instant.run(named("request_timeout by=platform"))
    assert "x-fal-request-timeout-type" not in plain.headers


def test_a_policy_violation_names_its_categories(instant: Mock) -> None:
    reply = instant.run(named("content_policy_violation categories=violence,self-harm"))
    (item,) = reply.json()["detail"]
    assert item["categories"] == ["violence", "self-harm"]
    assert "ctx" not in item
    assert_documented("run", reply)
    (item,) = instant.run(named("content_policy_violation")).json()["detail"]
    assert "categories" not in item


def test_an_input_that_the_model_refuses_never_comes_to_its_own_errors(instant: Mock) -> None:
    bad = {**named("image_load_error"), "duration": 7}
    assert instant.run(bad).json()["detail"][0]["type"] == "literal_error"
    bad = {**named("runner_server_error"), "duration": 7}
    assert instant.run(bad).json()["error_type"] == "runner_server_error"
