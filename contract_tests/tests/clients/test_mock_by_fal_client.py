"""The official Python client, as it comes from its package, against the mock."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import fal_client
import httpx
import pytest

from rerouting import AsyncTransports, rerouted
from serving import I2V_FAST, PROMPT, T2V, Mock, Serve

IMAGE = {**PROMPT, "image_url": "https://example.com/x.png", "duration": 8}


@pytest.fixture
def async_transports() -> AsyncTransports:
    """What an asynchronous test has to close."""
    return []


@pytest.fixture
def polled(
    serve: Serve,
    async_transports: AsyncTransports,
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[Mock]:
    """A mock whose jobs move with each look at them, in fal's place."""
    mock = serve("polls", api_keys=frozenset({"id:secret"}))
    with rerouted(mock, monkeypatch, async_transports):
        yield mock


def _video(result: dict[str, dict[str, str]]) -> bytes:
    assert result["video"]["file_name"].endswith("-output.mp4")
    return httpx.get(result["video"]["url"]).read()[4:8]


def test_run_returns_the_output(polled: Mock) -> None:
    client = fal_client.SyncClient(key="id:secret")
    assert _video(client.run(I2V_FAST, arguments=IMAGE)) == b"ftyp"


def test_submit_status_and_result(polled: Mock) -> None:
    client = fal_client.SyncClient(key="id:secret")
    handle = client.submit(I2V_FAST, arguments=IMAGE, priority="low", hint="here")
    base = f"https://queue.fal.run/fal-ai/ltx-2/requests/{handle.request_id}"
    assert (handle.response_url, handle.status_url) == (base, f"{base}/status")
    assert handle == client.get_handle(I2V_FAST, handle.request_id)
    queued, running, done = [handle.status(with_logs=True) for _ in range(3)]
    assert queued == fal_client.Queued(position=0)
    assert isinstance(running, fal_client.InProgress)
    assert running.logs
    assert isinstance(done, fal_client.Completed)
    assert done.logs
    assert list(done.metrics) == ["inference_time"]
    assert (done.error, done.error_type) == (None, None)
    assert _video(handle.get()) == b"ftyp"
    assert _video(client.result(I2V_FAST, handle.request_id)) == b"ftyp"


def test_status_without_logs_has_none(polled: Mock) -> None:
    handle = fal_client.SyncClient(key="id:secret").submit(T2V, arguments=PROMPT)
    handle.status()
    running = handle.status()
    assert running == fal_client.InProgress(logs=None)


def test_subscribe_tells_of_every_status(polled: Mock) -> None:
    updates: list[type[fal_client.Status]] = []
    ids: list[str] = []
    result = fal_client.SyncClient(key="id:secret").subscribe(
        T2V,
        arguments=PROMPT,
        with_logs=True,
        on_enqueue=ids.append,
        on_queue_update=lambda update: updates.append(type(update)),
    )
    assert _video(result) == b"ftyp"
    assert updates == [fal_client.Queued, fal_client.InProgress, fal_client.Completed]
    assert len(ids) == 1


def test_cancel_ends_the_job_with_the_platforms_error(polled: Mock) -> None:
    handle = fal_client.SyncClient(key="id:secret").submit(T2V, arguments=PROMPT)
    handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError) as raised:
        handle.get()
    assert raised.value.status_code == 499
    assert raised.value.error_type == "client_cancelled"
    with pytest.raises(fal_client.FalClientHTTPError) as raised:
        handle.cancel()
    assert raised.value.status_code == 400


def test_a_refused_input_is_raised_at_once_by_run_and_at_the_end_by_the_queue(
    polled: Mock,
) -> None:
    client = fal_client.SyncClient(key="id:secret")
    bad = {**PROMPT, "duration": "6"}
    for call in (client.run, client.subscribe):
        with pytest.raises(fal_client.FalClientHTTPError) as raised:
            call(T2V, arguments=bad)
        assert raised.value.status_code == 422
        (fault,) = raised.value.response.json()["detail"]
        assert fault["msg"] == "Input should be 6, 8 or 10"


def test_a_wrong_key_and_an_unknown_app_are_raised(polled: Mock) -> None:
    with pytest.raises(fal_client.FalClientHTTPError, match='Application "nothing" not found'):
        fal_client.SyncClient(key="id:secret").run("fal-ai/nothing", arguments={})
    with pytest.raises(fal_client.FalClientHTTPError) as raised:
        fal_client.SyncClient(key="id:wrong").submit(T2V, arguments=PROMPT)
    assert (raised.value.status_code, str(raised.value)) == (401, "invalid key credentials")


def test_the_asynchronous_client_does_the_same(
    polled: Mock, async_transports: AsyncTransports
) -> None:
    async def scenario() -> list[str]:
        client = fal_client.AsyncClient(key="id:secret")
        assert list(await client.run(T2V, arguments=PROMPT)) == ["video"]
        seen: list[str] = []
        handle = await client.submit(T2V, arguments=PROMPT)
        async for event in handle.iter_events(with_logs=True, interval=0):
            seen.append(type(event).__name__)
        assert list(await handle.get()) == ["video"]
        cancelled = await client.submit(T2V, arguments=PROMPT)
        await cancelled.cancel()
        with pytest.raises(fal_client.FalClientHTTPError, match="cancelled by the client"):
            await cancelled.get()
        await client.subscribe(
            T2V, arguments=PROMPT, on_queue_update=lambda update: seen.append(str(update)[:6])
        )
        for transport in async_transports:
            await transport.aclose()
        return seen

    seen = asyncio.run(scenario())
    assert seen[:3] == ["Queued", "InProgress", "Completed"]
    assert seen[3:] == ["Queued", "InProg", "Comple"]
