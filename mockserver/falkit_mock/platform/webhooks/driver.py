"""The one task that does what is due, woken by the clock at each moment."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Hashable

from falkit_mock.platform.clock import Clock
from falkit_mock.platform.webhooks.agenda import Act, Agenda

_log = logging.getLogger("falkit_mock")


class Driver:
    """Has acts done at their moments. Starts with the first of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._agenda = Agenda()
        self._task: asyncio.Task[None] | None = None
        # The moment for which it waits; while it works it looks again in any case.
        self._awaits = -math.inf

    def at(self, key: Hashable, moment: float, act: Act) -> None:
        """Do something at a moment (unix seconds), in place of the key's act before."""
        self._agenda.put(key, moment, act)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drive())
        elif moment < self._awaits:
            # The clock has to know, or a jump would go past it. Once is enough.
            self._awaits = -math.inf
            self._clock.bell.ring()

    def drop(self, key: Hashable) -> None:
        self._agenda.drop(key)

    def close(self) -> None:
        """Do nothing more, until something is to be done again."""
        self._agenda.clear()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _drive(self) -> None:
        while True:
            ticket = self._clock.bell.ticket()
            for act in self._agenda.due(self._clock.now()):
                try:
                    act()
                except Exception:
                    # One delivery's trouble must not end all the others.
                    _log.exception("a webhook could not be sent")
            self._awaits = self._agenda.next()
            await self._clock.wait(self._awaits, ticket)
            self._awaits = -math.inf
