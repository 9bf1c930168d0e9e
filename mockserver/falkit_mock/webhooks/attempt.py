"""One attempt at a delivery, its record, and the heap of those that are due."""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import count

from falkit_mock.core.clock import Clock, Notifier
from falkit_mock.core.events import Cause, Delivery, Verdict
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import NO_FAULTS, JobFaults
from falkit_mock.settings import Timestamps
from falkit_mock.store import DeliveryStore
from falkit_mock.webhooks import SendFailed
from falkit_mock.webhooks.sender import Answer, Hold, Holds, HttpSender, Sender, Slots
from falkit_mock.webhooks.signing import UNPUBLISHED, KeyRing, signed
from falkit_mock.webhooks.targets import Target

Act = Callable[[], None]


class Agenda:
    """Acts by key, each at a moment in unix seconds. All it costs is paid per change."""

    def __init__(self) -> None:
        self._acts: dict[Hashable, tuple[int, Act]] = {}
        # What was put off or dropped stays in the heap until it comes up, and is passed over.
        self._heap: list[tuple[float, int, Hashable]] = []
        self._turns = count()

    def put(self, key: Hashable, moment: float, act: Act) -> None:
        """Do something at a moment, in place of what the key stood for before."""
        turn = next(self._turns)
        self._acts[key] = (turn, act)
        if math.isfinite(moment):
            heapq.heappush(self._heap, (moment, turn, key))

    def drop(self, key: Hashable) -> None:
        self._acts.pop(key, None)

    def next(self) -> float:
        """Return when the next thing is to be done; infinite if nothing is."""
        while self._heap and not self._counts(*self._heap[0][1:]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> Iterator[Act]:
        """Take off and yield what is to be done by now, in order."""
        while self.next() <= now:
            _, _, key = heapq.heappop(self._heap)
            yield self._acts.pop(key)[1]

    def clear(self) -> None:
        self._acts.clear()
        self._heap.clear()

    def _counts(self, turn: int, key: Hashable) -> bool:
        return self._acts.get(key, (-1,))[0] == turn


_log = logging.getLogger("falkit_mock")


class Driver:
    """Has acts done at their moments. Starts with the first of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._agenda = Agenda()
        self._task: asyncio.Task[None] | None = None
        # The moment for which it waits; while it works it looks again in any case.
        self._awaits = -math.inf

    def at(self, key: Hashable, moment: float, act: Act) -> None:
        """Do something at a moment (unix seconds), in place of the key's act before."""
        self._agenda.put(key, moment, act)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drive())
        elif moment < self._awaits:
            # The clock has to know, or a jump would go past it. Once is enough.
            self._awaits = -math.inf
            self._clock.notifier.ring()

    def drop(self, key: Hashable) -> None:
        self._agenda.drop(key)

    def close(self) -> None:
        """Do nothing more, until something is to be done again."""
        self._agenda.clear()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _drive(self) -> None:
        while True:
            waiter = self._clock.notifier.waiter()
            for act in self._agenda.due(self._clock.now()):
                try:
                    act()
                except Exception:
                    # One delivery's trouble must not end all the others.
                    _log.exception("a webhook could not be sent")
            self._awaits = self._agenda.next()
            await self._clock.wait(self._awaits, waiter)
            self._awaits = -math.inf


class DeliveryLog:
    """Writes to the store, and tells whoever listens."""

    def __init__(self, store: DeliveryStore, identity: Identity, clock: Clock) -> None:
        # Called with each delivery as it is logged.
        self.heard: Callable[[Delivery], None] | None = None
        # Rings with each of them.
        self.notifier = Notifier()
        self._store = store
        self._identity = identity
        self._clock = clock

    def tried(
        self, pending: Pending, tried: Attempt, verdict: Verdict, after: float | None
    ) -> Delivery:
        """Log an attempt that is over; `after` is when the next one is made."""
        answer = tried.answer
        return self._add(
            Delivery(
                id=self._identity.delivery_id(),
                request_id=pending.request_id,
                url=pending.target.url,
                cause=pending.cause,
                number=tried.number,
                sent=tried.sent,
                seconds=tried.seconds,
                headers=tried.headers,
                body=tried.body,
                status_code=None if answer is None else answer.status_code,
                response_headers={} if answer is None else answer.headers,
                response_body=b"" if answer is None else answer.body,
                error=tried.error,
                verdict=verdict,
                next=after,
                faults=(*pending.faults.delivery(), *tried.faults),
            )
        )

    def refused(self, request_id: str, url: str, cause: Cause, why: str) -> Delivery:
        """Log that nothing is sent to a URL."""
        return self._add(
            Delivery(
                id=self._identity.delivery_id(),
                request_id=request_id,
                url=url,
                cause=cause,
                number=0,
                sent=self._clock.now(),
                seconds=0.0,
                headers={},
                body=b"",
                status_code=None,
                response_headers={},
                response_body=b"",
                error=why,
                verdict="refused",
                next=None,
            )
        )

    def _add(self, delivery: Delivery) -> Delivery:
        self._store.add(delivery)
        self.notifier.ring()
        if self.heard is not None:
            self.heard(delivery)
        return delivery


@dataclass(slots=True)
class Pending:
    """How far one webhook has come. Moments are unix seconds, infinite while unknown."""

    request_id: str
    target: Target
    user_id: str
    cause: Cause = "job"
    faults: JobFaults = NO_FAULTS
    # What is sent, the same at each attempt; nothing before the first one.
    body: bytes = b""
    # Whether the job has ended, as far as the webhook knows.
    ended: bool = False
    # Attempts that were begun.
    number: int = 0
    # When the first of them was, and when the result is gone.
    first: float = math.inf
    gone: float = math.inf
    # When the next attempt is made: at the job's end, for the first.
    next: float = math.inf
    task: asyncio.Task[None] | None = None


# What falkit calls itself is not on record of fal.
USER_AGENT = "falkit-webhooks"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What went out and what came of it; without an answer, `error` says why."""

    number: int
    sent: float
    seconds: float
    headers: dict[str, str]
    body: bytes
    answer: Answer | None
    error: str | None
    faults: tuple[str, ...]


class Attempts:
    """Makes attempts, many at once."""

    def __init__(self, clock: Clock, keys: KeyRing, driver: Driver, timestamps: Timestamps) -> None:
        self.sender: Sender = HttpSender()
        # Gives the moment, in unix seconds, for which a webhook is signed. A receiver compares it
        # with the machine's clock, as it would at fal, wherever the mock's has got to.
        self.signed_at: Callable[[], float] = clock.now if timestamps == "mock" else time.time
        self._holds = Holds(clock)
        self._clock = clock
        self._keys = keys
        self._driver = driver
        self._slots = Slots()

    def hold(self, pending: Pending) -> Hold:
        """Hold a jump of the clock back for an attempt that is about to be made."""
        return self._holds.hold(pending.target.origin)

    async def make(self, pending: Pending, number: int, timeout: float, hold: Hold) -> Attempt:
        """Send a webhook once; the receiver has `timeout` seconds of the mock's clock."""
        async with self._slots.place(pending.target.origin):
            sent = self._clock.now()
            headers, body, faults = self._signed(pending, number)
            answer, error = None, None
            limit = asyncio.timeout(None)

            def expire() -> None:
                # What follows from it still belongs to this moment.
                hold.take()
                limit.reschedule(asyncio.get_running_loop().time())

            key = object()
            self._driver.at(key, sent + timeout, expire)
            try:
                async with limit:
                    answer = await self.sender.send(pending.target, headers, body)
                self._holds.heard(pending.target.origin)
            except SendFailed as failure:
                self._holds.heard(pending.target.origin)
                error = str(failure)
            except TimeoutError:
                error = f"no answer within {timeout:g} s"
            finally:
                self._driver.drop(key)
            if answer is not None and pending.faults.corrupts("slow", number):
                faults += ("slow",)
                error = f"answered, but counted as no answer within {timeout:g} s"
        seconds = self._clock.now() - sent
        return Attempt(number, sent, seconds, headers, body, answer, error, faults)

    def _signed(
        self, pending: Pending, number: int
    ) -> tuple[dict[str, str], bytes, tuple[str, ...]]:
        """Return headers and body as they go out, and which faults are in them."""
        faults, body, found = pending.faults, pending.body, list[str]()
        moment, key = self.signed_at(), self._keys.current
        if faults.corrupts("stale", number):
            found.append("stale")
            moment -= faults.webhook_number("stale", "seconds")
        if faults.corrupts("unknown_key", number):
            found.append("unknown_key")
            key = UNPUBLISHED
        own = signed(
            body,
            request_id=pending.request_id,
            user_id=pending.user_id,
            moment=moment,
            key=key,
        )
        if faults.corrupts("tampered", number):
            found.append("tampered")
            # Still JSON, so that a receiver which doesn't verify is taken in.
            body = body[:-1] + b',"tampered":true}'
        head = {"User-Agent": USER_AGENT, "Accept": "*/*", "Content-Type": "application/json"}
        return {**head, **own}, body, tuple(found)
