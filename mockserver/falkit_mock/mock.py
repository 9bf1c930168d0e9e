"""The server in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from falkit_mock.gateway.gateway import Gateway

if TYPE_CHECKING:
    from falkit_mock.app import MockApp
    from falkit_mock.core.clock import Clock
    from falkit_mock.server import MockServer
    from falkit_mock.settings import Settings

# Seconds for a server in this process to start, to answer and to end.
_PATIENCE = 30.0
_T = TypeVar("_T")


class ServerThread:
    """Serves from the block's beginning to its end.

    The block need not wait for the mock: the sockets listen already, and what connects is
    answered as soon as everything has been imported. `prepare` is called with the application
    before it serves, such as to listen to its events. `broken` is called, on the mock's own
    thread, if it can't be made; call() then raises what was wrong.
    """

    def __init__(
        self,
        settings: Settings,
        mock: socket.socket,
        gateway: Gateway,
        prepare: Callable[[MockApp], object],
        *,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._mock = mock
        self._gateway = gateway
        self._prepare = prepare
        self._server: MockServer | None = None
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="falkit mock", daemon=True)
        self.broken: Callable[[], object] = _nothing

    def __enter__(self) -> ServerThread:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ready.wait(_PATIENCE)
        if self._server is not None:
            self._server.stop()
        self._thread.join(_PATIENCE)

    def call(self, work: Callable[[], Coroutine[object, object, _T]]) -> _T:
        """Do something on the mock's own event loop; call it inside the block."""
        self._ready.wait(_PATIENCE)
        if self._error is not None:
            raise self._error
        assert self._server is not None, "the mock did not start"
        assert self._server.loop is not None
        return asyncio.run_coroutine_threadsafe(work(), self._server.loop).result(_PATIENCE)

    def _serve(self) -> None:
        try:
            self._server = self._made()
            self._server.run(sockets=[self._mock])
        except BaseException as error:
            self._error = error
            self.broken()
        finally:
            self._ready.set()

    def _made(self) -> MockServer:
        from falkit_mock.app import create_app
        from falkit_mock.server import MockServer

        app = create_app(self._settings, clock=self._clock)
        app.gateway = self._gateway
        self._gateway.egress.heard = app.service.events.emit
        self._prepare(app)
        return MockServer(app, app.service, self._ready.set, self._gateway)


def _nothing() -> None:
    """There is nobody to tell yet."""
