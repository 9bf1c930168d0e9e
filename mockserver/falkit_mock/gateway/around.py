"""The mock and its gateway in a thread, around a program that has the main one."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import TracebackType

from falkit_mock.app import create_app
from falkit_mock.gateway.egress import Egress, Policy
from falkit_mock.gateway.gateway import Gateway, reached
from falkit_mock.gateway.summary import summary
from falkit_mock.gateway.tally import Tally, spend
from falkit_mock.platform.platform import Platform
from falkit_mock.request_log import RequestLog
from falkit_mock.server import MockServer
from falkit_mock.settings import Settings
from falkit_spec import Catalog

# Seconds for a server in this process to start, to count and to end.
_PATIENCE = 30.0


class Around:
    """Serves from the block's beginning to its end."""

    def __init__(
        self,
        settings: Settings,
        mock: socket.socket,
        gate: socket.socket,
        egress: Policy,
        *,
        verbose: bool,
    ) -> None:
        self._catalog = Catalog.vendored()
        app = create_app(settings, catalog=self._catalog)
        self._platform: Platform = app.state.platform
        self._tally = Tally(app)
        log = RequestLog(self._tally) if verbose else None
        self.gateway = Gateway(gate, reached(mock), Egress(egress, log.left if log else None))
        app.state.gateway = self.gateway
        self._ready = threading.Event()
        self._server = MockServer(log or self._tally, self._platform, self._begin, self.gateway)
        self._thread = threading.Thread(target=self._serve, args=(mock,), daemon=True)

    def __enter__(self) -> Around:
        self._thread.start()
        self._ready.wait(_PATIENCE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_PATIENCE)

    def summary(self) -> str:
        """Return what happened so far; call it inside the block."""
        counting = asyncio.run_coroutine_threadsafe(
            spend(self._platform, self._catalog), self._loop
        )
        spent = counting.result(_PATIENCE)
        return summary(self._tally, spent, self.gateway.egress, self.gateway.failed_handshakes)

    def _serve(self, mock: socket.socket) -> None:
        try:
            self._server.run(sockets=[mock])
        finally:
            self._ready.set()

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready.set()
