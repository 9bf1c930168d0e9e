"""The delivery of webhooks: a coroutine for each, from a job's end to the acknowledgement."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from falkit_mock.core.clock import Clock, Notifier
from falkit_mock.core.errors import ShuttingDown
from falkit_mock.core.events import Cause, Delivery, DeliveryAttempted, Events, Verdict
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import Job, Outcome
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_mock.webhooks import SCHEDULES, NotDelivered, TargetRefused
from falkit_mock.webhooks.pending import PendingDelivery, gets_none, undelivered
from falkit_mock.webhooks.sender import Receivers
from falkit_mock.webhooks.signing import KeyRing, body_of, sign_attempt, user_id
from falkit_mock.webhooks.targets import Target, Targets
from falkit_spec import JSON

# Real seconds for which the reply to a submit waits for a webhook that is to come before it.
_REPLY_WAITS = 5.0

_T = TypeVar("_T")


class Deliveries:
    """Delivers jobs' webhooks; used from the service's event loop."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        store: Store,
        identity: Identity,
        events: Events,
        outcome: Callable[[Job], Awaitable[Outcome]],
        closes: Callable[[Job], float],
    ) -> None:
        """Take from the service what a job answers, and until when its result can be had."""
        self.schedule = SCHEDULES[settings.webhook_schedule]
        self.targets = Targets(settings.webhook_allow)
        self.keys = KeyRing(store.deliveries, clock)
        # Rings with each attempt that is over.
        self.recorded = Notifier()
        self._assumptions = settings.assumptions
        self._clock = clock
        self._store = store
        self._identity = identity
        self._events = events
        self._outcome = outcome
        self._closes = closes
        self.receivers = Receivers(clock)
        # For which moment a webhook is signed, unix seconds: receivers look at the machine's clock.
        by_mock = settings.webhook_timestamps == "mock"
        self.signed_at: Callable[[], float] = clock.now if by_mock else time.time
        self._claims = None if store.sharing is None else store.sharing.claims
        self._pending: dict[str, PendingDelivery] = {}
        # The one that waits until another has overtaken it.
        self._held_back: PendingDelivery | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def reset(self) -> None:
        """Drop every webhook that is still to be delivered, and end the attempts under way."""
        self.keys.forget()
        for task in self._tasks:
            task.cancel()
        for pending in self._pending.values():
            pending.timer.cancel()
        self._pending.clear()
        self._held_back = None
        self.recorded.ring()

    def dump(self) -> JSON:
        # All of it is in the store's tables.
        return None

    def check(self, value: JSON) -> None:
        if value is not None:
            raise ValueError(f"webhooks: {value!r} must be null")

    def load(self, value: JSON) -> None:
        """Deliver what the store, now another mock's, says is undelivered."""
        self.reset()
        sharing = self._store.sharing
        for job, last in undelivered(self._store):
            if last is None:
                self.expect(job, ours=sharing is None or sharing.looks_after(job))
            elif last.next is not None:
                self._resume(job, last, last.next)

    def pending(self) -> list[PendingDelivery]:
        """Return the webhooks that are still to be delivered, the next ones first."""
        return sorted(self._pending.values(), key=lambda pending: pending.next)

    @property
    def undelivered(self) -> int:
        """How many webhooks are still to be delivered."""
        return len(self._pending)

    def forget(self, request_id: str) -> None:
        """Drop the webhook of a job that is no more."""
        if (pending := self._pending.get(request_id)) is not None:
            self._drop(pending)

    def _drop(self, pending: PendingDelivery) -> None:
        del self._pending[pending.request_id]
        pending.timer.cancel()
        if pending.task is not None:
            pending.task.cancel()

    def hint(self, job: Job) -> str | None:
        """Say why the webhook that a job asked for won't be sent; None if it will."""
        url = job.options.webhook
        if url is not None and job.id not in self._pending:
            try:
                self.targets.find(url)
            except TargetRefused as refused:
                return f"fal_webhook: {refused.why}"
        return None

    def expect(self, job: Job, *, ours: bool = True) -> None:
        """Deliver a new job's webhook at its end, if it asked; `ours` if we took the job."""
        url = job.options.webhook
        if url is None or job.entry != "queue":
            return
        with suppress(TargetRefused):
            target = self._find(job.id, url, "job") if ours else self.targets.find(url)
            if ours and self._claims is not None and job.ends <= self._clock.now():
                self._claims.reserve(job.id)
            self._add(PendingDelivery(job.id, target, user_id(job.options.key)))
            self.moved({job.id: (job.starts, job.ends)})

    def follow(self, job: Job) -> None:
        """Deliver a job's webhook, too, that another replica has taken."""
        if job.id not in self._pending and self._store.deliveries.last(job.id) is None:
            self.expect(job, ours=False)

    def heard(self, delivery: Delivery) -> None:
        """Go by an attempt that another replica has made."""
        self.recorded.ring()
        pending = self._pending.get(delivery.request_id)
        if pending is not None and delivery.cause != "job":
            self._taken(delivery, pending)
        elif pending is not None:
            last = self._store.deliveries.last(delivery.request_id)
            job = self._store.get(delivery.request_id)
            # Unless it is a copy of an earlier attempt.
            if last is not None and job is not None and not 0 < last.number < pending.number:
                self._drop(pending)
                if last.next is not None:
                    self._resume(job, last, last.next)

    def moved(self, moments: Mapping[str, tuple[float, float]]) -> None:
        """Note when jobs start and end now, by request id; pass over those without a webhook."""
        for request_id, (_, ends) in moments.items():
            pending = self._pending.get(request_id)
            if pending is not None and not pending.ended:
                self._plan(pending, ends)

    def wants_first(self, job: Job) -> bool:
        """Tell whether a fault wants a job's webhook before the reply to its submit."""
        return job.id in self._pending and "before_reply" in job.faults.webhook

    async def before_reply(self, job: Job) -> None:
        """Return once the receiver of an ended job's webhook has answered, or 5 s have passed."""
        pending = self._pending.get(job.id)
        if pending is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(pending.tried.wait(), _REPLY_WAITS)

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
            fix = "give a URL (--to URL of falkit resend)"
            raise NotDelivered(f"{request_id}: it was submitted without fal_webhook; {fix}")
        body = self.body(await self._outcome(job), job.id, job.attempts)
        return await self.send(request_id, to, body, user_id(job.options.key), "resend")

    async def send(
        self, request_id: str, url: str, body: bytes, user: str, cause: Cause
    ) -> Delivery:
        """Deliver a body once, now. An acknowledgement ends the retries of the job's webhook.

        Raise TargetRefused for a URL that isn't allowed, and NotDelivered where the mock is
        emptied or stopped meanwhile.
        """
        target = self._find(request_id, url, cause)
        number = self._store.deliveries.count(request_id=request_id) + 1
        by_hand = PendingDelivery(request_id, target, user, cause, body=body, number=number)
        attempt = self.start(self.attempt(by_hand, self.schedule.timeout_of(1), once=True))
        await asyncio.wait({attempt})
        if attempt.cancelled():
            raise NotDelivered("the mock was emptied or stopped before the receiver had answered")
        delivery = attempt.result()
        if (waiting := self._pending.get(request_id)) is not None:
            self._taken(delivery, waiting)
        return delivery

    def _taken(self, made: Delivery, waiting: PendingDelivery) -> None:
        """End the retries of a webhook that its receiver has acknowledged by hand."""
        taken = made.status == "acknowledged" and made.cause != "probe"
        if taken and waiting.number and waiting.target.url == made.url:
            waiting.acknowledged = True
            waiting.due.set()
            del self._pending[made.request_id]

    def _resume(self, job: Job, last: Delivery, moment: float) -> None:
        """Go on with a delivery whose last attempt was another mock's."""
        # The other mock may have allowed what is refused here.
        with suppress(TargetRefused):
            target = self._find(job.id, last.url, "job")
            first = self._store.deliveries.select(request_id=job.id)[0].sent
            pending = PendingDelivery.after(last, job, target, first, self._closes(job))
            self._add(pending)
            self._plan(pending, moment)

    def _add(self, pending: PendingDelivery) -> None:
        self._pending[pending.request_id] = pending
        pending.task = self.start(self._deliver(pending))

    def start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run a coroutine that ends when the mock is emptied or stopped."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _deliver(self, pending: PendingDelivery) -> None:
        """Deliver one webhook, from its job's end until it is acknowledged or given up."""
        try:
            await pending.due.wait()
            pending.ended = True
            if gets_none(pending.request_id, self._store, self._assumptions):
                return
            while not pending.acknowledged:
                if self._claims is not None:
                    with self._clock.busy():  # another replica's attempt ends this task
                        await self._claims.take(pending.request_id, pending.number + 1)
                if not pending.number and not await self._prepare(pending):
                    return
                pending.number += 1
                pending.next = math.inf
                delivery = await self.attempt(pending, self.schedule.timeout_of(pending.number))
                pending.tried.set()
                if self._held_back is not None:
                    self._held_back.due.set()
                if delivery.next is None:
                    return
                await self._wait(pending, delivery.next)
        finally:
            pending.tried.set()
            pending.timer.cancel()
            if self._pending.get(pending.request_id) is pending:
                del self._pending[pending.request_id]

    def _plan(self, pending: PendingDelivery, moment: float) -> None:
        """Make a delivery due at a moment, in place of the one planned before."""
        pending.timer.cancel()
        pending.next = moment
        pending.timer = self._clock.at(moment, pending.due.set)

    async def _wait(self, pending: PendingDelivery, moment: float) -> None:
        """Return at a moment, or when something else makes the delivery due before."""
        pending.due.clear()
        self._plan(pending, moment)
        await pending.due.wait()
        pending.timer.cancel()

    async def _prepare(self, pending: PendingDelivery) -> bool:
        """Wait until the first attempt is due and write the body; tell whether there is one."""
        if self._store.journal is not None:
            # Nobody is to hear of a job that may not be known afterwards.
            await self._store.journal.told(pending.request_id)
        job = self._store.get(pending.request_id)
        if job is None or gets_none(job.id, self._store, self._assumptions):
            return False
        pending.faults = job.faults
        if "lost" in job.faults.webhook:
            why = "nothing was sent, by the fault webhook_lost"
            self._unsent(job.id, pending.target.url, pending.cause, "lost", why, "lost")
            return False
        if job.faults.webhook and "before_reply" not in job.faults.webhook:
            await self._delay(pending, job.ends)
        with self.receivers.hold(pending.target.origin):
            pending.first = self._clock.now()
            try:
                outcome = await self._outcome(job)
            except ShuttingDown:
                return False
        pending.body = self.body(outcome, job.id, job.attempts)
        pending.gone = self._closes(job)
        for turn in range(1, int(job.faults.webhook_number("duplicate", "copies"))):
            apart = job.faults.webhook_number("duplicate", "seconds")
            self.start(self._copy(pending, pending.first + turn * apart))
        return True

    async def _delay(self, pending: PendingDelivery, ended: float) -> None:
        """Wait as long as the faults `late` and `out_of_order` make a webhook wait."""
        if "late" in pending.faults.webhook:
            await self._wait(pending, ended + pending.faults.webhook_number("late", "seconds"))
        # One that finds another held back overtakes it.
        if "out_of_order" in pending.faults.webhook and self._held_back is None:
            self._held_back = pending
            seconds = pending.faults.webhook_number("out_of_order", "seconds")
            await self._wait(pending, self._clock.now() + seconds)
            self._held_back = None

    async def _copy(self, pending: PendingDelivery, moment: float) -> None:
        """Send a webhook once more at a moment, whatever comes of the others."""
        await self._clock.sleep_until(moment)
        await self.attempt(pending, self.schedule.timeout_of(pending.number), once=True)

    async def attempt(
        self, pending: PendingDelivery, timeout: float, *, once: bool = False
    ) -> Delivery:
        """Send a webhook once, record what came of it, and decide when it is sent again.

        The receiver has `timeout` seconds of the mock's clock. With `once` it is not sent again.
        """
        number = pending.number
        async with self.receivers.place(pending.target.origin):
            sent, began = self._clock.now(), time.perf_counter()
            headers, body, faults = sign_attempt(
                pending.body,
                pending.faults,
                number,
                request_id=pending.request_id,
                user_id=pending.user_id,
                moment=self.signed_at(),
                key=self.keys.current,
            )
            answer, error = await self.receivers.post(pending.target, headers, body, timeout)
        took, counted = time.perf_counter() - began, self._clock.now()
        code = None if answer is None else answer.status_code
        if answer is not None and pending.faults.corrupts("slow", number):
            faults += ("slow",)
            error = f"answered, but counted as no answer within {timeout:g} s"
            code, counted = None, sent + timeout
        last = once or pending.acknowledged
        verdict, after = self.schedule.decide(
            number, code, first=pending.first, now=counted, gone=pending.gone, once=last
        )
        return self._record(
            pending.attempted(
                (self._identity.delivery_id(), number, sent, took, verdict, after),
                (headers, body),
                (answer, error),
                (*pending.faults.delivery(), *faults),
            ),
            claimed=not once,
            began=began,
        )

    def _find(self, request_id: str, url: str, cause: Cause) -> Target:
        """Return where a URL leads; record that nothing is sent there and raise TargetRefused."""
        try:
            return self.targets.find(url)
        except TargetRefused as refused:
            self._unsent(request_id, url, cause, "refused", refused.why)
            raise

    def _unsent(
        self, request_id: str, url: str, cause: Cause, status: Verdict, why: str, *faults: str
    ) -> None:
        """Record that a webhook isn't sent."""
        id, now = self._identity.delivery_id(), self._clock.now()
        self._record(Delivery.unsent(id, request_id, url, cause, now, status, why, faults))

    def _record(self, delivery: Delivery, *, claimed: bool = True, began: float = 0.0) -> Delivery:
        """Store an attempt that is over, and tell all who listen; nobody claims a copy."""
        self._store.deliveries.add(delivery)
        if self._claims is not None and delivery.cause == "job" and claimed:
            self._claims.end(delivery.request_id)
        self.recorded.ring()
        self._events.emit(DeliveryAttempted(delivery, began))
        return delivery
