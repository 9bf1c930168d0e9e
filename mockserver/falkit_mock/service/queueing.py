"""Who runs when."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from falkit_mock.core.clock import Clock
from falkit_mock.core.jobs import Job, Moments, Partition, Running, Waiting, moments
from falkit_mock.settings import Settings
from falkit_mock.store import Store


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs run at once: of one endpoint, and of one key. Infinite for no limit."""

    runners: float
    concurrency: float


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
        self._lines: dict[Partition, list[tuple[int, Waiting]]] = {}
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
            heapq.heappush(self._lines.setdefault(job.partition, []), (job.seq, job))

    def _start_all(self, at: float) -> None:
        while (line := self._first(at)) is not None:
            job = heapq.heappop(line)[1]
            self._planned[job.id] = (at, at + job.run)
            if job.run > 0:
                self._occupy(Running(job.partition.path, job.partition.key, at + job.run))

    def _first(self, at: float) -> list[tuple[int, Waiting]] | None:
        """Return the line whose head is the first of all that can start now."""
        best: list[tuple[int, Waiting]] | None = None
        for partition, line in [*self._lines.items()]:
            while line and line[0][1].start_by < at:
                heapq.heappop(line)
            if not line:
                del self._lines[partition]
                continue
            free = (
                self._runners[partition.path] < self._limits.runners
                and self._places[partition.key] < self._limits.concurrency
            )
            if free and (best is None or line[0][1].order < best[0][1].order):
                best = line
        return best

    def _next(self) -> float:
        if not self._lines and not self._coming:
            return math.inf
        end = self._ends[0][0] if self._ends else math.inf
        return min(end, self._coming[-1].ready if self._coming else math.inf)


class Planner:
    """Plans the jobs that the clock drives, on the store's queues.

    What is stored always is what a simulation of all who wait would answer. A job that comes last
    in order mostly changes nothing for the others, and is placed behind them by a few looks at
    indexes; where that is not certain, those whom it may concern are simulated anew.
    """

    def __init__(self, settings: Settings, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._queues = store.queues
        self._limits = Limits(settings.runners, settings.concurrency or math.inf)
        # Told of jobs that got other moments, by request id.
        self.moved: Callable[[Mapping[str, Moments]], None] = _ignore

    @property
    def limits(self) -> Limits:
        """How many jobs run at once."""
        return self._limits

    def in_progress(self, key: str) -> int:
        """Count a key's jobs that run now, at either door, as far as its limit."""
        most = self._limits.concurrency
        if math.isinf(most):
            return 0
        return self._queues.in_progress(key, self._clock.now(), int(most))

    def enter(self, job: Job) -> None:
        """Give a job of the queue, not yet stored, its moments; those behind it may get others."""
        now = self._clock.now()
        if not job.run and job.ready <= now:
            # What waits for nothing and takes no time needs no look at the queue.
            job.starts = job.ends = job.ready
            return
        start = self._behind_all(job, now)
        if start is not None:
            job.starts, job.ends = moments(start, job.run, job.start_by)
            return
        own = Waiting(job.id, job.partition, job.seq, job.ready, job.run, job.start_by)
        job.starts, job.ends = self._simulate({job.path}, {job.partition.key}, now, own)[job.id]

    def replan(self, job: Job) -> None:
        """Plan anew those who wait, now that a stored job takes or leaves a place."""
        paths = {job.path} if job.entry == "queue" else set[str]()
        self._simulate(paths, {job.partition.key}, self._clock.now())

    def _behind_all(self, job: Job, now: float) -> float | None:
        """Return when a job starts if it can't be before or between others; None if it may be.

        It can't while another waits that is ready and could have each place that it could have.
        """
        partition, partitions = job.partition, self._queues.partitions(now)
        near = [
            other
            for other, (until, _) in partitions.items()
            if until > now and self._meet(partition, other)
        ]
        if not partition.low and any(other.low for other in near):
            return None
        behind = job.ready
        if near:
            ahead = near
            if not self._alike(partition, partitions):
                ahead = [
                    each
                    for each in near
                    if (each.path, each.key) == (partition.path, partition.key)
                ]
            found = self._floor(ahead, near, job, now)
            if found is None:
                return None
            behind = found
        free = self._queues.runner_free(partition.path, int(self._limits.runners), now)
        if not math.isinf(self._limits.concurrency):
            places = int(self._limits.concurrency)
            free = max(free, self._queues.place_free(partition.key, places, now))
        return max(behind, free)

    def _floor(
        self, ahead: list[Partition], near: list[Partition], job: Job, now: float
    ) -> float | None:
        """Return a moment before which a job can't start and after which no other starts."""
        lasts = {partition: self._queues.last_start(partition, now) for partition in near}
        latest = max((last[0] for last in lasts.values() if last), default=0.0)
        if latest <= job.ready:
            return job.ready
        last = max((last for partition in ahead if (last := lasts[partition])), default=(0.0, 0.0))
        if last[0] < latest:
            return None
        # From its readiness on, one waits before it; from that one's start on, the last one does.
        since = job.ready
        for partition in ahead:
            since = max(since, self._queues.last_start_of_ready(partition, now, job.ready) or 0.0)
        return latest if last[1] <= since else None

    def _meet(self, partition: Partition, other: Partition) -> bool:
        """Whether jobs of two lanes can stand in each other's way."""
        same_key = partition.key == other.key and not math.isinf(self._limits.concurrency)
        return same_key or partition.path == other.path

    def _alike(self, partition: Partition, partitions: Iterable[Partition]) -> bool:
        """Whether all who can stand in a lane's way wait for the same thing.

        They do where keys have no limit; where a key's is the narrower one and nobody else calls
        the same endpoints; and where an endpoint's is, and its callers call no other.
        """
        runners, places = self._limits.runners, self._limits.concurrency
        if math.isinf(places):
            return True
        pairs = {(partition.path, partition.key), *((each.path, each.key) for each in partitions)}
        # Direct calls take places and no runners.
        paths = {path for path, key in pairs if key == partition.key} - {""}
        keys = {key for path, key in pairs if path == partition.path}
        for_key = places <= runners and all(
            key == partition.key for path, key in pairs if path in paths
        )
        on_path = runners <= places and all(
            path == partition.path for path, key in pairs if key in keys
        )
        return for_key or on_path

    def _simulate(
        self, paths: set[str], keys: set[str], now: float, new: Waiting | None = None
    ) -> dict[str, Moments]:
        """Plan anew all who wait for these endpoints and keys, and all who wait for theirs."""
        partitions = self._concerned(paths, keys, now)
        waiting = {partition: self._queues.waiting(partition, now) for partition in partitions}
        everyone = [job for jobs in waiting.values() for job in jobs]
        if new is not None:
            everyone.append(new)
        if not everyone:
            return {}
        running = {
            id: job for path in paths for id, job in self._queues.running_on(path, now).items()
        }
        if not math.isinf(self._limits.concurrency):
            for key in keys:
                running |= self._queues.running_for(key, now)
        planned = simulate(self._limits, running.values(), everyone, now)
        for partition, jobs in waiting.items():
            moved = {job.id: planned[job.id] for job in jobs if planned[job.id] != job.planned}
            if moved:
                self._queues.reschedule(partition, moved)
                self.moved(moved)
                self._clock.notifier.ring()
        return planned

    def _concerned(self, paths: set[str], keys: set[str], now: float) -> list[Partition]:
        """Return the lanes that meet these, or meet those that do; their names are added."""
        rest = [
            partition
            for partition, (until, _) in self._queues.partitions(now).items()
            if until > now
        ]
        limited = not math.isinf(self._limits.concurrency)
        found: list[Partition] = []
        while True:
            more = [
                partition
                for partition in rest
                if partition.path in paths or (limited and partition.key in keys)
            ]
            if not more:
                return found
            found += more
            paths |= {partition.path for partition in more}
            keys |= {partition.key for partition in more}
            rest = [partition for partition in rest if partition not in more]


def _ignore(moved: Mapping[str, Moments]) -> None:
    """Tell nobody."""
