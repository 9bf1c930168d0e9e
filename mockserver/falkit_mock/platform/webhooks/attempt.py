"""One attempt: signed for its moment, sent, and given the time that a receiver has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from falkit_mock.platform.clock import Clock
from falkit_mock.platform.webhooks.driver import Driver
from falkit_mock.platform.webhooks.errors import SendFailed
from falkit_mock.platform.webhooks.hold import Hold, Holds
from falkit_mock.platform.webhooks.keys import UNPUBLISHED, KeyRing
from falkit_mock.platform.webhooks.pending import Pending
from falkit_mock.platform.webhooks.sender import Answer, HttpSender, Sender
from falkit_mock.platform.webhooks.signing import signed
from falkit_mock.platform.webhooks.slots import Slots
from falkit_mock.settings import Timestamps

# What falkit calls itself is not on record of fal.
USER_AGENT = "falkit-webhooks"


@dataclass(frozen=True, slots=True)
class Tried:
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

    async def make(self, pending: Pending, number: int, timeout: float, hold: Hold) -> Tried:
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
            if answer is not None and pending.faults.spoils("slow", number):
                faults += ("slow",)
                error = f"answered, but counted as no answer within {timeout:g} s"
        seconds = self._clock.now() - sent
        return Tried(number, sent, seconds, headers, body, answer, error, faults)

    def _signed(
        self, pending: Pending, number: int
    ) -> tuple[dict[str, str], bytes, tuple[str, ...]]:
        """Return headers and body as they go out, and which faults are in them."""
        faults, body, found = pending.faults, pending.body, list[str]()
        moment, key = self.signed_at(), self._keys.current
        if faults.spoils("stale", number):
            found.append("stale")
            moment -= faults.number("stale", "seconds")
        if faults.spoils("unknown_key", number):
            found.append("unknown_key")
            key = UNPUBLISHED
        own = signed(
            body,
            request_id=pending.request_id,
            user_id=pending.user_id,
            moment=moment,
            key=key,
        )
        if faults.spoils("tampered", number):
            found.append("tampered")
            # Still JSON, so that a receiver which doesn't verify is taken in.
            body = body[:-1] + b',"tampered":true}'
        head = {"User-Agent": USER_AGENT, "Accept": "*/*", "Content-Type": "application/json"}
        return {**head, **own}, body, tuple(found)
