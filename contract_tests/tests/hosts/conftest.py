"""Mocks to call: one that answers at once, and as many others as a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest

from falkit import Settings
from serving import Mock, WatchedClock, running


@pytest.fixture(scope="session")
def mock() -> Generator[Mock]:
    """A mock whose jobs take no time; shared, so that a test must not count on being alone."""
    with running(Settings(timing="instant")) as served:
        yield served


@pytest.fixture
def serve() -> Generator[Callable[[Settings], Mock]]:
    """Serve a mock with settings of the test's own."""
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(running(settings))


@pytest.fixture
def clock() -> WatchedClock:
    """The time of `timed` and `queue_then_run`."""
    return WatchedClock()


@pytest.fixture
def timed(clock: WatchedClock) -> Generator[Callable[[Settings], Mock]]:
    """Serve a mock with settings of the test's own, on `clock`."""
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(running(settings, clock))


@pytest.fixture
def slow(timed: Callable[[Settings], Mock]) -> Mock:
    """A mock on `clock` whose jobs wait 1 s and run 10 s, two at a time."""
    return timed(Settings(timing="1,10", seed=1))


@pytest.fixture
def held(timed: Callable[[Settings], Mock]) -> Mock:
    """A mock whose jobs wait until they are released."""
    return timed(Settings(timing="held", seed=1))
