"""The only source of time in the mock, and the bell that wakes whoever waits on a change."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Protocol


class Bell:
    """Wakes every waiter at each ring; a waiter takes its ticket before it looks."""

    def __init__(self) -> None:
        self._event: asyncio.Event | None = None

    def ticket(self) -> asyncio.Event:
        """Return the event that the next ring sets."""
        if self._event is None:
            self._event = asyncio.Event()
        return self._event

    def ring(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None


class Clock(Protocol):
    """What the platform asks of time."""

    bell: Bell

    def now(self) -> float:
        """Return unix seconds."""
        ...

    async def wait(self, until: float, ticket: asyncio.Event) -> None:
        """Return at `until` (unix seconds, may be infinite) or when the ticket's bell rings."""
        ...


class RealClock:
    """The machine's time."""

    def __init__(self) -> None:
        self.bell = Bell()

    def now(self) -> float:
        return time.time()

    async def wait(self, until: float, ticket: asyncio.Event) -> None:
        left = until - self.now()
        if left <= 0:
            return
        try:
            async with asyncio.timeout(None if math.isinf(left) else left):
                await ticket.wait()
        except TimeoutError:
            return


class ManualClock:
    """Time that stands until a test moves it."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.bell = Bell()
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds` and wake all who wait; call it on the mock's own event loop."""
        if seconds < 0:
            raise ValueError(f"seconds: {seconds} would turn the clock back; give 0 or more")
        self._now += seconds
        self.bell.ring()

    async def wait(self, until: float, ticket: asyncio.Event) -> None:
        if until > self._now:
            await ticket.wait()
