"""The mock's event loop in a thread: the server's, or one for all mocks without a socket."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, TypeVar

if TYPE_CHECKING:
    from falkit_mock.app import MockApp
    from falkit_mock.core.clock import Clock
    from falkit_mock.gateway.gateway import Gateway
    from falkit_mock.server import MockServer
    from falkit_mock.settings import Settings
    from falkit_mock.store import Store
    from falkit_spec import Catalog

# Seconds for a server in this process to start, to answer and to end.
_PATIENCE = 30.0
_T = TypeVar("_T")


class LoopThread:
    """An event loop that runs in another thread."""

    @abstractmethod
    def running(self) -> asyncio.AbstractEventLoop:
        """Return the loop, once it runs."""

    def call(
        self,
        work: Callable[[], Coroutine[object, object, _T]],
        timeout: float | None = _PATIENCE,
    ) -> _T:
        """Do something on the mock's own event loop, from any other thread.

        `timeout` is in seconds, None for no limit; raise TimeoutError.
        """
        # First, since the work may be about what the loop's start makes.
        loop = self.running()
        return asyncio.run_coroutine_threadsafe(work(), loop).result(timeout)

    def inside(self, action: Callable[[], _T]) -> _T:
        """Do what takes no time on the mock's own event loop, as call() does."""

        async def act() -> _T:
            return action()

        return self.call(act)


class SharedLoop(LoopThread):
    """One that runs until the process ends: to start another for each mock takes time."""

    _kept: ClassVar[dict[str, SharedLoop]] = {}
    _turn: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str) -> None:
        self._loop = _new_loop()
        self.process = os.getpid()
        self.thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self.thread.start()

    @classmethod
    def named(cls, name: str) -> SharedLoop:
        """Return the one of a name in this process."""
        with cls._turn:
            found = cls._kept.get(name)
            # A process that was forked has none of its parent's threads.
            if found is None or found.process != os.getpid():
                found = cls._kept[name] = cls(name)
            return found

    def running(self) -> asyncio.AbstractEventLoop:
        return self._loop


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return uvicorn's kind of loop, which has no socket of its own: tests may forbid sockets."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class ServerThread(LoopThread):
    """Serves on a listening socket from the block's beginning to its end.

    The block need not wait for the mock: the sockets listen already, and what connects is
    answered as soon as everything has been imported. `prepare` is called with the application
    before it serves, such as to listen to its events. `broken` is called, on the mock's own
    thread, if it can't be made; wait() and call() then raise what was wrong.
    """

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        gateway: Gateway | None = None,
        prepare: Callable[[MockApp], object] | None = None,
        *,
        clock: Clock | None = None,
        catalog: Catalog | None = None,
        store: Store | None = None,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._gateway = gateway
        self._prepare = prepare
        self._clock = clock
        self._catalog = catalog
        self._store = store
        self._app: MockApp | None = None
        self._server: MockServer | None = None
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="falkit mock", daemon=True)
        self.broken: Callable[[], object] = lambda: None

    def __enter__(self) -> ServerThread:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve, and don't wait until requests are answered."""
        self._thread.start()

    def stop(self) -> None:
        """End within a second, open streams included; raise TimeoutError if that fails."""
        self._ready.wait(_PATIENCE)
        if self._server is not None:
            self._server.stop()
        self._thread.join(_PATIENCE)
        self._listener.close()
        if self._thread.is_alive():
            raise TimeoutError("the mock did not end")

    def wait(self) -> MockApp:
        """Return the application once requests are answered; raise what kept it from that."""
        if not self._ready.wait(_PATIENCE):
            raise TimeoutError("the mock did not start")
        if self._error is not None:
            raise self._error
        assert self._app is not None
        return self._app

    def running(self) -> asyncio.AbstractEventLoop:
        """Return the server's loop; use it inside the block."""
        self.wait()
        assert self._server is not None
        assert self._server.loop is not None
        return self._server.loop

    def open_gateway(self, gateway: Gateway) -> None:
        """Open a gateway beside a mock that was started without one."""
        app = self.wait()
        assert self._server is not None
        server = self._server
        gateway.egress.heard = app.events.emit
        self.call(lambda: server.open_gateway(gateway))
        app.gateway = gateway

    def _serve(self) -> None:
        try:
            self._server = self._made()
            self._server.run(sockets=[self._listener])
        except BaseException as error:
            self._error = error
            self.broken()
        finally:
            self._ready.set()

    def _made(self) -> MockServer:
        # Lazy: whoever starts the thread can go on while it imports what a mock needs.
        from falkit_mock.assembly import app_of, create_app
        from falkit_mock.server import MockServer

        if self._catalog is None:
            app = create_app(self._settings, clock=self._clock, store=self._store)
        else:
            app = app_of(self._settings, self._catalog, clock=self._clock, store=self._store)
        self._app = app
        if self._gateway is not None:
            app.gateway = self._gateway
            self._gateway.egress.heard = app.events.emit
        if self._prepare is not None:
            self._prepare(app)
        return MockServer(app, app.service, self._ready.set, self._gateway)
