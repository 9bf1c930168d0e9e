"""Gives jobs their moments, and gives them anew when that of one changes those of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from falkit_mock.platform.clock import Clock
from falkit_mock.platform.jobs import Job
from falkit_mock.platform.schedule import Lane, Limits, Moments, Waiting, moments, simulate
from falkit_mock.settings import Settings
from falkit_mock.store import Store


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
        own = Waiting(job.id, job.lane, job.seq, job.ready, job.run, job.start_by)
        job.starts, job.ends = self._simulate({job.path}, {job.lane.key}, now, own)[job.id]

    def replan(self, job: Job) -> None:
        """Plan anew those who wait, now that a stored job takes or leaves a place."""
        paths = {job.path} if job.door == "queue" else set[str]()
        self._simulate(paths, {job.lane.key}, self._clock.now())

    def _behind_all(self, job: Job, now: float) -> float | None:
        """Return when a job starts if it can't be before or between others; None if it may be.

        It can't while another waits that is ready and could have each place that it could have.
        """
        lane, lanes = job.lane, self._queues.lanes(now)
        near = [
            other for other, (until, _) in lanes.items() if until > now and self._meet(lane, other)
        ]
        if not lane.low and any(other.low for other in near):
            return None
        behind = job.ready
        if near:
            ahead = near
            if not self._alike(lane, lanes):
                ahead = [each for each in near if (each.path, each.key) == (lane.path, lane.key)]
            found = self._floor(ahead, near, job, now)
            if found is None:
                return None
            behind = found
        free = self._queues.runner_free(lane.path, int(self._limits.runners), now)
        if not math.isinf(self._limits.concurrency):
            places = int(self._limits.concurrency)
            free = max(free, self._queues.place_free(lane.key, places, now))
        return max(behind, free)

    def _floor(self, ahead: list[Lane], near: list[Lane], job: Job, now: float) -> float | None:
        """Return a moment before which a job can't start and after which no other starts."""
        lasts = {lane: self._queues.last_start(lane, now) for lane in near}
        latest = max((last[0] for last in lasts.values() if last), default=0.0)
        if latest <= job.ready:
            return job.ready
        last = max((last for lane in ahead if (last := lasts[lane])), default=(0.0, 0.0))
        if last[0] < latest:
            return None
        # From its readiness on, one waits before it; from that one's start on, the last one does.
        since = job.ready
        for lane in ahead:
            since = max(since, self._queues.last_start_of_ready(lane, now, job.ready) or 0.0)
        return latest if last[1] <= since else None

    def _meet(self, lane: Lane, other: Lane) -> bool:
        """Whether jobs of two lanes can stand in each other's way."""
        same_key = lane.key == other.key and not math.isinf(self._limits.concurrency)
        return same_key or lane.path == other.path

    def _alike(self, lane: Lane, lanes: Iterable[Lane]) -> bool:
        """Whether all who can stand in a lane's way wait for the same thing.

        They do where keys have no limit; where a key's is the narrower one and nobody else calls
        the same endpoints; and where an endpoint's is, and its callers call no other.
        """
        runners, places = self._limits.runners, self._limits.concurrency
        if math.isinf(places):
            return True
        pairs = {(lane.path, lane.key), *((each.path, each.key) for each in lanes)}
        # Direct calls take places and no runners.
        paths = {path for path, key in pairs if key == lane.key} - {""}
        keys = {key for path, key in pairs if path == lane.path}
        for_key = places <= runners and all(key == lane.key for path, key in pairs if path in paths)
        on_path = runners <= places and all(path == lane.path for path, key in pairs if key in keys)
        return for_key or on_path

    def _simulate(
        self, paths: set[str], keys: set[str], now: float, new: Waiting | None = None
    ) -> dict[str, Moments]:
        """Plan anew all who wait for these endpoints and keys, and all who wait for theirs."""
        lanes = self._concerned(paths, keys, now)
        waiting = {lane: self._queues.waiting(lane, now) for lane in lanes}
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
        for lane, jobs in waiting.items():
            moved = {job.id: planned[job.id] for job in jobs if planned[job.id] != job.planned}
            if moved:
                self._queues.reschedule(lane, moved)
                self.moved(moved)
                self._clock.bell.ring()
        return planned

    def _concerned(self, paths: set[str], keys: set[str], now: float) -> list[Lane]:
        """Return the lanes that meet these, or meet those that do; their names are added."""
        rest = [lane for lane, (until, _) in self._queues.lanes(now).items() if until > now]
        limited = not math.isinf(self._limits.concurrency)
        found: list[Lane] = []
        while True:
            more = [lane for lane in rest if lane.path in paths or (limited and lane.key in keys)]
            if not more:
                return found
            found += more
            paths |= {lane.path for lane in more}
            keys |= {lane.key for lane in more}
            rest = [lane for lane in rest if lane not in more]


def _ignore(moved: Mapping[str, Moments]) -> None:
    """Tell nobody."""
