"""Webhooks from a job's end to the receiver's acknowledgement."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Protocol

from falkit_mock.core.clock import Clock
from falkit_mock.core.errors import ShuttingDown
from falkit_mock.core.events import Cause, Delivery
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import Job, Outcome
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_mock.webhooks import SCHEDULES, NotDelivered, TargetRefused
from falkit_mock.webhooks.attempt import Attempt, Attempts, DeliveryLog, Driver, Pending
from falkit_mock.webhooks.sender import Hold, Sender
from falkit_mock.webhooks.signing import KeyRing, body_of, user_id
from falkit_mock.webhooks.targets import Targets
from falkit_spec import JSON

# Real seconds for which the reply to a submit waits on a webhook that is to come before it.
_REPLY_WAITS = 5.0


class WebhookService(Protocol):
    """What webhooks need of the platform."""

    settings: Settings
    clock: Clock
    store: Store
    identity: Identity

    async def outcome(self, job: Job) -> Outcome: ...


class Webhooks:
    """Delivers jobs' webhooks, used from the platform's event loop."""

    def __init__(self, service: WebhookService, closes: Callable[[Job], float]) -> None:
        settings, clock, store = service.settings, service.clock, service.store
        self.schedule = SCHEDULES[settings.webhook_schedule]
        self.targets = Targets(settings.webhook_allow)
        self.keys = KeyRing(store.deliveries, clock)
        self.log = DeliveryLog(store.deliveries, service.identity, clock)
        self._assumptions = settings.assumptions
        self._clock = clock
        self._store = store
        self._identity = service.identity
        self._outcome = service.outcome
        # Until when a job's result can be had.
        self._closes = closes
        self._driver = Driver(clock)
        self._attempts = Attempts(clock, self.keys, self._driver, settings.webhook_timestamps)
        self._pending: dict[str, Pending] = {}
        # Those whose end came but which another has to overtake first.
        self._held_back: dict[str, Pending] = {}
        self._tasks: set[asyncio.Task[None] | asyncio.Task[Attempt]] = set()

    def use(self, sender: Sender) -> None:
        """Send in another way than over HTTP; for tests."""
        self._attempts.sender = sender

    def sign_by(self, now: Callable[[], float]) -> None:
        """Take what signatures are dated with, in unix seconds, from here; for tests."""
        self._attempts.signed_at = now

    def close(self) -> None:
        """Drop every webhook that is still to be delivered, and break off what is under way."""
        self._driver.close()
        self.keys.forget()
        for task in self._tasks:
            task.cancel()
        self._pending.clear()
        self._held_back.clear()
        self.log.notifier.ring()

    def reset(self) -> None:
        self.close()

    def dump(self) -> JSON:
        # All of it is in the store's tables.
        return None

    def check(self, value: JSON) -> None:
        if value is not None:
            raise ValueError(f"webhooks: {value!r} must be null")

    def load(self, value: JSON) -> None:
        self.close()
        self.resume()

    @property
    def under_way(self) -> int:
        """How many attempts there are at this moment."""
        return len(self._tasks)

    def pending(self) -> list[Pending]:
        """Return the webhooks that are still to be delivered, the next ones first."""
        return sorted(self._pending.values(), key=lambda pending: pending.next)

    def hint(self, job: Job) -> str | None:
        """Say why the webhook that a job asked for won't be sent; None if it will."""
        url = job.options.webhook
        if url is None or job.id in self._pending:
            return None
        try:
            self.targets.find(url)
        except TargetRefused as refused:
            return f"fal_webhook: {refused.why}"
        return None

    def expect(self, job: Job) -> None:
        """Deliver a new job's webhook at its end, if it asked for one in the queue."""
        url = job.options.webhook
        if url is None or job.entry != "queue":
            return
        try:
            target = self.targets.find(url)
        except TargetRefused as refused:
            self.log.refused(job.id, url, "job", refused.why)
            return
        self._pending[job.id] = Pending(job.id, target, user_id(job.options.key))
        self.moved({job.id: (job.starts, job.ends)})

    def moved(self, moments: Mapping[str, tuple[float, float]]) -> None:
        """Note when jobs start and end now, by request id; of others than its own nothing."""
        for request_id, (_, ends) in moments.items():
            pending = self._pending.get(request_id)
            if pending is not None and not pending.ended:
                pending.next = ends
                self._driver.at(request_id, ends, partial(self._ended, pending))

    def wants_first(self, job: Job) -> bool:
        """Tell whether a fault wants a job's webhook before the reply to its submit."""
        return job.id in self._pending and "before_reply" in job.faults.webhook

    async def before_reply(self, job: Job) -> None:
        """Deliver an ended job's webhook now, and return once the receiver has answered."""
        pending = self._pending.get(job.id)
        if pending is None:
            return
        if pending.task is None:
            self._driver.drop(job.id)
            pending.ended = True
            pending.faults = job.faults
            self._attempt(pending)
        assert pending.task is not None
        await asyncio.wait({pending.task}, timeout=_REPLY_WAITS)

    def body(self, outcome: Outcome, request_id: str, attempts: int = 1) -> bytes:
        """Write the body of an outcome's webhook, whose job was tried so often."""
        gateway_id = self._identity.gateway_request_id(request_id, attempts)
        return body_of(outcome, request_id, gateway_id)

    async def resend(self, request_id: str, url: str | None = None) -> Delivery:
        """Deliver an ended job's webhook once more, to its own URL or another.

        Raise NotDelivered for a job that is unknown, hasn't ended or has no webhook, and
        TargetRefused for a URL that isn't allowed.
        """
        job = self._store.get(request_id)
        if job is None:
            raise NotDelivered(f"{request_id}: no job has this id")
        if job.status(self._clock.now()) != "COMPLETED":
            raise NotDelivered(f"{request_id}: the job has not ended yet")
        to = url or job.options.webhook
        if to is None:
            mend = "give a URL (--to URL of falkit resend)"
            raise NotDelivered(f"{request_id}: it was submitted without fal_webhook; {mend}")
        outcome = await self._outcome(job)
        body = self.body(outcome, job.id, job.attempts)
        return await self.send(request_id, to, body, user_id(job.options.key), "resend")

    async def send(
        self, request_id: str, url: str, body: bytes, user: str, cause: Cause
    ) -> Delivery:
        """Deliver a body once, now; raise TargetRefused. An acknowledgement ends the retries."""
        try:
            target = self.targets.find(url)
        except TargetRefused as refused:
            self.log.refused(request_id, url, cause, refused.why)
            raise
        before = len(self._store.deliveries.select(request_id=request_id))
        once = Pending(request_id, target, user, cause, body=body, number=before + 1)
        with self._attempts.hold(once) as hold:
            tried = await self._for_now(
                self._attempts.make(once, once.number, self.schedule.timeout_of(1), hold)
            )
        delivery = self._judged(once, tried, once_only=True)
        waiting = self._pending.get(request_id)
        again = waiting is not None and waiting.number > 0 and waiting.target.url == url
        if delivery.verdict == "acknowledged" and waiting is not None and again:
            self._done(waiting)
        return delivery

    async def _for_now(self, attempt: Coroutine[None, None, Attempt]) -> Attempt:
        """Wait for an attempt that ends with the other ones, should the mock be emptied."""
        task = asyncio.get_running_loop().create_task(attempt)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            why = "the mock was emptied or stopped before the receiver had answered"
            raise NotDelivered(why) from None

    def resume(self) -> None:
        """Take up again what the store says is undelivered, as after an import."""
        for job in self._store.jobs():
            if job.options.webhook is None or job.entry != "queue" or job.id in self._pending:
                continue
            last = self._store.deliveries.last(job.id)
            if last is None:
                self.expect(job)
            elif last.next is not None:
                self._take_up(job, last)

    def _take_up(self, job: Job, last: Delivery) -> None:
        first = self._store.deliveries.select(request_id=job.id)[0]
        try:
            target = self.targets.find(last.url)
        except TargetRefused as refused:
            # Another mock allowed it.
            self.log.refused(job.id, last.url, "job", refused.why)
            return
        pending = Pending(
            job.id,
            target,
            user_id(job.options.key),
            faults=job.faults,
            body=last.body,
            number=last.number,
            first=first.sent,
            gone=self._closes(job),
            ended=True,
        )
        self._pending[job.id] = pending
        assert last.next is not None
        self._again(pending, last.next)

    def _ended(self, pending: Pending) -> None:
        """Begin with what was to come at a job's end, or wait on if that has moved."""
        now = self._clock.now()
        job = self._store.get(pending.request_id)
        if job is None:
            self._done(pending)
        elif job.status(now) != "COMPLETED":
            self.moved({job.id: (job.starts, job.ends)})
        elif job.cancelled and self._assumptions.cancelled_webhook == "none":
            self._done(pending)
        else:
            pending.ended = True
            pending.faults = job.faults
            moment = job.ends + pending.faults.webhook_number("late", "seconds")
            if moment > now:
                pending.next = moment
                self._driver.at(job.id, moment, partial(self._in_turn, pending))
            else:
                self._in_turn(pending)

    def _in_turn(self, pending: Pending) -> None:
        """Begin, unless another webhook has to go before."""
        if "out_of_order" not in pending.faults.webhook or self._held_back:
            self._attempt(pending)
            return
        self._held_back[pending.request_id] = pending
        pending.next = self._clock.now() + pending.faults.webhook_number("out_of_order", "seconds")
        self._driver.at(pending.request_id, pending.next, partial(self._attempt, pending))

    def _attempt(self, pending: Pending) -> None:
        now = self._clock.now()
        pending.next = math.inf
        self._held_back.pop(pending.request_id, None)
        pending.number += 1
        self._begin(pending, once_only=False)
        if pending.number > 1:
            return
        pending.first = now
        for turn in range(1, int(pending.faults.webhook_number("duplicate", "copies"))):
            moment = now + turn * pending.faults.webhook_number("duplicate", "seconds")
            copy = partial(self._begin, pending, once_only=True)
            self._driver.at((pending.request_id, turn), moment, copy)

    def _begin(self, pending: Pending, *, once_only: bool) -> None:
        hold = self._attempts.hold(pending)
        make = self._make(pending, hold, once_only=once_only)
        task = asyncio.get_running_loop().create_task(make)
        task.add_done_callback(lambda _: hold.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not once_only:
            pending.task = task

    async def _make(self, pending: Pending, hold: Hold, *, once_only: bool) -> None:
        number = pending.number
        if not pending.body and not await self._prepare(pending):
            return
        timeout = self.schedule.timeout_of(number)
        tried = await self._attempts.make(pending, number, timeout, hold)
        # Meanwhile somebody may have had it sent by hand, and it was taken.
        last = once_only or self._pending.get(pending.request_id) is not pending
        delivery = self._judged(pending, tried, once_only=last)
        if once_only:
            return
        if delivery.next is not None:
            self._again(pending, delivery.next)
        elif not last:
            self._done(pending)
        for held in list(self._held_back.values()):
            self._again(held, self._clock.now())

    async def _prepare(self, pending: Pending) -> bool:
        """Write the body; tell whether there is one."""
        job = self._store.get(pending.request_id)
        if job is None:
            self._done(pending)
            return False
        try:
            outcome = await self._outcome(job)
        except ShuttingDown:
            return False
        pending.gone = self._closes(job)
        pending.body = self.body(outcome, job.id, job.attempts)
        return True

    def _again(self, pending: Pending, moment: float) -> None:
        pending.next = moment
        self._driver.at(pending.request_id, moment, partial(self._attempt, pending))

    def _done(self, pending: Pending) -> None:
        self._pending.pop(pending.request_id, None)
        self._driver.drop(pending.request_id)

    def _judged(self, pending: Pending, tried: Attempt, *, once_only: bool) -> Delivery:
        """Decide what an attempt means and log it."""
        answer = tried.answer
        code = None if answer is None or tried.error is not None else answer.status_code
        verdict, after = self.schedule.verdict(code), None
        if verdict == "retry" and not once_only:
            over = self._clock.now()
            if answer is not None and code is None:
                over = tried.sent + self.schedule.timeout_of(tried.number)
            after = self.schedule.next(
                tried.number, first=pending.first, now=over, gone=pending.gone
            )
        if verdict == "retry" and after is None:
            verdict = "failed"
        return self.log.tried(pending, tried, verdict, after)
