"""The gateway beside the mock: its socket, its connections, its certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.door import Door
from falkit_mock.gateway.egress import Egress
from falkit_mock.gateway.tunnel import Pipe
from falkit_mock.names import MEDIA, MEDIA_BASE

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PORT = 4326
# A socket that listens everywhere is reached at the loopback address.
_REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Gateway:
    """A proxy at which connections to fal's names end; used on the mock's own event loop.

    `mock` is the mock's own URL, which media URLs begin with. Without an authority it takes
    the user's own, and raises GatewayError if that can't be had.
    """

    def __init__(
        self,
        listener: socket.socket,
        mock: str,
        egress: Egress,
        authority: Authority | None = None,
    ) -> None:
        self.authority = authority or Authority.open()
        self.egress = egress
        self.url = reached(listener)
        # What is added to the state of its connections.
        self.state = {MEDIA_BASE: f"{mock}/{MEDIA}"}
        # Those that uvicorn doesn't know of: still at the door, or tunnels.
        self.connections: set[asyncio.Transport] = set()
        # Callers that refused the certificate, most often since they don't trust the authority.
        self.failed_handshakes = 0
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._http: Callable[[], HttpToolsProtocol] | None = None
        self._context: asyncio.Future[ssl.SSLContext] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, http: Callable[[], HttpToolsProtocol]) -> None:
        """Answer from now on; `http` makes what speaks to the mock for one connection."""
        self._http = http
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Door(self), sock=self._listener)

    def close(self) -> None:
        """Take no more connections, and end those that nobody else will end."""
        if self._server is not None:
            self._server.close()
        for transport in list(self.connections):
            transport.abort()
        for task in list(self._tasks):
            task.cancel()

    def http(self) -> HttpToolsProtocol:
        """Return what answers one connection as the mock."""
        assert self._http is not None, "open() comes first"
        return self._http()

    async def context(self) -> ssl.SSLContext:
        """Return the TLS settings, made on first use and off the loop, since it takes a while."""
        if self._context is None:
            loop = asyncio.get_running_loop()
            self._context = loop.run_in_executor(None, self.authority.context)
        return await asyncio.shield(self._context)

    def work(self, job: Coroutine[Any, Any, None]) -> None:
        """Have a connection's work done until the gateway closes."""
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ended(self, pipe: Pipe) -> None:
        """Forget a tunnel's end."""
        if pipe.transport is not None:
            self.connections.discard(pipe.transport)


def reached(listener: socket.socket) -> str:
    """Return the URL by which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    shown = _REACHED_AS.get(host, str(host))
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
