"""Probes of receivers: copies of a webhook, forged or re-serialised, that they should refuse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from falkit_mock.core.events import Delivery, DeliveryAttempted, Event
from falkit_mock.core.jobs import JobFaults, KeptFault
from falkit_mock.webhooks import TargetRefused
from falkit_mock.webhooks.pending import PendingDelivery
from falkit_mock.webhooks.signing import PROBE_FAULTS, USER_ID

if TYPE_CHECKING:
    from falkit_mock.store import DeliveryStore
    from falkit_mock.webhooks.delivery import Deliveries

_PATIENCE = 2.0


class WebhookProbes:
    """Sends each receiver both copies, after the first webhook that it has taken; a listener.

    Only the signature and the bytes tell a copy from the webhook, so that nothing else can be why
    it is refused.
    """

    hears: ClassVar[tuple[type, ...]] = (DeliveryAttempted,)

    def __init__(self, webhooks: Deliveries, made: DeliveryStore) -> None:
        self._webhooks = webhooks
        # Those of before are in the store, which a reset empties.
        self._deliveries = made
        self._under_way: set[asyncio.Task[None]] = set()

    def __call__(self, event: Event) -> None:
        assert isinstance(event, DeliveryAttempted), "nothing else is heard"
        made = event.delivery
        taken = made.cause == "job" and made.status == "acknowledged"
        probed = self._deliveries.probed
        # What a fault has corrupted is no webhook of fal's.
        if not taken or made.corrupted or made.receiver in probed:
            return
        # At once, since others may be taken meanwhile.
        probed.add(made.receiver)
        probing = self._webhooks.start(self._probe(made))
        self._under_way.add(probing)
        probing.add_done_callback(self._under_way.discard)

    async def over(self) -> None:
        """Return once the probes under way are over, or two real seconds have passed."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_PATIENCE)

    async def _probe(self, made: Delivery) -> None:
        for name in PROBE_FAULTS:
            try:
                target = self._webhooks.targets.find(made.url)
            except TargetRefused:
                # An application in this process that is no more.
                return
            copy = PendingDelivery(
                made.request_id,
                target,
                made.headers[USER_ID],
                "probe",
                JobFaults(webhook={name: KeptFault(name, {"attempts": made.number})}),
                made.body,
                made.number,
            )
            seconds = self._webhooks.schedule.timeout_of(1)
            probe = await self._webhooks.attempt(copy, seconds, once=True)
            if probe.status_code is None:
                # It may have ended with its test: the next webhook is another chance.
                self._deliveries.probed.discard(made.receiver)
                return
