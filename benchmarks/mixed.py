"""A mixed load: callers of every kind, some of which behave badly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import httpx
from benchmarks.servers import HEADERS
from websockets.asyncio.client import connect

from falkit_spec import JSON

MODELS = (
    "fal-ai/ltx-2/image-to-video/fast",
    "fal-ai/ltx-2/text-to-video",
    "fal-ai/flux/dev",
    "fal-ai/flux/schnell",
)
# Makes files of nine megabytes.
LONG = "fal-ai/stable-audio-25/text-to-audio"
UPLOAD = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
FAULTS = (
    *("internal_server_error", "generation_timeout", "reply_lost", "half_reply", "garbage"),
    *("connection_reset", "runner_disconnected", "slow_logs", "latency", "account_locked"),
)
CONTROL = (
    *("jobs?limit=20", "requests?limit=20", "deliveries?limit=20", "billing", "clock", "rules"),
    *("health", "openapi.json"),
)
PAUSE = 0.1
# Looks at a job's status, and seconds for one answer.
LOOKS, PATIENCE = 200, 30.0


class Receiver:
    """Takes webhooks; every tenth is refused at its first attempt."""

    def __init__(self) -> None:
        self.came = 0
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or b"0"))
            self.came += 1
            code = b"500 No" if self.came % 10 == 0 else b"200 OK"
            reply = b"HTTP/1.1 %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % code
            writer.write(reply)
            await writer.drain()
        writer.close()


Act: TypeAlias = Callable[[], Awaitable[None]]


class Load:
    """The callers of one mock; `done` counts what each kind did, `failed` what they didn't expect.

    `pause` waits between two looks at a job: for real, or by moving the mock's clock.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        receiver: str,
        seed: int,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._host, self._port = client.base_url.host, client.base_url.port or 80
        self._receiver = receiver
        self._dice = random.Random(seed)
        self.pause = pause
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        # A kind of caller, and how often it comes beside the others.
        self._kinds: list[tuple[Act, int]] = [
            (self.polled, 6),
            (self.hooked, 5),
            (self.streamed, 3),
            (self.cancelled, 2),
            (self.direct, 3),
            (self.uploaded, 2),
            (self.faulty, 3),
            (self.refused, 2),
            (self.spoken, 1),
            (self.aborted, 3),
            (self.controlled, 4),
            (self.followed, 1),
        ]

    async def one(self) -> None:
        """Have one caller do what it does; whatever goes wrong is counted."""
        kinds, weights = zip(*self._kinds, strict=True)
        (act,) = self._dice.choices(kinds, weights)
        name = act.__name__
        if (task := asyncio.current_task()) is not None:
            task.set_name(name)
        try:
            await act()
        except (httpx.HTTPError, OSError, AssertionError, ValueError, KeyError) as error:
            self.failed[f"{name}: {type(error).__name__} {error}"[:120]] += 1
        self.done[name] += 1

    async def fill(self) -> None:
        """Have the mock make more files than it keeps, so that it keeps as many as it ever will."""
        for _ in range(8):
            job = await self._submitted(model=LONG, input={"prompt": "a", "seconds_total": 190})
            await self._until_done(job)
            result = await self._client.get(job["response_url"], headers=HEADERS)
            (await self._client.get(_file_in(result.json()) or "")).raise_for_status()

    async def polled(self) -> None:
        job = await self._submitted()
        await self._until_done(job)
        result = await self._client.get(job["response_url"], headers=HEADERS)
        assert result.status_code == 200, result.text
        if (url := _file_in(result.json())) is not None:
            media = await self._client.get(url, headers={"range": "bytes=0-4095"})
            assert media.status_code in (200, 206), media.status_code

    async def hooked(self) -> None:
        await self._submitted({"fal_webhook": self._receiver})

    async def streamed(self) -> None:
        job = await self._submitted()
        url = f"{job['status_url']}/stream?logs=1"
        async with self._client.stream("GET", url, headers=HEADERS) as reply:
            leaves = self._dice.random() < 0.3
            async for _ in reply.aiter_lines():
                if leaves:
                    break

    async def cancelled(self) -> None:
        job = await self._submitted()
        reply = await self._client.put(job["cancel_url"], headers=HEADERS)
        assert reply.status_code in (200, 202, 400), reply.status_code

    async def direct(self) -> None:
        reply = await self._client.post(
            f"/fal.run/{self._model()}", json=self._input(), headers=self._key()
        )
        assert reply.status_code in (200, 429), reply.text

    async def uploaded(self) -> None:
        body = {"file_name": "a.bin", "content_type": "application/octet-stream"}
        opened = (await self._client.post(UPLOAD, json=body, headers=HEADERS)).json()
        data = self._dice.randbytes(self._dice.randrange(1, 200_000))
        reply = await self._client.put(opened["upload_url"], content=data)
        assert reply.status_code == 200, reply.text
        path = opened["file_url"].partition("/v3b.fal.media")[2]
        read = await self._client.get(f"/v3b.fal.media{path}")
        assert read.content == data, "it is not what was uploaded"

    async def faulty(self) -> None:
        headers = {**HEADERS, "x-falkit-fault": self._dice.choice(FAULTS)}
        path = self._dice.choice(("/fal.run/", "/queue.fal.run/")) + self._model()
        with contextlib.suppress(httpx.HTTPError):
            await self._client.post(path, json=self._input(), headers=headers)

    async def refused(self) -> None:
        path, body = f"/fal.run/{MODELS[0]}", {"duration": "x" * self._dice.randrange(1, 1000)}
        reply = await self._client.post(path, json=body, headers=self._key())
        assert reply.status_code in (422, 429), reply.status_code

    async def spoken(self) -> None:
        url = f"ws://{self._host}:{self._port}/ws.fal.run/{MODELS[2]}"
        async with connect(url, additional_headers=self._key(), proxy=None) as speaker:
            await speaker.send(json.dumps(self._input()))
            await asyncio.wait_for(speaker.recv(), PATIENCE)

    async def aborted(self) -> None:
        """Hang up at some point of a request, of a reply or of an upload."""
        body = json.dumps(self._input()).encode()
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._key().items())
        host = self._dice.choice(("fal.run", "queue.fal.run"))
        head = f"POST /{host}/{MODELS[2]} HTTP/1.1\r\nhost: mock\r\n{lines}"
        data = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(data[: self._dice.randrange(1, len(data) + 1)])
        await writer.drain()
        if self._dice.random() < 0.5:
            # Reset, as a program that is killed does.
            made = writer.get_extra_info("socket")
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif len(data) % 2:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(10), 0.2)
        writer.close()

    async def controlled(self) -> None:
        reply = await self._client.get(f"/__falkit/{self._dice.choice(CONTROL)}")
        assert reply.status_code == 200, reply.text

    async def followed(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(self._dice.random() * 5),
                self._client.stream("GET", "/__falkit/events") as reply,
            ):
                async for _ in reply.aiter_lines():
                    pass

    async def _submitted(
        self,
        query: dict[str, str] | None = None,
        model: str | None = None,
        input: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        path = f"/queue.fal.run/{model or self._model()}"
        reply = await self._client.post(
            path, json=input or self._input(), params=query, headers=self._key()
        )
        assert reply.status_code == 200, reply.text
        job: dict[str, Any] = reply.json()
        return job

    async def _until_done(self, job: dict[str, Any]) -> None:
        for _ in range(LOOKS):
            reply = await self._client.get(f"{job['status_url']}?logs=1", headers=HEADERS)
            if reply.status_code == 200:
                return
            assert reply.status_code == 202, reply.text
            await self.pause(PAUSE)
        raise AssertionError("it has not ended")

    def _key(self) -> dict[str, str]:
        """Return the headers of one of twenty keys, each with places of its own."""
        return {**HEADERS, "authorization": f"Key key-{self._dice.randrange(20)}:falkit"}

    def _model(self) -> str:
        return self._dice.choice(MODELS)

    def _input(self) -> dict[str, Any]:
        words = "harbour " * self._dice.randrange(1, 200)
        return {"prompt": words, "image_url": "https://example.com/photo.png"}


def _file_in(output: JSON) -> str | None:
    """Return the URL of the first file in an output."""
    if isinstance(output, dict):
        if isinstance(url := output.get("url"), str):
            return url
        output = [*output.values()]
    if isinstance(output, list):
        return next(filter(None, map(_file_in, output)), None)
    return None
