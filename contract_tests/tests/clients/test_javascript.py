"""@fal-ai/client, as it comes from npm, against the mock: its proxy setting and nothing else.

One test an operation; docs/clients.md is their list.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from clients.javascript_client import call
from falkit import Settings
from falkit_fixtures.images import sample
from serving import I2V_FAST, PROMPT, Mock, running

KEYS = frozenset({"id:secret"})


@pytest.fixture(scope="module")
def mock() -> Generator[Mock]:
    """A mock whose jobs move with each look at them."""
    with running(Settings(timing="polls", api_keys=KEYS)) as served:
        yield served


@pytest.fixture(scope="module")
def held() -> Generator[Mock]:
    """A mock whose jobs wait for ever."""
    with running(Settings(timing="held", api_keys=KEYS)) as served:
        yield served


def assert_clip(data: dict[str, Any]) -> None:
    reply = httpx.get(data["video"]["url"])
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert reply.content[4:8] == b"ftyp"


def messages(update: dict[str, Any]) -> list[str]:
    lines: list[dict[str, str]] = update["logs"] or []
    return [line["message"] for line in lines]


def test_run(mock: Mock) -> None:
    result = call(mock.url, "run")
    assert_clip(result["data"])
    assert uuid.UUID(result["requestId"])


def test_subscribe_by_polling(mock: Mock) -> None:
    told = call(mock.url, "subscribePolling")
    statuses = [update["status"] for update in told["updates"]]
    assert statuses == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert messages(told["updates"][1])
    assert told["enqueued"] == [told["result"]["requestId"]]
    assert_clip(told["result"]["data"])


def test_subscribe_by_streaming(mock: Mock) -> None:
    told = call(mock.url, "subscribeStreaming")
    statuses = [update["status"] for update in told["updates"]]
    assert statuses == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    running, done = messages(told["updates"][1]), messages(told["updates"][2])
    assert running
    assert done[: len(running)] == running, "the client adds each event's lines to those before"
    assert len(done) == len(set(done)), "no line comes twice"
    assert told["enqueued"] == [told["result"]["requestId"]]
    assert_clip(told["result"]["data"])


def test_subscribe_that_runs_out_of_time_cancels(held: Mock) -> None:
    told = call(held.url, "subscribeTimeout")
    assert "timed out waiting for the request to complete after 30ms" in told["error"]["message"]
    (request_id,) = told["enqueued"]
    job = f"/queue.fal.run/fal-ai/ltx-2/requests/{request_id}"
    assert held.http.get(f"{job}/status").json()["status"] == "COMPLETED"
    assert held.http.get(job).status_code == 499


def test_submit(mock: Mock) -> None:
    queued = call(mock.url, "submit")
    base = f"https://queue.fal.run/fal-ai/ltx-2/requests/{queued['request_id']}"
    assert queued["status"] == "IN_QUEUE"
    assert queued["queue_position"] >= 0
    assert queued["response_url"] == base
    assert queued["status_url"] == f"{base}/status"
    assert queued["cancel_url"] == f"{base}/cancel"


def test_start_timeout_and_hint(mock: Mock) -> None:
    (headers,) = call(mock.url, "startTimeoutAndHint")
    assert headers["x-fal-request-timeout"] == "30"
    assert headers["x-fal-runner-hint"] == "here"
    assert headers["x-fal-queue-priority"] == "normal", "the client always says so"


def test_status_without_logs(mock: Mock) -> None:
    queued = call(mock.url, "status")["queued"]
    assert (queued["status"], queued["logs"]) == ("IN_QUEUE", None)
    assert queued["queue_position"] >= 0


def test_status(mock: Mock) -> None:
    told = call(mock.url, "status")
    assert told["running"]["status"] == "IN_PROGRESS"
    assert messages(told["running"])
    assert told["done"]["status"] == "COMPLETED"
    assert list(told["done"]["metrics"]) == ["inference_time"]
    assert {told[name]["request_id"] for name in ("queued", "running", "done")} == {
        told["requestId"]
    }


def test_stream_status(mock: Mock) -> None:
    told = call(mock.url, "streamStatus")
    statuses = [event["status"] for event in told["events"]]
    assert statuses == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert told["last"] == told["events"][-1]
    assert told["last"]["request_id"] == told["requestId"]


def test_result(mock: Mock) -> None:
    told = call(mock.url, "result")
    assert_clip(told["first"]["data"])
    assert told["first"]["requestId"] == told["requestId"]
    assert told["first"] == told["second"]


def test_result_before_the_end(held: Mock) -> None:
    told = call(held.url, "earlyResult")
    error = told["error"]
    assert (error["name"], error["status"], error["message"]) == ("ApiError", 400, "Bad Request")
    assert error["body"]["detail"] == "Request is still in progress"
    assert error["requestId"] == error["body"]["request_id"] == told["requestId"]


def test_cancel(held: Mock) -> None:
    told = call(held.url, "cancel")
    assert told["status"]["status"] == "COMPLETED"
    assert told["status"]["error_type"] == "client_cancelled"
    result, again = told["result"]["error"], told["again"]["error"]
    assert (result["name"], result["status"]) == ("ApiError", 499)
    assert result["message"] == "Client Closed Request"
    assert result["body"]["error_type"] == "client_cancelled"
    assert (again["status"], again["body"]) == (400, {"status": "ALREADY_COMPLETED"})
    assert result["requestId"] == again["requestId"] == told["requestId"]


BAD = {**PROMPT, "prompt": "", "duration": "6"}


@pytest.mark.parametrize("operation", ["run", "subscribePolling", "subscribeStreaming"])
def test_validation_errors(mock: Mock, operation: str) -> None:
    error = call(mock.url, operation, input=BAD)["error"]
    assert (error["name"], error["status"]) == ("ValidationError", 422)
    assert error["message"] == "Unprocessable Entity"
    assert [fault["loc"] for fault in error["fieldErrors"]] == [
        ["body", "prompt"],
        ["body", "duration"],
    ]
    (of_duration,), (of_prompt,) = error["ofDuration"], error["ofPrompt"]
    assert of_duration["type"] == "literal_error"
    assert of_duration["msg"] == "Input should be 6, 8 or 10"
    assert of_prompt["type"] == "string_too_short"
    assert uuid.UUID(error["requestId"])


def test_stream(mock: Mock) -> None:
    last = call(mock.url, "stream", endpoint="fal-ai/flux/dev")
    assert last.keys() == mock.run(PROMPT, "fal-ai/flux/dev").json().keys()


def test_stream_on_an_app_that_has_none(mock: Mock) -> None:
    error = call(mock.url, "stream")["error"]
    assert (error["name"], error["status"]) == ("ApiError", 404)
    assert error["body"] == {"detail": "Path /text-to-video/stream not found"}


def test_unknown_endpoint(mock: Mock) -> None:
    error = call(mock.url, "run", endpoint="fal-ai/no-such-model")["error"]
    assert (error["name"], error["status"], error["message"]) == ("ApiError", 404, "Not Found")
    assert error["body"] == {"detail": 'Application "no-such-model" not found'}
    assert uuid.UUID(error["requestId"])


def test_unknown_path_of_a_known_app(mock: Mock) -> None:
    error = call(mock.url, "subscribePolling", endpoint="fal-ai/ltx-2/no-such-path")["error"]
    assert (error["status"], error["body"]) == (404, {"detail": "Path /no-such-path not found"})


def test_unknown_request(mock: Mock) -> None:
    error = call(mock.url, "unknownRequest")["error"]
    assert (error["status"], error["body"]) == (404, {"status": "NOT_FOUND"})


def test_no_credentials(mock: Mock) -> None:
    error = call(mock.url, "run", key="")["error"]
    assert (error["name"], error["status"], error["message"]) == ("ApiError", 401, "Unauthorized")
    assert error["body"]["detail"].startswith('Cannot access application "fal-ai/ltx-2"')
    assert uuid.UUID(error["requestId"])


def test_wrong_credentials(mock: Mock) -> None:
    error = call(mock.url, "submit", key="id:wrong")["error"]
    assert (error["status"], error["body"]) == (401, {"detail": "invalid key credentials"})


def test_upload(mock: Mock) -> None:
    image = list(sample("png"))
    told = call(mock.url, "upload", endpoint=I2V_FAST, input={**PROMPT, "bytes": image})
    assert told["bytes"] == image
    assert_clip(told["data"])
