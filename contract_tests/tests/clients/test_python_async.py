"""fal-client, asynchronous, as it comes from PyPI, with the mock in fal's place.

One test an operation; docs/clients.md is their list.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator
from typing import Any

import fal_client
import httpx
import pytest
from fal_client import AsyncClient, Completed, FalClientHTTPError, InProgress, Queued
from fal_client.auth import MissingCredentialsError
from httpx_sse import SSEError

from clients.in_process import Fal, in_process
from falkit_fixtures.images import sample
from serving import I2V_FAST, PROMPT, T2V

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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
def client() -> AsyncClient:
    return AsyncClient(key="id:secret")


async def fetched(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as http:
        return await http.get(url)


async def assert_clip(output: dict[str, Any]) -> None:
    reply = await fetched(output["video"]["url"])
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert reply.content[4:8] == b"ftyp"


async def test_run(polled: Fal, client: AsyncClient) -> None:
    await assert_clip(await client.run(T2V, PROMPT))


async def test_start_timeout_and_hint(polled: Fal, client: AsyncClient) -> None:
    await client.run(T2V, PROMPT, start_timeout=30, hint="here")
    assert polled.sent("x-fal-request-timeout") == ["30.0"]
    assert polled.sent("x-fal-runner-hint") == ["here"]


async def test_submit(polled: Fal, client: AsyncClient) -> None:
    handle = await client.submit(T2V, PROMPT, priority="low", start_timeout=30)
    assert uuid.UUID(handle.request_id)
    assert handle == await client.get_handle(T2V, handle.request_id)
    assert polled.sent("x-fal-queue-priority") == ["low"]
    assert polled.sent("x-fal-request-timeout") == ["30.0"]


async def test_status(polled: Fal, client: AsyncClient) -> None:
    handle = await client.submit(T2V, PROMPT)
    assert await handle.status() == Queued(position=0)
    assert isinstance(running := await handle.status(with_logs=True), InProgress)
    assert running.logs
    assert isinstance(
        done := await client.status(T2V, handle.request_id, with_logs=True), Completed
    )
    assert done.logs
    assert list(done.metrics) == ["inference_time"]
    assert (done.error, done.error_type) == (None, None)


async def test_status_without_logs(polled: Fal, client: AsyncClient) -> None:
    handle = await client.submit(T2V, PROMPT)
    await handle.status()
    assert await handle.status() == InProgress(logs=None)


async def test_iter_events(polled: Fal, client: AsyncClient) -> None:
    handle = await client.submit(T2V, PROMPT)
    events = [event async for event in handle.iter_events(with_logs=True, interval=0)]
    assert [type(event) for event in events] == [Queued, InProgress, Completed]


async def test_get(polled: Fal, client: AsyncClient) -> None:
    handle = await client.submit(T2V, PROMPT)
    output = await handle.get(interval=0)
    await assert_clip(output)
    assert await handle.get(interval=0) == output


async def test_result(polled: Fal, client: AsyncClient) -> None:
    handle = await client.submit(T2V, PROMPT)
    async for _ in handle.iter_events(interval=0):
        pass
    await assert_clip(await client.result(T2V, handle.request_id))


async def test_cancel(held: Fal, client: AsyncClient) -> None:
    handle = await client.submit(T2V, PROMPT)
    await client.cancel(T2V, handle.request_id)
    assert isinstance(done := await handle.status(), Completed)
    assert done.error_type == "client_cancelled"
    with pytest.raises(FalClientHTTPError) as result:
        await handle.get()
    assert (result.value.status_code, result.value.error_type) == (499, "client_cancelled")
    with pytest.raises(FalClientHTTPError) as again:
        await handle.cancel()
    assert again.value.status_code == 400
    assert again.value.response.json() == {"status": "ALREADY_COMPLETED"}


async def test_subscribe_by_polling(polled: Fal, client: AsyncClient) -> None:
    enqueued: list[str] = []
    updates: list[fal_client.Status] = []
    output = await client.subscribe(
        T2V,
        PROMPT,
        with_logs=True,
        interval=0,
        on_enqueue=enqueued.append,
        on_queue_update=updates.append,
    )
    await assert_clip(output)
    assert [type(update) for update in updates] == [Queued, InProgress, Completed]
    assert len(enqueued) == 1


async def test_subscribe_that_runs_out_of_time_cancels(long: Fal, client: AsyncClient) -> None:
    with pytest.raises(fal_client.FalClientTimeoutError) as timeout:
        await client.subscribe(T2V, PROMPT, interval=0.01, client_timeout=1.01)
    assert timeout.value.request_id
    with pytest.raises(FalClientHTTPError, match="cancelled by the client"):
        await client.result(T2V, timeout.value.request_id)


async def test_stream(polled: Fal, client: AsyncClient) -> None:
    *before, last = [event async for event in client.stream("fal-ai/flux/dev", PROMPT)]
    assert [event["images"][0]["url"][:11] for event in before] == ["data:image/"] * 3
    assert last.keys() == (await client.run("fal-ai/flux/dev", PROMPT)).keys()


async def test_stream_on_an_app_that_has_none(polled: Fal, client: AsyncClient) -> None:
    with pytest.raises(SSEError, match="text/event-stream"):
        async for _ in client.stream(T2V, PROMPT):
            pass


BAD = {**PROMPT, "prompt": "", "duration": "6"}


@pytest.mark.parametrize("operation", ["run", "subscribe"])
async def test_validation_errors(polled: Fal, client: AsyncClient, operation: str) -> None:
    with pytest.raises(FalClientHTTPError) as refused:
        await getattr(client, operation)(T2V, BAD)
    error = refused.value
    # Its type says text; the client passes fal's list on as it is.
    faults: Any = error.message
    assert [fault["loc"] for fault in faults] == [["body", "prompt"], ["body", "duration"]]
    assert (error.status_code, error.error_type) == (422, None)
    assert uuid.UUID(error.response_headers["x-fal-request-id"])
    assert error.response_headers["x-fal-billable-units"] == "0"


async def test_unknown_endpoint(polled: Fal, client: AsyncClient) -> None:
    with pytest.raises(FalClientHTTPError) as unknown:
        await client.run("fal-ai/no-such-model", {})
    assert unknown.value.status_code == 404
    assert unknown.value.message == 'Application "no-such-model" not found'


async def test_unknown_path_of_a_known_app(polled: Fal, client: AsyncClient) -> None:
    with pytest.raises(FalClientHTTPError) as unknown:
        await client.subscribe("fal-ai/ltx-2/no-such-path", PROMPT, interval=0)
    assert (unknown.value.status_code, unknown.value.message) == (
        404,
        "Path /no-such-path not found",
    )


async def test_unknown_request(polled: Fal, client: AsyncClient) -> None:
    with pytest.raises(FalClientHTTPError) as unknown:
        await client.status(T2V, "nobody")
    assert unknown.value.status_code == 404
    assert unknown.value.response.json() == {"status": "NOT_FOUND"}


async def test_no_credentials(polled: Fal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAL_HOME_DIR", "/nowhere")
    with pytest.raises(MissingCredentialsError):
        await AsyncClient().submit(T2V, PROMPT)
    assert polled.requests == []


async def test_wrong_credentials(polled: Fal) -> None:
    with pytest.raises(FalClientHTTPError) as refused:
        await AsyncClient(key="id:wrong").submit(T2V, PROMPT)
    assert (refused.value.status_code, refused.value.message) == (401, "invalid key credentials")


async def test_upload(polled: Fal, client: AsyncClient) -> None:
    image = sample("png")
    url = await client.upload(image, "image/png", file_name="picture.png")
    assert (await fetched(url)).content == image
    await assert_clip(await client.run(I2V_FAST, {**PROMPT, "image_url": url}))
