"""`falkit.InProcess`: fal's hosts within this process, for everything that goes through httpx."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fal_client
import httpx
import pytest

import falkit
from falkit.inprocess import renew_clients
from processes import started
from serving import PATIENCE, PROMPT, T2V, WatchedClock

RUN, QUEUE = f"https://fal.run/{T2V}", f"https://queue.fal.run/{T2V}"
OWN = {
    "FAL_KEY": "mine",
    "FAL_KEY_ID": "a",
    "FAL_KEY_SECRET": "b",
    "FALKIT_BASE_URL": "http://127.0.0.1:1",
}


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a developer's own keys around, and a mock of another kind."""
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def mock() -> Generator[falkit.InProcess]:
    """A mock whose jobs move with each look at them."""
    with falkit.InProcess(timing="polls", seed=1) as started:
        yield started


def key() -> dict[str, str]:
    return {"authorization": f"Key {os.environ['FAL_KEY']}"}


class TestClients:
    """Whoever calls fal through httpx, unchanged."""

    def test_fal_client(self, mock: falkit.InProcess) -> None:
        output = fal_client.subscribe(T2V, PROMPT)
        assert output["video"]["url"].startswith("https://v3b.fal.media/files/")
        assert httpx.get(output["video"]["url"]).content[4:8] == b"ftyp"
        (job,) = mock.jobs
        assert (job.input, job.output, job.status) == (PROMPT, output, "COMPLETED")
        assert job.key == mock.key.partition(":")[0]

    def test_fal_client_on_a_loop(self, mock: falkit.InProcess) -> None:
        async def call() -> None:
            handle = await fal_client.submit_async(T2V, PROMPT)
            events = [event async for event in handle.iter_events(interval=0)]
            assert [type(event).__name__ for event in events] == [
                "Queued",
                "InProgress",
                "Completed",
            ]
            assert (await handle.get())["video"]

        asyncio.run(call())
        assert len(mock.jobs) == 1

    def test_uploads(self, mock: falkit.InProcess) -> None:
        url = fal_client.upload(b"some text" * 100_000, "text/plain")
        assert httpx.get(url).content == b"some text" * 100_000

        async def fetched() -> bytes:
            url = await fal_client.upload_async(b"some more", "text/plain")
            async with httpx.AsyncClient() as client:
                return (await client.get(url)).content

        assert asyncio.run(fetched()) == b"some more"

    def test_falkits_own_client(self, mock: falkit.InProcess) -> None:
        with falkit.Client(poll_interval=0.001) as client:
            assert client.subscribe(T2V, PROMPT).output["video"]

        async def call() -> None:
            async with falkit.AsyncClient(poll_interval=0.001) as client:
                assert (await client.subscribe(T2V, PROMPT)).output["video"]

        asyncio.run(call())
        assert [job.status for job in mock.jobs] == ["COMPLETED"] * 2

    def test_many_threads_at_once(self) -> None:
        with (
            falkit.InProcess(timing="instant", concurrency=0) as mock,
            ThreadPoolExecutor(8) as pool,
        ):
            calls = [pool.submit(fal_client.run, T2V, PROMPT) for _ in range(24)]
            found = {call.result(PATIENCE)["video"]["url"] for call in calls}
            assert len(found) == len(mock.jobs) == 24

    def test_a_waiting_call_on_an_event_loop(self, mock: falkit.InProcess) -> None:
        async def call() -> Any:
            return fal_client.run(T2V, PROMPT)

        assert asyncio.run(call())["video"]

    def test_on_trio(self, mock: falkit.InProcess) -> None:
        import trio

        async def call() -> None:
            async with httpx.AsyncClient(headers=key()) as client:
                job = (await client.post(QUEUE, json=PROMPT)).json()
                async with client.stream("GET", f"{job['status_url']}/stream") as reply:
                    assert len([line async for line in reply.aiter_lines() if line]) == 3
                await client.post(QUEUE, json=PROMPT, headers={"x-falkit-fault": "ingress_error"})
                with pytest.raises(httpx.ReadTimeout):
                    await client.post(RUN, headers={"x-falkit-fault": "hang"}, timeout=0.01)

        trio.run(call)

    def test_without_any_socket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object, **options: object) -> None:
            raise AssertionError("a socket is opened")

        monkeypatch.setattr(socket, "socket", refuse)
        monkeypatch.setattr(socket, "create_connection", refuse)
        with falkit.InProcess(timing="instant"):
            assert fal_client.run(T2V, PROMPT)["video"]


class TestKeys:
    """Whose calls these are."""

    def test_fal_clients_functions_take_each_mocks_key(self) -> None:
        seen: list[str] = []
        for _ in range(2):
            with falkit.InProcess(timing="instant") as mock:
                assert os.environ["FAL_KEY"] == mock.key
                assert "FAL_KEY_ID" not in os.environ
                fal_client.run(T2V, PROMPT)
                asyncio.run(fal_client.run_async(T2V, PROMPT))
                seen += {job.key for job in mock.jobs}
                assert seen[-1] == mock.key.partition(":")[0]
            assert {name: os.environ[name] for name in OWN} == OWN
        assert len({*seen}) == 2
        assert set(vars(fal_client.sync_client)) == {"key", "default_timeout"}
        assert set(vars(fal_client.async_client)) == {"key", "default_timeout"}

    def test_a_key_of_the_settings_is_the_mocks(self) -> None:
        with falkit.InProcess(timing="instant", api_keys=["b:2", "a:1"]) as mock:
            assert mock.key == "a:1"
            assert fal_client.run(T2V, PROMPT)["video"]
            reply = httpx.post(RUN, json=PROMPT, headers={"authorization": "Key c:3"})
            assert reply.status_code == 401

    def test_the_same_seed_makes_the_same_key(self) -> None:
        keys = [falkit.InProcess(seed=seed).key for seed in (1, 1, 2, None, None)]
        assert keys[0] == keys[1]
        assert len({*keys}) == 4

    def test_renewed_clients_have_a_key_of_their_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with falkit.InProcess(timing="instant") as mock:
            fal_client.run(T2V, PROMPT)
            renew_clients("other:key")
            fal_client.run(T2V, PROMPT)
            assert [job.key for job in mock.jobs] == [mock.key.partition(":")[0], "other"]
        monkeypatch.setitem(sys.modules, "fal_client", None)
        renew_clients("whoever:else")
        assert os.environ["FAL_KEY"] == "whoever:else"


class TestStreams:
    """Bytes come as they are sent, and no faster than they are read."""

    def test_events_come_one_by_one(self) -> None:
        with falkit.InProcess(timing="10,20", clock="manual") as mock:
            job = httpx.post(QUEUE, json=PROMPT, headers=key()).json()
            with httpx.stream("GET", f"{job['status_url']}/stream", headers=key()) as reply:
                assert reply.headers["content-type"].startswith("text/event-stream")
                events = (line for line in reply.iter_lines() if line.startswith("data:"))
                for status, seconds in (("IN_QUEUE", 10), ("IN_PROGRESS", 20), ("COMPLETED", 0)):
                    assert f'"{status}"' in next(events)
                    mock.clock.advance(seconds)
                assert next(events, None) is None

    def test_events_come_one_by_one_on_a_loop(self) -> None:
        async def follow(mock: falkit.InProcess) -> None:
            async with httpx.AsyncClient(headers=key()) as client:
                job = (await client.post(QUEUE, json=PROMPT)).json()
                async with client.stream("GET", f"{job['status_url']}/stream") as reply:
                    events = (line async for line in reply.aiter_lines() if line[:5] == "data:")
                    for status, seconds in (("IN_QUEUE", 10), ("IN_PROGRESS", 20)):
                        assert f'"{status}"' in await anext(events)
                        await asyncio.to_thread(mock.clock.advance, seconds)
                    assert '"COMPLETED"' in await anext(events)

        with falkit.InProcess(timing="10,20", clock="manual") as mock:
            asyncio.run(follow(mock))

    def test_a_caller_who_closes_early_is_gone(self) -> None:
        with falkit.InProcess(timing="held") as mock:
            job = httpx.post(QUEUE, json=PROMPT, headers=key()).json()
            with httpx.stream("GET", f"{job['status_url']}/stream", headers=key()) as reply:
                next(reply.iter_bytes())
                assert mock.requests[-1].ms is None
            mock.wait_for(lambda: mock.requests[-1].ms is not None)

    def test_a_caller_who_is_cancelled_is_gone(self) -> None:
        async def give_up() -> None:
            async with httpx.AsyncClient(headers=key()) as client:
                call = asyncio.create_task(client.post(RUN, json=PROMPT))
                await asyncio.to_thread(clock.until_waited_for)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call

        clock = WatchedClock()
        with falkit.InProcess(timing="instant", faults=["hang"], clock=clock) as mock:
            asyncio.run(give_up())
            mock.wait_for(lambda: mock.requests[-1].ms is not None)

    @pytest.mark.parametrize("client", [httpx.Client, httpx.AsyncClient])
    def test_a_call_takes_no_longer_than_its_client_allows(self, client: Any) -> None:
        def waiting() -> None:
            with httpx.Client(headers=key()) as client:
                client.post(RUN, json=PROMPT, timeout=0.01)

        async def awaited() -> None:
            async with httpx.AsyncClient(headers=key()) as client:
                await client.post(RUN, json=PROMPT, timeout=0.01)

        with falkit.InProcess(timing="instant", faults=["hang"]) as mock:
            with pytest.raises(httpx.ReadTimeout):
                waiting() if client is httpx.Client else asyncio.run(awaited())
            mock.wait_for(lambda: mock.requests[-1].ms is not None)
            assert mock.jobs == []

    def test_what_hangs_at_the_end_is_answered_as_on_a_socket(self) -> None:
        clock = WatchedClock()
        mock = falkit.InProcess(timing="instant", faults=["hang"], clock=clock).start()
        with ThreadPoolExecutor() as pool:
            call = pool.submit(httpx.post, RUN, json=PROMPT, headers=key(), timeout=PATIENCE)
            clock.until_waited_for()
            mock.stop()
            assert call.result(PATIENCE).status_code == 503


class TestLife:
    """Start and end."""

    def test_it_is_used_inside_its_block_once(self) -> None:
        mock = falkit.InProcess(timing="instant")
        with pytest.raises(RuntimeError, match="isn't running; use it inside"):
            _ = mock.jobs
        with mock, pytest.raises(RuntimeError, match="was started before"):
            mock.start()
        with pytest.raises(RuntimeError, match="isn't running"):
            _ = mock.jobs
        mock.stop()

    def test_in_a_coroutine(self) -> None:
        async def run() -> None:
            async with falkit.InProcess(timing="instant") as mock:
                assert (await fal_client.run_async(T2V, PROMPT))["video"]
                assert len(mock.jobs) == 1

        asyncio.run(run())

    def test_a_state_file_is_gone_on_with(self, tmp_path: Any) -> None:
        state = tmp_path / "state.db"
        for jobs in (1, 2):
            with falkit.InProcess(timing="instant", state=state) as mock:
                fal_client.run(T2V, PROMPT)
                assert len(mock.jobs) == jobs

    def test_settings_that_cannot_work(self) -> None:
        with pytest.raises(ValueError, match="tenants: an InProcess is one mock for all keys"):
            falkit.InProcess(tenants=True)
        with pytest.raises(ValueError, match="timing"):
            falkit.InProcess(timing="never")

    def test_a_forked_process_is_told(
        self, mock: falkit.InProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(RuntimeError, match=r"for other processes use falkit\.Mock"):
            fal_client.run(T2V, PROMPT)

    def test_a_program_that_never_stops_it_ends_without_a_word(self) -> None:
        program = (
            "import falkit, fal_client; falkit.InProcess(timing='instant').start()\n"
            f"assert fal_client.run({T2V!r}, {PROMPT!r})['video']\n"
        )
        command = [sys.executable, "-W", "error", "-c", program]
        with started(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.communicate()[0] == ""
            assert process.returncode == 0

    def test_without_respx_one_line_names_the_extra(self) -> None:
        program = (
            "import sys; sys.modules['respx'] = None; from falkit import *\n"
            "from falkit.inprocess import renew_clients; renew_clients('a:b'); InProcess()"
        )
        command = [sys.executable, "-c", program]
        with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            _, told = process.communicate()
        last = told.splitlines()[-1]
        assert last.endswith("needs respx, which isn't installed; pip install 'falkit[pytest]'")
