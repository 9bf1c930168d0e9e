"""The simulated service: accepts requests, keeps jobs, answers how they stand."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from random import Random
from typing import TYPE_CHECKING, Literal, TypeAlias

from falkit_mock.core import errors
from falkit_mock.core.clock import Clock
from falkit_mock.core.events import Events
from falkit_mock.core.fal_errors import NOT_BILLED, platform_error
from falkit_mock.core.identity import Identity, Tokens
from falkit_mock.core.jobs import (
    Entry,
    Job,
    ModelRequest,
    Moments,
    Outcome,
    ParsedRequest,
    Status,
    moments,
)
from falkit_mock.core.settings import Seconds
from falkit_mock.faults.resolve import USUAL, resolve
from falkit_mock.faults.rulebook import Rulebook
from falkit_mock.faults.rules import NO_MAGIC, Magic
from falkit_mock.outputs import kind_of_output
from falkit_mock.service import Hooks, Resettable
from falkit_mock.service.files import Media
from falkit_mock.service.guesses import guess
from falkit_mock.service.outcomes import Outcomes, read_request
from falkit_mock.service.queueing import Planner, duration
from falkit_mock.service.status import JobEvents, Retention, next_line, window
from falkit_mock.service.uploads import Uploads
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_mock.store.sharing import turn
from falkit_mock.webhooks.delivery import Deliveries
from falkit_spec import JSON, Endpoint

if TYPE_CHECKING:
    from falkit_mock.service.pins import Pins

Cancellation: TypeAlias = Literal["CANCELLATION_REQUESTED", "OK", "ALREADY_COMPLETED"]


class Service:
    """Jobs on simulated time, used from one event loop. Nothing in it ticks."""

    def __init__(self, settings: Settings, clock: Clock, store: Store) -> None:
        self.settings = settings
        self.clock = clock
        self.store = store
        self.identity = Identity(settings.seed)
        # A store that was kept has jobs with the first ids already.
        self.identity.deal(store.step, store.number)
        self.identity.skip(store.last_seq)
        self.tokens = Tokens(self.identity.secret("tokens"), clock)
        self.uploads = Uploads(store.uploads, clock, self.identity)
        # The files of this machine that outputs have which rules pin.
        self._given: set[str] = set()
        self.media = Media(store, self.uploads, clock, self._given)
        # What happens here, for whoever listens; the id of the test that runs, if somebody said.
        self.events, self.test = Events(), ""
        self.closing = False
        self.outcomes = Outcomes(settings, store, self.media, self.identity)
        self._planner = Planner(settings, clock, store)
        self.retention = Retention(settings, clock, store)
        self.webhooks = Deliveries(
            settings, clock, store, self.identity, self.events, self.outcome, self.retention.closes
        )
        self.job_events = JobEvents(clock, store, self.events, self.outcome)
        self.rules = Rulebook(self.identity, (*settings.faults, *settings.outputs))
        self._planner.moved = self._moved
        self._instant = settings.timing == Seconds(0.0, 0.0)
        self.uploads.turn = partial(turn, store)
        # What is still to be done for callers that have gone.
        self._leaving: set[asyncio.Task[None]] = set()
        # What is kept beside jobs and files, by name: emptied, exported and imported with them.
        self.parts: dict[str, Resettable] = {"webhooks": self.webhooks, "rules": self.rules}
        # What forgets all at a reset, and is neither exported nor imported.
        self.restarted = [self.job_events.restart, self._planner.restart]
        self.hooks = Hooks()
        # What ends with the mock, such as a stream of its events.
        self.closed: list[Callable[[], None]] = []

    @cached_property
    def pins(self) -> Pins:
        """What rules have models answer, and the files of this machine that it has."""
        # Lazy: most mocks pin nothing.
        from falkit_mock.service.pins import Pins

        return Pins(self._given)

    def close(self) -> None:
        """Let go of everyone who waits, so that streams and held calls end."""
        self.closing = True
        self.outcomes.close()
        self.webhooks.reset()
        self.job_events.close()
        self.clock.notifier.ring()
        for close in self.closed:
            close()

    def follow(self, moments: Mapping[str, Moments]) -> None:
        """Go by jobs that another replica has taken or moved, by id."""
        self.identity.skip(self.store.last_seq)
        self._planner.restart()
        self._moved(moments)

    def needs_turn(self, magic: Magic) -> bool:
        """Tell whether a call does more to a shared state than add: it moves, counts or forgets."""
        return self.store.sharing is not None and (
            not self._instant
            or magic is not NO_MAGIC
            or not self.rules.idle
            or self.retention.due(self.clock.now())
        )

    def submit(self, request: ModelRequest, magic: Magic = NO_MAGIC) -> Job:
        """Accept a request into its queue; bad input is accepted too (wire.md §3.6).

        `magic` is what the request itself names. Raise WireError 429 for too long a queue.
        """
        most = request.options.max_queue_length
        if most is not None:
            length = self.store.queues.length(request.path, self.clock.now())
            if length > most:
                raise errors.queue_too_long(request.path, length, most)
        job = self._take(request, magic, "queue")
        if job.options.webhook is not None:
            self.webhooks.expect(job)
        return job

    async def before_reply(self, job: Job) -> None:
        """Do what a fault wants done before the reply to a submit: deliver its webhook."""
        if self.webhooks.wants_first(job):
            await self.outcome(job)
            async with turn(self.store):
                job = self.store.get(job.id) or job
                if job.status(self.clock.now()) != "COMPLETED":
                    self.settle(job)
            await self.webhooks.before_reply(job)

    def start(self, request: ModelRequest, magic: Magic = NO_MAGIC) -> Job:
        """Take a direct call; what the model refuses has ended (wire.md §4).

        Raise WireError 429 if the key has no place left.
        """
        limit = self.settings.concurrency
        if limit and self._planner.in_progress(request.options.key) >= limit:
            raise errors.too_many_at_once(request.options.key, limit)
        job = self._take(request, magic, "run")
        self._refuse_at_once(job)
        return job

    async def finish(self, job: Job) -> Job:
        """Wait for the end of a direct call and return the finished job.

        Raise ShuttingDown if the mock is stopped before.
        """
        try:
            await self.outcome(job)
            async with turn(self.store):
                job = self.store.get(job.id) or job
                self._refuse_at_once(job)
            while self.clock.now() < job.ends:
                if self.closing:
                    raise errors.ShuttingDown(job.id)
                await self.clock.wait(job.ends, self.clock.notifier.waiter())
                job = self.store.get(job.id) or job
        except asyncio.CancelledError:
            self.leave(job)
            raise
        return job

    def leave(self, job: Job) -> None:
        """End a direct call whose caller has hung up: nobody can ask for it again."""
        if self.store.sharing is not None:
            # Nobody waits for it, and whoever calls this may not.
            task = asyncio.get_running_loop().create_task(self._leave_in_turn(job.id))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        elif self.clock.now() < job.ends:
            self._end(job, platform_error("client_disconnected"))

    async def _leave_in_turn(self, request_id: str) -> None:
        async with turn(self.store):
            job = self.store.get(request_id)
            if job is not None and self.clock.now() < job.ends:
                self._end(job, platform_error("client_disconnected"))

    def _refuse_at_once(self, job: Job) -> None:
        """End a direct call that the model refuses; a fault takes its time."""
        if job.outcome is not None and not job.outcome.ok and job.faults.outcome is None:
            self._end(job)

    def withdraw(self, request_id: str) -> None:
        """Forget a job that was taken and could not be kept, if there is one; its webhook, too."""
        job = self.store.get(request_id)
        if job is not None:
            self.webhooks.forget(request_id)
            self._end(job, platform_error("internal_error"))
            self.store.drop({request_id})

    def find(self, app: str, request_id: str, now: float) -> Job:
        """Return the queued job of an app; raise WireError 404 if it has none such."""
        job = self.store.get(request_id)
        if job is None:
            raise errors.maybe_elsewhere(self.unknown(errors.NO_JOB))
        if job.app != app:
            raise self.unknown(f"the request with this id is one of {job.app}, not of {app}")
        if job.entry != "queue":
            raise self.unknown("this was a call of fal.run, whose answer came with its reply")
        if now >= job.ends and now >= self.retention.closes(job):
            raise self.unknown(self.retention.format_expired(job))
        return job

    def unknown(self, hint: str | None = None) -> errors.WireError:
        return errors.request_not_found(self.settings.assumptions.unknown_request, hint)

    async def outcome(self, job: Job) -> Outcome:
        """Return what a job answers, waiting for its files to be looked at if need be."""
        if job.ends < job.starts and self.clock.now() >= job.ends:
            return platform_error("request_timeout")
        return job.outcome or await self.outcomes.outcome(job)

    def logs(self, job: Job, now: float, endpoint: Endpoint | None) -> list[JSON]:
        """Return the log lines that a status shows at a moment (wire.md §3.2)."""
        then = now - job.faults.log_delay
        makes = kind_of_output(endpoint or guess(job.path, None))
        return window(job, then, self._script(job), self.settings.log_window, makes)

    def place(self, job: Job, now: float) -> int:
        """Return how many jobs are ahead in the queue (wire.md §3.1), or as a fault has it."""
        if now >= job.starts or now >= job.ends:
            return 0
        asked = job.faults.position
        return self.store.queues.ahead(job, now) if asked is None else asked

    def looked_at(self, job: Job) -> None:
        """Note that a client asked after a job: what moves it in the `polls` timing."""
        now = self.clock.now()
        if job.progression == "polls" and now < job.ends:
            job.step(now)
            self._store(job)

    def next_change(self, job: Job, *, with_logs: bool) -> float:
        """Return when a job's status may next read differently, unix seconds."""
        now = self.clock.now()
        moments = [job.starts, job.ends, self.store.queues.next_start(job.path, now)]
        if with_logs:
            late = job.faults.log_delay
            moments.append(next_line(job, now - late, self._script(job)) + late)
        return min((moment for moment in moments if moment > now), default=math.inf)

    def cancel(self, job: Job) -> Cancellation:
        """Cancel a job: 499 is its result from now on, and its runner is free (wire.md §3.5)."""
        now = self.clock.now()
        status = job.status(now)
        if status == "COMPLETED":
            return "ALREADY_COMPLETED"
        assumed = self.settings.assumptions
        if status == "IN_PROGRESS" and assumed.cancel_in_progress == "ignored":
            return "CANCELLATION_REQUESTED"
        job.cancelled = True
        if status == "IN_QUEUE":
            job.run = 0.0
        self._end(job, platform_error("client_cancelled"))
        queued_ok = status == "IN_QUEUE" and assumed.cancel_in_queue == "ok"
        return "OK" if queued_ok else "CANCELLATION_REQUESTED"

    def release(self, request_id: str, to: Status) -> Job:
        """Move a held job on, to IN_PROGRESS or to its end; raise WireError 404."""
        job = self.store.get(request_id)
        if job is None:
            raise errors.request_not_found()
        now = self.clock.now()
        if job.status(now) == "IN_QUEUE":
            job.step(now)
        if to == "COMPLETED":
            job.step(now)
        self._store(job)
        return job

    def go_on(self, job: Job) -> Job:
        """Let the clock drive a held job again, as it drives the others; its run begins again.

        One that waits keeps its place in line, and the moment before which it can't start.
        """
        now = self.clock.now()
        waits = job.status(now) == "IN_QUEUE"
        job.progression = "clock"
        if waits:
            job.ready = job.ready if now < job.ready < math.inf else now
        else:
            job.ends = now + job.run
        self._store(job)
        return self.store.get(job.id) or job

    def hold(self, job: Job) -> None:
        """Let an unfinished job stand where it is until it is released; its runner is free."""
        waits, planned = job.status(self.clock.now()) == "IN_QUEUE", job.progression == "clock"
        job.progression, job.ends = "held", math.inf
        if waits:
            job.starts, job.ends = math.inf, job.start_by
        self._store(job)
        if planned:
            self._planner.replan(job)

    def settle(self, job: Job, outcome: Outcome | None = None) -> None:
        """End an unfinished job now, with its own outcome or with another."""
        if job.status(self.clock.now()) == "IN_QUEUE":
            job.run = 0.0
        if outcome is not None and not outcome.ok:
            if job.status(self.clock.now()) == "IN_QUEUE":
                # No runner has worked on it.
                outcome = replace(outcome, headers={**outcome.headers, **NOT_BILLED})
            # It failed on its way, and was not refused at its beginning.
            job.faults = replace(job.faults, outcome="chosen by hand", rule=None)
        self._end(job, outcome)

    def _take(self, request: ModelRequest, magic: Magic, entry: Entry) -> Job:
        now = self.clock.now()
        request_id = self.identity.request_id()
        parsed = request.checked or read_request(request, self.settings)
        resolution, progression, stuck = USUAL, self.settings.timing.progression, 0.0
        if magic is not NO_MAGIC or not self.rules.idle:
            assumed = self.settings.assumptions
            resolution = resolve(self.rules, request, magic, parsed, entry, assumed, request_id)
            parsed = resolution.applied(parsed)
            progression = resolution.progression(progression)
            stuck = resolution.faults.stuck
            if resolution.pin is not None and isinstance(parsed, ParsedRequest):
                request, parsed = self.pins.applied(request, parsed, resolution)
        queue, run = duration(self.settings.timing, self.identity, request_id, parsed, entry)
        # The same numbers where they are equal: each job keeps them.
        ready = now + queue + stuck if queue or stuck else now
        job = Job(
            request_id,
            self.store.next_seq(),
            request.path,
            request.app,
            entry,
            progression,
            now,
            ready,
            ready + run if run else ready,
            run,
            ready,
            None,
            False,
            request.options,
            resolution.attempts,
            resolution.faults,
        )
        if run or ready > now:
            # What waits for nothing and takes no time needs no place.
            if progression == "clock" and entry == "queue":
                self._planner.enter(job)
            else:
                job.starts, job.ends = moments(ready, run, job.start_by)
        job.outcome = resolution.outcome or self.outcomes.decide(job.id, parsed, request, run)
        if self.retention.due(now):
            self.retention.purge(now)
        self.store.add(job, request.body)
        self.job_events.accepted(job)
        if entry == "run" and run:
            # It takes a place that one of those who wait might have had.
            self._planner.replan(job)
        return job

    def _script(self, job: Job) -> Random:
        return self.identity.random(job.id, "logs")

    def _end(self, job: Job, outcome: Outcome | None = None) -> None:
        now = self.clock.now()
        job.starts, job.ends = min(job.starts, now), min(job.ends, now)
        if outcome is not None:
            job.outcome = outcome
            self.store.decide(job.id, outcome)
        self._store(job)

    def _moved(self, moments: Mapping[str, Moments]) -> None:
        self.outcomes.elsewhere.ring()
        self.webhooks.moved(moments)
        self.job_events.moved(moments)

    def _store(self, job: Job) -> None:
        """Store a job that has moved, tell of it, and plan again those who wait."""
        self.store.update(job)
        self._moved({job.id: (job.starts, job.ends)})
        self.clock.notifier.ring()
        if job.progression == "clock":
            self._planner.replan(job)
