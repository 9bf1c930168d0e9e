"""What isn't load over sockets: the start, a client's round in process, webhooks."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import respx
from benchmarks.figures import Figure, Spread, shown
from benchmarks.servers import (
    ENDPOINT,
    FLOOR,
    HEADERS,
    INPUT,
    PYTHON,
    SERVE,
    SUBMIT,
    pinned,
    served,
)

import falkit
from falkit import Settings, create_app

STARTS, ROUNDS, CALLS = 9, 9, 200
WEBHOOKS = 2000
_PATIENCE = 60.0
_ALL_AT_ONCE = ("--runners", "100000", "--concurrency", "0")


def measured() -> Iterator[Figure]:
    print("\nthe start, a client in process, webhooks", flush=True)
    yield from map(shown, starts())
    yield shown(asyncio.run(client_round()))
    yield from map(shown, in_process())
    yield shown(asyncio.run(webhooks()))


def starts() -> Iterator[Figure]:
    """Measure from a process's start to the reply of its first submit: time, and the processor's.

    Both come as pip leaves a package: compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "submit").write_bytes(b"{}")
        floor = [*FLOOR, "starlette", folder]
        pairs = [(_start(SERVE, SUBMIT), _start(floor, "/submit")) for _ in range(STARTS)]
    for at, what in enumerate(("", ", processor time")):
        took = [(ours[at], theirs[at]) for ours, theirs in pairs]
        yield Figure(f"cold start{what}", Spread.of([1000 * ours for ours, _ in took]), "ms")
        ratio = Spread.of([ours / theirs for ours, theirs in took])
        name = f"cold start, of uvicorn with bare Starlette{what}"
        yield Figure(name, ratio, "x", most=1.4)


def _start(command: list[str], path: str) -> tuple[float, float]:
    began = time.perf_counter()
    with served(command) as server:
        # A plain socket: a client's own set-up is not the server's start.
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
        connection.request("POST", path, INPUT, HEADERS)
        assert connection.getresponse().status == 200
        took = time.perf_counter() - began
        spent = server.start()
        connection.close()
    return took, spent


async def client_round() -> Figure:
    """Measure a submit, its status and its result, beside respx with the same answers, fixed."""
    base = "http://127.0.0.1:4325"
    app = create_app(Settings(timing="instant"))
    transport = httpx.ASGITransport(app=app)
    ratios: list[float] = []
    async with httpx.AsyncClient(transport=transport, base_url=base, headers=HEADERS) as ours:
        answers = await _round(ours)
        async with httpx.AsyncClient(base_url=base, headers=HEADERS) as theirs:
            for _ in range(ROUNDS):
                took = await _timed(ours)
                with _fixed(answers):
                    ratios.append(took / await _timed(theirs))
    return Figure("a client's round in process, of respx", Spread.of(ratios), "x", most=1.5)


def in_process() -> Iterator[Figure]:
    """Measure a mock without a socket: its start and end, and a round beyond respx's own."""

    def started() -> None:
        with falkit.InProcess(timing="instant"):
            pass

    def round() -> tuple[httpx.Response, ...]:
        submitted = client.post(f"https://queue.fal.run/{ENDPOINT}", content=INPUT)
        urls = submitted.json()
        return submitted, client.get(urls["status_url"]), client.get(urls["response_url"])

    taken = [_millis(started) for _ in range(ROUNDS)]
    yield Figure("falkit.InProcess, started and stopped", Spread.of(taken), "ms", most=5)
    beyond: list[float] = []
    with httpx.Client(headers=HEADERS) as client:
        for _ in range(ROUNDS):
            with falkit.InProcess(timing="instant"):
                answers = round()
                ours = _millis(round)
            with _fixed(answers):
                beyond.append(ours - _millis(round))
    name = "a round of falkit.InProcess, beyond respx's own"
    yield Figure(name, Spread.of(beyond), "ms", most=3)


def _millis(work: Callable[[], object]) -> float:
    """Return the processor time of one of many, in all threads."""
    gc.collect()
    began = time.process_time()
    for _ in range(CALLS):
        work()
    return 1000 * (time.process_time() - began) / CALLS


@contextmanager
def _fixed(answers: Sequence[httpx.Response]) -> Generator[None]:
    """Have respx answer what was answered before."""
    with respx.mock:
        for answer in answers:
            fixed = httpx.Response(answer.status_code, json=answer.json())
            asked = answer.request
            respx.route(method=asked.method, url=asked.url).mock(return_value=fixed)
        yield


async def _round(client: httpx.AsyncClient) -> tuple[httpx.Response, ...]:
    submitted = await client.post(SUBMIT, content=INPUT)
    urls = submitted.json()
    status = await client.get(urls["status_url"])
    result = await client.get(urls["response_url"])
    assert result.status_code == 200, result.text
    return submitted, status, result


async def _timed(client: httpx.AsyncClient) -> float:
    gc.collect()
    began = time.process_time()
    for _ in range(CALLS):
        await _round(client)
    return time.process_time() - began


class Receiver(asyncio.Protocol):
    """Takes POSTs, also several on a connection, and keeps when and about what each came."""

    def __init__(self, came: Callable[[bytes, bytes], None]) -> None:
        self._came = came
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, end, body = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            after = head.lower().partition(b"content-length: ")[2]
            length = int(after.partition(b"\r\n")[0])
            if len(body) < length:
                return
            self._came(head, body[:length])
            self._data = body[length:]
            assert self._transport is not None
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def webhooks() -> Figure:
    """Measure deliveries of jobs that end together, beside a loop of httpx with the same bytes."""
    if hasattr(os, "sched_setaffinity") and pinned(1):
        os.sched_setaffinity(0, {1})
    came: list[tuple[bytes, bytes]] = []
    loop = asyncio.get_running_loop()
    receiver = await loop.create_server(
        lambda: Receiver(lambda head, body: came.append((head, body))), "127.0.0.1", 0, backlog=512
    )
    hook = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/hook"
    serve = [*SERVE, "--timing", "0,60", "--clock", "manual", *_ALL_AT_ONCE]
    ratios: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            with served(serve) as mock:
                async with httpx.AsyncClient(base_url=mock.url, trust_env=False) as client:
                    for _ in range(WEBHOOKS):
                        path = f"{SUBMIT}?fal_webhook={hook}"
                        made = await client.post(path, content=INPUT, headers=HEADERS)
                        assert made.status_code == 200, made.text
                    before, end = mock.seconds(), {"seconds": 61}
                    await client.post("/__falkit/clock/advance", json=end, timeout=_PATIENCE)
                    await _until(lambda: len(came) >= WEBHOOKS)
                    ours = mock.seconds() - before
            head, body = came[-1]
            came.clear()
            script = Path(folder, "sent.json")
            script.write_text(json.dumps({"url": hook, **_parts(head), "body": body.decode()}))
            theirs = await _loop(script)
            assert len(came) == WEBHOOKS
            came.clear()
            ratios.append(theirs / ours)
    receiver.close()
    return Figure("webhooks, of a bare httpx loop", Spread.of(ratios), "x", least=0.5)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not done():
            await asyncio.sleep(0.01)


def _parts(head: bytes) -> dict[str, dict[str, str]]:
    """Return the headers that httpx doesn't write by itself."""
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    own = ("host", "connection", "content-length", "accept", "accept-encoding", "user-agent")
    return {"headers": {name: value for name, value in pairs if name.lower() not in own}}


# Prints the processor time that its sends take, without that of its start.
_LOOP = """
import asyncio, json, sys, time, httpx
sent = json.load(open(sys.argv[1]))
async def main():
    async with httpx.AsyncClient(trust_env=False) as client:
        began = time.process_time()
        for _ in range(int(sys.argv[2])):
            await client.post(sent["url"], content=sent["body"], headers=sent["headers"])
        print(time.process_time() - began)
asyncio.run(main())
"""


async def _loop(script: Path) -> float:
    command = [*pinned(0), PYTHON, "-c", _LOOP, str(script), f"{WEBHOOKS}"]
    run: Awaitable[asyncio.subprocess.Process] = asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await (await run).communicate()
    return float(output)
