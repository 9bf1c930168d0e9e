"""The mock under uvicorn: listening before it starts, gone within a second of being stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http import httptools_impl

from falkit_mock.connections import ConnectionProtocol
from falkit_mock.hosts.replies import PHRASES
from falkit_mock.service.service import Service
from falkit_mock.store.blobs import sweep

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from falkit_mock.gateway.gateway import Gateway
    from falkit_mock.waiting import WaitingRoom


class MockServer(uvicorn.Server):
    """Ends open streams first, so that nothing has to be waited for or cut off."""

    def __init__(
        self,
        app: ASGIApp,
        service: Service,
        ready: Callable[[], None],
        gateway: Gateway | None = None,
        room: WaitingRoom | None = None,
    ) -> None:
        for code, words in PHRASES.items():
            httptools_impl.STATUS_LINE[code] = b"HTTP/1.1 %d %s\r\n" % (code, words)
        self._protocol = partial(ConnectionProtocol, service.settings)
        config = uvicorn.Config(
            app,
            # Uvicorn calls it and asks no more of it.
            http=cast("type[asyncio.Protocol]", self._protocol),
            timeout_keep_alive=cast("int", service.settings.idle_timeout),
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
        # Who connected before it ran.
        self._room = room
        # Once it runs: its loop, and what wakes it when it is to end.
        self.loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    def stop(self) -> None:
        """End as soon as can be; may be called from another thread."""
        self.should_exit = True
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._end.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for act in self._service.hooks.opening:
            await act()
        waiting = [] if self._room is None else self._room.close()
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        for connection in waiting:
            await self.loop.connect_accepted_socket(self._serving, connection)
        # Nobody waits for it: what a killed server left is in nobody's way.
        self.loop.run_in_executor(None, sweep)
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
            if ticks % 10 == 0:
                self.check_connections(asyncio.get_running_loop().time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._end.wait()

    def check_connections(self, now: float) -> None:
        """End the connections whose callers are overdue at a moment of the loop's clock."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, ConnectionProtocol):
                connection.check(now)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.hooks.unready = "it is shutting down"
        for act in self._service.hooks.ending:
            await act()
        self._service.close()
        if self._gateway is not None:
            self._gateway.close()
        await super().shutdown(sockets)

    def _from_gateway(self) -> httptools_impl.HttpToolsProtocol:
        """Return what serves one of the gateway's connections; it ends with the others."""
        assert self._gateway is not None
        return self._serving(self._gateway.state)

    def _serving(self, state: Mapping[str, Any] | None = None) -> httptools_impl.HttpToolsProtocol:
        """Return what serves a connection that somebody else has accepted."""
        return self._protocol(
            config=self.config,
            server_state=self.server_state,
            app_state={**self.lifespan.state, **(state or {})},
            _loop=asyncio.get_running_loop(),
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Uvicorn would raise the signal again at the end; being stopped isn't a failure.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
