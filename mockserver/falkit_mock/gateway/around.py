"""The mock and its gateway in a thread, around a program that has the main one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from falkit_mock.gateway.gateway import Gateway

if TYPE_CHECKING:
    from falkit_mock.gateway.remains import Webhooks
    from falkit_mock.gateway.tally import Tally
    from falkit_mock.platform.clock import Clock
    from falkit_mock.platform.platform import Platform
    from falkit_mock.server import MockServer
    from falkit_mock.settings import Settings
    from falkit_mock.store.deliveries import Delivery
    from falkit_spec import Catalog

# Seconds for a server in this process to start, to count and to end.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class _Serving:
    """What there is once the mock has been made."""

    server: MockServer
    platform: Platform
    catalog: Catalog
    tally: Tally
    webhooks: Webhooks


class Around:
    """Serves from the block's beginning to its end.

    The block need not wait for the mock: the sockets listen already, and what connects is
    answered as soon as everything has been imported. `broken` is called, on the mock's own
    thread, if it can't be made; summary() then raises what was wrong.
    """

    def __init__(
        self,
        settings: Settings,
        mock: socket.socket,
        gateway: Gateway,
        *,
        verbose: bool,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._mock = mock
        self._gateway = gateway
        self._verbose = verbose
        self._serving: _Serving | None = None
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="falkit mock", daemon=True)
        self.broken: Callable[[], object] = _nothing

    def __enter__(self) -> Around:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ready.wait(_PATIENCE)
        if self._serving is not None:
            self._serving.server.stop()
        self._thread.join(_PATIENCE)

    def summary(self) -> str:
        """Return what happened so far; call it inside the block."""
        from falkit_mock.gateway.remains import remains
        from falkit_mock.gateway.summary import summary
        from falkit_mock.gateway.tally import spend

        self._ready.wait(_PATIENCE)
        if self._error is not None:
            raise self._error
        serving = self._serving
        assert serving is not None, "the mock did not start"
        assert serving.server.loop is not None

        async def reckon() -> str:
            spent = await spend(serving.platform, serving.catalog)
            left = remains(serving.platform, serving.webhooks)
            gateway = self._gateway
            return summary(serving.tally, spent, left, gateway.egress, gateway.failed_handshakes)

        reckoning = asyncio.run_coroutine_threadsafe(reckon(), serving.server.loop)
        return reckoning.result(_PATIENCE)

    def _serve(self) -> None:
        try:
            self._serving = serving = self._made()
            serving.server.run(sockets=[self._mock])
        except BaseException as error:
            self._error = error
            self.broken()
        finally:
            self._ready.set()

    def _made(self) -> _Serving:
        from falkit_mock.app import create_app
        from falkit_mock.gateway.remains import Webhooks
        from falkit_mock.gateway.tally import Tally
        from falkit_mock.request_log import RequestLog
        from falkit_mock.server import MockServer
        from falkit_spec import Catalog

        catalog = Catalog.vendored()
        app = create_app(self._settings, catalog=catalog, clock=self._clock)
        app.state.gateway = self._gateway
        platform: Platform = app.state.platform
        tally, webhooks = Tally(app), Webhooks()
        log = RequestLog(tally, clock=platform.clock) if self._verbose else None
        if log is not None:
            self._gateway.egress.heard = log.left

        def delivered(delivery: Delivery) -> None:
            webhooks.heard(delivery)
            if log is not None:
                log.delivered(delivery)

        platform.webhooks.log.heard = delivered
        server = MockServer(log or tally, platform, self._ready.set, self._gateway)
        return _Serving(server, platform, catalog, tally, webhooks)


def _nothing() -> None:
    """There is nobody to tell yet."""
