"""The only source of time in the mock: waiting on it, timers, and the notifier of changes."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from itertools import count
from typing import Protocol

from falkit_mock.core import span

# Timers below which none that was cancelled is looked for.
_MOST_TIMERS = 1000


class Notifier:
    """Wakes every waiter at each ring; a waiter takes its event before it looks."""

    def __init__(self) -> None:
        # The event that the next ring sets; None while nobody has taken one.
        self.waited_for: asyncio.Event | None = None

    def waiter(self) -> asyncio.Event:
        """Return the event that the next ring sets."""
        if self.waited_for is None:
            self.waited_for = asyncio.Event()
        return self.waited_for

    def ring(self) -> None:
        """Wake all who took their event before now."""
        if self.waited_for is not None:
            self.waited_for.set()
            self.waited_for = None


class Timer:
    """A callback that a clock calls at a moment, unless the timer is cancelled before."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object] | None = None) -> None:
        # None once it was called or cancelled.
        self.callback = callback

    def cancel(self) -> None:
        """Don't call the callback; without effect once it was called or cancelled."""
        self.callback = None

    def run(self) -> None:
        """Call the callback now, if it is still to be called; for the clock."""
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()


class Clock(Protocol):
    """What the service asks of time. Moments are unix seconds, infinite for never."""

    notifier: Notifier

    def now(self) -> float:
        """Return unix seconds."""
        ...

    def at(self, moment: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` at a moment, or soon if it has passed; call this on the event loop.

        The event loop calls it, as it would for `loop.call_at`: never within this call, in the
        order of the moments, and in the order of the calls where moments are equal.
        """
        ...

    async def sleep_until(self, moment: float) -> None:
        """Return once it is `moment`. No notifier wakes a sleeper, so many may sleep at once."""
        ...

    def timeout_at(self, moment: float) -> AbstractAsyncContextManager[None]:
        """Raise TimeoutError where the block still runs at `moment`, as `asyncio.timeout_at`."""
        ...

    async def wait(self, until: float, waiter: asyncio.Event) -> None:
        """Return at `until` or when the waiter's event is set, whichever is first."""
        ...

    def busy(self) -> AbstractContextManager[None]:
        """Hold back a jump of the clock while something at this moment is still going on."""
        ...


class SimulatedClock:
    """Time that runs with the machine's, is paused, or jumps.

    A jump goes by way of every moment that somebody waits for, in order, and gives them time to
    do what they waited to do: so two hours pass in milliseconds, and nothing happens late.
    """

    # Real seconds for which a jump waits at one moment for what is going on there, such as
    # a receiver's reply to a webhook.
    patience = 2.0

    def __init__(self, start: float | None = None, *, running: bool = True) -> None:
        self.notifier = Notifier()
        # In which a jump goes to the next moment, so that all that is due there is begun by whoever
        # jumps, and not by another process that shares this time.
        self.step: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
        # Whether time passes by itself.
        self.running = running
        # While it runs: seconds ahead of the machine's clock. While it is paused: the moment.
        self._offset = 0.0 if start is None else start - time.time()
        self._paused_at = time.time() if start is None else start
        # Timers by their moments, a heap; the number keeps those of one moment in order.
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        # How many timers there may be before those that were cancelled are taken out.
        self._most_timers = _MOST_TIMERS
        # What the event loop calls when the first timer is due, when that is, and which loop.
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_work = 0
        self._idle = asyncio.Event()
        self._jump = asyncio.Lock()

    def now(self) -> float:
        return time.time() + self._offset if self.running else self._paused_at

    @property
    def mark(self) -> tuple[bool, float]:
        """Whether time passes by itself, and how far it is ahead or where it stands, seconds."""
        return self.running, self._offset if self.running else self._paused_at

    def run(self) -> None:
        """Let time pass by itself from here on."""
        if not self.running:
            self.restore(self._paused_at, running=True)

    def pause(self) -> None:
        """Let time pass by itself no longer."""
        if self.running:
            self.restore(self.now(), running=False)

    def at(self, moment: float, callback: Callable[[], object]) -> Timer:
        timer, loop, now = Timer(callback), asyncio.get_running_loop(), self.now()
        if moment <= now:
            loop.call_soon(timer.run)
        elif moment < math.inf:
            heapq.heappush(self._timers, (moment, next(self._numbers), timer))
            if len(self._timers) > self._most_timers:
                self._drop_cancelled()
            # A loop that has ended, such as an earlier test's, calls no alarm any more.
            if self.running and (moment < self._alarm_at or loop is not self._loop):
                self._set_alarm(loop)
        if self._timers and self._timers[0][0] <= now:
            self._call_due()
        return timer

    @property
    def timers(self) -> int:
        """How many moments are waited for, some that were cancelled among them."""
        return len(self._timers)

    async def sleep_until(self, moment: float) -> None:
        if moment > self.now():
            woken = asyncio.Event()
            timer = self.at(moment, woken.set)
            try:
                await woken.wait()
            finally:
                timer.cancel()

    @asynccontextmanager
    async def timeout_at(self, moment: float) -> AsyncGenerator[None]:
        async with asyncio.timeout(None) as limit:
            # Zero has passed on the event loop's clock: the block is to end now.
            timer = self.at(moment, lambda: limit.reschedule(0.0))
            try:
                yield
            finally:
                timer.cancel()

    async def wait(self, until: float, waiter: asyncio.Event) -> None:
        if until > self.now():
            with suppress(TimeoutError):
                async with self.timeout_at(until):
                    await waiter.wait()

    async def move_to(self, moment: float) -> int:
        """Go to a later moment, by way of all that is waited for; a ValueError if it is past.

        Return how many awaited moments were met on the way.
        """
        async with self._jump:
            if moment < (now := self.now()):
                raise ValueError(
                    f"it is {span(now - moment)} ago; time goes on, never back, since no job can "
                    "become undone"
                )
            return await self._move(moment)

    async def move_by(self, seconds: float) -> int:
        """Go on by 0 or more seconds, as move_to does."""
        async with self._jump:
            return await self._move(self.now() + seconds)

    def restore(self, moment: float, *, running: bool, at: float | None = None) -> None:
        """Be at a moment, earlier or later, with nothing on the way: for a state read back.

        With `at` it was so when the machine's clock said that, and time has gone on if it runs.
        """
        self.running = running
        self._set(moment, at)

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

    def _next(self) -> float:
        """Return when the first timer is due; infinite if there is none."""
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        return timers[0][0] if timers else math.inf

    def _drop_cancelled(self) -> None:
        """Take out the timers that were cancelled; each costs its share of this once."""
        self._timers = [entry for entry in self._timers if entry[2].callback is not None]
        heapq.heapify(self._timers)
        self._most_timers = max(_MOST_TIMERS, 2 * len(self._timers))

    def _call_due(self, moment: float = 0.0) -> None:
        """Have the event loop call what is due, in order; set the alarm for what is next.

        What is due at `moment` is due now, even if the sum that `now` is should be rounded down.
        """
        now = max(moment, self.now())
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # Moved between two event loops, as where each call has one; the next timer sees to it.
            return
        while self._next() <= now:
            loop.call_soon(heapq.heappop(self._timers)[2].run)
        self._set_alarm(loop)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake up when the first timer is due, if time passes by itself."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_at = self._next() if self.running else math.inf
        if self._alarm_at < math.inf:
            left = max(0.0, self._alarm_at - self.now())
            self._loop = loop
            self._alarm = loop.call_later(left, self._call_due)

    async def _jump_to(self, moment: float) -> None:
        async with self.step():
            self._set(max(moment, self.now()))
            await _some_turns()
        await self._settle()

    def _set(self, moment: float, at: float | None = None) -> None:
        self._offset, self._paused_at = moment - (time.time() if at is None else at), moment
        self.notifier.ring()
        self._call_due(moment)

    async def _settle(self) -> None:
        """Let all who were woken do their work, as far as it needs no more time to pass."""
        await _some_turns()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience):
                while self._at_work:
                    self._idle.clear()
                    await self._idle.wait()
                    await _some_turns()


async def _some_turns() -> None:
    """Let tasks that were woken take some steps: look, begin, wait again."""
    for _ in range(8):
        await asyncio.sleep(0)


class ManualClock(SimulatedClock):
    """Time that is paused until a test moves it."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        super().__init__(start, running=False)

    def advance(self, seconds: float) -> None:
        """Jump on by `seconds` and wake all who wait; call it on the mock's own event loop."""
        if seconds < 0:
            raise ValueError(f"seconds: {seconds} would turn the clock back; give 0 or more")
        self._set(self.now() + seconds)
