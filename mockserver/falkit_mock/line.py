"""The connection that a request came by, for those who have to cut it."""

from __future__ import annotations

import asyncio
import socket
import struct

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LINE = "falkit.line"
# To close at once and throw away what was not sent yet: the other side reads a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


class Line:
    """One connection, through which nothing goes but what is written here."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # Done once the connection is no more, whoever ended it.
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def reset(self) -> None:
        """End it so that the other side reads `connection reset`."""
        found: socket.socket | None = self._transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def end(self, last: bytes = b"") -> None:
        """Write what is left to say, whether it is HTTP or not, and close."""
        if last:
            self._transport.write(last)
        self._transport.close()


def line_of(scope: Scope) -> Line | None:
    """Return the connection of a request; None where there is none, inside one process."""
    found: Line | None = scope.get(_LINE)
    return found


class LineProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP, which also gives each request its connection."""

    _line: Line | None = None

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._line = Line(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._line is not None and not self._line.gone.done():
            self._line.gone.set_result(None)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[_LINE] = self._line  # type: ignore[literal-required]  # as extensions do
