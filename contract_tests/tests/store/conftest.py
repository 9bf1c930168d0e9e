"""The stores that the same tests hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from falkit_mock.store import Store
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite", "sqlite in a file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = Store()
    elif request.param == "sqlite":
        made = SqliteStore()
    else:
        made = DurableStore(str(tmp_path / "jobs.sqlite"))
    yield made
    made.close()
