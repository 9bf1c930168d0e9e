"""How many attempts may be under way: few to one receiver, unless it dawdles."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

# Attempts that go to one receiver at once. One that lasts longer than this, in real seconds, no
# longer counts among them: the others need not wait for a receiver that is slow with one.
_EACH = 64
_DAWDLES = 0.25


def _most_open() -> int:
    """Return how many connections may be open in all: half of what the system lets us have."""
    if sys.platform == "win32":
        return 512
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if soft == resource.RLIM_INFINITY else max(64, min(soft // 2, 4096))


class Slots:
    """Gives out places, first come first served, to each receiver apart."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._open = asyncio.Semaphore(_most_open())

    @asynccontextmanager
    async def place(self, origin: str) -> AsyncGenerator[None]:
        """Wait for a place at a receiver and hold it for the length of the block."""
        await self._enter(origin)
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            if not given_back:
                given_back = True
                self._leave(origin)

        dawdles = asyncio.get_running_loop().call_later(_DAWDLES, give_back)
        try:
            async with self._open:
                yield
        finally:
            dawdles.cancel()
            give_back()

    async def _enter(self, origin: str) -> None:
        if self._taken[origin] < _EACH:
            self._taken[origin] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(origin, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The place was handed over in the very moment.
                self._leave(origin)
            raise

    def _leave(self, origin: str) -> None:
        """Hand a place to whoever waits for it."""
        waiting = self._waiting.get(origin, deque())
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._waiting.pop(origin, None)
        self._taken[origin] -= 1
        if not self._taken[origin]:
            del self._taken[origin]
