"""Breaks in which others are served, for whoever goes through many jobs on the event loop."""

from __future__ import annotations

import asyncio
from time import perf_counter

# How many jobs are read at a time, and for how many seconds nobody else is served.
PAGE, _SECONDS = 50, 0.005


class Breaks:
    """Tells when the next break is due: after `PAGE` jobs, or when they have taken long.

    The time counts since a few jobs of a state file may take a disk as long as thousands otherwise.
    """

    def __init__(self) -> None:
        self._left, self._until = PAGE, perf_counter() + _SECONDS

    async def due(self) -> None:
        """Note that one more job was looked at, and have others served if it is time."""
        self._left -= 1
        if self._left <= 0 or perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._left, self._until = PAGE, perf_counter() + _SECONDS
