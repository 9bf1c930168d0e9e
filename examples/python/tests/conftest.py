"""The service and its worker on a mock of fal, in this process: no socket, no key, no cost."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from falkit import InProcess

from clips.app import create_app
from clips.store import Store
from clips.worker import Worker

URL = "https://clips.example"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def service(
    store: Store, fal_mock: InProcess, anyio_backend: str
) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the service, which the mock's webhooks reach."""
    app = create_app(store)
    fal_mock.receive(URL, app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        yield http


@pytest.fixture
def worker(store: Store) -> Worker:
    return Worker(store, URL)


@pytest.fixture
def impatient(store: Store) -> Worker:
    """A worker for which everything is overdue."""
    return Worker(store, URL, patience=0)
