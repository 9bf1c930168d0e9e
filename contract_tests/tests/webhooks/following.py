"""What tests ask a mock about webhooks, and how they move its time."""

from __future__ import annotations

import asyncio
from typing import Any

from falkit_mock.core.clock import SimulatedClock
from serving import PATIENCE, PROMPT, Mock

Seen = dict[str, Any]


def submit(mock: Mock, url: str, input: Any = PROMPT, **options: Any) -> Seen:
    """Submit a job with a webhook."""
    return mock.submit(input, params={"fal_webhook": url}, **options)


def go(mock: Mock, seconds: float) -> None:
    """Move the mock's clock by way of all that is waited for."""
    clock = mock.clock
    assert isinstance(clock, SimulatedClock)
    mock.server.call(lambda: clock.move_to(clock.now() + seconds), PATIENCE)


def deliveries(mock: Mock, **query: str | float) -> list[Seen]:
    """Return the log, oldest first."""
    reply = mock.http.get("/__falkit/deliveries", params=query)
    assert reply.status_code == 200, reply.text
    found: list[Seen] = reply.json()["deliveries"]
    return found


def settled(mock: Mock, count: int = 1) -> list[Seen]:
    """Return the log once it has so many entries."""

    async def wait() -> None:
        async with asyncio.timeout(PATIENCE):
            while len(mock.service.store.deliveries.select()) < count:
                await asyncio.sleep(0.002)

    mock.server.call(wait)
    return deliveries(mock)
