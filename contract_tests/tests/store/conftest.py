"""The stores that the same tests hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from falkit_mock.store import Store
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.redis.store import RedisStore
from falkit_mock.store.sqlite import SqliteStore
from redis_servers import RedisServer, served_redis

if TYPE_CHECKING:
    from falkit_mock.store.shared import SharedStore


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A redis-server that forgets, for tests that each have a prefix of their own."""
    with served_redis(tmp_path_factory.mktemp("redis")) as served:
        yield served


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of a state that isn't there yet."""
    return f"{redis_server.url}?prefix={token_hex(4)}"


@pytest.fixture(params=["memory", "sqlite", "sqlite in a file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = Store()
    elif request.param == "sqlite":
        made = SqliteStore()
    elif request.param == "redis":
        made = RedisStore(request.getfixturevalue("redis_url"))
        # As if no other replica could come.
        made.step, made.number = 1, 0
    else:
        made = DurableStore(str(tmp_path / "jobs.sqlite"))
    yield made
    made.close()


@pytest.fixture
def pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[SharedStore, SharedStore]]:
    """The stores of two workers."""
    if sys.platform == "win32":
        pytest.skip("no process is copied there")
    from store.pairs import two_stores

    with two_stores(tmp_path, monkeypatch) as stores:
        yield stores
