"""A webhook that is still to be delivered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from falkit_mock.core.clock import Timer
from falkit_mock.core.events import Cause, Delivery, Verdict
from falkit_mock.core.jobs import NO_FAULTS, Job, JobFaults
from falkit_mock.core.settings import Assumptions
from falkit_mock.store import Store
from falkit_mock.webhooks.sender import Answer
from falkit_mock.webhooks.signing import user_id
from falkit_mock.webhooks.targets import Target


@dataclass(slots=True, eq=False)
class PendingDelivery:
    """How far the delivery of one webhook has come. Moments are unix seconds."""

    request_id: str
    target: Target
    user_id: str
    cause: Cause = "job"
    faults: JobFaults = NO_FAULTS
    # What is sent, the same at each attempt; nothing before the first one.
    body: bytes = b""
    # How many attempts were begun.
    number: int = 0
    # When the first attempt was made, and when the job's result expires; infinite while unknown.
    first: float = math.inf
    gone: float = math.inf
    # When the next attempt is made: the first at the job's end. Infinite while that is unknown,
    # and during an attempt.
    next: float = math.inf
    # What the delivery waits for; the timer sets it at that moment.
    due: asyncio.Event = field(default_factory=asyncio.Event)
    timer: Timer = field(default_factory=Timer)
    # Whether the job has ended, and whether the receiver has acknowledged an attempt by hand.
    ended: bool = False
    acknowledged: bool = False
    # Set when the first attempt is over, or there is none.
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    # What delivers it.
    task: asyncio.Task[None] | None = None

    @classmethod
    def after(
        cls, last: Delivery, job: Job, target: Target, first: float, gone: float
    ) -> PendingDelivery:
        """Return how far a delivery has come whose last attempt another mock has made."""
        return cls(
            job.id,
            target,
            user_id(job.options.key),
            faults=job.faults,
            body=last.body,
            number=last.number,
            first=first,
            gone=gone,
            ended=True,
        )

    def attempted(
        self,
        facts: tuple[str, int, float, float, Verdict, float | None],
        sent: tuple[dict[str, str], bytes],
        answered: tuple[Answer | None, str | None],
        faults: tuple[str, ...],
    ) -> Delivery:
        """Return the record of an attempt that is over.

        `facts` are id, number, when it was sent, real seconds, verdict, when it is tried again.
        """
        id, number, moment, seconds, verdict, after = facts
        answer, error = answered
        return Delivery(
            id=id,
            request_id=self.request_id,
            url=self.target.url,
            cause=self.cause,
            number=number,
            sent=moment,
            seconds=seconds,
            headers=sent[0],
            body=sent[1],
            status_code=None if answer is None else answer.status_code,
            response_headers={} if answer is None else answer.headers,
            response_body=b"" if answer is None else answer.body,
            error=error,
            status=verdict,
            next=after,
            faults=faults,
        )


def undelivered(store: Store) -> Iterator[tuple[Job, Delivery | None]]:
    """Yield the jobs whose webhooks may still be to be delivered, each with its last attempt."""
    for job in store.hooked():
        last = store.deliveries.last(job.id)
        # A database may find a key or a test of that name, too.
        if job.options.webhook and (last is None or not _taken_by_hand(store, last)):
            yield job, last


def _taken_by_hand(store: Store, last: Delivery) -> bool:
    """Tell whether the receiver has since acknowledged a delivery that somebody asked for."""
    taken = store.deliveries.select(request_id=last.request_id, verdict="acknowledged")
    by_hand = (each for each in taken if each.cause != "job" and each.url == last.url)
    return any(each.sent >= last.sent for each in by_hand)


def gets_none(request_id: str, store: Store, assumptions: Assumptions) -> bool:
    """Tell whether a job gets no webhook, being cancelled; nobody makes an attempt then."""
    job, sharing = store.get(request_id), store.sharing
    if job is None or not job.cancelled or assumptions.cancelled_webhook != "none":
        return False
    if sharing is not None:
        sharing.claims.drop(request_id, ours=sharing.looks_after(job))
    return True
