"""A mock in which faults of the wire can be planted."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from conform.planting import Planted, planted_mock


@pytest.fixture(scope="session")
def planted() -> Generator[Planted]:
    with planted_mock() as served:
        yield served
