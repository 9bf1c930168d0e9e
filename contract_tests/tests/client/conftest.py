"""One way to call both clients, so that a test of a call is a test of both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from falkit_client import AsyncClient, Client


@pytest.fixture
def slept() -> list[float]:
    """Seconds of each pause that was asked for; nobody sleeps, but the clock goes on."""
    return []


@pytest.fixture(params=[Client, AsyncClient])
def do(
    request: pytest.FixtureRequest, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Call a method by name on a fresh client, waiting or asynchronous; `settings` go to it."""
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def call_async(name: str, settings: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        async with AsyncClient(**settings, sleep=sleep) as client:
            called = getattr(client, name)(*args, **kwargs)
            if inspect.isasyncgen(called):
                return [event async for event in called]
            return await called

    def call(name: str, *args: Any, settings: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        settings = {
            "key": "id:secret",
            "clock": lambda: sum(slept),
            "random": lambda: 0.5,
            **(settings or {}),
        }
        if request.param is AsyncClient:
            return asyncio.run(call_async(name, settings, *args, **kwargs))
        with Client(**settings, sleep=slept.append) as client:
            called = getattr(client, name)(*args, **kwargs)
            return list(called) if inspect.isgenerator(called) else called

    return call
