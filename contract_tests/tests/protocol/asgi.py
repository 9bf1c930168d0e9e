"""An ASGI application called directly: no socket, no thread, no time that passes by itself.

httpx's transport joins a whole body before it answers, so a stream that waits for the clock
would never come; here streams are read while they are open.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.types import Message, Scope

from falkit_mock.app import MockApp
from falkit_mock.core.clock import ManualClock
from falkit_mock.service.service import Service

T = TypeVar("T")
HOST = "127.0.0.1:4325"
# Seconds after which a reply that should have come at once counts as not coming.
PATIENCE = 10.0
# Turns of the event loop in which all gets done that waits for no clock; it takes about ten.
TURNS = 16


class WatchedClock(ManualClock):
    """Time that stands until it is moved, and that knows who waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[asyncio.Task[Any], asyncio.Event] = {}

    async def wait(self, until: float, waiter: asyncio.Event) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._waiting[task] = waiter
        try:
            await super().wait(until, waiter)
        finally:
            del self._waiting[task]

    def holds(self, task: asyncio.Task[Any]) -> bool:
        """Tell whether a task waits here and nothing has woken it."""
        waiter = self._waiting.get(task)
        return waiter is not None and not waiter.is_set()

    async def _settle(self) -> None:
        # Nothing here waits for the outside, so no real time need pass, whoever hangs.
        for _ in range(TURNS):
            await asyncio.sleep(0)


@dataclass
class Reply:
    """A reply, or the part of it that has come so far."""

    status_code: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    def take(self, message: Message) -> None:
        """Add what the application sent."""
        if message["type"] == "http.response.start":
            self.status_code = message["status"]
            pairs: list[tuple[bytes, bytes]] = message["headers"]
            self.headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in pairs
            }
        else:
            self.body += message.get("body", b"")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Open:
    """A call that may still be answered."""

    reply: Reply
    task: asyncio.Task[None]

    def events(self) -> list[Any]:
        """Return the data of the events that have come, without comments."""
        blocks = self.reply.body.decode().split("\n\n")
        assert blocks.pop() == "" or not self.task.done(), "a stream ends with a whole event"
        lines = [block for block in blocks if not block.startswith(":")]
        assert all(line.startswith("data: ") for line in lines)
        return [json.loads(line.removeprefix("data: ")) for line in lines]


class Driver:
    """Calls one application on an event loop of its own."""

    def __init__(self, app: MockApp, clock: WatchedClock) -> None:
        self.clock = clock
        self.service: Service = app.service
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._calls: list[Open] = []

    def close(self) -> None:
        """Hang up on all who are still waiting."""
        for call in self._calls:
            call.task.cancel()
        self._loop.call_soon(self.service.close)
        self._run(self._ended())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Make a request and return its whole reply; `path` may have a query."""
        reply = Reply()
        self._run(self._ask(reply, method, path, body, headers or {}))
        if method != "GET":
            self.settle()
        return reply

    def open(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Open:
        """Make a request and return it as soon as nothing more comes by itself."""
        reply = Reply()
        ask = self._ask(reply, method, path, body, headers or {})
        call = Open(reply, self._loop.create_task(ask))
        self._calls.append(call)
        self.settle()
        return call

    def advance(self, seconds: float) -> None:
        """Jump over all that is due on the way; then everyone goes as far as they get."""

        async def move() -> None:
            self.clock.advance(seconds)

        self._run(move())
        self.settle()

    def move_to(self, moment: float) -> None:
        """Go to a moment by way of all that is due before it."""
        self._run(self.clock.move_to(moment))
        self.settle()

    def settle(self) -> None:
        """Let all go on until each call is answered or waits for the clock."""
        self._calls = [call for call in self._calls if not call.task.done()]
        self._run(self._settled())

    async def _settled(self) -> None:
        # Pictures are decoded in threads, which would finish sooner or later.
        await self.service.outcomes.settled()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        while any(not (call.task.done() or self.clock.holds(call.task)) for call in self._calls):
            await asyncio.sleep(0)  # No wait: the others' turn.

    async def _ended(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(PATIENCE):
                return await work

        return self._loop.run_until_complete(bounded())

    async def _ask(
        self, reply: Reply, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> None:
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        still_there = asyncio.Event()

        async def receive() -> Message:
            if not pending:
                await still_there.wait()
            return pending.pop()

        async def send(message: Message) -> None:
            reply.take(message)

        await self._app(_scope(method, path, headers), receive, send)


def _scope(method: str, path: str, headers: Mapping[str, str]) -> Scope:
    bare, _, query = path.partition("?")
    pairs = {"host": HOST, **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 4325),
        "state": {},
    }
