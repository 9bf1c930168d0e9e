"""What a connection begins with, a proxy request's head or TLS, and the two ends of a tunnel."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

# Past this size it isn't a head; uvicorn's own limit is the same.
MOST = 64 * 1024
END = b"\r\n\r\n"
# The first byte of a TLS connection; no request begins with it.
TLS = 0x16
# The server's name in a client's first TLS record: the extension's type, its length, the list's,
# the kind of name, the name's length (RFC 6066 §3).
_SERVER_NAME = re.compile(rb"\x00\x00(..)(..)\x00(..)", re.DOTALL)
_METHOD = re.compile(rb"[A-Z]{1,20}")
# Scheme, authority without user and password, path and query; a fragment is not for servers.
_URL = re.compile(r"(https?)://(?:[^/?#@]*@)?([^/?#@]+)([^#]*)(?:#.*)?")
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
# What is meant for the proxy, or for this one connection, and goes no further.
_HOPS = (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"host")
_PORTS = {"http": 80, "https": 443}


def server_name(hello: bytes) -> str:
    """Return the name that a client's first TLS record asks for; empty where none is found."""
    for match in _SERVER_NAME.finditer(hello):
        extension, listed, size = (int.from_bytes(group) for group in match.groups())
        name = hello[match.end() : match.end() + size]
        if (extension, listed, len(name)) == (size + 5, size + 3, size) and name:
            return name.decode("latin-1")
    return ""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """`scheme` is CONNECT for a tunnel, http or https for a whole URL, empty for a mere path."""

    scheme: str
    # Of a mere path the header Host without its port.
    host: str
    port: int
    # With its query; empty for a tunnel.
    path: str
    # A whole head for the one who is to answer, on a connection of one request.
    onward: bytes
    headers: bytes

    @classmethod
    def parse(cls, head: bytes, scheme: str = "") -> RequestHead:
        """Read a head without its last empty line; raise ValueError.

        `scheme` makes a mere path a whole URL of the host in its header.
        """
        line, _, headers = head.partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            raise ValueError("the first line is not METHOD TARGET HTTP/1.1")
        method, target, version = words
        if not _METHOD.fullmatch(method):
            raise ValueError("the method is not a word of capital letters")
        if method == b"CONNECT":
            host, port = _authority(target.decode("latin-1"), 0)
            return cls("CONNECT", host, port, "", b"", headers)
        if target.startswith((b"/", b"*")):
            named = next((row for row in headers.split(b"\r\n") if _name(row) == b"host"), b"")
            named = named.partition(b":")[2].strip()
            if scheme:
                whole = b" ".join((method, scheme.encode() + b"://" + named + target, version))
                return cls.parse(whole + b"\r\n" + headers)
            host = named.decode("latin-1").partition(":")[0]
            return cls("", host, 0, target.decode("latin-1"), b"", headers)
        match = _URL.fullmatch(target.decode("latin-1"))
        if match is None:
            raise ValueError("the target isn't an http or https URL")
        scheme, authority, path = match.groups()
        host, port = _authority(authority, _PORTS[scheme])
        if not path.startswith("/"):
            path = f"/{path}"
        first = b" ".join((method, path.encode("latin-1"), version))
        kept = [row for row in headers.split(b"\r\n") if row and _name(row) not in _HOPS]
        rows = [first, b"Host: " + authority.encode("latin-1"), *kept, b"Connection: close"]
        return cls(scheme, host, port, path, b"\r\n".join(rows) + END, headers)

    def has(self, name: bytes) -> bool:
        """Tell whether a header, named in small letters, is there."""
        return any(_name(row) == name for row in self.headers.split(b"\r\n"))

    def value(self, name: bytes) -> str:
        """Return the value of a header, named in small letters; "" where it isn't there."""
        rows = (row for row in self.headers.split(b"\r\n") if _name(row) == name)
        return next(rows, b"").partition(b":")[2].strip().decode("latin-1")


def _name(row: bytes) -> bytes:
    return row.partition(b":")[0].strip().lower()


def _authority(text: str, default: int) -> tuple[str, int]:
    """Split host and port; raise ValueError."""
    match = _AUTHORITY.fullmatch(text)
    port = int(match[3] or default) if match else 0
    if match is None or not 0 < port < 65536:
        raise ValueError("the target is not HOST:PORT")
    return match[1] or match[2], port


Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def streams_of(transport: asyncio.Transport) -> Streams:
    """Return streams in the place of a transport's protocol."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    return reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())


async def relay(near: Streams, far: Streams) -> None:
    """Pass on what each end sends, its half-close included, until both have ended.

    Neither is read faster than the other takes it; a connection that breaks ends both.
    """
    with suppress(OSError):
        await asyncio.gather(_copy(near[0], far[1]), _copy(far[0], near[1]))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(MOST):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()


async def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection once what was written is sent."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
