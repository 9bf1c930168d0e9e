"""A client of the mock that answers at once."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from falkit_client import Client
from serving import Mock


@pytest.fixture(scope="session")
def client(mock: Mock) -> Generator[Client]:
    """falkit's client of that mock; it never sleeps, since nothing takes time there."""
    with Client("id:secret", mock.url, sleep=_never) as client:
        yield client


def _never(seconds: float) -> None:
    raise AssertionError(f"the client wants to sleep {seconds} s")
