"""The only source of time in the mock, and the bell that wakes whoever waits on a change."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from falkit_mock.core import span


class Notifier:
    """Wakes every waiter at each ring; a waiter takes its ticket before it looks."""

    def __init__(self) -> None:
        self._event: asyncio.Event | None = None

    def waiter(self) -> asyncio.Event:
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

    notifier: Notifier

    def now(self) -> float:
        """Return unix seconds."""
        ...

    async def wait(self, until: float, waiter: asyncio.Event) -> None:
        """Return at `until` (unix seconds, may be infinite) or when the ticket's bell rings."""
        ...

    def busy(self) -> AbstractContextManager[None]:
        """Hold back a jump of the clock while something at this moment is still going on."""
        ...


class SimulatedClock:
    """Time that runs with the machine's, stands, or jumps.

    A jump goes by way of every moment that somebody waits for, in order, and gives them time to
    do what they waited to do: so two hours pass in milliseconds, and nothing happens late.
    """

    # Real seconds for which a jump waits at one moment for what is going on there, such as
    # a receiver's reply to a webhook.
    patience = 2.0

    def __init__(self, start: float | None = None, *, running: bool = True) -> None:
        self.notifier = Notifier()
        self._running = running
        # While it runs: seconds ahead of the machine's clock. While it stands: the moment.
        self._offset = 0.0 if start is None else start - time.time()
        self._stood = time.time() if start is None else start
        # The moments that are waited for, and by how many.
        self._awaited: Counter[float] = Counter()
        self._at_work = 0
        self._idle = asyncio.Event()
        self._jump = asyncio.Lock()

    @property
    def running(self) -> bool:
        """Whether time passes by itself."""
        return self._running

    def now(self) -> float:
        return time.time() + self._offset if self._running else self._stood

    def run(self) -> None:
        """Let time pass by itself from here on."""
        if not self._running:
            self._offset = self._stood - time.time()
            self._running = True
            self.notifier.ring()

    def stand(self) -> None:
        """Let time pass by itself no longer."""
        if self._running:
            self._stood = self.now()
            self._running = False
            self.notifier.ring()

    async def wait(self, until: float, waiter: asyncio.Event) -> None:
        left = until - self.now()
        if left <= 0:
            return
        self._awaited[until] += 1
        try:
            limit = left if self._running and not math.isinf(left) else None
            async with asyncio.timeout(limit):
                await waiter.wait()
        except TimeoutError:
            return
        finally:
            self._awaited[until] -= 1
            if not self._awaited[until]:
                del self._awaited[until]

    async def move_to(self, moment: float) -> int:
        """Go to a later moment, by way of all that is waited for; a ValueError if it is past.

        Return how many awaited moments were met on the way.
        """
        async with self._jump:
            self._refuse_past(moment)
            return await self._move(moment)

    async def move_by(self, seconds: float) -> int:
        """Go on by 0 or more seconds, as move_to does."""
        async with self._jump:
            return await self._move(self.now() + seconds)

    def restore(self, moment: float, *, running: bool) -> None:
        """Be at a moment, earlier or later, with nothing on the way: for a state read back."""
        self._running = running
        self._set(moment)

    async def _move(self, moment: float) -> int:
        met = 0
        # What is under way may come to want a moment before all that are waited for by now.
        await self._settle()
        while (due := self._next()) <= moment:
            await self._jump_to(due)
            met += 1
        await self._jump_to(moment)
        return met

    @contextmanager
    def busy(self) -> Generator[None]:
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._idle.set()

    def _refuse_past(self, moment: float) -> None:
        if moment < self.now():
            raise ValueError(
                f"it is {span(self.now() - moment)} ago; time goes on, never back, since no "
                "job can become undone"
            )

    def _next(self) -> float:
        now = self.now()
        return min((until for until in self._awaited if until > now), default=math.inf)

    async def _jump_to(self, moment: float) -> None:
        self._set(max(moment, self.now()))
        await self._settle()

    def _set(self, moment: float) -> None:
        self._offset, self._stood = moment - time.time(), moment
        self.notifier.ring()

    async def _settle(self) -> None:
        """Let all who were woken do their work, as far as it needs no more time to pass."""
        # Each turn lets a task that was woken take one step: look, begin, wait again.
        for _ in range(8):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(self.patience):
                while self._at_work:
                    self._idle.clear()
                    await self._idle.wait()
                    for _ in range(8):
                        await asyncio.sleep(0)
        except TimeoutError:
            return


class ManualClock(SimulatedClock):
    """Time that stands until a test moves it."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        super().__init__(start, running=False)

    def advance(self, seconds: float) -> None:
        """Jump on by `seconds` and wake all who wait; call it on the mock's own event loop."""
        if seconds < 0:
            raise ValueError(f"seconds: {seconds} would turn the clock back; give 0 or more")
        self._set(self.now() + seconds)
