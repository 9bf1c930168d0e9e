"""Uvicorn's side of a WebSocket; imported by the first handshake, since few runs have one."""

from __future__ import annotations

from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from falkit_mock.hosts import CONNECTION, Connection


class _Connection(Connection, Protocol):
    def lost(self) -> None: ...


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, which also hands the application its connection."""

    def __init__(self, connection: _Connection, **options: Any) -> None:
        super().__init__(**options)
        self._connection = connection

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            # The application has not begun: its task was only just made.
            self.scope[CONNECTION] = self._connection  # type: ignore[literal-required]  # as extensions do

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connection.lost()
