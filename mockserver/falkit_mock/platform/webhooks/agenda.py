"""What is to be done when: moments in order, of which one per key counts."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Iterator
from itertools import count

Act = Callable[[], None]


class Agenda:
    """Acts by key, each at a moment in unix seconds. All it costs is paid per change."""

    def __init__(self) -> None:
        self._acts: dict[Hashable, tuple[int, Act]] = {}
        # What was put off or dropped stays in the heap until it comes up, and is passed over.
        self._heap: list[tuple[float, int, Hashable]] = []
        self._turns = count()

    def put(self, key: Hashable, moment: float, act: Act) -> None:
        """Do something at a moment, in place of what the key stood for before."""
        turn = next(self._turns)
        self._acts[key] = (turn, act)
        if math.isfinite(moment):
            heapq.heappush(self._heap, (moment, turn, key))

    def drop(self, key: Hashable) -> None:
        self._acts.pop(key, None)

    def next(self) -> float:
        """Return when the next thing is to be done; infinite if nothing is."""
        while self._heap and not self._counts(*self._heap[0][1:]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> Iterator[Act]:
        """Take off and yield what is to be done by now, in order."""
        while self.next() <= now:
            _, _, key = heapq.heappop(self._heap)
            yield self._acts.pop(key)[1]

    def clear(self) -> None:
        self._acts.clear()
        self._heap.clear()

    def _counts(self, turn: int, key: Hashable) -> bool:
        return self._acts.get(key, (-1,))[0] == turn
