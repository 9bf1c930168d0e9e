"""What a running mock knows and takes: jobs, webhooks, faults and time, from any thread."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from falkit_mock.core import parse_duration
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.events import Delivery
from falkit_mock.core.settings import parse_moment
from falkit_mock.faults.rules import Rule
from falkit_mock.service.billing import charge, entries, readable
from falkit_mock.service.spend import Cost, Spend, sums_of

if TYPE_CHECKING:
    from datetime import datetime

    from falkit_mock.app import MockApp
    from falkit_mock.core.jobs import JobFaults, Status
    from falkit_mock.faults.rulebook import RuleState
    from falkit_mock.mock import LoopThread
    from falkit_mock.service.billing import Entry
    from falkit_mock.service.service import Service
    from falkit_spec import JSON, Catalog

__all__ = ["Clock", "Cost", "Delivery", "FaultRule", "Faults", "Job", "Spend", "Video", "Webhooks"]

# Seconds between two looks at what is waited for.
_BETWEEN_LOOKS = 0.01
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Job:
    """One request to a model, as it is now. Moments are unix seconds, None while unknown."""

    request_id: str
    endpoint_id: str
    status: Status
    # The id of the key it came with: the part before the colon.
    key: str
    # JSON, or text where it isn't JSON.
    input: Any
    # JSON; None until the job is done, and for one that failed.
    output: Any
    # The body that a failed job answers with, JSON; else None.
    error: Any
    error_type: str | None
    # What its result is answered with; None until the job is done.
    status_code: int | None
    created: float
    starts: float | None
    ends: float | None
    webhook: str | None
    # Names of the faults that apply to it.
    faults: tuple[str, ...]
    cancelled: bool
    # US dollars at fal; None unless it is billed, and where the price isn't known.
    cost: Decimal | None
    # The id of the test in which it was submitted; None where nobody said.
    test: str | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """A video as it was measured. What the file doesn't say is None."""

    # Pixels.
    width: int | None
    height: int | None
    # Frames per second, as a mean, and how many frames there are.
    fps: float | None
    frames: int | None
    seconds: float | None
    # Whether there is a track of sound.
    sound: bool
    # `mp4`, `mov`, `webm`, `gif` …
    format: str
    # The file.
    data: bytes = field(repr=False)


def measured(data: bytes) -> Video:
    """Measure a video in memory; raise ValueError for what isn't one."""
    # Lazy: few tests look into files.
    from falkit_mock.service.checks import identify
    from falkit_mock.service.containers import Source, Unreadable

    try:
        found = identify(Source.of(data))
    except Unreadable as error:
        raise ValueError(f"the file isn't a video: {error}") from None
    if not found.video:
        raise ValueError(f"the file isn't a video but {found.format}")
    fps, seconds = found.fps, found.seconds
    return Video(
        width=found.width,
        height=found.height,
        fps=fps,
        frames=None if fps is None or seconds is None else round(fps * seconds),
        seconds=seconds,
        sound=found.audio,
        format=found.format,
        data=data,
    )


async def read_jobs(service: Service, catalog: Catalog) -> list[Job]:
    """Return the mock's jobs, the newest last; call it on the mock's event loop."""
    now = service.clock.now()
    return [_job(entry, now, catalog) async for entry in entries(service, catalog)]


def spend_in(server: LoopThread, app: MockApp) -> Spend:
    """Return what a mock's jobs have cost, with tenants all of theirs."""
    return Spend.of(server.call(lambda: sums_of(app.services(), app.catalog)))


def _job(entry: Entry, now: float, catalog: Catalog) -> Job:
    job, outcome, paid = entry.job, entry.outcome, charge(entry, catalog)
    body = None if outcome is None else readable(outcome.body)
    succeeded = outcome is not None and outcome.ok
    return Job(
        request_id=job.id,
        endpoint_id=entry.endpoint_id,
        status=job.status(now),
        key=job.options.key,
        input=readable(entry.input()),
        output=body if succeeded else None,
        error=None if succeeded else body,
        error_type=None if outcome is None else outcome.error_type,
        status_code=None if outcome is None else outcome.status_code,
        created=job.created,
        starts=job.starts if math.isfinite(job.starts) else None,
        ends=job.ends if math.isfinite(job.ends) else None,
        webhook=job.options.webhook,
        faults=fault_names_of(job.faults),
        cancelled=job.cancelled,
        cost=None if paid is None else paid.cost,
        test=job.options.test or None,
    )


def fault_names_of(faults: JobFaults) -> tuple[str, ...]:
    """Return the names of the faults that apply to a job."""
    kept = [fault.name for fault in (faults.queue, faults.logs) if fault is not None]
    ending = [] if faults.outcome is None else [faults.outcome]
    return (*kept, *ending, *faults.webhook)


class _View:
    """A part of a mock that runs."""

    def __init__(self, server: LoopThread, app: MockApp) -> None:
        self._server = server
        self._service = app.service


class _Live(_View, Sequence[_Item], Generic[_Item]):
    """A sequence that is read from the mock at each use."""

    @abstractmethod
    def _read(self) -> list[_Item]: ...

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[_Item]:
        return iter(self._read())

    @overload
    def __getitem__(self, index: int) -> _Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[_Item]: ...
    def __getitem__(self, index: int | slice) -> _Item | list[_Item]:
        return self._read()[index]

    def __repr__(self) -> str:
        return repr(self._read())


class Webhooks(_Live[Delivery]):
    """The deliveries so far, the newest last."""

    def wait(self, count: int = 1, timeout: float = 10.0) -> list[Delivery]:
        """Return the deliveries once there are so many; raise TimeoutError after `timeout` seconds.

        It waits in real time: one that is due later on a paused clock needs `clock.advance()`.
        """
        wait_until(lambda: len(self) >= count, timeout, lambda: f"{len(self)} of {count} webhooks")
        return self._read()

    def resend(self, request_id: str, url: str | None = None) -> Delivery:
        """Deliver a finished job's webhook again, to its own URL or another.

        Raise an error that says why if the job has none, hasn't ended or the URL isn't allowed.
        """
        service = self._service
        return self._server.call(lambda: service.webhooks.resend(request_id, url))

    def _read(self) -> list[Delivery]:
        return self._server.inside(self._service.store.deliveries.select)


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A rule of the mock: its id, its text, and how often it matched and was applied."""

    id: str
    text: str
    matched: int
    applied: int


class Faults(_Live[FaultRule]):
    """The rules that make things go wrong, in the order in which they are tried."""

    def add(self, rule: str | Mapping[str, JSON]) -> FaultRule:
        """Add a rule behind the others: `image_load_error times=2`, or a table of the same.

        Raise a ValueError that names what can't work, and the fix.
        """
        # Read here: it may name files of outputs, anywhere on this machine.
        read = Rule.read(rule, None)
        return self._server.inside(lambda: _rule(self._service.rules.add(read)))

    def remove(self, id: str) -> None:
        """Remove a rule; raise KeyError if there is no such rule."""
        if not self._server.inside(lambda: self._service.rules.remove(id)):
            known = ", ".join(rule.id for rule in self._read()) or "none"
            raise KeyError(f"{id!r} isn't a rule's id; those there are: {known}")

    def clear(self) -> None:
        """Remove all rules, those of the mock's settings too."""
        self._server.inside(self._service.rules.clear)

    def _read(self) -> list[FaultRule]:
        return self._server.inside(lambda: [_rule(state) for state in self._service.rules.all()])


def _rule(state: RuleState) -> FaultRule:
    return FaultRule(state.id, state.rule.text(), state.matched, state.applied)


class Clock(_View):
    """The mock's time. Moving it does all that is due on the way, retries of webhooks included.

    Each method returns when that is done. What runs on an event loop of its own moves the clock
    by `await asyncio.to_thread(mock.clock.advance, "2h")`, so that its receivers can answer.
    """

    @property
    def running(self) -> bool:
        """Whether time passes by itself."""
        return self._clock().running

    def now(self) -> float:
        """Return the moment, unix seconds."""
        return self._server.inside(self._service.clock.now)

    def advance(self, time: float | str) -> int:
        """Go on by seconds, or by text such as `2h` or `1h30m`.

        Return how many due events were met on the way. Raise ValueError for what isn't a length
        of time.
        """
        seconds, clock = checked_seconds(time), self._clock()
        return self._server.call(lambda: clock.move_by(seconds), None)

    def set(self, moment: float | str | datetime) -> int:
        """Go to a later moment: unix seconds, ISO 8601 or a datetime, as advance() does."""
        to, clock = parse_moment("moment", moment), self._clock()
        return self._server.call(lambda: clock.move_to(to), None)

    def pause(self) -> None:
        """Let time pass by itself no longer."""
        self._server.inside(self._clock().pause)

    def run(self) -> None:
        """Let time pass by itself from here on."""
        self._server.inside(self._clock().run)

    def _clock(self) -> SimulatedClock:
        clock = self._service.clock
        if not isinstance(clock, SimulatedClock):
            raise TypeError("the clock of this mock is the program's own; move that")
        return clock


def checked_seconds(time: float | str) -> float:
    """Return how many seconds a length of time is; raise ValueError for what isn't one."""
    seconds = parse_duration(time) if isinstance(time, str) else float(time)
    if 0 <= seconds < math.inf:
        return seconds
    fix = "give 0 or more seconds, or a length such as 2h"
    raise ValueError(f"time: {time!r} can't pass; {fix}")


def wait_until(condition: Callable[[], object], timeout: float, seen: Callable[[], str]) -> None:
    """Return once a condition holds; raise TimeoutError, which says what was `seen` instead."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= end:
            raise TimeoutError(f"{seen()} after {timeout:g} s")
        time.sleep(_BETWEEN_LOOKS)
