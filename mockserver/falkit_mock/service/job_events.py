"""Job events: tells the listeners when each job is accepted, starts and ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from falkit_mock.core import NotJson, loads
from falkit_mock.core.clock import Clock, Timer
from falkit_mock.core.events import Events, JobChanged, JobError
from falkit_mock.core.jobs import Job, Moments, Outcome
from falkit_mock.store import Store

Change: TypeAlias = Literal["accepted", "started", "ended"]


@dataclass(slots=True)
class _Open:
    """A job that has not ended yet, as far as its listeners know."""

    id: str
    started: bool = False
    timer: Timer | None = None


class JobEvents:
    """Follows open jobs by one timer each, since a status is computed and nothing ticks."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        events: Events,
        outcome: Callable[[Job], Awaitable[Outcome]],
    ) -> None:
        self._clock = clock
        self._store = store
        self._events = events
        self._outcome = outcome
        self._open: dict[str, _Open] = {}
        # Ends that wait for an outcome, such as one that needs a download.
        self._ending: set[asyncio.Task[None]] = set()

    def accepted(self, job: Job) -> None:
        """Tell of a new job, and follow it; what is due at once is told at once."""
        self._emit("accepted", job, job.created)
        if job.ends > self._clock.now():
            followed = self._open[job.id] = _Open(job.id)
            self._plan(followed, job)
            return
        if job.starts <= job.ends:
            self._emit("started", job, job.starts)
        self._end(job)

    def moved(self, moments: Mapping[str, Moments]) -> None:
        """Note that jobs start and end at other moments now, by request id."""
        for id in moments:
            if (followed := self._open.get(id)) is not None:
                self._due(followed)

    def restart(self) -> None:
        """Follow the jobs that the store has now, as after a reset or an import."""
        self.close()
        now = self._clock.now()
        for job in self._store.jobs():
            if now < job.ends:
                followed = self._open[job.id] = _Open(job.id, started=now >= job.starts)
                self._plan(followed, job)

    def close(self) -> None:
        """Follow no job any longer."""
        for followed in self._open.values():
            if followed.timer is not None:
                followed.timer.cancel()
        self._open.clear()
        for task in self._ending:
            task.cancel()

    def _due(self, followed: _Open) -> None:
        if followed.id in self._open and (job := self._store.get(followed.id)) is not None:
            self._plan(followed, job)

    def _plan(self, followed: _Open, job: Job) -> None:
        """Tell what is due, and look again at the next moment of a job."""
        if followed.timer is not None:
            followed.timer.cancel()
            followed.timer = None
        now = self._clock.now()
        # One that is given up, or cancelled while it waits, ends without a start.
        never = job.cancelled and job.starts >= job.ends
        if not followed.started and not never and job.starts <= min(now, job.ends):
            followed.started = True
            self._emit("started", job, job.starts)
        if job.ends <= now:
            del self._open[job.id]
            self._end(job)
            return
        moment = job.ends if followed.started else min(job.starts, job.ends)
        if not math.isinf(moment):
            followed.timer = self._clock.at(moment, partial(self._due, followed))

    def _end(self, job: Job) -> None:
        if job.outcome is not None and job.ends >= job.starts:
            self._emit("ended", job, job.ends, job.outcome)
            return
        task = asyncio.ensure_future(self._end_with_outcome(job))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end_with_outcome(self, job: Job) -> None:
        self._emit("ended", job, job.ends, await self._outcome(job))

    def _emit(
        self, change: Change, job: Job, moment: float, outcome: Outcome | None = None
    ) -> None:
        error = None
        if outcome is not None and outcome.status_code >= 400:
            error = error_of(outcome)
        webhook = job.options.webhook is not None
        self._events.emit(
            JobChanged(
                change, job.id, job.path, job.options.key, moment, webhook, job.cancelled, error
            )
        )


def error_of(outcome: Outcome) -> JobError:
    """Return what a failed outcome says of itself: its first error, and the field it is about."""
    try:
        body = loads(outcome.body)
    except NotJson:
        body = outcome.body.decode("utf-8", "replace")
    detail = body.get("detail", body) if isinstance(body, dict) else body
    first = detail[0] if isinstance(detail, list) and detail else detail
    kind, field, message = outcome.error_type, "", ""
    if isinstance(first, dict):
        loc = first.get("loc")
        steps = loc[1:] if isinstance(loc, list) and loc[:1] == ["body"] else loc
        field = ".".join(map(str, steps)) if isinstance(steps, list) else ""
        message = str(first.get("msg", ""))
        kind = kind or (str(first["type"]) if "type" in first else None)
    elif isinstance(first, str):
        message = first
    return JobError(outcome.status_code, kind, field, message or outcome.error or "")
