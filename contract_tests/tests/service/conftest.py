"""Mocks on a time that the tests move."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any

import pytest

from falkit import Settings
from serving import Mock, WatchedClock, running

Serve = Callable[..., Mock]


@pytest.fixture
def clock() -> WatchedClock:
    """The time of `serve`."""
    return WatchedClock()


@pytest.fixture
def serve(clock: WatchedClock) -> Generator[Serve]:
    """Serve a mock by its timing and other settings, on `clock`."""
    with ExitStack() as stack:

        def make(timing: str, **settings: Any) -> Mock:
            made = Settings(timing=timing, seed=1, **settings)
            return stack.enter_context(running(made, clock))

        yield make
