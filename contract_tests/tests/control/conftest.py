"""Mocks to steer: one whose jobs take no time, and one whose jobs and clock stand.

They are shared, and reset before each test: what a reset leaves behind shows in some test.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from falkit import Settings
from falkit_mock.core.clock import ManualClock
from serving import Mock, running

START = 1_800_000_000.0


@pytest.fixture(scope="session")
def instant_mock() -> Generator[Mock]:
    with running(Settings(timing="instant", seed=1)) as served:
        yield served


@pytest.fixture(scope="session")
def manual_mock() -> Generator[Mock]:
    settings = Settings(timing="10,20", seed=1)
    with running(settings, ManualClock(START)) as served:
        yield served


@pytest.fixture
def mock(instant_mock: Mock) -> Mock:
    """A mock whose jobs take no time, with the seed 1."""
    assert instant_mock.http.post("/__falkit/reset").status_code == 200
    return instant_mock


@pytest.fixture
def manual(manual_mock: Mock) -> Mock:
    """A mock on a clock that stands: a job waits for 10 s and runs for 20 s; the seed is 1."""
    assert manual_mock.http.post("/__falkit/reset").status_code == 200
    clock = manual_mock.clock
    assert isinstance(clock, ManualClock)
    manual_mock.inside(lambda: clock.restore(START, running=False))
    return manual_mock
