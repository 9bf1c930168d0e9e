"""What happened: the request log, billing records, and the stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from falkit_mock.control import Call, InvalidRequest, Operation, Unknown, answer
from falkit_mock.control.describing import whose
from falkit_mock.core import dumps
from falkit_mock.core.events import DeliveryAttempted, RequestRecord
from falkit_mock.core.jobs import Job
from falkit_mock.core.telling import EventLog, RequestLog
from falkit_mock.findings import App, begin_test, report_of, watcher_of
from falkit_mock.hosts import unless_gone
from falkit_mock.hosts.replies import REQUEST_ID, AnyReply, Reply
from falkit_mock.hosts.stream_reply import Stream
from falkit_mock.service.billing import Sums
from falkit_mock.service.ledger import Kind, ledger_of
from falkit_mock.service.service import Service
from falkit_mock.store.sharing import turn
from falkit_spec import JSON, Catalog
from falkit_spec.errors import SpecError
from falkit_spec.types import is_object


def record_operations(
    service: Service,
    catalog: Catalog,
    request_log: RequestLog,
    event_log: EventLog,
    app: App,
) -> dict[str, Operation]:
    """Return the operations by their ids; `app` is all whose jobs are spent on."""
    requests = RequestControl(service, request_log)
    events = EventControl(service, catalog, event_log)

    async def billing(call: Call) -> Reply:
        return answer(service, await _billing(call.fields, service, catalog))

    async def spend(call: Call) -> Reply:
        # Lazy: most mocks are never asked.
        from falkit_mock.service.spend import sums_of

        sums, budget = await sums_of(app.services(), catalog), service.settings.budget
        told = None if budget is None else f"{budget:f}"
        return answer(service, {**sums.to_json(), "budget": told})

    async def report(call: Call) -> Reply:
        url = f"{call.request.base_url}".rstrip("/")
        found = await report_of(app, url, conclude=call.fields["conclude"])
        return answer(service, found.to_json())

    async def take_report(call: Call) -> Reply:
        # Lazy: most mocks are handed nothing.
        from falkit_spec.reports.reading import read_report

        try:
            told = read_report(call.fields)
            if (watcher := watcher_of(service)) is not None:
                watcher.take(told)
        except SpecError as error:
            raise InvalidRequest(str(error)) from None
        return answer(service, {"findings": len(told.findings), "tests": told.tests})

    async def put_test(call: Call) -> Reply:
        begin_test(dict.fromkeys((service, *app.services())), call.fields["test"])
        return answer(service, {"test": service.test})

    return {
        "requests": requests.list,
        "clearRequests": requests.clear,
        "request": requests.one,
        "events": events.follow,
        "billing": billing,
        "spend": spend,
        "report": report,
        "takeReport": take_report,
        "putTest": put_test,
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

    async def one(self, call: Call) -> Reply:
        # Lazy: few are looked into.
        from falkit_mock.control.transcripts import NOT_KEPT, transcript_json

        number: str = call.fields["number"]
        is_number = number.isascii() and number.isdecimal() and len(number) < _DIGITS
        found = self._log.transcripts.find(int(number)) if is_number else None
        if found is None:
            raise Unknown("number", number, NOT_KEPT)
        return answer(self._service, transcript_json(found))

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


# Of a number of a request: none has as many.
_DIGITS = 20


def _wanted(fields: Mapping[str, Any]) -> Callable[[RequestRecord], bool]:
    """Return what tells whether a request is one of those that a query asks for."""
    method: str = fields.get("method", "").upper()
    host, path, key = (fields.get(name) for name in ("host", "path", "key"))
    request_id, status, fault = (fields.get(name) for name in ("request_id", "status", "fault"))
    since: int = fields.get("since", 0)

    def wanted(record: RequestRecord) -> bool:
        return (
            record.number > since
            and (not method or record.method == method)
            and (not host or fnmatchcase(record.host, host))
            and (not path or fnmatchcase(record.path, path))
            and (not key or record.key == key)
            and (not request_id or record.request_id == request_id)
            and (not fault or fault in record.faults)
            and status in (None, record.status)
        )

    return wanted


# Real seconds without an event after which a comment keeps the connection open.
KEEP_ALIVE = 15.0
_EVENT_STREAM = "text/event-stream"


class EventControl:
    """The stream of events."""

    def __init__(self, service: Service, catalog: Catalog, log: EventLog) -> None:
        self._log = log
        self._service = service
        self._catalog = catalog
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
        behind, me = self._service.events.behind, object()
        behind[me] = lambda: self._log.last - since
        try:
            yield b": falkit\n\n"
            while not self._closed:
                waiter = self._log.notifier.waiter()
                for number, event in self._log.after(since):
                    if number > since + 1:
                        yield _frame(number - 1, "gap", {"missing": number - 1 - since})
                    since = number
                    if kind in (None, event.kind):
                        data = event.to_json()
                        if event.kind == DeliveryAttempted.kind and is_object(data):
                            id = str(data["request_id"])
                            data = {**data, **whose(id, self._service, self._catalog)}
                        yield _frame(number, event.kind, data)
                try:
                    async with asyncio.timeout(KEEP_ALIVE):
                        await waiter.wait()
                except TimeoutError:
                    yield b": keep-alive\n\n"
        finally:
            del behind[me]

    def _close(self) -> None:
        self._closed = True
        self._log.notifier.ring()


def _frame(number: int, kind: str, data: JSON) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), dumps(data))


def _record(job: Job, kind: Kind) -> dict[str, JSON]:
    """Return one job, and what it cost if it is done, is billed and has a known price."""
    charged = kind.unit is not None
    return {
        "request_id": job.id,
        "endpoint_id": kind.endpoint_id,
        "key": kind.key,
        "result": kind.result,
        "quantity": f"{kind.quantity:f}" if charged else None,
        "unit": kind.unit,
        "cost": f"{kind.cost:f}" if charged else None,
    }


async def _billing(
    fields: Mapping[str, Any], service: Service, catalog: Catalog
) -> dict[str, JSON]:
    """Return what fal would have charged for the jobs that a query asks for."""
    glob, key = fields.get("endpoint"), fields.get("key")
    ledger = ledger_of(service, catalog)

    def wanted(kind: Kind) -> bool:
        return (not glob or fnmatchcase(kind.endpoint_id, glob)) and (not key or kind.key == key)

    sums = Sums()
    for kind, jobs in await ledger.sums():
        if wanted(kind):
            kind.count(jobs, sums)
    body = sums.to_json()
    if fields["records"]:
        limit: int = fields["limit"]
        # One more tells that there are more.
        rows = await ledger.rows(wanted, fields.get("cursor", -1), limit + 1)
        kinds = dict(rows[:limit])
        records: list[JSON] = []
        async for job in ledger.jobs(kinds):
            records.append(_record(job, kinds[job.seq]))
        body["records"] = records
        body["next_cursor"] = str(rows[limit - 1][0]) if len(rows) > limit else None
    return body
