"""ws.fal.run: HTTP over a WebSocket, one input after the other (wire.md §8)."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from falkit_mock.core import dumps
from falkit_mock.core.errors import WireError, websocket_only
from falkit_mock.core.network import WS
from falkit_mock.hosts import Host, RequestContext
from falkit_mock.hosts.addresses import find_address
from falkit_mock.hosts.fal_run import FalRun, check_app
from falkit_mock.hosts.replies import REQUEST_ID, Reply
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog

# Where the scope of a handshake, and of an input that came after it, has its conversation.
_HANDSHAKE, _INPUT = "falkit.handshake", "falkit.input"
# Inputs that may wait for the one before; those behind them are not read yet.
_MOST_WAITING, _MOST_BYTES = 64, 1 << 20
# What a handshake says of itself, and an input is not to inherit.
_OF_HANDSHAKE = (b"connection", b"upgrade", b"origin", b"content-", b"sec-websocket-")
_JSON_ONLY = 1003


class WebSocketHost(Host):
    """A handshake, and then each message as a POST to fal.run is answered."""

    def __init__(self, service: Service, catalog: Catalog, app: ASGIApp, run: FalRun) -> None:
        super().__init__(service, catalog)
        self._app = app
        self._run = run

    async def __call__(self, context: RequestContext) -> Reply:
        if _INPUT in context.scope:
            return await self._run(context)
        inbox = context.scope.get(_HANDSHAKE)
        if not isinstance(inbox, _Inbox):
            raise websocket_only()
        check_app(context, self._catalog, self._service)
        return _Conversation(inbox, self._app, self._service)


async def answer_handshake(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have an application answer a handshake as the GET that it is, and go on if it is taken.

    Nothing but ws.fal.run speaks WebSocket: others close.
    """
    await receive()
    scheme = "https" if scope["scheme"] == "wss" else "http"
    request: MutableMapping[str, Any] = {**scope, "scheme": scheme, "type": "http", "method": "GET"}
    try:
        role = find_address(request, dict(reversed(scope["headers"]))).role
    except WireError:
        role = ""
    if role != WS or "websocket.http.response" not in scope.get("extensions", {}):
        await WebSocketClose()(scope, receive, send)
        return

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def refuse(message: Message) -> None:
        kind = message["type"]
        await send({**message, "type": kind.replace("http.", "websocket.http.", 1)})

    await app({**request, _HANDSHAKE: _Inbox(receive, send)}, nothing, refuse)


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or "")


class _Inbox:
    """One WebSocket's messages, read as they come, so that its end is noticed at once."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self.send = send
        self._waiting: asyncio.Queue[Message | None] = asyncio.Queue(_MOST_WAITING)
        self._gone = asyncio.Event()
        # Bytes of those that wait, and whether one was taken since somebody looked.
        self._size = 0
        self._taken = asyncio.Event()

    async def read(self) -> None:
        """Read until the caller hangs up; what was not answered then never is."""
        while (message := await self._receive())["type"] != "websocket.disconnect":
            size = _size(message)
            while self._size and self._size + size > _MOST_BYTES:
                self._taken.clear()
                await self._taken.wait()
            self._size += size
            await self._waiting.put(message)
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


class _Conversation(Reply):
    """What a good handshake is answered with: all that follows on its connection."""

    def __init__(self, inbox: _Inbox, app: ASGIApp, service: Service) -> None:
        super().__init__(b"", 101, {REQUEST_ID: service.identity.reply_id()})
        self._inbox = inbox
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one input after the other, in their order, until the caller hangs up."""
        inbox = self._inbox
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await inbox.send({"type": "websocket.accept", "headers": headers})
        reading = asyncio.ensure_future(inbox.read())
        try:
            while message := await inbox.next():
                text = message.get("text")
                if text is None:
                    reason = "send the input as JSON, in a text message"
                    await inbox.send(
                        {"type": "websocket.close", "code": _JSON_ONLY, "reason": reason}
                    )
                    return
                frames = _Frames(inbox.send, self._service)
                # Halves of characters can't come: a text message is UTF-8.
                receive = inbox.body(cast(str, text).encode())
                await self._app(_request(scope), receive, frames)
        finally:
            reading.cancel()


def _request(scope: Scope) -> Scope:
    """Return the POST to the model that an input stands for, with the handshake's headers."""
    headers = [
        (name, value) for name, value in scope["headers"] if not name.startswith(_OF_HANDSHAKE)
    ]
    headers.append((b"content-type", b"application/json"))
    rest = {name: value for name, value in scope.items() if name != _HANDSHAKE}
    return {**rest, "method": "POST", "headers": headers, _INPUT: True}


class _Frames:
    """Sends an HTTP reply as messages: `start`, the body as it comes, `end`."""

    def __init__(self, send: Send, service: Service) -> None:
        self._send = send
        self._service = service
        self._began = service.clock.now()
        self._end: dict[str, JSON] = {}
        self._is_text = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif message["type"] == "http.response.body":
            await self._body(message)

    async def _start(self, message: Message) -> None:
        # Their spelling counts here, where HTTP knows none: fal's page has Content-Type.
        headers: dict[str, JSON] = {
            name.decode("latin-1").title(): value.decode("latin-1")
            for name, value in message["headers"]
        }
        # Nginx's own page has no id, and fal's client knows a message as one of these by it.
        request_id = headers.get(REQUEST_ID.title()) or self._service.identity.reply_id()
        about: dict[str, JSON] = {"request_id": request_id, "status": message["status"]}
        self._is_text = "json" in str(headers.get("Content-Type"))
        self._end = {"type": "end", **about}
        seconds = round(self._service.clock.now() - self._began, 6)
        self._end["time_to_first_byte_seconds"] = seconds
        await self._text(dumps({"type": "start", **about, "headers": headers}))

    async def _body(self, message: Message) -> None:
        data: bytes = message.get("body", b"")
        if data and self._is_text:
            await self._text(data)
        elif data:
            await self._send({"type": "websocket.send", "bytes": data})
        if not message.get("more_body"):
            await self._text(dumps(self._end))

    async def _text(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "text": data.decode("utf-8", "replace")})
