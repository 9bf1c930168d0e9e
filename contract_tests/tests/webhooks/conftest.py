"""Mocks and receivers for the tests of webhooks."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest

from falkit import Settings
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.webhooks.sender import Receivers
from serving import Mock, Serve, WatchedClock, running


@pytest.fixture
def mock(serve: Serve) -> Mock:
    """A mock on real time whose jobs end at once."""
    return serve()


@pytest.fixture
def standing() -> Generator[Serve]:
    """Serve a mock whose time stands until the test moves it."""
    with ExitStack() as stack:

        def start(timing: str = "instant", **settings: Any) -> Mock:
            # Tests judge signatures by the mock's time, unless they are about just that.
            settings.setdefault("webhook_timestamps", "mock")
            made = Settings(timing=timing, **settings)
            return stack.enter_context(running(made, WatchedClock()))

        yield start


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """The URL of a receiver that takes connections and says nothing; jumps don't wait for it."""
    monkeypatch.setattr(SimulatedClock, "patience", 0.05)
    monkeypatch.setattr(Receivers, "patience", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/silent"
