"""A tunnel: two connections, each of which writes what the other reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


class Pipe(asyncio.Protocol):
    """One end. It reads no faster than the other writes, and passes a half-close on."""

    def __init__(self, ended: Callable[[Pipe], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self._other: Pipe | None = None
        self._ended = ended
        self._finished = False

    def join(self, other: Pipe) -> None:
        """Start the tunnel, once both ends are connected and neither is read."""
        self._other, other._other = other, self
        for pipe in (self, other):
            if pipe._far() is None:
                pipe.close()
        for pipe in (self, other):
            if pipe.transport is not None:
                pipe.transport.resume_reading()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        # Whoever speaks first shall not be heard before the tunnel is announced.
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if (far := self._far()) is not None:
            far.write(data)

    def eof_received(self) -> bool:
        self._finished = True
        far, other = self._far(), self._other
        if far is None or other is None or other._finished or not far.can_write_eof():
            if other is not None:
                other.close()
            return False
        far.write_eof()
        return True

    def pause_writing(self) -> None:
        if (far := self._far()) is not None:
            far.pause_reading()

    def resume_writing(self) -> None:
        if (far := self._far()) is not None:
            far.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(self)
        self.transport = None
        if self._other is not None:
            self._other.close()

    def _far(self) -> asyncio.Transport | None:
        return None if self._other is None else self._other.transport
