"""The answer to those who speak HTTP/2 alone, as gRPC does: that falkit doesn't (RFC 9113)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# What a client of HTTP/2 begins with.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _SETTINGS, _PING = 0x1, 0x4, 0x6
_ACK, _END_STREAM, _END_HEADERS = 0x1, 0x1, 0x4
_FRAME = 9
# UNIMPLEMENTED, which callers by gRPC go by; others read the status.
_STATUS, _GRPC_STATUS = "501", "12"
# The place of `:status` in HPACK's static table (RFC 7541, appendix A).
_STATUS_NAME = 0x08


class Http2Refusal(asyncio.Protocol):
    """Refuses every request of a connection, whose first bytes are the preface.

    `lost` is called at its end.
    """

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        text: str,
        early: bytes,
        lost: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._lost = lost
        self._block = _headers(text)
        self._early = bytearray(early[len(PREFACE) :])
        transport.write(_frame(_SETTINGS, 0, 0))
        self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    def data_received(self, data: bytes) -> None:
        self._early += data
        while len(self._early) >= _FRAME:
            size = int.from_bytes(self._early[:3])
            if len(self._early) < _FRAME + size:
                return
            kind, flags = self._early[3], self._early[4]
            stream = int.from_bytes(self._early[5:9]) & 0x7FFFFFFF
            payload = bytes(self._early[_FRAME : _FRAME + size])
            del self._early[: _FRAME + size]
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                self._transport.write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
            elif kind == _HEADERS:
                ends = _END_STREAM | _END_HEADERS
                self._transport.write(_frame(_HEADERS, ends, stream, self._block))


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def _headers(text: str) -> bytes:
    """Return a reply's header fields, none of them compressed or kept (RFC 7541 §6.2.2)."""
    fields = {"content-type": "application/grpc", "grpc-status": _GRPC_STATUS, "grpc-message": text}
    block = bytes((_STATUS_NAME,)) + _string(_STATUS)
    return block + b"".join(b"\x00" + _string(name) + _string(fields[name]) for name in fields)


def _string(text: str) -> bytes:
    size = len(text)
    if size < 127:
        return bytes((size,)) + text.encode("ascii")
    # One byte of 127, then the rest seven bits at a time (RFC 7541 §5.1).
    rest, length = size - 127, bytearray((127,))
    while rest >= 128:
        length.append(rest % 128 | 128)
        rest //= 128
    length.append(rest)
    return bytes(length) + text.encode("ascii")
