"""Mocks on a clock that the tests move."""

from __future__ import annotations

import pytest

from serving import Mock, Serve


@pytest.fixture
def slow(timed: Serve) -> Mock:
    """A mock on `clock` whose jobs wait 1 s and run 10 s, two at a time."""
    return timed("1,10")


@pytest.fixture
def held(timed: Serve) -> Mock:
    """A mock whose jobs wait until they are released."""
    return timed("held")
