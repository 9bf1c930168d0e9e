"""A WebSocket: its handshake, answered as the GET that it is, and its messages as they come."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from falkit_mock.core.errors import WireError
from falkit_mock.hosts import HANDSHAKE, SOCKET_INPUT, RequestContext
from falkit_mock.hosts.addresses import find_address, speaks_websocket
from falkit_mock.hosts.replies import REQUEST_ID, Reply
from falkit_mock.service.service import Service

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Inputs that may wait for the one before; those behind them are not read yet.
_MOST_WAITING, _MOST_BYTES = 64, 1 << 20
# What a handshake says of itself, and an input is not to inherit.
_OF_HANDSHAKE = (b"connection", b"upgrade", b"origin", b"content-", b"sec-websocket-")


async def answer_handshake(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have an application answer a handshake as the GET that it is, and go on if it is taken.

    What speaks no WebSocket closes.
    """
    await receive()
    scheme = "https" if scope["scheme"] == "wss" else "http"
    request: MutableMapping[str, Any] = {**scope, "scheme": scheme, "type": "http", "method": "GET"}
    try:
        speaks = speaks_websocket(find_address(request, dict(reversed(scope["headers"]))))
    except WireError:
        speaks = False
    if not speaks or "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        return

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def refuse(message: Message) -> None:
        kind = message["type"]
        await send({**message, "type": kind.replace("http.", "websocket.http.", 1)})

    await app({**request, HANDSHAKE: Inbox(receive, send)}, nothing, refuse)


def inbox_of(context: RequestContext) -> Inbox | None:
    """Return the messages behind a handshake; None for a request that is none."""
    found = context.scope.get(HANDSHAKE)
    return found if isinstance(found, Inbox) else None


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or "")


class Inbox:
    """One WebSocket's messages, read as they come, so that its end is noticed at once."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self.send = send
        self._waiting: asyncio.Queue[Message | None] = asyncio.Queue(_MOST_WAITING)
        self._gone = asyncio.Event()
        # Bytes of those that wait, and whether one was taken since somebody looked.
        self._size = 0
        self._taken = asyncio.Event()
        # The most that wait: then the oldest is dropped. None where all are answered.
        self.keep: int | None = None

    async def read(self) -> None:
        """Read until the caller hangs up; what was not answered then never is."""
        while (message := await self._receive())["type"] != "websocket.disconnect":
            size = _size(message)
            while self.keep is not None and self._waiting.qsize() >= self.keep:
                self._size -= _size(self._waiting.get_nowait() or {})
            while self._size and self._size + size > _MOST_BYTES:
                self._taken.clear()
                await self._taken.wait()
            self._size += size
            await self._waiting.put(message)
            if self.keep is not None:
                # What comes in one go is not to push out what could be answered.
                await asyncio.sleep(0)
        self._gone.set()
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def next(self) -> Message | None:
        """Return the next message; None once the caller has hung up."""
        message = await self._waiting.get()
        if message is not None:
            self._size -= _size(message)
            self._taken.set()
        return message

    def body(self, data: bytes) -> Receive:
        """Return what hands out a body as HTTP does, and then waits for the caller to hang up."""
        parts: list[Message] = [{"type": "http.request", "body": data, "more_body": False}]

        async def receive() -> Message:
            if parts:
                return parts.pop()
            await self._gone.wait()
            return {"type": "http.disconnect"}

        return receive


class Conversation(Reply):
    """What a handshake is answered with that is taken: all that follows on its connection."""

    def __init__(self, inbox: Inbox, service: Service) -> None:
        super().__init__(b"", 101, {REQUEST_ID: service.identity.reply_id()})
        self._inbox = inbox
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the handshake, and then read and answer until one of the two ends it."""
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await self._inbox.send({"type": "websocket.accept", "headers": headers})
        reading = asyncio.ensure_future(self._inbox.read())
        try:
            await self._converse(scope)
        finally:
            reading.cancel()

    async def _converse(self, scope: Scope) -> None:
        raise NotImplementedError

    async def _close(self, code: int, reason: str = "") -> None:
        await self._inbox.send({"type": "websocket.close", "code": code, "reason": reason})


def post_of(scope: Scope) -> Scope:
    """Return the POST to the model that an input stands for, with the handshake's headers."""
    headers = [
        (name, value) for name, value in scope["headers"] if not name.startswith(_OF_HANDSHAKE)
    ]
    headers.append((b"content-type", b"application/json"))
    rest = {name: value for name, value in scope.items() if name != HANDSHAKE}
    # Of HTTP's own version: a stream is to listen for its caller's end, as it does there.
    asgi = {**scope.get("asgi", {}), "spec_version": "2.3"}
    return {**rest, "asgi": asgi, "method": "POST", "headers": headers, SOCKET_INPUT: True}
