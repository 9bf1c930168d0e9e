"""The log of deliveries: every attempt, and every target that was refused."""

from __future__ import annotations

from collections.abc import Callable

from falkit_mock.platform.clock import Bell, Clock
from falkit_mock.platform.identity import Identity
from falkit_mock.platform.webhooks.attempt import Tried
from falkit_mock.platform.webhooks.pending import Pending
from falkit_mock.store.deliveries import Cause, Delivery, DeliveryStore, Verdict


class DeliveryLog:
    """Writes to the store, and tells whoever listens."""

    def __init__(self, store: DeliveryStore, identity: Identity, clock: Clock) -> None:
        # Called with each delivery as it is logged.
        self.heard: Callable[[Delivery], None] | None = None
        # Rings with each of them.
        self.bell = Bell()
        self._store = store
        self._identity = identity
        self._clock = clock

    def tried(
        self, pending: Pending, tried: Tried, verdict: Verdict, after: float | None
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
                faults=(*pending.faults.whole(), *tried.faults),
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
        self.bell.ring()
        if self.heard is not None:
            self.heard(delivery)
        return delivery
