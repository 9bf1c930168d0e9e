"""Mocks to have things go wrong in."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack

import pytest

from falkit import Settings
from serving import Mock, Serve, WatchedClock, running


@pytest.fixture(scope="session")
def instant() -> Generator[Mock]:
    """A mock without rules whose jobs take no time; shared, so faults are named by requests."""
    with running(Settings(timing="instant", concurrency=0)) as served:
        yield served


@pytest.fixture
def serve() -> Generator[Serve]:
    """Serve a mock that starts with rules, `serve("image_load_error times=2", timing="1,2")`."""
    with ExitStack() as stack:

        def start(
            *rules: str, timing: str = "instant", clock: WatchedClock | None = None, seed: int = 1
        ) -> Mock:
            settings = Settings(timing=timing, concurrency=0, seed=seed, faults=rules)
            return stack.enter_context(running(settings, clock))

        yield start
