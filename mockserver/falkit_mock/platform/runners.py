"""Who runs when: first come, first served, on a limited number of runners."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence


def plan(
    runners: int, busy_until: Iterable[float], waiting: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Return when each waiting job starts and ends, in unix seconds.

    `busy_until` holds the ends of the running jobs; `waiting` holds, in the order of
    submission, the moment from which a job may start and how long it runs. The answer
    follows from its arguments, so a schedule can be stored once and recomputed when a
    cancellation frees a place.
    """
    free = heapq.nlargest(runners, busy_until)
    free.extend([0.0] * (runners - len(free)))
    heapq.heapify(free)
    planned: list[tuple[float, float]] = []
    for ready, run in waiting:
        start = max(ready, free[0])
        heapq.heapreplace(free, start + run)
        planned.append((start, start + run))
    return planned
