"""What the service should do with its jobs, written as plainly as can be, to hold the mock to.

Where the mock plans ahead, this goes from moment to moment and looks at everything there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Progression = Literal["clock", "held", "polls"]


@dataclass
class Task:
    """A job as far as time goes. Moments are unix seconds, infinite while unknown."""

    path: str
    key: str
    low: bool
    seq: int
    created: float
    # Before this no runner takes it.
    ready: float
    run: float
    # It is given up where it has not started by then.
    start_by: float
    progression: Progression
    starts: float = math.inf
    ends: float = math.inf
    # Whether somebody ended it while it waited.
    cut_short: bool = False

    def status(self, now: float) -> str:
        """Return what a status says."""
        if self.ends <= now:
            return "COMPLETED"
        return "IN_PROGRESS" if self.starts <= now else "IN_QUEUE"

    @property
    def given_up(self) -> bool:
        """Whether it ended because it had not started in time."""
        return self.ends < self.starts


@dataclass
class Service:
    """All jobs of one mock; `concurrency` is infinite for no limit."""

    runners: int
    concurrency: float
    now: float
    tasks: list[Task] = field(default_factory=list[Task])

    def take(self, task: Task) -> None:
        """Take a new job."""
        self.tasks.append(task)
        if task.progression == "clock" and not task.run and task.ready <= self.now:
            # It waits for nothing and occupies nobody.
            task.starts = task.ends = self.now
        self._tick()

    def move_to(self, moment: float) -> None:
        """Let everything happen that happens until a moment, in order."""
        while (due := self._next()) <= moment:
            self.now = due
            self._tick()
        self.now = moment

    def end(self, task: Task) -> None:
        """End a job now."""
        if task.status(self.now) == "IN_QUEUE":
            task.cut_short = True
        self.end_now(task)

    def end_now(self, task: Task) -> None:
        """End a job now as if it had run."""
        task.starts, task.ends = min(task.starts, self.now), self.now
        self._tick()

    def hold(self, task: Task) -> None:
        """Let a job stand where it is; its runner is free."""
        task.progression = "held"
        task.ends = math.inf
        self._tick()

    def release(self, task: Task, to: str) -> None:
        """Move a job on by hand."""
        if task.status(self.now) == "IN_QUEUE":
            task.starts = self.now
            if task.progression == "clock":
                task.ends = self.now + task.run
        if to == "COMPLETED" and task.status(self.now) != "COMPLETED":
            task.ends = self.now
        self._tick()

    def position(self, task: Task) -> int:
        """Return how many of its endpoint wait ahead of a job."""
        if task.status(self.now) != "IN_QUEUE":
            return 0
        place = (task.low, task.seq)
        return sum((other.low, other.seq) < place for other in self.waiting(task.path))

    def waiting(self, path: str) -> list[Task]:
        """Return those that wait at an endpoint."""
        return [task for task in self._in("IN_QUEUE") if task.path == path]

    def _next(self) -> float:
        moments = [
            moment
            for task in self.tasks
            for moment in (task.ready, task.ends, task.start_by)
            if moment > self.now and task.status(self.now) != "COMPLETED"
        ]
        return min(moments, default=math.inf)

    def _tick(self) -> None:
        while (task := self._first()) is not None:
            task.starts, task.ends = self.now, self.now + task.run
        for task in self._in("IN_QUEUE"):
            if task.start_by <= self.now:
                task.ends = task.start_by

    def _first(self) -> Task | None:
        """Return the first in line of those that can start now."""
        running = [task for task in self._in("IN_PROGRESS") if task.progression == "clock"]
        ready = [
            task
            for task in self._in("IN_QUEUE")
            if task.progression == "clock"
            and task.ready <= self.now
            and sum(other.path == task.path for other in running) < self.runners
            and sum(other.key == task.key for other in running) < self.concurrency
        ]
        return min(ready, key=lambda task: (task.low, task.seq), default=None)

    def _in(self, status: str) -> Iterator[Task]:
        return (task for task in self.tasks if task.status(self.now) == status)
