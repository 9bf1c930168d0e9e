"""The receiver under uvicorn: ready before it says so, gone when it is told."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """Says when deliveries can come, and waits for none at the end."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        """`ready` is called once connections are accepted."""
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                access_log=False,
                log_level="critical",
                server_header=False,
                timeout_graceful_shutdown=0,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End; uvicorn would raise the signal again, and being told to stop is no failure."""
        self.should_exit = True
