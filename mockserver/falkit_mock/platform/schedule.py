"""Who runs when: by priority and order of submission, on runners and places that are limited."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Moments: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lane:
    """Jobs that are alike to the schedule: of one endpoint, one key and one priority."""

    path: str
    key: str
    low: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs run at once: of one endpoint, and of one key. Infinite for no limit."""

    runners: float
    concurrency: float


@dataclass(frozen=True, slots=True)
class Running:
    """A job that runs: the endpoint whose runner it has (a direct call has none), whose, until."""

    path: str | None
    key: str
    ends: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits; moments are unix seconds."""

    id: str
    lane: Lane
    # Order of submission.
    seq: int
    # Before this no runner takes it.
    ready: float
    # Seconds on a runner.
    run: float
    # It is given up where it has not started by then.
    start_by: float
    # When it starts and ends by the plan so far.
    planned: Moments = (math.inf, math.inf)

    @property
    def order(self) -> tuple[bool, int]:
        return self.lane.low, self.seq


def moments(starts: float, run: float, start_by: float) -> Moments:
    """Return when a job starts and ends; one that would start too late ends without a start."""
    return (math.inf, start_by) if starts > start_by else (starts, starts + run)


def simulate(
    limits: Limits, running: Iterable[Running], waiting: Sequence[Waiting], now: float
) -> dict[str, Moments]:
    """Return when each waiting job starts and ends, by id.

    No runner idles while a job waits that may have it: at each moment at which something ends or
    becomes ready, the first in order of those that find both a runner and a place of their key
    starts. So the schedule follows from the arguments, and nobody needs to know the future.
    """
    return _Simulation(limits, running, waiting, now).run()


class _Simulation:
    def __init__(
        self, limits: Limits, running: Iterable[Running], waiting: Sequence[Waiting], now: float
    ) -> None:
        self._limits = limits
        self._now = now
        self._runners: Counter[str | None] = Counter()
        self._places: Counter[str] = Counter()
        # What ends, soonest first; the number keeps what ends at once apart.
        self._ends: list[tuple[float, int, Running]] = []
        self._numbers = itertools.count()
        for each in running:
            self._occupy(each)
        self._coming = sorted(waiting, key=lambda job: (max(job.ready, now), job.order))
        self._coming.reverse()
        # Those that are ready, in order: a heap for each lane.
        self._lines: dict[Lane, list[tuple[int, Waiting]]] = {}
        self._planned = {job.id: (math.inf, job.start_by) for job in waiting}

    def run(self) -> dict[str, Moments]:
        at = self._now
        while True:
            self._release(at)
            self._admit(at)
            self._start_all(at)
            at = self._next()
            if at == math.inf:
                return self._planned

    def _occupy(self, job: Running) -> None:
        self._runners[job.path] += 1
        self._places[job.key] += 1
        heapq.heappush(self._ends, (job.ends, next(self._numbers), job))

    def _release(self, at: float) -> None:
        while self._ends and self._ends[0][0] <= at:
            job = heapq.heappop(self._ends)[2]
            self._runners[job.path] -= 1
            self._places[job.key] -= 1

    def _admit(self, at: float) -> None:
        while self._coming and self._coming[-1].ready <= at:
            job = self._coming.pop()
            heapq.heappush(self._lines.setdefault(job.lane, []), (job.seq, job))

    def _start_all(self, at: float) -> None:
        while (line := self._first(at)) is not None:
            job = heapq.heappop(line)[1]
            self._planned[job.id] = (at, at + job.run)
            if job.run > 0:
                self._occupy(Running(job.lane.path, job.lane.key, at + job.run))

    def _first(self, at: float) -> list[tuple[int, Waiting]] | None:
        """Return the line whose head is the first of all that can start now."""
        best: list[tuple[int, Waiting]] | None = None
        for lane, line in [*self._lines.items()]:
            while line and line[0][1].start_by < at:
                heapq.heappop(line)
            if not line:
                del self._lines[lane]
                continue
            free = (
                self._runners[lane.path] < self._limits.runners
                and self._places[lane.key] < self._limits.concurrency
            )
            if free and (best is None or line[0][1].order < best[0][1].order):
                best = line
        return best

    def _next(self) -> float:
        if not self._lines and not self._coming:
            return math.inf
        end = self._ends[0][0] if self._ends else math.inf
        return min(end, self._coming[-1].ready if self._coming else math.inf)
