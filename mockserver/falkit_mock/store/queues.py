"""Who waits and who runs: an index of the jobs that are not done, in memory whatever the store."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from falkit_mock.core.jobs import Job, Moments


class _Line:
    """The jobs that wait at one endpoint."""

    __slots__ = ("next", "order")

    def __init__(self) -> None:
        # As `Job.order` says; the last is the id.
        self.order: list[tuple[bool, int, str]] = []
        # When the next one leaves; None while nobody has looked.
        self.next: float | None = None


class Load(NamedTuple):
    """How many jobs are open: those that wait, run on a runner, or are direct calls."""

    waiting: int
    running: int
    direct: int
    # Those that wait, and that run, at the endpoint with the most of them.
    longest: int
    busiest: int


class Queues:
    """Open jobs by endpoint and by key. Moments are unix seconds, and `now` never goes back.

    A store notes here each job that it adds or updates. Nothing ticks: jobs start and end in this
    index when somebody next asks.
    """

    def __init__(self) -> None:
        self._open: dict[str, Job] = {}
        self._running: dict[str, Job] = {}
        self._lines: dict[str, _Line] = {}
        # When jobs start or end, soonest first; what was planned otherwise meanwhile stays in it.
        self._changes: list[tuple[float, str]] = []

    def clear(self) -> None:
        """Forget every job."""
        self._open.clear()
        self._running.clear()
        self._lines.clear()
        self._changes.clear()

    def has(self, id: str) -> bool:
        """Tell whether a job counts as open: it may have ended since anybody last asked."""
        return id in self._open

    def open(self, now: float) -> list[Job]:
        """Return the jobs that have not ended, in the order of submission."""
        self._advance(now)
        return sorted(self._open.values(), key=_by_seq)

    def note(self, job: Job) -> None:
        """Take notice of a job that is new or has changed."""
        id = job.id
        self._open[id] = job
        if id in self._running:
            self._running[id] = job
            self._due(job.ends, id)
            return
        leaves = _leaves(job)
        self._due(leaves, id)
        if job.entry == "queue":
            line = self._lines.get(job.path)
            if line is None:
                line = self._lines[job.path] = _Line()
            place = job.order
            index = bisect_left(line.order, place)
            if index < len(line.order) and line.order[index][1] == job.seq:
                line.next = None
            else:
                line.order.insert(index, (*place, id))
                line.next = None if line.next is None else min(line.next, leaves)

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        """Note when jobs that wait start and end, by id."""
        for id, moments in planned.items():
            job = self._open[id]
            job.starts, job.ends = moments
            self._due(_leaves(job), id)
            self._lines[job.path].next = None

    def ahead(self, job: Job, now: float) -> int:
        """Count the jobs of the same endpoint that wait and come earlier in its order."""
        line = self._line(job.path, now)
        return 0 if line is None or job.entry != "queue" else bisect_left(line.order, job.order)

    def length(self, path: str, now: float) -> int:
        """Count the jobs of an endpoint that wait."""
        line = self._line(path, now)
        return 0 if line is None else len(line.order)

    def next_start(self, path: str, now: float) -> float:
        """Return when a job next leaves an endpoint's queue: it starts, or is given up."""
        line = self._line(path, now)
        if line is None:
            return math.inf
        if line.next is None:
            line.next = min(_leaves(self._open[id]) for _, _, id in line.order)
        return line.next

    def waiting(self, path: str | None, now: float) -> list[Job]:
        """Return the jobs that the clock drives and that wait at an endpoint, or at any."""
        self._advance(now)
        lines = self._lines.values() if path is None else [self._lines.get(path, _Line())]
        jobs = (self._open[id] for line in lines for _, _, id in line.order)
        return [job for job in jobs if job.progression == "clock"]

    def running(self, now: float) -> list[Job]:
        """Return the jobs that are in progress, direct calls among them."""
        self._advance(now)
        return [*self._running.values()]

    def load(self, now: float) -> Load:
        """Return how many jobs are open, in all."""
        self._advance(now)
        lines = [len(line.order) for line in self._lines.values()]
        busy = Counter(job.path for job in self._running.values() if job.entry == "queue")
        running, most = busy.total(), max(busy.values(), default=0)
        direct = len(self._open) - sum(lines) - running
        return Load(sum(lines), running, direct, max(lines, default=0), most)

    def in_progress(self, key: str, now: float) -> int:
        """Count a key's jobs that are in progress, queued or direct."""
        return sum(job.options.key == key for job in self.running(now))

    def _line(self, path: str, now: float) -> _Line | None:
        self._advance(now)
        return self._lines.get(path)

    def _due(self, moment: float, id: str) -> None:
        if moment < math.inf:
            heappush(self._changes, (moment, id))
            if len(self._changes) > 64 + 3 * len(self._open):
                self._changes = [
                    (job.ends if id in self._running else _leaves(job), id)
                    for id, job in self._open.items()
                ]
                heapify(self._changes)

    def _advance(self, now: float) -> None:
        """Have those start and end whose moments have come."""
        changes = self._changes
        while changes and changes[0][0] <= now:
            id = heappop(changes)[1]
            job = self._open.get(id)
            if job is None or _leaves(job) > now:
                continue
            if id not in self._running:
                self._leave(job)
            if job.ends <= now:
                del self._open[id]
                self._running.pop(id, None)
            elif id not in self._running:
                self._running[id] = job
                heappush(changes, (job.ends, id))

    def _leave(self, job: Job) -> None:
        line = self._lines.get(job.path)
        if line is not None and job.entry == "queue":
            del line.order[bisect_left(line.order, job.order)]
            line.next = None
            if not line.order:
                del self._lines[job.path]


def _by_seq(job: Job) -> int:
    return job.seq


def _leaves(job: Job) -> float:
    """Return when a job that waits does so no longer."""
    return job.starts if job.starts < job.ends else job.ends
