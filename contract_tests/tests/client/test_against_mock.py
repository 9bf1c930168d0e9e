"""Both clients against the served mock, over a real socket."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from falkit_client import (
    AsyncClient,
    Client,
    Completed,
    InProgress,
    Queued,
    Retries,
    Status,
    errors,
)
from falkit_fixtures.images import KINDS, sample
from processes import FALKIT, started

FAST = "fal-ai/ltx-2/image-to-video/fast"
INPUT = {"prompt": "A tram in the rain", "image_url": "https://example.com/tram.png"}
KEY = "id:secret"

Do = Callable[..., Any]


@contextmanager
def served(timing: str) -> Generator[str]:
    """A mock in a process of its own; gives its URL."""
    command = [FALKIT, "serve", "--port", "0", "--timing", timing]
    with started(command, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])


@pytest.fixture(scope="module")
def quick() -> Generator[str]:
    """A mock whose jobs wait and run for a moment."""
    with served("0.4,0.4") as url:
        yield url


@pytest.fixture(scope="module")
def held() -> Generator[str]:
    """A mock whose jobs go on only when released."""
    with served("held") as url:
        yield url


@pytest.fixture(params=[Client, AsyncClient])
def do(request: pytest.FixtureRequest) -> Do:
    """Call a method by name on a fresh client, waiting or asynchronous."""

    async def call_async(url: str, name: str, *args: Any, **kwargs: Any) -> Any:
        async with AsyncClient(KEY, url, poll_interval=0.02) as client:
            called = getattr(client, name)(*args, **kwargs)
            if inspect.isasyncgen(called):
                return [event async for event in called]
            return await called

    def call(url: str, name: str, *args: Any, **kwargs: Any) -> Any:
        if request.param is AsyncClient:
            return asyncio.run(call_async(url, name, *args, **kwargs))
        with Client(KEY, url, poll_interval=0.02) as client:
            called = getattr(client, name)(*args, **kwargs)
            return list(called) if inspect.isgenerator(called) else called

    return call


@pytest.mark.parametrize("stream", [False, True])
def test_subscribe_sees_every_state_and_each_log_line_once(
    do: Do, quick: str, stream: bool
) -> None:
    seen: list[Status] = []
    result = do(quick, "subscribe", FAST, INPUT, on_update=seen.append, logs=True, stream=stream)
    kinds = [type(status) for status in seen]
    assert [kind for at, kind in enumerate(kinds) if kind not in kinds[:at]] == [
        Queued,
        InProgress,
        Completed,
    ]
    told = [line for status in seen for line in status.logs]
    assert told
    assert len(set(told)) == len(told)
    assert result.request_id == seen[-1].request_id


def test_the_urls_of_the_mock_are_trusted_and_equal_the_made_ones(do: Do, quick: str) -> None:
    handle = do(quick, "submit", FAST, INPUT)
    with Client(KEY, quick) as client:
        assert client.handle(FAST, handle.request_id).ticket == handle.ticket


def test_bad_input_is_accepted_by_the_queue_and_refused_at_the_result(do: Do, quick: str) -> None:
    seen: list[Status] = []
    wrong = {**INPUT, "duration": "6"}
    with pytest.raises(errors.InvalidInput) as caught:
        do(quick, "subscribe", FAST, wrong, check=False, on_update=seen.append)
    assert isinstance(seen[-1], Completed)
    assert caught.value.status == 422
    assert [fault["loc"] for fault in caught.value.faults] == [["body", "duration"]]


def test_the_hint_of_a_refused_url_is_in_the_error(do: Do, quick: str) -> None:
    with pytest.raises(errors.InvalidInput, match="hint: ") as caught:
        do(quick, "run", FAST, {**INPUT, "image_url": "http://localhost/x.png"})
    assert caught.value.faults[0]["type"] == "file_download_error"
    assert caught.value.hint


def test_the_result_before_the_end_is_not_ready(do: Do, held: str) -> None:
    handle = do(held, "submit", FAST, INPUT)
    with pytest.raises(errors.NotReady):
        do(held, "result", FAST, handle.request_id)


def test_a_cancelled_job_has_no_output(do: Do, held: str) -> None:
    handle = do(held, "submit", FAST, INPUT)
    assert do(held, "cancel", FAST, handle.request_id) is True
    with pytest.raises(errors.Cancelled):
        do(held, "result", FAST, handle.request_id)


def test_cancelling_an_ended_job_is_not_an_error(do: Do, quick: str) -> None:
    request_id = do(quick, "subscribe", FAST, INPUT).request_id
    assert do(quick, "cancel", FAST, request_id) is False


@pytest.mark.parametrize("stream", [False, True])
def test_a_timeout_cancels_the_job(do: Do, held: str, stream: bool) -> None:
    with pytest.raises(errors.TimedOut) as caught:
        do(held, "subscribe", FAST, INPUT, timeout=0.2, stream=stream)
    assert caught.value.cancelled
    with pytest.raises(errors.Cancelled):
        do(held, "result", FAST, caught.value.request_id)


def test_an_unknown_request_is_not_found(do: Do, quick: str) -> None:
    with pytest.raises(errors.NotFound):
        do(quick, "status", FAST, "00000000-0000-7000-8000-000000000000")


def test_an_unknown_application_is_not_found(do: Do, quick: str) -> None:
    with pytest.raises(errors.NotFound):
        do(quick, "run", "some/model", {}, check=False)


def test_a_mock_without_a_key_is_unauthorized(quick: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with Client(base_url=quick) as client, pytest.raises(errors.Unauthorized):
        client.run(FAST, INPUT)


def test_leaving_a_stream_early_leaves_nothing_open(held: str) -> None:
    async def scenario() -> list[Status]:
        async with AsyncClient(KEY, held) as client:
            handle = await client.submit(FAST, INPUT)
            events = handle.iter_events(stream=True)
            seen = [await anext(events)]
            await events.aclose()
            await handle.cancel()
            return seen

    assert [type(status) for status in asyncio.run(scenario())] == [Queued]


def test_many_jobs_at_once_on_one_client(quick: str) -> None:
    async def scenario() -> set[str | None]:
        async with AsyncClient(KEY, quick, poll_interval=0.02) as client:
            calls = [client.subscribe(FAST, INPUT, stream=at % 2 == 0) for at in range(4)]
            return {result.request_id for result in await asyncio.gather(*calls)}

    assert len(asyncio.run(scenario())) == 4


def test_a_stream_is_listened_to_and_not_polled(quick: str) -> None:
    asked: list[str] = []

    class Noted(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path.rpartition("/")[2])
            return super().handle_request(request)

    with Client(KEY, quick, transport=Noted()) as client:
        handle = client.submit(FAST, INPUT)
        handle.wait(stream=True)
    assert asked == ["fast", "stream", handle.request_id]


def test_no_server_is_unreachable_and_nothing_was_sent() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        client = Client(KEY, url, retries=Retries(attempts=1))
        with client, pytest.raises(errors.Unreachable):
            client.submit(FAST, INPUT)


def test_a_download_goes_on_where_it_ended(quick: str, tmp_path: Path) -> None:
    with Client(KEY, quick) as client:
        result = client.run(FAST, INPUT)
        url = result.output["video"]["url"]
        whole = httpx.get(url)
        (tmp_path / "clip.mp4.part").write_bytes(whole.content[:5000])
        facts = {"url": url, "validator": whole.headers["etag"]}
        (tmp_path / "clip.mp4.part.json").write_text(json.dumps(facts))
        seen: list[int] = []
        saved = client.download(
            result, tmp_path / "clip.mp4", progress=lambda received, total: seen.append(received)
        )
    assert saved.path.read_bytes() == whole.content
    assert (seen[0], seen[-1]) == (5000, len(whole.content))


def test_the_mock_takes_the_files_that_the_client_sends(do: Do, quick: str) -> None:
    for kind in KINDS:
        assert do(quick, "run", FAST, {**INPUT, "image_url": sample(kind)}).cost == Decimal("0.24")
