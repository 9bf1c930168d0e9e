"""The mock without sockets: httpx's calls to fal are answered in this process, through respx."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Unpack

import httpx

from falkit.exchange import Exchange, Reply
from falkit.fal_sdk import KEY as _KEY, forget_clients, renew_clients as renew_clients
from falkit.mock import chosen
from falkit.parts import Parts
from falkit_mock.assembly import create_app
from falkit_mock.core.events import HostContacted
from falkit_mock.core.identity import holds_key
from falkit_mock.core.network import ROUTED, is_fal, is_router, is_this_machine
from falkit_mock.core.settings import SettingsError
from falkit_mock.findings import watcher_of
from falkit_mock.mock import SharedLoop

if TYPE_CHECKING:
    import respx

    from falkit.routes import HostRoute
    from falkit_mock.app import MockApp
    from falkit_mock.core.clock import Clock as ClockObject
    from falkit_mock.settings import ClockMode, MockSettings, Settings
    from falkit_spec import Catalog

_THREAD = "falkit mocks"
# Seconds that a reply has to end once the mock does.
_GRACE = 0.1
# What leads fal's clients to another key, and falkit's to another mock.
_LEADING = (_KEY, "FAL_KEY_ID", "FAL_KEY_SECRET", "FALKIT_BASE_URL")


class InProcess(Parts):
    """Answers from the block's beginning to its end: `with falkit.InProcess() as mock:`.

    Code that calls fal through httpx needs no change: fal_client, falkit's own client, Hugging
    Face's; from any thread, on asyncio or trio. `FAL_KEY` is this mock's `key` within the block.
    Settings come as for `Mock`, and so does `clock`. `router` is a respx router of the test's,
    which gets a route for fal's hosts beside its own; without one, calls elsewhere are respx's
    error. Of several at once the one that was started last answers. WebSockets aren't httpx's:
    those need `Mock`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: ClockObject | ClockMode | None = None,
        catalog: Catalog | None = None,
        router: respx.MockRouter | None = None,
        **options: Unpack[MockSettings],
    ) -> None:
        self.settings, self._own_clock = chosen(settings, clock, options)
        if self.settings.tenants:
            fix = "make an InProcess for each, or use falkit.Mock"
            raise SettingsError("tenants", f"an InProcess is one mock for all keys; {fix}")
        self.settings.check_catalog(catalog)
        self._catalog = catalog
        self.key: str = min(self.settings.api_keys, default=_new_key(self.settings.seed))
        self._route = _route_class()(router, self._wants, self._answer)
        self._app: MockApp | None = None
        self._loop = SharedLoop.named(_THREAD)
        self._open: set[Exchange] = set()
        self._environ: dict[str, str | None] = {}

    def start(self) -> InProcess:
        """Begin to answer, and set FAL_KEY; raise what keeps it from that."""
        if self._app is not None:
            raise RuntimeError("this mock was started before; make another one")
        self._route.check()
        app = create_app(self.settings, clock=self._own_clock, catalog=self._catalog)
        self._app = app
        try:
            self._loop.call(lambda: _begin(app))
        except BaseException:
            app.close()
            raise
        self._route.open()
        self._environ = {name: os.environ.pop(name, None) for name in _LEADING}
        renew_clients(self.key)
        return self

    def stop(self) -> None:
        """End open streams, and have FAL_KEY and the router as they were.

        Without a state file all is forgotten.
        """
        if not self._route.is_open:
            return
        self._route.close()
        for name, value in self._environ.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        forget_clients()
        self._loop.call(self._end)

    def __enter__(self) -> InProcess:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> InProcess:
        return self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _own(self) -> tuple[SharedLoop, MockApp]:
        if self._app is None or not self._route.is_open:
            fix = "use it inside `with falkit.InProcess() as mock:`"
            raise RuntimeError(f"this mock isn't running; {fix}")
        return self._loop, self._app

    def _wants(self, request: httpx.Request) -> bool:
        """Tell whether a request is for fal, or is one of the mock's own downloads."""
        own = threading.current_thread() is self._loop.thread
        if own or _is_for_fal(request.url):
            return True
        if holds_key(request.headers.get("authorization", "")):
            self._note_key(request.url)
        return False

    def _note_key(self, url: httpx.URL) -> None:
        """Have it known that a key of fal's is sent elsewhere, whatever comes of that."""
        watcher = None if self._app is None else watcher_of(self._app.service)
        if watcher is not None and not is_this_machine(url.host):
            port = url.port or (443 if url.scheme == "https" else 80)
            contact = HostContacted(url.host, port, time.time(), allowed=False, key=True)
            self._loop.running().call_soon_threadsafe(watcher, contact)

    def _answer(self, request: httpx.Request) -> Reply | httpx.Request:
        """Have the application answer; the mock's own downloads go where they lead."""
        if not _is_for_fal(request.url):
            return request
        if self._loop.process != os.getpid():
            fix = "for other processes use falkit.Mock"
            raise RuntimeError(
                f"falkit.InProcess answers the process that it was started in; {fix}"
            )
        _, app = self._own()
        loop = self._loop.running()
        exchange = Exchange(app, loop, request, self._open.discard)

        def begin() -> None:
            self._open.add(exchange)
            exchange.begin()

        loop.call_soon_threadsafe(begin)
        return Reply(exchange)

    async def _end(self) -> None:
        assert self._app is not None, "it was started"
        service = self._app.service
        for act in service.hooks.ending:
            await act()
        service.close()
        await asyncio.gather(*(exchange.stop(_GRACE) for exchange in self._open))
        if service.store.sharing is not None:
            await service.store.sharing.stop()
        self._app.close()


def _route_class() -> type[HostRoute]:
    try:
        from falkit.routes import HostRoute
    except ModuleNotFoundError as missing:
        if missing.name != "respx":
            raise
        fix = "pip install 'falkit[pytest]'"
        raise ImportError(f"falkit.InProcess needs respx, which isn't installed; {fix}") from None
    return HostRoute


async def _begin(app: MockApp) -> None:
    for act in app.service.hooks.opening:
        await act()
    app.go_on()


def _is_for_fal(url: httpx.URL) -> bool:
    return is_fal(url.host) or (is_router(url.host) and url.path.startswith(ROUTED))


def _new_key(seed: int | None) -> str:
    """Return a key that is no other mock's, and the same for the same seed."""
    drawn = secrets.SystemRandom() if seed is None else Random(seed)
    return f"test-{drawn.getrandbits(48):012x}:{drawn.getrandbits(96):024x}"
