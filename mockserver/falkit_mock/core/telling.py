"""The request log and the log of events; and how both are where several replicas share a state.

Those are numbered at commits. What happens here is kept back until the next commit, which gives it
a number; what happens at other replicas comes with theirs. So all replicas list the same, in the
same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from falkit_mock.core.clock import Notifier
from falkit_mock.core.events import (
    AmountReached,
    DeliveryAttempted,
    Event,
    FindingMade,
    HostContacted,
    JobChanged,
    LoggedEvent,
    RequestAnswered,
    RequestArrived,
    RequestRecord,
    ToldEvent,
)
from falkit_mock.core.transcripts import Transcripts
from falkit_spec import JSON

# How many events there are for those who follow late, at least.
_KEPT = 1000


class RequestLog:
    """The newest requests to fal's hosts, `size` at most; a listener.

    Its notifier rings at arrivals and at answers.
    """

    hears: ClassVar[tuple[type, ...]] = (RequestArrived, RequestAnswered)

    def __init__(self, size: int) -> None:
        self.notifier = Notifier()
        self._records: deque[RequestRecord] = deque(maxlen=size)
        # The number of the latest request; 0 before the first.
        self.last = 0
        # Their bodies, where somebody may look into them: of none where the log has none.
        self.transcripts = Transcripts()

    def __call__(self, event: Event) -> None:
        """Keep a request that arrives; it is filled in when it is answered."""
        if type(event) is RequestArrived:
            self.last += 1
            event.record.number = self.last
            self._records.append(event.record)
        if self.notifier.waited_for:
            self.notifier.ring()

    def __iter__(self) -> Iterator[RequestRecord]:
        return iter(self._records)

    def restore(self, records: Iterable[RequestRecord]) -> None:
        """Have records of before, in order, in front of those to come."""
        for record in records:
            self._records.append(record)
            self.last = record.number

    def clear(self) -> int:
        """Forget all; return how many there were. The numbers go on."""
        count = len(self._records)
        self._records.clear()
        self.transcripts.clear()
        return count

    def restart(self) -> None:
        """Forget all, and number from 1 again."""
        self.clear()
        self.last = 0


class EventLog:
    """Keeps the newest events, numbered from 1, for those who follow them; a listener."""

    hears: ClassVar[tuple[type, ...]] = (
        RequestAnswered,
        JobChanged,
        DeliveryAttempted,
        HostContacted,
        AmountReached,
        FindingMade,
        ToldEvent,
    )

    def __init__(self, size: int = _KEPT) -> None:
        self.notifier = Notifier()
        self.last = 0
        self._kept: deque[LoggedEvent] = deque(maxlen=size)

    def __call__(self, event: Event) -> None:
        if not isinstance(event, JobChanged):
            if isinstance(event, RequestAnswered):
                # Requests for the control API are those of the followers themselves.
                if not event.record.fal:
                    return
            elif isinstance(event, RequestArrived):
                return
            elif isinstance(event, DeliveryAttempted):
                # Bodies may be large, and are with the deliveries.
                event = DeliveryAttempted(replace(event.delivery, body=b"", response_body=b""))
        self.keep(event)

    def keep(self, event: LoggedEvent) -> None:
        """Keep an event that followers hear of."""
        self.last += 1
        self._kept.append(event)
        if self.notifier.waited_for:
            self.notifier.ring()

    def after(self, number: int) -> Iterator[tuple[int, LoggedEvent | ToldEvent]]:
        """Yield the events after a number, each with its own; those too old are missing."""
        first = self.last - len(self._kept) + 1
        for place, event in enumerate([*self._kept], first):
            if place > number:
                yield place, event


class SharedEventLog(EventLog):
    """The newest events of all replicas; `noted` is called when there is one to be told."""

    def __init__(self, noted: Callable[[], object]) -> None:
        super().__init__()
        self._noted = noted
        self._untold: list[tuple[str, JSON]] = []
        # Those that were told, with the number of the first of each commit.
        self._told: deque[tuple[int, Sequence[tuple[str, JSON]]]] = deque()

    def keep(self, event: LoggedEvent) -> None:
        self._untold.append((event.kind, event.to_json()))
        self._noted()

    def untold(self) -> list[tuple[str, JSON]]:
        """Return what happened here since this was asked."""
        untold, self._untold = self._untold, []
        return untold

    def put(self, first: int, events: Sequence[tuple[str, JSON]]) -> None:
        """List events from a number on; what is missing before it is missed."""
        if first != self.last + 1:
            self._told.clear()
        self._told.append((first, events))
        self.last = first + len(events) - 1
        while self._told[0][0] + len(self._told[0][1]) <= self.last - _KEPT:
            self._told.popleft()
        self.notifier.ring()

    def after(self, number: int) -> Iterator[tuple[int, LoggedEvent | ToldEvent]]:
        for first, events in [*self._told]:
            if first + len(events) > number + 1:
                for place, (kind, fields) in enumerate(events, first):
                    if place > number:
                        yield place, ToldEvent(kind, fields)


class SharedRequestLog(RequestLog):
    """The newest requests of all replicas; `noted` is called when there is one to be told.

    Where `read` is given, it returns those that were told, and nothing of them is kept here.
    """

    def __init__(
        self,
        size: int,
        noted: Callable[[], object],
        forget: Callable[[], object],
        read: Callable[[], Iterable[RequestRecord]] | None = None,
    ) -> None:
        super().__init__(size)
        self._size = size
        self._noted = noted
        # Has no replica list what was told.
        self._forget = forget
        self._read = read
        self._told: dict[int, RequestRecord] = {}
        # By their identity: one may come and be answered before it is told.
        self._untold: dict[int, RequestRecord] = {}

    def __call__(self, event: Event) -> None:
        """Note a request that arrives or is answered as still to be told."""
        record = getattr(event, "record", None)
        if record is not None and (isinstance(event, RequestArrived) or record.fal):
            self._untold[id(record)] = record
            self._noted()

    def untold(self, *, all: bool) -> list[RequestRecord]:
        """Return the requests that were answered since this was asked; `all` that came, too."""
        untold = [one for one in self._untold.values() if all or one.status is not None]
        for one in untold:
            del self._untold[id(one)]
        return untold

    def put(self, records: Iterable[RequestRecord]) -> None:
        """List requests by their numbers; one with a number that is there takes its place."""
        for record in records:
            self.last = max(self.last, record.number)
            if self._read is None:
                self._told[record.number] = record
                self._told.pop(record.number - self._size, None)
        self.notifier.ring()

    def __iter__(self) -> Iterator[RequestRecord]:
        if self._read is None:
            return iter([*self._told.values()])
        records = [*self._read()][-self._size :] if self._size else []
        self.last = records[-1].number if records else self.last
        return iter(records)

    def restore(self, records: Iterable[RequestRecord]) -> None:
        self.put(records)

    def clear(self) -> int:
        count = sum(1 for _ in self)
        self._told.clear()
        self.transcripts.clear()
        self._forget()
        return count

    def restart(self) -> None:
        self._told.clear()
        self._untold.clear()
        self.transcripts.clear()
        self.last = 0
