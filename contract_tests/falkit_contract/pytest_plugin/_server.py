"""A test's own mock in a server of the run, and servers of its own."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol, Unpack

import pytest

from falkit.fal_sdk import forget_clients
from falkit.remote import Control, Remote
from falkit_contract.pytest_plugin._servers import Ready, Servers
from falkit_mock.gateway import GatewayError
from falkit_mock.gateway.environment import KEYS, variables
from falkit_mock.settings import Settings, SettingsOptions

if TYPE_CHECKING:
    from falkit import Mock
    from falkit_contract.pytest_plugin._used import Used

# All in which fal's clients look for a key; and what the AI SDK reads.
_KEYS = (*KEYS, "FAL_API_KEY")
_OTHERS = ("FAL_KEY_ID", "FAL_KEY_SECRET")
# Settings that a key's own mock is given, where the server has the others.
_OF_THE_TEST = ("seed", "faults", "outputs")


class FalServer(Remote):
    """A test's own mock in a server that the tests of the run share."""

    def __init__(self, ready: Ready, control: Control, key: str, own: Settings) -> None:
        super().__init__(control, key)
        self._ready = ready
        self._seed = own.seed
        self._rules = (*own.faults, *own.outputs)

    @property
    def gateway_url(self) -> str:
        """The proxy at which calls to fal's own names end."""
        return self._ready.gateway

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead a program here; this process has them during the test."""
        return {**_leading(self._ready), **dict.fromkeys(_KEYS, self.key)}

    def reset(self, *, keep_faults: bool = False) -> None:
        """Forget jobs, files, requests and webhooks, and begin again as the test's marker says."""
        super().reset(keep_faults=keep_faults)
        if self._seed is not None:
            self._control.ask("PUT", "/seed", self.key, body={"seed": self._seed})
        for rule in () if keep_faults else self._rules:
            self.faults.add(rule.table())

    def forget(self) -> None:
        """Have the server forget this mock, so that a run of thousands of tests doesn't fill it."""
        with suppress(ConnectionError, LookupError):
            self._control.ask("DELETE", f"/tenants/{self.key.partition(':')[0]}")


class MakeServer(Protocol):
    """Starts a mock of the test's own by its settings, as falkit.Mock takes them."""

    def __call__(self, **settings: Unpack[SettingsOptions]) -> Mock: ...


@contextmanager
def serving(used: Used, servers: Servers) -> Generator[FalServer]:
    """Lead this process, and those that it starts, to the mock of a test's own key."""
    used.lead("fal_server")
    settings = dict(used.marked.settings)
    own: Any = {name: settings.pop(name) for name in _OF_THE_TEST if name in settings}
    key = key_of(used.item.nodeid, servers.apart)
    try:
        server = FalServer(*servers.get(settings), key, Settings(**own))
        try:
            server.reset()
        except ConnectionError:
            # Something ended it; the tests that are still to come have another.
            server = FalServer(*servers.get(settings, again=True), key, Settings(**own))
            server.reset()
        environ = server.environ
    except (RuntimeError, ValueError, GatewayError, ConnectionError) as error:
        raise pytest.fail.Exception(f"fal_server: {error}", pytrace=False) from None
    with pytest.MonkeyPatch.context() as patch:
        for name in _OTHERS:
            patch.delenv(name, raising=False)
        for name, value in environ.items():
            patch.setenv(name, value)
        forget_clients()
        try:
            yield server
        finally:
            forget_clients(connected=True)
            server.forget()


@contextmanager
def making(used: Used) -> Generator[MakeServer]:
    """Yield what starts mocks, which end with the block."""
    with ExitStack() as stack:

        def make(**settings: Unpack[SettingsOptions]) -> Mock:
            # Lazy: most tests make none.
            from falkit import Mock

            given: dict[str, Any] = {**used.marked.settings, **settings}
            return stack.enter_context(used.watching(Mock(clock=given.pop("clock", None), **given)))

        yield make


def key_of(test: str, apart: str = "") -> str:
    """Return the key of a test: the same at each run, so that a seed gives the same ids."""
    return f"test-{blake2b(f'{apart}{test}'.encode(), digest_size=6).hexdigest()}:falkit"


@cache
def _leading(ready: Ready) -> Mapping[str, str]:
    """Return the variables that lead to a server, without its keys."""
    # Lazy: it takes some milliseconds.
    from falkit_mock.gateway.authority import Authority

    around = {name: text for name, text in os.environ.items() if name not in (*_KEYS, *_OTHERS)}
    return variables(ready.gateway, Authority.open(), "allow", around, "", ready.url)
