"""The mock in this process, for the length of a block."""

from __future__ import annotations

import asyncio
import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Unpack

from falkit.parts import Parts, Tenant
from falkit.views import Spend, spend_in
from falkit_mock.core import reason
from falkit_mock.core.network import listen, reached
from falkit_mock.core.settings import SettingsError
from falkit_mock.gateway import Policy
from falkit_mock.mock import ServerThread
from falkit_mock.settings import ClockMode, MockSettings, Settings, check_choice

if TYPE_CHECKING:
    from socket import socket

    from falkit_mock.app import MockApp
    from falkit_mock.core.clock import Clock as ClockObject
    from falkit_mock.gateway.gateway import Gateway
    from falkit_spec import Catalog

_LOOPBACK = "127.0.0.1"
_KEYS = ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET")


class Mock(Parts):
    """Serves from the block's beginning to its end: `with falkit.Mock(timing="instant") as mock:`.

    Settings come as one object, by name, or both; a SettingsError, which is a ValueError, says
    which can't work. `clock` is `real`, `manual` (paused until `mock.clock` moves it) or a clock
    of the program's own. `port` 0 takes a free one. `egress` says what the gateway does with
    calls to hosts that aren't fal's. There can be many in one process, and each can be used from
    any thread.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: ClockObject | ClockMode | None = None,
        port: int = 0,
        egress: Policy = "allow",
        catalog: Catalog | None = None,
        **options: Unpack[MockSettings],
    ) -> None:
        self.settings, self._own_clock = chosen(settings, clock, options)
        self._port = _checked_port(port)
        check_choice("egress", egress, Policy)
        self._egress: Policy = egress
        self.settings.check_catalog(catalog)
        self._catalog = catalog
        self._listener: socket | None = None
        self._server: ServerThread | None = None
        self._gateway: Gateway | None = None
        # Held while the gateway is opened, and while all is forgotten.
        self._turn = threading.Lock()

    def start(self) -> Mock:
        """Begin to serve, and return once requests are answered; raise what keeps it from that."""
        if self._listener is not None:
            raise RuntimeError("this mock was started before; make another one")
        self._listener = _listening(self._port)
        server = self._server = ServerThread(
            self.settings, self._listener, clock=self._own_clock, catalog=self._catalog
        )
        server.start()
        try:
            server.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End within a second, open streams included. Without a state file all is forgotten."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Mock:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Mock:
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The thread starts the mock all the same, and only this can stop it.
            await starting
            await asyncio.to_thread(self.stop)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def url(self) -> str:
        """The mock's URL; `{url}/queue.fal.run/…` answers for `https://queue.fal.run/…`."""
        self._running()
        assert self._listener is not None
        return reached(self._listener)

    @property
    def gateway_url(self) -> str:
        """The proxy at which calls to fal's own names end; opened when this is first asked.

        Raise an error that names the file if the local certificate authority can't be kept.
        """
        return self._open_gateway().url

    @property
    def environ(self) -> dict[str, str]:
        """The variables with which a program's calls to fal come here, as `falkit run` sets them.

        `FAL_KEY` is always among them, so that no real key is used. This opens the gateway.
        """
        # Lazy: most tests have no use for a gateway.
        from falkit_mock.gateway.environment import KEY, TOKEN, variables

        gateway = self._open_gateway()
        around = {name: value for name, value in os.environ.items() if name not in _KEYS}
        key = min(self.settings.api_keys, default=KEY)
        found = variables(gateway.url, gateway.authority, self._egress, around, key, self.url)
        if self.settings.control_token is not None:
            found[TOKEN] = self.settings.control_token
        return found

    @property
    def spend(self) -> Spend:
        """What jobs have cost since the mock started, with `tenants=True` those of all keys."""
        return spend_in(*self._running())

    def tenant(self, key: str) -> Tenant:
        """Return the mock that a key has to itself, by the key or its id, with `tenants=True`.

        It has `jobs`, `clock`, `reset()` and the rest for that key alone. Raise a ValueError for a
        key that this mock doesn't take.
        """
        # Lazy: most mocks have one for all.
        from falkit_mock.core.errors import WireError
        from falkit_mock.tenants import Tenants

        server, app = self._running()
        if not isinstance(app, Tenants):
            raise RuntimeError("this mock is one for all keys; make it with tenants=True")
        id = key.partition(":")[0]
        known = {one.partition(":")[0] for one in self.settings.api_keys}
        if known and id not in known:
            raise ValueError(f"key: {id!r} isn't one of this mock's; those are in api_keys")
        try:
            return Tenant(server, server.inside(lambda: app.tenant(id).app))
        except WireError as error:
            raise ValueError(f"key: {error.hint or error.body['detail']}") from None

    def _own(self) -> tuple[ServerThread, MockApp]:
        if self.settings.tenants:
            fix = "ask mock.tenant(KEY) for it"
            raise RuntimeError(f"each key has a mock of its own here; {fix}")
        return self._running()

    def _running(self) -> tuple[ServerThread, MockApp]:
        server = self._server
        if server is None:
            fix = "use it inside `with falkit.Mock() as mock:`"
            raise RuntimeError(f"this mock isn't running; {fix}")
        return server, server.wait()

    def _open_gateway(self) -> Gateway:
        # Lazy: most tests have no use for a gateway.
        from falkit_mock.gateway import Egress
        from falkit_mock.gateway.authority import Authority
        from falkit_mock.gateway.gateway import Gateway

        server, _ = self._running()
        with self._turn:
            if self._gateway is None:
                authority = Authority.open()
                listener, egress = listen(_LOOPBACK, 0), Egress(self._egress)
                self._gateway = Gateway(listener, self.url, egress, authority)
                server.open_gateway(self._gateway)
            return self._gateway


def chosen(
    settings: object, clock: ClockObject | ClockMode | None, options: MockSettings
) -> tuple[Settings, ClockObject | None]:
    """Return the settings that a program gives in several ways, and a clock of its own.

    Raise SettingsError for what can't work.
    """
    found = _settings_of(settings).replace(**options)
    if isinstance(clock, str):
        return found.replace(clock=clock), None
    return found, None if clock is None else _own(clock)


def _settings_of(given: object) -> Settings:
    if given is None or isinstance(given, Settings):
        return given or Settings()
    fix = 'give falkit.Settings(…), or settings by name such as timing="instant"'
    raise SettingsError("settings", f"{given!r} isn't a Settings; {fix}")


# What the mock calls on a clock.
_CLOCK = ("now", "at", "sleep_until", "timeout_at", "wait", "busy")


def _own(clock: ClockObject) -> ClockObject:
    """Return a clock of the program's own; raise SettingsError for what isn't a clock."""
    if all(callable(getattr(clock, name, None)) for name in _CLOCK) and hasattr(clock, "notifier"):
        return clock
    fix = "give 'real' or 'manual', or an object with the methods of one"
    raise SettingsError("clock", f"{clock!r} isn't a clock; {fix}")


def _checked_port(port: object) -> int:
    if isinstance(port, int) and not isinstance(port, bool) and 0 <= port < 65_536:
        return port
    raise SettingsError("port", f"{port!r} isn't a port; give one up to 65535, or 0 for a free one")


def _listening(port: int) -> socket:
    """Return a listening socket; the OSError says which port and what to do."""
    try:
        return listen(_LOOPBACK, port)
    except OSError as error:
        why = f"port: can't listen on {_LOOPBACK}:{port} ({reason(error)})"
        fix = "choose another port, or 0 for a free one"
        raise OSError(error.errno, f"{why}; {fix}") from None
