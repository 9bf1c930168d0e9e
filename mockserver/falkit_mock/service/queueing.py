"""Who runs when."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from falkit_mock.core.clock import Clock
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import Entry, Job, Moments, ParsedRequest, Refused, moments
from falkit_mock.core.settings import Seconds, Timing, Workload
from falkit_mock.outputs import workload_of
from falkit_mock.settings import Settings
from falkit_mock.store import Store


class Limits(NamedTuple):
    """How many jobs run at once: of one endpoint, and of one key. Infinite for no limit."""

    runners: float
    concurrency: float


def simulate(
    limits: Limits, running: Iterable[Job], waiting: Iterable[Job], now: float
) -> dict[str, Moments]:
    """Return when each waiting job starts and ends, by id.

    No runner idles while a job waits that may have it: at each moment at which something ends or
    becomes ready, the first in order of those that find both a runner and a place of their key
    starts. So the schedule follows from the arguments, and nobody needs to know the future.
    """
    return _Simulation(limits, running, waiting, now).run()


# A job by its place in the order, which no two share.
_Ordered = tuple[tuple[bool, int], Job]


class _Simulation:
    def __init__(
        self, limits: Limits, running: Iterable[Job], waiting: Iterable[Job], now: float
    ) -> None:
        self._limits = limits
        self._now = now
        self._runners: Counter[str] = Counter()
        self._places: Counter[str] = Counter()
        # What ends, soonest first; the order of submission keeps what ends at once apart.
        self._ends: list[tuple[float, int, Job]] = []
        for job in running:
            self._occupy(job, job.ends)
        self._planned = {job.id: (math.inf, job.start_by) for job in waiting}
        self._coming = [(max(job.ready, now), (job.order, job)) for job in waiting]
        heapq.heapify(self._coming)
        # Those that are ready, in order, by endpoint; and those of them that were next when their
        # key had no place left, by key and endpoint: one comes back for each place.
        self._ready: dict[str, list[_Ordered]] = {}
        self._parked: dict[str, dict[str, list[_Ordered]]] = {}

    def run(self) -> dict[str, Moments]:
        at = self._now
        while at < math.inf:
            self._release(at)
            self._admit(at)
            while (line := self._first(at)) is not None:
                job = heapq.heappop(line)[1]
                self._planned[job.id] = (at, at + job.run)
                if job.run > 0:
                    self._occupy(job, at + job.run)
                else:
                    self._call_back(job.options.key)
            at = min((heap[0][0] for heap in (self._ends, self._coming) if heap), default=math.inf)
        return self._planned

    def _occupy(self, job: Job, until: float) -> None:
        if job.entry == "queue":
            self._runners[job.path] += 1
        self._places[job.options.key] += 1
        heapq.heappush(self._ends, (until, job.seq, job))

    def _release(self, at: float) -> None:
        while self._ends and self._ends[0][0] <= at:
            job = heapq.heappop(self._ends)[2]
            if job.entry == "queue":
                self._runners[job.path] -= 1
            self._places[job.options.key] -= 1
            self._call_back(job.options.key)

    def _call_back(self, key: str) -> None:
        """Have a key's next in order at each endpoint look again: a place is free for one."""
        for path, parked in self._parked.get(key, {}).items():
            if parked:
                heapq.heappush(self._ready[path], heapq.heappop(parked))

    def _admit(self, at: float) -> None:
        while self._coming and self._coming[0][0] <= at:
            ordered = heapq.heappop(self._coming)[1]
            heapq.heappush(self._ready.setdefault(ordered[1].path, []), ordered)

    def _first(self, at: float) -> list[_Ordered] | None:
        """Return the line whose head is the first of all that can start now."""
        best: list[_Ordered] | None = None
        for path, line in self._ready.items():
            if self._runners[path] < self._limits.runners:
                self._set_aside(path, line, at)
                if line and (best is None or line[0] < best[0]):
                    best = line
        return best

    def _set_aside(self, path: str, line: list[_Ordered], at: float) -> None:
        """Take from the head of a line those that are given up, and those that have no place."""
        while line:
            job = line[0][1]
            key = job.options.key
            parked = self._parked.setdefault(key, {}).setdefault(path, [])
            if job.start_by < at:
                heapq.heappop(line)
                # A place that called it back is the next one's.
                if parked:
                    heapq.heappush(line, heapq.heappop(parked))
            elif self._places[key] < self._limits.concurrency:
                return
            else:
                heapq.heappush(parked, heapq.heappop(line))


class _Capacity:
    """How many runners of an endpoint, or places of a key, are free, from when to when."""

    __slots__ = ("_free", "_since")

    def __init__(self, size: float) -> None:
        # The moments at which the number changes, and the number from each on.
        self._since = [-math.inf]
        self._free = [size]

    def earliest(self, at: float) -> float:
        """Return the first moment from one on at which one is free."""
        index = bisect_right(self._since, at) - 1
        if self._free[index] > 0:
            return at
        later = range(index + 1, len(self._since))
        return next((self._since[index] for index in later if self._free[index] > 0), math.inf)

    def has_room(self, start: float, end: float) -> bool:
        """Tell whether one is free all the time between two moments."""
        first, last = bisect_right(self._since, start) - 1, bisect_left(self._since, end)
        return min(self._free[first:last]) > 0

    def change(self, start: float, end: float, by: int) -> None:
        """Have more or fewer be free between two moments."""
        first, last = self._cut(start), self._cut(end)
        for index in range(first, last):
            self._free[index] += by
        self._join(last)
        self._join(first)

    def forget(self, before: float) -> None:
        """Keep nothing of what was before a moment."""
        index = bisect_right(self._since, before) - 1
        del self._since[:index], self._free[:index]

    def _cut(self, at: float) -> int:
        """Have a change at a moment, be it by nothing, and return its index."""
        index = bisect_left(self._since, at)
        if index == len(self._since) or self._since[index] != at:
            self._since.insert(index, at)
            self._free.insert(index, self._free[index - 1])
        return index

    def _join(self, index: int) -> None:
        if index and self._free[index] == self._free[index - 1]:
            del self._since[index], self._free[index]


class _Plan:
    """Who runs when, as planned, for the next that comes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._runners = defaultdict[str, _Capacity](lambda: _Capacity(limits.runners))
        self._places = defaultdict[str, _Capacity](lambda: _Capacity(limits.concurrency))
        # By their ends; the order of submission keeps what ends at once apart.
        self._jobs: list[tuple[float, int, Job]] = []
        # After these no job of low priority starts, and none that takes no time.
        self._low_until = self._instant_until = -math.inf

    def add(self, job: Job) -> None:
        insort(self._jobs, (job.ends, job.seq, job))
        self._book(job, -1)
        if job.starts < math.inf:
            if job.options.priority == "low":
                self._low_until = max(self._low_until, job.starts)
            if job.starts == job.ends:
                self._instant_until = max(self._instant_until, job.starts)

    def remove(self, job: Job) -> None:
        del self._jobs[bisect_left(self._jobs, (job.ends, job.seq))]
        self._book(job, 1)

    def earliest(self, job: Job, at: float) -> float:
        """Return the first moment from one on at which a job finds a runner and a place."""
        capacities = self._capacities(job)
        while at < (later := max(capacity.earliest(at) for capacity in capacities)):
            at = later
        return at

    def has_room(self, job: Job, at: float) -> bool:
        """Tell whether a job that starts at a moment leaves all others where they are."""
        end = at + job.run
        if at >= end:
            return True
        # One that takes no time needs a runner that is free, and yet takes none.
        if self._instant_until > at or (self._instant_until == at and self.overtakes(job, at)):
            return False
        return all(each.has_room(at, end) for each in self._capacities(job))

    def overtakes(self, job: Job, at: float) -> bool:
        """Tell whether a job may take what is planned, from a moment on, for one behind it."""
        return job.options.priority != "low" and self._low_until >= at

    def since(self, at: float) -> list[Job]:
        """Return the jobs that end at a moment or later."""
        return [job for _, _, job in self._jobs[bisect_left(self._jobs, (at,)) :]]

    def forget(self, job: Job, before: float) -> None:
        """Drop the jobs that ended before a moment, and what a job's capacities had been."""
        del self._jobs[: bisect_left(self._jobs, (before,))]
        if not self._jobs:
            self._runners.clear()
            self._places.clear()
        for capacity in self._capacities(job):
            capacity.forget(before)

    def _book(self, job: Job, by: int) -> None:
        if job.starts < job.ends:
            for capacity in self._capacities(job):
                capacity.change(job.starts, job.ends, by)

    def _capacities(self, job: Job) -> list[_Capacity]:
        found: list[_Capacity] = []
        if job.entry == "queue":
            found.append(self._runners[job.path])
        if not math.isinf(self._limits.concurrency):
            found.append(self._places[job.options.key])
        return found


class Planner:
    """Plans the jobs that the clock drives.

    What is stored always is what a simulation of all who wait would answer. A new job changes
    nothing before the first moment at which it could start, so the simulation takes up the plan
    there. It isn't run where the job leaves the runners and places of all others free, as most do:
    that takes 0.01 ms, and a simulation of the 10,000 that start later at another endpoint 50 ms.
    """

    def __init__(self, settings: Settings, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self._queues = store.queues
        self._limits = Limits(settings.runners, settings.concurrency or math.inf)
        # None until it is needed, and when those who wait are planned again.
        self._plan: _Plan | None = None
        # Told of jobs that got other moments, by request id.
        self.moved: Callable[[Mapping[str, Moments]], None] = _ignore

    def restart(self) -> None:
        """Plan on from what the store has, when all its jobs may be others."""
        self._plan = None

    def in_progress(self, key: str) -> int:
        """Count a key's jobs that run now, queued or direct; 0 where there is no limit."""
        if math.isinf(self._limits.concurrency):
            return 0
        return self._queues.in_progress(key, self._clock.now())

    def enter(self, job: Job) -> None:
        """Give a job of the queue, not yet stored, its moments; others may get other ones."""
        now = self._clock.now()
        if not job.run and job.ready <= now:
            # What waits for nothing and takes no time needs no look at the queue.
            job.starts = job.ends = job.ready
            return
        plan = self._known(now)
        plan.forget(job, now)
        ready = max(job.ready, now)
        at = plan.earliest(job, ready)
        late = at > job.start_by
        if at > ready and plan.overtakes(job, ready):
            self._insert(plan, job, ready)
        elif late or plan.has_room(job, at):
            job.starts, job.ends = moments(at, job.run, job.start_by)
        else:
            self._insert(plan, job, at)
        plan.add(job)

    def replan(self, job: Job) -> None:
        """Plan again those who wait, now that a stored job takes or leaves a place."""
        limited = not math.isinf(self._limits.concurrency)
        if job.entry == "run" and not limited:
            return
        self._plan = None
        now = self._clock.now()
        waiting = self._queues.waiting(None if limited else job.path, now)
        if waiting:
            planned = simulate(self._limits, self._running(now), waiting, now)
            self._reschedule(_changed(waiting, planned))

    def _insert(self, plan: _Plan, job: Job, at: float) -> None:
        """Plan a job and all that start at a moment, before which it can't, or later."""
        now = self._clock.now()
        later = plan.since(at)
        if math.isinf(self._limits.concurrency):
            later = [each for each in later if each.path == job.path]
        waiting = [each for each in later if each.starts >= at and each.starts > now]
        running = [each for each in later if each.starts < at or each.starts <= now]
        planned = simulate(self._limits, running, [*waiting, job], at)
        job.starts, job.ends = planned[job.id]
        changed = _changed(waiting, planned)
        moving = [each for each in waiting if each.id in changed]
        for each in moving:
            plan.remove(each)
        self._reschedule(changed)
        for each in moving:
            each.starts, each.ends = changed[each.id]
            plan.add(each)

    def _known(self, now: float) -> _Plan:
        if self._plan is None:
            self._plan = _Plan(self._limits)
            for job in (*self._running(now), *self._queues.waiting(None, now)):
                self._plan.add(job)
        return self._plan

    def _running(self, now: float) -> list[Job]:
        """Return the jobs that take runners and places; those that no clock drives take none."""
        return [job for job in self._queues.running(now) if job.ends < math.inf]

    def _reschedule(self, changed: Mapping[str, Moments]) -> None:
        if changed:
            self._store.reschedule(changed)
            self.moved(changed)
            self._clock.notifier.ring()


def duration(
    timing: Timing,
    identity: Identity,
    request_id: str,
    parsed: ParsedRequest | Refused,
    entry: Entry,
) -> tuple[float, float]:
    """Return seconds before a free runner takes a job, and seconds it then runs."""
    if isinstance(timing, Seconds):
        queue, run = timing.queue, timing.run
    elif entry == "run" and timing.progression == "polls":
        # There is nothing to poll: the answer is the reply.
        return 0.0, 0.0
    else:
        takes = timing.duration(
            partial(workload_of, parsed) if isinstance(parsed, ParsedRequest) else Workload,
            lambda: identity.random(request_id, "duration"),
        )
        queue, run = takes.queue, takes.run
        if timing.progression != "clock":
            return queue, run
    # What a model refuses costs a runner no time, and a direct call does not queue.
    return queue if entry == "queue" else 0.0, 0.0 if isinstance(parsed, Refused) else run


def _changed(jobs: Iterable[Job], planned: Mapping[str, Moments]) -> dict[str, Moments]:
    return {job.id: planned[job.id] for job in jobs if planned[job.id] != (job.starts, job.ends)}


def _ignore(moved: Mapping[str, Moments]) -> None:
    """Tell nobody."""
