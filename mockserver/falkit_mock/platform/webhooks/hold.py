"""How long a jump of the clock waits for receivers: two seconds, unless one hangs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import ExitStack
from typing import ClassVar

from falkit_mock.platform.clock import Clock

# Real seconds for which a receiver that hung is remembered, from when it was last waited for.
_REMEMBERED = 5.0


class Hold(ExitStack):
    """Holds back a jump of the clock for as long as something should get done before it."""

    def __init__(self, clock: Clock, seconds: float, in_vain: Callable[[], None]) -> None:
        super().__init__()
        self.seconds = seconds
        self._clock = clock
        self._in_vain = in_vain
        self.take()

    def take(self) -> None:
        """Hold, from now on for so many real seconds at most."""
        self.close()
        self.enter_context(self._clock.busy())
        letting_go = asyncio.get_running_loop().call_later(self.seconds, self._let_go)
        self.callback(letting_go.cancel)

    def _let_go(self) -> None:
        self._in_vain()
        self.close()


class Holds:
    """Gives out holds, short ones where a receiver has hung until it answers again.

    So one that hangs doesn't make each of an hour's moments take two seconds, and whoever
    answers in less is never left behind by a jump.
    """

    # Real seconds that a jump waits for an answer, and for one by a receiver that has hung.
    patience: ClassVar[float] = 2.0
    impatience: ClassVar[float] = 0.02

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # When a hold for a receiver was last in vain, on the event loop's clock.
        self._hung: dict[str, float] = {}

    def hold(self, origin: str) -> Hold:
        """Hold the clock back for an attempt at a receiver."""
        now = asyncio.get_running_loop().time
        hung = now() - self._hung.get(origin, -math.inf) < _REMEMBERED
        seconds = min(self.impatience, self.patience) if hung else self.patience
        return Hold(self._clock, seconds, lambda: self._hung.update({origin: now()}))

    def heard(self, origin: str) -> None:
        """Note that a receiver answers, or can't be reached at all."""
        self._hung.pop(origin, None)
