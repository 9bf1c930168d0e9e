"""A mock on a clock that the test moves, and the Platform API on it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from falkit import Settings
from serving import Mock, WatchedClock, running

Ask = Callable[..., Any]


@pytest.fixture
def mock() -> Generator[Mock]:
    """A mock of the test's own, whose jobs wait 1 s and run 10 s."""
    with running(Settings(timing="1,10", seed=1), WatchedClock()) as served:
        yield served


@pytest.fixture
def ask(mock: Mock) -> Ask:
    """GET a path of api.fal.ai/v1 that must answer 200; return the body."""

    def get(path: str, **query: Any) -> Any:
        reply = mock.http.get(f"/api.fal.ai/v1{path}", params=query)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-fal-request-id"]
        return reply.json()

    return get


@pytest.fixture
def refused(mock: Mock) -> Ask:
    """Call a path of api.fal.ai/v1 that must be refused; return the code, type and message."""

    def call(method: str, path: str, **options: Any) -> tuple[int, str, str]:
        reply = mock.http.request(method, f"/api.fal.ai/v1{path}", **options)
        (error,) = reply.json().values()
        return reply.status_code, error["type"], error["message"]

    return call


@pytest.fixture
def done(mock: Mock) -> Callable[..., str]:
    """Submit a request and let it end; return its id."""

    def run(**input: Any) -> str:
        job = mock.submit({"prompt": "A lighthouse", **input})
        mock.advance(11)
        return str(job["request_id"])

    return run
