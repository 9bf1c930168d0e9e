"""A mock on a clock that the test moves, and what it takes to upload to it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from falkit import Settings
from serving import Mock, WatchedClock, running

Token = dict[str, Any]


@pytest.fixture
def mock() -> Generator[Mock]:
    """A mock of the test's own, whose jobs take no time."""
    with running(Settings(timing="instant", seed=1), WatchedClock()) as served:
        yield served


@pytest.fixture
def cdn(mock: Mock) -> dict[str, str]:
    """The header that the media host asks for."""
    reply = mock.http.post("/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3", json={})
    return {"authorization": f"{reply.json()['token_type']} {reply.json()['token']}"}


@pytest.fixture
def upload(mock: Mock, cdn: dict[str, str]) -> Callable[..., str]:
    """Upload some bytes in one request, as the Python client does; return their URL."""

    def send(data: bytes, content_type: str = "text/plain", **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        every = {**cdn, "content-type": content_type, **named}
        reply = mock.http.post("/v3.fal.media/files/upload", content=data, headers=every)
        assert reply.status_code == 200, reply.text
        url: str = reply.json()["access_url"]
        return url

    return send


@pytest.fixture
def blobs(mock: Mock) -> Callable[[], int]:
    """Count the files that the mock has on its disk."""
    return lambda: len(list(mock.service.store.uploads.blobs.folder.iterdir()))
