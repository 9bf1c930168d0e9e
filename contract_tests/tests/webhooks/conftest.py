"""Mocks and receivers for the tests of webhooks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest

from falkit import Settings
from falkit_mock.core.clock import ManualClock, SimulatedClock
from falkit_mock.webhooks.sender import Receivers
from serving import Mock, running
from webhooks.receiver import Receiver, receiving


@pytest.fixture
def serve() -> Generator[Callable[..., Mock]]:
    """Serve a mock whose jobs end at once, with further settings of the test's own."""
    with ExitStack() as stack:

        def make(timing: str = "instant", **more: object) -> Mock:
            settings = Settings(timing=timing, **more)  # type: ignore[arg-type]
            return stack.enter_context(running(settings))

        yield make


@pytest.fixture
def mock(serve: Callable[..., Mock]) -> Mock:
    """A mock on real time whose jobs end at once."""
    return serve()


@pytest.fixture
def standing() -> Generator[Callable[..., Mock]]:
    """Serve a mock whose time stands until the test moves it."""
    with ExitStack() as stack:

        def make(timing: str = "instant", **more: object) -> Mock:
            # Tests judge signatures by the mock's time, unless they are about just that.
            more = {"webhook_timestamps": "mock", **more}
            settings = Settings(timing=timing, **more)  # type: ignore[arg-type]
            return stack.enter_context(running(settings, ManualClock()))

        yield make


@pytest.fixture
def receiver() -> Generator[Receiver]:
    """A receiver that takes everything."""
    with receiving() as served:
        yield served


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """The URL of a receiver that takes connections and says nothing; jumps don't wait for it."""
    monkeypatch.setattr(SimulatedClock, "patience", 0.05)
    monkeypatch.setattr(Receivers, "patience", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/silent"
