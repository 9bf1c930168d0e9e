"""What a job's status shows and when it changes: log lines, the end of a result, events."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from falkit_mock.core import NotJson, parse_body, span
from falkit_mock.core.clock import Clock, Timer
from falkit_mock.core.errors import ShuttingDown, quota_used_up, too_much_kept
from falkit_mock.core.events import Events, JobChanged, JobError
from falkit_mock.core.jobs import Job, Moments, Outcome
from falkit_mock.core.limits import AT_ONCE
from falkit_mock.core.settings import NO_QUOTA
from falkit_mock.outputs.kinds import Kind
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_mock.store.keeping import forgetting
from falkit_spec import JSON

Change: TypeAlias = Literal["accepted", "started", "ended"]

_STEPS = 12
# How far a job gets whose inputs are refused, one that a rule has fail, and one that no clock
# drives.
_REFUSED_AT, _FAILED_AT, _HALF = 0.05, 0.88, 0.5


class _Line(NamedTuple):
    # Where in the run the line appears, 0 to 1.
    at: float
    message: str
    level: str


# What is done at last with what a model makes; None for text.
_FINISHES: Mapping[Kind | None, str] = {
    "video": "Encoding the video",
    "image": "Encoding the image",
    "audio": "Encoding the audio",
    "model": "Exporting the mesh",
    "weights": "Saving the weights",
    "archive": "Packing the archive",
    "document": "Writing the document",
    None: "Collecting the text",
}


def _script(random: Random, makes: Kind | None = None) -> list[_Line]:
    return _script_at(round(random.uniform(1.2, 3.9), 2), makes)


@lru_cache(maxsize=4096)
def _script_at(speed: float, makes: Kind | None) -> list[_Line]:
    """Return all lines of a run at a speed, of which there are fewer than are remembered."""
    work = "Training" if makes == "weights" else "Generating"
    lines = [
        _Line(0.0, "Preparing the request", "INFO"),
        _Line(0.04, "Reading the inputs", "INFO"),
    ]
    for step in range(_STEPS + 1):
        share = step / _STEPS
        bar = "█" * round(share * 10)
        message = f"{work}: {share:4.0%}|{bar:<10}| {step}/{_STEPS} [{speed:.2f}it/s]"
        lines.append(_Line(0.08 + 0.8 * share, message, "STDERR"))
    lines.append(_Line(0.92, _FINISHES[makes], "INFO"))
    lines.append(_Line(0.98, f"{'Uploading' if makes else 'Returning'} the result", "INFO"))
    return lines


def window(job: Job, now: float, random: Random, size: int, makes: Kind | None) -> list[JSON]:
    """Return the newest `size` lines at this moment (wire.md §3.2: a moving window).

    `makes` is the kind of file that the job makes, None for text.

    A line has message and timestamp as documented, level and source as the JS types say.
    """
    share = _share(job, now)
    shown = [line for line in _script(random, makes) if line.at <= share]
    return [
        {
            "message": line.message,
            "timestamp": datetime.fromtimestamp(_moment(line, job), UTC).isoformat(
                timespec="microseconds"
            ),
            "level": line.level,
            "source": "USER",
        }
        for line in shown[-size:]
    ]


def _moment(line: _Line, job: Job) -> float:
    """Return when a line was printed, unix seconds: the same however often it is shown."""
    if math.isinf(job.run):
        # No clock drives the job: one half came with its start and the other with its end.
        return job.starts if line.at <= _HALF else job.ends
    return job.starts + line.at * job.run


def _share(job: Job, now: float) -> float:
    """Return how much of the whole script was printed, 0 to 1; negative where nothing was.

    What is held prints on to its last line, and what somebody ends stops where it was: lines that
    were shown stay, with their times.
    """
    cut_off = job.cancelled or _failed_by_hand(job)
    if now < job.starts:
        return -1.0
    if job.run <= 0:
        # It prints all at its end, and nothing if it was ended while it waited.
        return -1.0 if cut_off or now < job.ends else _most(job)
    if math.isinf(job.run):
        share = 1.0 if now >= job.ends and not cut_off else _HALF
    else:
        share = min((min(job.ends, now) - job.starts) / job.run, 1.0)
    ended_early = job.ends <= now and job.ends < job.starts + job.run < math.inf
    return share if cut_off or ended_early else min(share, _most(job))


def _failed_by_hand(job: Job) -> bool:
    return job.faults.outcome is not None and job.faults.rule is None


def _most(job: Job) -> float:
    """Return how far a job gets that nobody ends."""
    if job.outcome is None:
        # Its inputs are being read.
        return _REFUSED_AT
    if job.outcome.ok:
        return 1.0
    return _FAILED_AT if job.faults.outcome is not None else _REFUSED_AT


def next_line(job: Job, now: float, random: Random) -> float:
    """Return when the next line appears, unix seconds; infinite if none does by the clock."""
    if not job.starts <= now < job.ends or math.isinf(job.run):
        return math.inf
    moments = (_moment(line, job) for line in _script(random))
    return min((moment for moment in moments if moment > now), default=math.inf)


# Seconds for which a result can be fetched (wire.md §3.4), and from how many bytes on it is
# large; that 10 KB are 10,240 bytes is inferred.
_HOUR, _LARGE_FOR, _LARGE = 3600.0, 360.0, 10 * 1024
# In the headers of an outcome whose result is to be gone as if its time were over.
EXPIRED = "x-falkit-expired"
# Seconds for which stored payloads are kept, and the bytes from which on they live no longer than
# the result can be fetched; that 1 MB is a million is inferred (wire.md §3.4).
_DAY = 86_400.0
_NOT_STORED = 1_000_000


class Retention:
    """Says which results can still be had, and clears away what nobody can ask for any more."""

    def __init__(self, settings: Settings, clock: Clock, store: Store) -> None:
        self._max_kept, self._quota = settings.max_kept, settings.quota
        self._ttl = settings.result_ttl
        self._keep = settings.keep
        self._clock = clock
        self._store = store
        # When there may be something to forget again, unix seconds.
        self.next_purge = -math.inf
        self._under_way: Iterator[None] | None = None

    def closes(self, job: Job) -> float:
        """Return until when a job's result can be fetched, unix seconds."""
        if job.outcome is not None and EXPIRED in job.outcome.headers:
            return job.ends
        if self._ttl is not None:
            return job.ends + self._ttl
        size = 0 if job.outcome is None or job.ends < job.starts else len(job.outcome.body)
        return job.ends + (_HOUR if size < _LARGE else _LARGE_FOR)

    def format_expired(self, job: Job) -> str:
        """Say since when a closed job's result is gone, and what keeps others longer."""
        closes = self.closes(job)
        if job.outcome is not None and EXPIRED in job.outcome.headers:
            return "expired, as the control API was asked for"
        past, lasted = span(self._clock.now() - closes), span(closes - job.ends)
        return f"expired {past} ago, {lasted} after its end; --result-ttl forever keeps results"

    def keeps(self, job: Job, payload: bytes) -> bool:
        """Whether the Platform API still has an input or an output of a job."""
        if not job.options.keep_payloads:
            return False
        return len(payload) <= _NOT_STORED or self._clock.now() < self.closes(job)

    def check_room(self, size: int, jobs: int = 0) -> None:
        """Raise WireError where more bytes, and jobs, would be too many.

        507 for what a mock keeps of jobs, 403 for a tenant's quota.
        """
        if jobs and self._store.kept + size > self._max_kept:
            raise too_much_kept(self._max_kept)
        if self._quota is NO_QUOTA or not (used := self._over(size, jobs)):
            return
        now = self._clock.now()
        while used and now >= self.next_purge:
            self.purge(now)
            used = self._over(size, jobs)
        if used:
            raise quota_used_up(used)

    def _over(self, size: int, jobs: int) -> str:
        """Say what there is of which the quota has no more; "" while it has."""
        store, quota = self._store, self._quota
        if store.count() + jobs > quota.jobs:
            return f"{store.count()} of {quota.jobs:.0f} jobs"
        kept = store.kept + store.uploads.kept
        return f"{kept} of {quota.bytes:.0f} bytes" if kept + size > quota.bytes else ""

    def due(self, now: float) -> bool:
        """Tell whether there may be something to forget."""
        return now >= self.next_purge or self._store.kept > self._keep.size

    def purge(self, now: float) -> None:
        """Forget some of what is too old, or too much; the next call goes on with it."""
        if self._under_way is None:
            self._under_way = forgetting(self._store, self._keep, now)
        if next(self._under_way, self) is self:
            self._under_way, self.next_purge = None, now + min(_DAY, self._keep.age / 10)


@dataclass(slots=True)
class _Open:
    """A job that has not ended yet, as far as the listeners know."""

    started: bool = False
    timer: Timer | None = None


class JobEvents:
    """Tells the listeners when each job is accepted, starts and ends.

    It follows open jobs by one timer each, since a status is computed and nothing ticks.
    """

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
        # The ids of jobs that have ended, for whoever counts what they cost and empties it.
        self.uncounted: list[str] = []
        # Whether jobs that come now are no caller's, and the open ones that came so.
        self.uncalled = False
        self._uncalled: set[str] = set()

    def accepted(self, job: Job) -> None:
        """Tell of a new job, and follow it; what is due at once is told at once."""
        outcome = job.outcome
        if outcome is not None and job.starts <= job.ends <= job.created:
            # It took no time, and there is nothing to follow.
            error = None if outcome.status_code < 400 else error_of(outcome)
            id, path, key = job.id, job.path, job.options.key
            webhook, over = job.options.webhook is not None, job.cancelled
            if not self.uncalled:
                self.uncounted.append(id)
            self._events.emit(
                JobChanged("accepted", id, path, key, job.created, webhook, over),
                JobChanged("started", id, path, key, job.starts, webhook, over),
                JobChanged("ended", id, path, key, job.ends, webhook, over, error),
            )
            return
        if self.uncalled:
            self._uncalled.add(job.id)
        self._emit("accepted", job, job.created)
        self._open[job.id] = _Open()
        self._look(job)

    def moved(self, moments: Mapping[str, Moments]) -> None:
        """Note that jobs start and end at other moments now, by request id."""
        for id in moments:
            self._due(id)

    def restart(self) -> None:
        """Follow the jobs that the store has now, as after a reset or an import."""
        self.close()
        now, sharing = self._clock.now(), self._store.sharing
        for job in self._store.open(now):
            if sharing is None or sharing.looks_after(job):
                self._open[job.id] = _Open(started=now >= job.starts)
                self._look(job)

    async def told(self) -> None:
        """Return once all ends up to now are told, also those whose outcome is waited for."""
        if self._ending:
            await asyncio.wait([*self._ending])

    def close(self) -> None:
        """Follow no job any longer."""
        for followed in self._open.values():
            if followed.timer is not None:
                followed.timer.cancel()
        self._open.clear()
        self._uncalled.clear()
        for task in self._ending:
            task.cancel()

    def _due(self, id: str) -> None:
        if id in self._open and (job := self._store.get(id)) is not None:
            self._look(job)

    def _look(self, job: Job) -> None:
        """Tell what is due of an open job, and look again at its next moment."""
        followed, now = self._open[job.id], self._clock.now()
        if followed.timer is not None:
            followed.timer.cancel()
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
            followed.timer = self._clock.at(moment, partial(self._due, job.id))

    def _end(self, job: Job) -> None:
        if job.outcome is not None and job.ends >= job.starts:
            self._emit("ended", job, job.ends, job.outcome)
            return
        task = asyncio.ensure_future(self._end_with_outcome(job))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end_with_outcome(self, job: Job) -> None:
        # A mock that is emptied or stopped before the outcome is known has nothing to tell.
        with suppress(ShuttingDown):
            self._emit("ended", job, job.ends, await self._outcome(job))

    def _emit(
        self, change: Change, job: Job, moment: float, outcome: Outcome | None = None
    ) -> None:
        error = None if outcome is None or outcome.status_code < 400 else error_of(outcome)
        key, webhook = job.options.key, job.options.webhook is not None
        if change == "ended":
            if job.id in self._uncalled:
                self._uncalled.remove(job.id)
            else:
                self.uncounted.append(job.id)
        self._events.emit(
            JobChanged(change, job.id, job.path, key, moment, webhook, job.cancelled, error)
        )


def error_of(outcome: Outcome) -> JobError:
    """Return what a failed outcome says of itself: its first error, and the field it is about."""
    if len(outcome.body) > AT_ONCE:
        # It echoes a large input, and others wait meanwhile.
        return JobError(outcome.status_code, outcome.error_type, "", outcome.error or "")
    body = parse_body(outcome.body)
    if isinstance(body, NotJson):
        body = outcome.body.decode("utf-8", "replace")
    detail = body.get("detail", body) if isinstance(body, dict) else body
    first = detail[0] if isinstance(detail, list) and detail else detail
    kind, field, message = outcome.error_type, "", ""
    if isinstance(first, dict):
        loc = first.get("loc")
        steps = loc[1:] if isinstance(loc, list) and loc[:1] == ["body"] else loc
        field = ".".join(map(str, steps)) if isinstance(steps, list) else ""
        message = str(first.get("msg", ""))
        if message and isinstance(detail, list) and len(detail) > 1:
            # Of a union the first branch alone would mislead.
            message += f" (and {len(detail) - 1} more)"
        kind = kind or (str(first["type"]) if "type" in first else None)
    elif isinstance(first, str):
        message = first
    return JobError(outcome.status_code, kind, field, message or outcome.error or "")
