"""A tunnel: two connections, each of which writes what the other reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


class Pipe(asyncio.Protocol):
    """One end. It reads no faster than the other writes, and passes a half-close on."""

    def __init__(self, ended: Callable[[Pipe], None]) -> None:
        # None before the connection and after it.
        self.transport: asyncio.Transport | None = None
        self._other: Pipe | None = None
        self._ended = ended
        # What was read before there was another end: whoever speaks first is not heard before
        # the tunnel is announced, and may have gone again by then.
        self._early = bytearray()
        self._finished = False

    def join(self, other: Pipe) -> None:
        """Start the tunnel between two ends that are, or were, connected."""
        self._other, other._other = other, self
        self._begin()
        other._begin()

    def write(self, data: bytes) -> None:
        """Send to this end's own peer, if it is still there."""
        if self.transport is not None:
            self.transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early += data
        else:
            self._other.write(data)

    def eof_received(self) -> bool:
        self._finished = True
        return self._other is None or self._half_close(self._other)

    def pause_writing(self) -> None:
        if self._other is not None and self._other.transport is not None:
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and self._other.transport is not None:
            self._other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(self)
        self.transport = None
        if self._other is not None:
            self._other._close()

    def _begin(self) -> None:
        assert self._other is not None
        if self._early:
            self._other.write(bytes(self._early))
        if self.transport is None:
            self._other._close()
        elif not self._finished:
            self.transport.resume_reading()
        elif not self._half_close(self._other):
            self._close()

    def _half_close(self, other: Pipe) -> bool:
        """Tell the other end's peer that nothing more comes; return whether this one stays."""
        if other._finished or other.transport is None or not other.transport.can_write_eof():
            other._close()
            return False
        other.transport.write_eof()
        return True

    def _close(self) -> None:
        # What was written before is still sent.
        if self.transport is not None:
            self.transport.close()
