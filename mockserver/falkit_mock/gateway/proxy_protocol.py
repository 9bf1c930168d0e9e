"""A proxy request's head, and the two ends of a tunnel."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

# Past this size it isn't a head; uvicorn's own limit is the same.
MOST = 64 * 1024
END = b"\r\n\r\n"
_METHOD = re.compile(rb"[A-Z]{1,20}")
# Scheme, authority without user and password, path and query; a fragment is not for servers.
_URL = re.compile(r"(https?)://(?:[^/?#@]*@)?([^/?#@]+)([^#]*)(?:#.*)?")
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
# What is meant for the proxy, or for this one connection, and goes no further.
_HOPS = (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"host")
_PORTS = {"http": 80, "https": 443}


class BadHead(ValueError):
    """Not a request that a proxy can understand; the message says why."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """`scheme` is CONNECT for a tunnel, http or https for a whole URL, empty for a mere path."""

    scheme: str
    host: str
    port: int
    # A whole head for the one who is to answer, on a connection of one request.
    onward: bytes
    headers: bytes

    @classmethod
    def parse(cls, head: bytes) -> RequestHead:
        """Read a head without its last empty line; raise BadHead."""
        line, _, headers = head.partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            raise BadHead("the first line is not METHOD TARGET HTTP/1.1")
        method, target, version = words
        if not _METHOD.fullmatch(method):
            raise BadHead("the method is not a word of capital letters")
        if method == b"CONNECT":
            host, port = _authority(target.decode("latin-1"), 0)
            return cls("CONNECT", host, port, b"", headers)
        if target.startswith((b"/", b"*")):
            return cls("", "", 0, b"", headers)
        match = _URL.fullmatch(target.decode("latin-1"))
        if match is None:
            raise BadHead("the target isn't an http or https URL")
        scheme, authority, path = match.groups()
        host, port = _authority(authority, _PORTS[scheme])
        if not path.startswith("/"):
            path = f"/{path}"
        first = b" ".join((method, path.encode("latin-1"), version))
        kept = [row for row in headers.split(b"\r\n") if row and _name(row) not in _HOPS]
        rows = [first, b"Host: " + authority.encode("latin-1"), *kept, b"Connection: close"]
        return cls(scheme, host, port, b"\r\n".join(rows) + END, headers)

    def has(self, name: bytes) -> bool:
        """Tell whether a header, named in small letters, is there."""
        return any(_name(row) == name for row in self.headers.split(b"\r\n"))


def _name(row: bytes) -> bytes:
    return row.partition(b":")[0].strip().lower()


def _authority(text: str, default: int) -> tuple[str, int]:
    """Split host and port; raise BadHead."""
    match = _AUTHORITY.fullmatch(text)
    port = int(match[3] or default) if match else 0
    if match is None or not 0 < port < 65536:
        raise BadHead("the target is not HOST:PORT")
    return match[1] or match[2], port


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
