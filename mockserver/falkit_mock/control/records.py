"""What happened: the request log, billing records, and the stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from falkit_mock.control import Call, Operation, answer
from falkit_mock.core import dumps
from falkit_mock.core.events import EventLog, RequestLog, RequestRecord
from falkit_mock.hosts import unless_gone
from falkit_mock.hosts.replies import REQUEST_ID, AnyReply, Reply, Stream
from falkit_mock.service.billing import Charge, Entry, charge, entries
from falkit_mock.service.service import Service
from falkit_mock.store.sharing import turn
from falkit_spec import JSON, Catalog


def record_operations(
    service: Service, catalog: Catalog, request_log: RequestLog, event_log: EventLog
) -> dict[str, Operation]:
    """Return the operations by their ids."""
    requests = RequestControl(service, request_log)
    events = EventControl(service, event_log)

    async def billing(call: Call) -> Reply:
        return answer(service, await _billing(call.fields, service, catalog))

    return {
        "requests": requests.list,
        "clearRequests": requests.clear,
        "events": events.follow,
        "billing": billing,
    }


class RequestControl:
    """The operations on the request log."""

    def __init__(self, service: Service, log: RequestLog) -> None:
        self._service = service
        self._log = log

    async def list(self, call: Call) -> Reply:
        fields, follows = call.fields, "since" in call.fields
        limit: int = fields["limit"]
        wanted = _wanted(fields)
        if fields["wait"]:
            waited = self._waited(wanted, fields["count"], fields["wait"])
            await unless_gone(call.request.receive, waited)
        await self._hear_all()
        found = [record for record in self._log if wanted(record)]
        # A caller with `since` wants the next ones, one without it the newest.
        page = found[:limit] if follows else found[-limit:]
        last = page[-1].number if follows and len(page) < len(found) else self._log.last
        return answer(self._service, {"requests": [one.as_json() for one in page], "last": last})

    async def clear(self, call: Call) -> Reply:
        await self._hear_all()
        async with turn(self._service.store):
            return answer(self._service, {"cleared": self._log.clear()})

    async def _hear_all(self) -> None:
        sharing = self._service.store.sharing
        if sharing is not None:
            await sharing.hear_all()

    async def _waited(
        self, wanted: Callable[[RequestRecord], bool], count: int, seconds: float
    ) -> None:
        """Return once so many requests are there, or so many real seconds have passed."""
        try:
            async with asyncio.timeout(seconds):
                while not self._service.closing:
                    waiter = self._log.notifier.waiter()
                    if sum(map(wanted, self._log)) >= count:
                        return
                    await waiter.wait()
        except TimeoutError:
            return


def _wanted(fields: Mapping[str, Any]) -> Callable[[RequestRecord], bool]:
    """Return what tells whether a request is one of those that a query asks for."""
    method: str = fields.get("method", "").upper()
    host, path, key = (fields.get(name) for name in ("host", "path", "key"))
    request_id, status = fields.get("request_id"), fields.get("status")
    since: int = fields.get("since", 0)

    def wanted(record: RequestRecord) -> bool:
        return (
            record.number > since
            and (not method or record.method == method)
            and (not host or fnmatchcase(record.host, host))
            and (not path or fnmatchcase(record.path, path))
            and (not key or record.key == key)
            and (not request_id or record.request_id == request_id)
            and status in (None, record.status)
        )

    return wanted


# Real seconds without an event after which a comment keeps the connection open.
KEEP_ALIVE = 15.0
_EVENT_STREAM = "text/event-stream"


class EventControl:
    """The stream of events."""

    def __init__(self, service: Service, log: EventLog) -> None:
        self._log = log
        self._service = service
        self._closed = False
        service.closed.append(self._close)

    async def follow(self, call: Call) -> AnyReply:
        headers = {REQUEST_ID: self._service.identity.reply_id(), "cache-control": "no-store"}
        if call.request.method == "HEAD":
            return Reply(b"", 200, {**headers, "content-type": _EVENT_STREAM})
        # A client that reconnects calls the URL that it called at first.
        since = call.fields.get("Last-Event-ID", call.fields.get("since", self._log.last))
        # A number that isn't reached yet is of an earlier mock.
        events = self._events(since if since <= self._log.last else 0, call.fields.get("kind"))
        return Stream(events, headers=headers, media_type=_EVENT_STREAM)

    async def _events(self, since: int, kind: str | None) -> AsyncGenerator[bytes]:
        """Yield the events after a number as they come, until the mock ends."""
        yield b": falkit\n\n"
        while not self._closed:
            waiter = self._log.notifier.waiter()
            for number, event in self._log.after(since):
                if number > since + 1:
                    yield _frame(number - 1, "gap", {"missing": number - 1 - since})
                since = number
                if kind in (None, event.kind):
                    yield _frame(number, event.kind, event.to_json())
            try:
                async with asyncio.timeout(KEEP_ALIVE):
                    await waiter.wait()
            except TimeoutError:
                yield b": keep-alive\n\n"

    def _close(self) -> None:
        self._closed = True
        self._log.notifier.ring()


def _frame(number: int, kind: str, data: JSON) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), dumps(data))


@dataclass(frozen=True, slots=True)
class BillingRecord:
    """One job, and what it cost if it is done, is billed and has a known price."""

    entry: Entry
    charge: Charge | None

    @property
    def unpriced(self) -> bool:
        return self.charge is None and self.entry.billed

    def as_json(self) -> dict[str, JSON]:
        paid = self.charge
        return {
            "request_id": self.entry.job.id,
            "endpoint_id": self.entry.endpoint_id,
            "key": self.entry.job.options.key,
            "result": self.entry.result,
            "quantity": None if paid is None else f"{paid.quantity:f}",
            "unit": None if paid is None else paid.unit,
            "cost": None if paid is None else f"{paid.cost:f}",
        }


async def _billing(
    fields: Mapping[str, Any], service: Service, catalog: Catalog
) -> dict[str, JSON]:
    """Return what fal would have charged for the jobs that a query asks for."""
    glob, key = fields.get("endpoint"), fields.get("key")
    every, records = _Sum(), list[JSON]()
    endpoints, keys = dict[str, _Sum](), dict[str, _Sum]()
    async for entry in entries(service, catalog):
        used = entry.job.options.key
        if (glob and not fnmatchcase(entry.endpoint_id, glob)) or (key and used != key):
            continue
        record = BillingRecord(entry, charge(entry, catalog))
        for one in (
            every,
            endpoints.setdefault(entry.endpoint_id, _Sum()),
            keys.setdefault(used, _Sum()),
        ):
            one.add(record)
        if fields["records"]:
            records.append(record.as_json())
    body: dict[str, JSON] = {
        "currency": "USD",
        **every.to_json(),
        "endpoints": [{"endpoint_id": id, **endpoints[id].to_json()} for id in sorted(endpoints)],
        "keys": [{"key": used, **keys[used].to_json()} for used in sorted(keys)],
    }
    if fields["records"]:
        body["records"] = records
    return body


class _Sum:
    """Billing records, added up."""

    def __init__(self) -> None:
        self._jobs = self._billed = self._unpriced = 0
        self._cost = Decimal(0)

    def add(self, record: BillingRecord) -> None:
        self._jobs += 1
        # Done, but without a known price, or with its input deleted.
        self._unpriced += record.unpriced
        if record.charge is not None:
            self._billed += 1
            self._cost += record.charge.cost

    def to_json(self) -> dict[str, JSON]:
        return {
            "jobs": self._jobs,
            "billed": self._billed,
            "unpriced": self._unpriced,
            "cost": f"{self._cost:f}",
        }
