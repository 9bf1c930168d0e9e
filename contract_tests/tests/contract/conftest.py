"""A mock that answers at once, served for all tests of this room."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from falkit import Settings
from falkit_client import Client
from serving import Mock, running


@pytest.fixture(scope="session")
def mock() -> Generator[Mock]:
    """A mock whose jobs take no time."""
    with running(Settings(timing="instant", seed=1)) as served:
        yield served


@pytest.fixture(scope="session")
def client(mock: Mock) -> Generator[Client]:
    """falkit's client of that mock; it never sleeps, since nothing takes time there."""
    with Client("id:secret", mock.url, sleep=_never) as client:
        yield client


def _never(seconds: float) -> None:
    raise AssertionError(f"the client wants to sleep {seconds} s")
