"""What a replica does about what others that share its state have done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial

from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.telling import EventLog, RequestLog, SharedEventLog, SharedRequestLog
from falkit_mock.service.lasting import Lasting
from falkit_mock.service.service import Service
from falkit_mock.service.state import interrupt
from falkit_mock.store.sharing import Changed, Sharing, Told, turn


class Following:
    """Has a service go by rows that are in its tables by now; a `sharing.Replica`."""

    def __init__(
        self, service: Service, kept: Lasting, requests: SharedRequestLog, events: SharedEventLog
    ) -> None:
        self._service = service
        self._kept = kept
        self._requests = requests
        self._events = events
        self._interrupting: asyncio.Task[None] | None = None

    def took(self, changed: Changed) -> None:
        service = self._service
        if names := changed.get("facts"):
            self._kept.take_up(names)
        if ids := changed.get("jobs"):
            self._follow(ids)
        if changed.get("webhook_keys"):
            service.webhooks.keys.forget()
        for id in changed.get("deliveries", ()):
            if (delivery := service.store.deliveries.get(id)) is not None:
                service.webhooks.heard(delivery)
        service.clock.notifier.ring()

    def began_anew(self, *, missed: bool = False) -> None:
        service = self._service
        # Who waits here for a job that is no more is let go of, as where it was reset.
        self._interrupting = asyncio.get_running_loop().create_task(interrupt(service, gone=missed))
        self._kept.take_up(missed=missed)
        service.outcomes.elsewhere.ring()

    def renumbered(self) -> None:
        service = self._service
        service.identity.deal(service.store.step, service.store.number)

    def untold(self, *, all: bool) -> tuple[Sequence[Told], Sequence[RequestRecord]]:
        return self._events.untold(), self._requests.untold(all=all)

    def tell(self, first: int, events: Sequence[Told]) -> None:
        self._events.put(first, events)

    def tell_requests(self, records: Sequence[RequestRecord]) -> None:
        self._requests.put(records)

    def forget_requests(self) -> None:
        self._requests.restart()

    def _follow(self, ids: Collection[str]) -> None:
        """Go by jobs that others have taken or moved."""
        service = self._service
        moments: dict[str, tuple[float, float]] = {}
        for id in ids:
            job = service.store.get(id)
            if job is None:
                service.webhooks.forget(id)
                continue
            moments[id] = (job.starts, job.ends)
            if job.options.webhook is not None:
                service.webhooks.follow(job)
        service.follow(moments)


def begin_shared(
    service: Service, kept: Lasting, requests: RequestLog, events: EventLog
) -> Callable[[], None]:
    """Return what goes on with a shared state, once there is an event loop."""
    sharing = service.store.sharing
    assert sharing is not None, "it is shared"
    assert isinstance(requests, SharedRequestLog), "as the state is"
    assert isinstance(events, SharedEventLog), "as the state is"
    if isinstance(service.clock, SimulatedClock):
        service.clock.step = partial(turn, service.store)
    replica = Following(service, kept, requests, events)

    def begin() -> None:
        kept.begin()
        sharing.begin(replica)

    return begin


def shared_logs(service: Service, sharing: Sharing) -> tuple[RequestLog, EventLog]:
    """Return the request log and the log of events, which replicas of a shared state share."""
    size, journal = service.settings.request_log, service.store.journal
    assert journal is not None, "what is shared has one"
    requests = SharedRequestLog(size, journal.noted_later, sharing.forget_requests, sharing.listed)
    return requests, SharedEventLog(journal.noted_later)
