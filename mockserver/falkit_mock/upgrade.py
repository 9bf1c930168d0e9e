"""Uvicorn's side of a connection that becomes a WebSocket; few runs have one."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

from falkit_mock.core.limits import SLICE
from falkit_mock.hosts import CONNECTION, Connection

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


# Frames of one message.
_MOST_PIECES = 10_000


class _Connection(Connection, Protocol):
    def lost(self) -> None: ...


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, which also hands the application its connection.

    It sends a refusal of the handshake by itself: not every uvicorn leaves its headers alone.
    """

    def __init__(self, connection: _Connection, **options: Any) -> None:
        super().__init__(**options)
        self._connection = connection

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            # The application has not begun: its task was only just made.
            self.scope[CONNECTION] = self._connection  # type: ignore[literal-required]  # as extensions do

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < _MOST_PIECES:
            super().handle_cont(event)
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), SLICE):
                super().data_received(data[start : start + SLICE])
                if self.transport.is_closing():
                    return
        except InvalidState:
            # Uvicorn refuses what isn't UTF-8 though the caller's own close came right behind it.
            self.transport.close()
            return
        if not self.handshake_initiated:
            # It comes in one piece, and `websockets` reads no longer lines and not more of them.
            self._begin(431, [(b"content-length", b"0")])
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.http.response.start":
            self._begin(message["status"], message["headers"])
        elif message["type"] == "websocket.http.response.body":
            self.transport.write(message["body"])
            if not message.get("more_body"):
                self.transport.close()
        else:
            await super().send(message)

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        # For uvicorn nothing is left to be said.
        self.handshake_complete = self.close_sent = True
        lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
        lines += [b"%s: %s" % header for header in headers]
        self.transport.write(b"\r\n".join((*lines, b"connection: close", b"", b"")))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connection.lost()
