"""ws.fal.run: HTTP over a WebSocket, one input after the other (wire.md §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from falkit_mock.core import dumps
from falkit_mock.core.errors import websocket_only
from falkit_mock.hosts import SOCKET_INPUT, Host, RequestContext
from falkit_mock.hosts.fal_run import FalRun, check_app
from falkit_mock.hosts.replies import REQUEST_ID, AnyReply
from falkit_mock.hosts.sockets import Conversation, Inbox, inbox_of, post_of
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope, Send

_JSON_ONLY = 1003


class WebSocketHost(Host):
    """A handshake, and then each message as a POST to fal.run is answered."""

    def __init__(self, service: Service, catalog: Catalog, app: ASGIApp, run: FalRun) -> None:
        super().__init__(service, catalog)
        self._app = app
        self._run = run

    async def __call__(self, context: RequestContext) -> AnyReply:
        if SOCKET_INPUT in context.scope:
            return await self._run(context)
        inbox = inbox_of(context)
        if inbox is None:
            raise websocket_only()
        check_app(context, self._catalog, self._service)
        return _Conversation(inbox, self._app, self._service)


class _Conversation(Conversation):
    """Inputs as text, and each one's reply as messages, in the order of the inputs."""

    def __init__(self, inbox: Inbox, app: ASGIApp, service: Service) -> None:
        super().__init__(inbox, service)
        self._app = app

    async def _converse(self, scope: Scope) -> None:
        inbox = self._inbox
        while message := await inbox.next():
            text = message.get("text")
            if text is None:
                await self._close(_JSON_ONLY, "send the input as JSON, in a text message")
                return
            frames = _Frames(inbox.send, self._service)
            # Halves of characters can't come: a text message is UTF-8.
            await self._app(post_of(scope), inbox.body(cast(str, text).encode()), frames)


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
