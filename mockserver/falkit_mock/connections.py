"""Connections under uvicorn: its HTTP, bounded, and with replies that are sent in one go."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast
from urllib.parse import unquote

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http import httptools_impl

from falkit_mock.core.errors import WireError
from falkit_mock.core.limits import SLICE
from falkit_mock.hosts import CONNECTION, SEND_WHOLE
from falkit_mock.hosts.addresses import find_address, speaks_websocket
from falkit_mock.settings import Settings

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveEvent, HTTPScope

# To close at once and throw away what was not sent yet: the other side reads a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


class SocketConnection:
    """The connection of a request, for faults that cut it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # Done once the connection is closed, whoever closed it.
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def reset(self) -> None:
        """End it so that the other side reads `connection reset`."""
        found: socket.socket | None = self._transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def end(self, last: bytes = b"") -> None:
        """Write what is left, HTTP or not, and close."""
        if last:
            self._transport.write(last)
        self._transport.close()

    def lost(self) -> None:
        """Tell whoever waits that the connection is closed."""
        if not self.gone.done():
            self.gone.set_result(None)


# What a handshake has beside its `Upgrade` (RFC 6455 §4.1).
_HANDSHAKE = {b"sec-websocket-key", b"sec-websocket-version"}


# What is to come of the request that a connection brings. No Enum: Python 3.11 takes a tenth of a
# microsecond to find a member, and each request asks a dozen times.
_Awaits: TypeAlias = Literal["head", "body", "nothing"]


# The most bytes that one reading brings.
_READING = 256 * 1024


# A URL that needs no parser: a path, and perhaps a query.
_PLAIN = re.compile(rb"/(?!/)[^%#]*(\?|\Z)")
_LAST = b"connection: close\r\n\r\n"
# Bytes of a body that are copied behind the head, which is quicker than to send two pieces.
_JOINED = 4096


class Cycle(httptools_impl.RequestResponseCycle):
    """Uvicorn's request and reply, which can also send a whole reply in one go."""

    def __init__(self, protocol: ConnectionProtocol, keep_alive: bool) -> None:
        super().__init__(
            scope=protocol.scope,
            transport=protocol.transport,
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=False,
            default_headers=protocol.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=protocol.expect_100_continue,
            keep_alive=keep_alive,
            on_response=protocol.on_response_complete,
        )
        # Whether all of the body was handed out.
        self._given = False

    async def receive(self) -> ASGIReceiveEvent:
        """Return what came of the body; at once where all of it is there, as it mostly is."""
        waits = self.more_body or self.waiting_for_100_continue or self._given
        if waits or self.disconnected or self.response_complete:
            return await super().receive()
        self._given = True
        self.flow.resume_reading()
        self.message_event.clear()
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": False}

    def send_whole(self, status_code: int, lines: str, body: bytes) -> bool:
        """Send a reply whose body is there, and whose headers are lines; False if it can't now."""
        if self.response_started or self.flow.write_paused:
            return False
        if self.disconnected:
            return True
        head = [httptools_impl.STATUS_LINE[status_code]]
        for pair in self.default_headers:
            head.append(b"%s: %s\r\n" % pair)
        head += (lines.encode("latin-1"), b"\r\n" if self.keep_alive else _LAST)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        if self.scope["method"] == "HEAD":
            body = b""
        if len(body) > _JOINED:
            self.transport.writelines((b"".join(head), body))
        else:
            self.transport.write(b"".join((*head, body)))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class ConnectionProtocol(httptools_impl.HttpToolsProtocol):
    """Uvicorn's HTTP, which also hands each request its connection, and is bounded.

    A head has a limit in bytes, and head, body and reply must get on; of requests that come
    before they are asked for, a reading's worth is kept and no more is read.
    """

    _connection: SocketConnection | None = None

    def __init__(self, limits: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._limits = limits
        # What looks for a proxy's headers is asked where there are any.
        app = cast("object", self.app)
        bare: object = app.app if isinstance(app, ProxyHeadersMiddleware) else app
        self._app = cast("ASGI3Application", bare)
        self._forwarded = False
        self._awaits: _Awaits = "head"
        # Bytes of the present head, and the moments, on the loop's clock, at which the caller
        # last sent what was awaited and since which it takes nothing of a reply.
        self._head = self._size = 0
        self._since = self._blocked_since = 0.0
        # Why a request is refused before it reaches the application.
        self._refusal = (400, "Invalid HTTP request received.")
        # Bytes that came since the last of a body, such as trailers, and of a reply what was not
        # sent at the last look.
        self._silent = self._unsent = 0
        # What follows a request that waits for another's end.
        self._unread = b""
        self._running: httptools_impl.RequestResponseCycle | None = None

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._connection = SocketConnection(transport)
        self._since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # Uvicorn tells the newest request alone, and the others would write to a closed socket.
        waiting = [cycle for cycle, _ in self.pipeline]
        for cycle in (self._running, *waiting):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        self._unread = b""
        if self._connection is not None:
            self._connection.lost()

    def data_received(self, data: bytes) -> None:
        if self.pipeline:
            self._unread += data
            self.flow.pause_reading()
            return
        if self._awaits == "body" or len(data) <= SLICE:
            self._feed(data)
            return
        for start in range(0, len(data), SLICE):
            self._feed(data[start : start + SLICE])
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return
            if self.pipeline:
                self._unread = data[start + SLICE :]
                return

    def _feed(self, data: bytes) -> None:
        self._silent += len(data)
        super().data_received(data)
        if self._awaits == "body":
            # Nobody asks for trailers, nor for what may stand behind a chunk's size.
            if self._silent > self._limits.max_head + _READING and not self.transport.is_closing():
                self._end(*self._too_long())
        elif self._awaits == "head":
            # The parser says nothing of a line before its end.
            self._head += len(data)
            if self._head > self._limits.max_head + SLICE and not self.transport.is_closing():
                self._end(*self._too_long())

    def on_message_begin(self) -> None:
        # As uvicorn's own.
        self.url, self.headers, self.expect_100_continue = b"", [], False
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": self.headers,
            "state": self.app_state.copy(),
            CONNECTION: self._connection,
        }
        self.scope = cast("HTTPScope", scope)
        self._forwarded = False
        self._awaits, self._head, self._size, self._since = "head", 0, 0, self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._awaits == "body":
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        elif name.startswith(b"x-forwarded-"):
            self._forwarded = True
        self._size += len(name) + len(value) + 4
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._silent, self._since = 0, self.loop.time()

    def on_headers_complete(self) -> None:
        if len(self.url) + self._size > self._limits.max_head:
            self._refusal = self._too_long()
            raise ValueError("the parser stops at any error")
        parser, (path, _, query) = self.parser, self.url.partition(b"?")
        assert parser is not None, "it is what calls"
        if parser.should_upgrade() or self._forwarded or not _PLAIN.match(self.url):
            super().on_headers_complete()
        else:
            # As uvicorn's own, for what nearly all requests are, in half the time.
            version, scope = parser.get_http_version(), cast("dict[str, Any]", self.scope)
            scope["method"] = parser.get_method().decode("ascii")
            scope["http_version"] = version
            scope["path"] = path.decode("ascii")
            scope["raw_path"], scope["query_string"] = path, query
            keep_alive = version != "1.0" and parser.should_keep_alive()
            before = cast("httptools_impl.RequestResponseCycle | None", self.cycle)
            self.cycle = cycle = Cycle(self, keep_alive)
            scope[SEND_WHOLE] = cycle.send_whole
            if before is None or before.response_complete:
                self._start_asgi_task(cycle, self._app)
            else:
                self.flow.pause_reading()
                self.pipeline.appendleft((cycle, self._app))
        self._awaits, self._since, self._silent = "body", self.loop.time(), 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._awaits = "nothing"

    def _start_asgi_task(
        self, cycle: httptools_impl.RequestResponseCycle, app: ASGI3Application
    ) -> None:
        self._running = cycle
        task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        if not self.pipeline:
            # Uvicorn would set a timer for an idle connection, and cancel it, at each request.
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        else:
            super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.pipeline:
            self.flow.pause_reading()
        elif self._unread:
            unread, self._unread = self._unread, b""
            self.data_received(unread)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._blocked_since = self.loop.time()
        self._unsent = _unsent(self.transport)

    def send_400_response(self, msg: str) -> None:
        self._end(*self._refusal)

    def check(self, now: float) -> None:
        """End the connection if its caller has kept it waiting for too long."""
        if self.flow.write_paused:
            unsent = _unsent(self.transport)
            if unsent < self._unsent:
                # Slow, but it takes what it is sent.
                self._unsent, self._blocked_since = unsent, now
            elif now - self._blocked_since > self._limits.body_timeout:
                self.transport.abort()
            return
        # Where nothing is read it isn't the caller who keeps the others waiting.
        if self.flow.read_paused or self.transport.is_closing():
            return
        waited, running = now - self._since, self._running
        if self._awaits != "body" and running and not running.response_complete:
            # It is the mock that keeps its caller waiting.
            return
        if self._awaits == "nothing" and waited > self._limits.idle_timeout:
            # Uvicorn's own timer ends at any byte, also at one that begins no request.
            self.transport.close()
        elif self._awaits == "body" and waited > self._limits.body_timeout:
            self._give_up("body", self._limits.body_timeout)
        elif self._awaits == "head" and waited > self._limits.head_timeout:
            self._give_up("head", self._limits.head_timeout)

    def _give_up(self, part: str, seconds: float) -> None:
        cycle = self._running
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.close()
        else:
            self._end(408, f"The request's {part} did not come within {seconds:g} s.")

    def _too_long(self) -> tuple[int, str]:
        most = self._limits.max_head
        if len(self.url) > most:
            return 414, f"The URL is longer than {most} bytes."
        return 431, f"The URL and headers are longer than {most} bytes; --max-head changes it."

    def _end(self, status_code: int, text: str) -> None:
        """Refuse what isn't a whole request, and close."""
        body = text.encode()
        head = (
            b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n"
        )
        self.transport.write(httptools_impl.STATUS_LINE[status_code] + head % len(body) + body)
        self.transport.close()

    def _should_upgrade_to_ws(self) -> bool:
        """Elsewhere than where WebSocket is spoken a handshake is the GET that it looks like."""
        headers = dict(reversed(self.headers))
        if self.scope["method"] != "GET" or not headers.keys() >= _HANDSHAKE:
            return False
        path = unquote(self.url.partition(b"?")[0].decode("ascii"))
        asked = {**self.scope, "path": path, "query_string": b""}
        try:
            return speaks_websocket(find_address(asked, headers))
        except WireError:
            return False

    def handle_websocket_upgrade(self) -> None:
        # Lazy: most runs have no WebSocket.
        from falkit_mock.upgrade import WebSocketProtocol

        connection = self._connection
        assert connection is not None, "made before anything is read"
        self.ws_protocol_class = partial(WebSocketProtocol, connection)  # type: ignore[assignment]
        super().handle_websocket_upgrade()


def _unsent(transport: asyncio.Transport) -> int:
    """Return the bytes that the other side has not taken, as far as can be told."""
    size = transport.get_write_buffer_size()
    if sys.platform == "linux":
        # The system asks for more only once a third of megabytes has gone.
        import fcntl
        import termios

        found: socket.socket | None = transport.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError):
            if found is not None:
                queued = fcntl.ioctl(found.fileno(), termios.TIOCOUTQ, bytes(4))
                size += int.from_bytes(queued, sys.byteorder)
    return size
