"""fal-client, synchronous, as it comes from PyPI, with the mock in fal's place.

One test an operation; docs/clients.md is their list.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fal_client
import httpx
import pytest
from fal_client import Completed, FalClientHTTPError, InProgress, Queued, SyncClient
from fal_client.auth import MissingCredentialsError
from httpx_sse import SSEError

from clients.in_process import Fal, in_process
from falkit_fixtures.images import sample
from serving import I2V_FAST, PROMPT, T2V


@pytest.fixture
def polled() -> Generator[Fal]:
    """Jobs that move with each look at them."""
    with in_process(timing="polls") as fal:
        yield fal


@pytest.fixture
def held() -> Generator[Fal]:
    """Jobs that wait for ever."""
    with in_process(timing="held") as fal:
        yield fal


@pytest.fixture
def long() -> Generator[Fal]:
    """Jobs that start at once and run for a minute: a client's timeout is a start timeout too."""
    with in_process(timing="0,60") as fal:
        yield fal


@pytest.fixture
def client() -> SyncClient:
    return SyncClient(key="id:secret")


def assert_clip(output: dict[str, Any]) -> None:
    reply = httpx.get(output["video"]["url"])
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert reply.content[4:8] == b"ftyp"


def test_run(polled: Fal, client: SyncClient) -> None:
    assert_clip(client.run(T2V, PROMPT))


def test_start_timeout_and_hint(polled: Fal, client: SyncClient) -> None:
    client.run(T2V, PROMPT, start_timeout=30, hint="here")
    assert polled.sent("x-fal-request-timeout") == ["30.0"]
    assert polled.sent("x-fal-runner-hint") == ["here"]


def test_submit(polled: Fal, client: SyncClient) -> None:
    handle = client.submit(T2V, PROMPT, priority="low", start_timeout=30)
    assert uuid.UUID(handle.request_id)
    assert handle == client.get_handle(T2V, handle.request_id)
    assert polled.sent("x-fal-queue-priority") == ["low"]
    assert polled.sent("x-fal-request-timeout") == ["30.0"]


def test_status(polled: Fal, client: SyncClient) -> None:
    handle = client.submit(T2V, PROMPT)
    assert handle.status() == Queued(position=0)
    assert isinstance(running := handle.status(with_logs=True), InProgress)
    assert running.logs
    assert isinstance(done := client.status(T2V, handle.request_id, with_logs=True), Completed)
    assert done.logs
    assert list(done.metrics) == ["inference_time"]
    assert (done.error, done.error_type) == (None, None)


def test_status_without_logs(polled: Fal, client: SyncClient) -> None:
    handle = client.submit(T2V, PROMPT)
    handle.status()
    assert handle.status() == InProgress(logs=None)


def test_iter_events(polled: Fal, client: SyncClient) -> None:
    handle = client.submit(T2V, PROMPT)
    events = list(handle.iter_events(with_logs=True, interval=0))
    assert [type(event) for event in events] == [Queued, InProgress, Completed]


def test_get(polled: Fal, client: SyncClient) -> None:
    handle = client.submit(T2V, PROMPT)
    output = handle.get(interval=0)
    assert_clip(output)
    assert handle.get(interval=0) == output


def test_result(polled: Fal, client: SyncClient) -> None:
    handle = client.submit(T2V, PROMPT)
    list(handle.iter_events(interval=0))
    assert_clip(client.result(T2V, handle.request_id))


def test_cancel(held: Fal, client: SyncClient) -> None:
    handle = client.submit(T2V, PROMPT)
    client.cancel(T2V, handle.request_id)
    assert isinstance(done := handle.status(), Completed)
    assert done.error_type == "client_cancelled"
    with pytest.raises(FalClientHTTPError) as result:
        handle.get()
    assert (result.value.status_code, result.value.error_type) == (499, "client_cancelled")
    with pytest.raises(FalClientHTTPError) as again:
        handle.cancel()
    assert again.value.status_code == 400
    assert again.value.response.json() == {"status": "ALREADY_COMPLETED"}


def test_subscribe_by_polling(polled: Fal, client: SyncClient) -> None:
    enqueued: list[str] = []
    updates: list[fal_client.Status] = []
    output = client.subscribe(
        T2V,
        PROMPT,
        with_logs=True,
        interval=0,
        on_enqueue=enqueued.append,
        on_queue_update=updates.append,
    )
    assert_clip(output)
    assert [type(update) for update in updates] == [Queued, InProgress, Completed]
    assert len(enqueued) == 1


def test_subscribe_that_runs_out_of_time_cancels(
    long: Fal, client: SyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of its own, and ended here, since the thread in which the client waits outlives the call.
    with ThreadPoolExecutor(1) as executor:
        monkeypatch.setattr("fal_client.client.EXECUTOR", executor)
        with pytest.raises(fal_client.FalClientTimeoutError) as timeout:
            client.subscribe(T2V, PROMPT, interval=0.01, client_timeout=1.01)
    assert timeout.value.request_id
    with pytest.raises(FalClientHTTPError, match="cancelled by the client"):
        client.result(T2V, timeout.value.request_id)


def test_stream(polled: Fal, client: SyncClient) -> None:
    *before, last = client.stream("fal-ai/flux/dev", PROMPT)
    assert [event["images"][0]["url"][:11] for event in before] == ["data:image/"] * 3
    assert last.keys() == client.run("fal-ai/flux/dev", PROMPT).keys()


def test_stream_on_an_app_that_has_none(polled: Fal, client: SyncClient) -> None:
    with pytest.raises(SSEError, match="text/event-stream"):
        list(client.stream(T2V, PROMPT))


BAD = {**PROMPT, "prompt": "", "duration": "6"}


@pytest.mark.parametrize("operation", ["run", "subscribe"])
def test_validation_errors(polled: Fal, client: SyncClient, operation: str) -> None:
    with pytest.raises(FalClientHTTPError) as refused:
        getattr(client, operation)(T2V, BAD)
    error = refused.value
    # Its type says text; the client passes fal's list on as it is.
    faults: Any = error.message
    assert [fault["loc"] for fault in faults] == [["body", "prompt"], ["body", "duration"]]
    assert (error.status_code, error.error_type) == (422, None)
    assert uuid.UUID(error.response_headers["x-fal-request-id"])
    assert error.response_headers["x-fal-billable-units"] == "0"


def test_unknown_endpoint(polled: Fal, client: SyncClient) -> None:
    with pytest.raises(FalClientHTTPError) as unknown:
        client.run("fal-ai/no-such-model", {})
    assert unknown.value.status_code == 404
    assert unknown.value.message == 'Application "no-such-model" not found'


def test_unknown_path_of_a_known_app(polled: Fal, client: SyncClient) -> None:
    with pytest.raises(FalClientHTTPError) as unknown:
        client.subscribe("fal-ai/ltx-2/no-such-path", PROMPT, interval=0)
    assert (unknown.value.status_code, unknown.value.message) == (
        404,
        "Path /no-such-path not found",
    )


def test_unknown_request(polled: Fal, client: SyncClient) -> None:
    with pytest.raises(FalClientHTTPError) as unknown:
        client.status(T2V, "nobody")
    assert unknown.value.status_code == 404
    assert unknown.value.response.json() == {"status": "NOT_FOUND"}


def test_no_credentials(polled: Fal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAL_HOME_DIR", "/nowhere")
    with pytest.raises(MissingCredentialsError):
        SyncClient().submit(T2V, PROMPT)
    assert polled.requests == []


def test_wrong_credentials(polled: Fal) -> None:
    with pytest.raises(FalClientHTTPError) as refused:
        SyncClient(key="id:wrong").submit(T2V, PROMPT)
    assert (refused.value.status_code, refused.value.message) == (401, "invalid key credentials")


def test_upload(polled: Fal, client: SyncClient) -> None:
    image = sample("png")
    url = client.upload(image, "image/png", file_name="picture.png")
    assert httpx.get(url).content == image
    assert_clip(client.run(I2V_FAST, {**PROMPT, "image_url": url}))
