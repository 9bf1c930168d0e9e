"""Mocks to steer: one whose jobs take no time, and one whose jobs and clock stand."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from falkit_mock.platform.clock import ManualClock
from falkit_mock.platform.timing import parse_timing
from falkit_mock.settings import Settings
from serving import Mock, running


@pytest.fixture
def mock() -> Generator[Mock]:
    """A mock whose jobs take no time, with the seed 1."""
    with running(Settings(timing=parse_timing("instant"), seed=1)) as served:
        yield served


@pytest.fixture
def manual() -> Generator[Mock]:
    """A mock on a clock that stands: a job waits for 10 s and runs for 20 s; the seed is 1."""
    settings = Settings(timing=parse_timing("10,20"), seed=1)
    with running(settings, ManualClock()) as served:
        yield served
