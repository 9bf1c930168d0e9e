"""The mock under uvicorn: listening before it starts, gone within a second of being stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import unquote

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http import httptools_impl

from falkit_mock.core.errors import WireError
from falkit_mock.core.network import WS
from falkit_mock.hosts import CONNECTION
from falkit_mock.hosts.addresses import find_address
from falkit_mock.service.service import Service

if TYPE_CHECKING:
    from falkit_mock.gateway.gateway import Gateway

# The reason phrase is what @fal-ai/client shows as an error's message (wire.md §11), and
# Python 3.13 renamed this one. 499 is nginx's, which Python doesn't know.
_PHRASES = {422: b"Unprocessable Entity", 499: b"Client Closed Request"}


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


class ConnectionProtocol(httptools_impl.HttpToolsProtocol):
    """Uvicorn's HTTP, which also hands each request its connection."""

    _connection: SocketConnection | None = None

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._connection = SocketConnection(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._connection is not None:
            self._connection.lost()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[CONNECTION] = self._connection  # type: ignore[literal-required]  # as extensions do

    def _should_upgrade_to_ws(self) -> bool:
        """Only ws.fal.run speaks WebSocket; elsewhere a handshake is the GET that it looks like."""
        headers = dict(reversed(self.headers))
        if self.scope["method"] != "GET" or not headers.keys() >= _HANDSHAKE:
            return False
        path = unquote(self.url.partition(b"?")[0].decode("ascii"))
        asked = {**self.scope, "path": path, "query_string": b""}
        try:
            return find_address(asked, headers).role == WS
        except WireError:
            return False

    def handle_websocket_upgrade(self) -> None:
        # Lazy: most runs have no WebSocket.
        from falkit_mock.upgrade import WebSocketProtocol

        connection = self._connection
        assert connection is not None, "made before anything is read"
        self.ws_protocol_class = partial(WebSocketProtocol, connection)  # type: ignore[assignment]
        super().handle_websocket_upgrade()


class MockServer(uvicorn.Server):
    """Ends open streams first, so that nothing has to be waited for or cut off."""

    def __init__(
        self,
        app: ASGIApp,
        service: Service,
        ready: Callable[[], None],
        gateway: Gateway | None = None,
    ) -> None:
        for code, phrase in _PHRASES.items():
            httptools_impl.STATUS_LINE[code] = b"HTTP/1.1 %d %s\r\n" % (code, phrase)
        config = uvicorn.Config(
            app,
            http=ConnectionProtocol,
            ws="none",
            access_log=False,
            # No pings: a program that is held by a debugger keeps its connection.
            ws_max_size=service.settings.max_body,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            log_level="critical",
            server_header=False,
            timeout_graceful_shutdown=0,
        )
        super().__init__(config)
        self._service = service
        self._ready = ready
        self._gateway = gateway
        # Once it runs: its loop, and what wakes it when it is to end.
        self.loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    def stop(self) -> None:
        """End as soon as can be; may be called from another thread."""
        self.should_exit = True
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._end.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        if self._gateway is not None:
            await self.open_gateway(self._gateway)
        self._ready()

    async def open_gateway(self, gateway: Gateway) -> None:
        """Have a gateway answer too; it ends with the server."""
        self._gateway = gateway
        await gateway.open(self._from_gateway)

    async def main_loop(self) -> None:
        # As uvicorn's own, but the end is not waited for a tenth of a second.
        ticks = 0
        while not await self.on_tick(ticks):
            ticks = (ticks + 1) % 864_000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.close()
        if self._gateway is not None:
            self._gateway.close()
        await super().shutdown(sockets)

    def _from_gateway(self) -> httptools_impl.HttpToolsProtocol:
        """Return what serves one of the gateway's connections; it ends with the others."""
        assert self._gateway is not None
        return ConnectionProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state={**self.lifespan.state, **self._gateway.state},
            _loop=asyncio.get_running_loop(),
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Uvicorn would raise the signal again at the end; being stopped isn't a failure.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
