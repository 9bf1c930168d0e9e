"""The request log and billing records."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

from starlette.requests import Request
from starlette.routing import Route

from falkit_mock.control import Fields, answer, body_of, query_of
from falkit_mock.core.clock import Notifier
from falkit_mock.core.events import Event, RequestAnswered, RequestArrived, RequestRecord
from falkit_mock.hosts import unless_gone
from falkit_mock.hosts.replies import Reply
from falkit_mock.service.billing import Charge, Entry, charge, entries
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog


class RequestLog:
    """The newest requests to fal's hosts, `size` at most; a listener.

    Its notifier rings at arrivals and at answers.
    """

    def __init__(self, size: int) -> None:
        self.notifier = Notifier()
        self._records: deque[RequestRecord] = deque(maxlen=size)
        self._number = 0

    def __call__(self, event: Event) -> None:
        """Keep a request that arrives; it is filled in when it is answered."""
        if isinstance(event, RequestArrived):
            self._number += 1
            event.record.number = self._number
            self._records.append(event.record)
        elif not isinstance(event, RequestAnswered):
            return
        self.notifier.ring()

    def __iter__(self) -> Iterator[RequestRecord]:
        return iter(self._records)

    @property
    def last(self) -> int:
        """The number of the latest request; 0 before the first."""
        return self._number

    def clear(self) -> int:
        """Forget all; return how many there were. The numbers go on."""
        count = len(self._records)
        self._records.clear()
        return count

    def restart(self) -> None:
        """Forget all, and number from 1 again."""
        self.clear()
        self._number = 0


_FILTERS = ("method", "host", "path", "status", "key", "request_id")
_MOST = 10_000
# Real seconds of the longest wait.
_PATIENCE = 60.0
_LAST = 2**53 - 1


def request_log_routes(service: Service, request_log: RequestLog) -> list[Route]:
    """Return the routes below /__falkit."""

    async def show(request: Request) -> Reply:
        query = query_of(request, *_FILTERS, "since", "limit", "wait", "count")
        wanted = _wanted(query)
        limit = query.whole("limit", least=1, most=_MOST, default=100)
        wait = query.number("wait", least=0, most=_PATIENCE, default=0.0)
        count = query.whole("count", least=1, most=_MOST, default=1)
        if wait:
            await unless_gone(request.receive, _waited(service, request_log, wanted, count, wait))
        found = [seen for seen in request_log if wanted(seen)]
        # Whoever follows from a number on wants the next, whoever looks wants the latest.
        page = found[:limit] if "since" in query else found[-limit:]
        lines = [seen.as_json() for seen in page]
        last = page[-1].number if len(page) < len(found) and "since" in query else request_log.last
        return answer(service, {"requests": [*lines], "last": last})

    async def clear(request: Request) -> Reply:
        await body_of(service, request)
        return answer(service, {"cleared": request_log.clear()})

    return [Route("/journal", show), Route("/journal", clear, methods=["DELETE"])]


async def _waited(
    service: Service,
    request_log: RequestLog,
    wanted: Callable[[RequestRecord], bool],
    count: int,
    seconds: float,
) -> None:
    """Return once so many requests are there, or so many real seconds have passed."""
    try:
        async with asyncio.timeout(seconds):
            while not service.closing:
                waiter = request_log.notifier.waiter()
                if sum(1 for seen in request_log if wanted(seen)) >= count:
                    return
                await waiter.wait()
    except TimeoutError:
        return


def _wanted(query: Fields) -> Callable[[RequestRecord], bool]:
    """Return what tells whether a request is one of those that a query asks for."""
    method, host, path = query.text("method").upper(), query.text("host"), query.text("path")
    key, request_id = query.text("key"), query.text("request_id")
    status = query.whole("status", least=0, most=599, default=-1)
    since = query.whole("since", least=0, most=_LAST, default=0)

    def wanted(seen: RequestRecord) -> bool:
        return (
            seen.number > since
            and (not method or seen.method == method)
            and (not host or fnmatchcase(seen.host, host))
            and (not path or fnmatchcase(seen.path, path))
            and (not key or seen.key == key)
            and (not request_id or seen.request_id == request_id)
            and status in (-1, seen.status)
        )

    return wanted


@dataclass(frozen=True, slots=True)
class Line:
    """One job, and what it cost if it is done, is billed and has a known price."""

    entry: Entry
    charge: Charge | None

    @property
    def unpriced(self) -> bool:
        return self.charge is None and self.entry.result == "success"

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


def billing_routes(service: Service, catalog: Catalog) -> list[Route]:
    """Return the routes below /__falkit."""

    async def ledger(request: Request) -> Reply:
        query = query_of(request, "endpoint", "key", "jobs")
        glob, key, with_jobs = query.text("endpoint"), query.text("key"), query.flag("jobs")
        lines = [
            Line(entry, charge(entry, catalog))
            async for entry in entries(service, catalog)
            if (not glob or fnmatchcase(entry.endpoint_id, glob))
            and (not key or entry.job.options.key == key)
        ]
        told: dict[str, JSON] = {
            "currency": "USD",
            **_sum(lines),
            "endpoints": _grouped(lines, "endpoint_id"),
            "keys": _grouped(lines, "key"),
        }
        if with_jobs:
            told["lines"] = [line.as_json() for line in lines]
        return answer(service, told)

    return [Route("/ledger", ledger)]


def _grouped(lines: Iterable[Line], name: str) -> list[JSON]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(str(line.as_json()[name]), []).append(line)
    return [{name: value, **_sum(group)} for value, group in sorted(groups.items())]


def _sum(lines: Iterable[Line]) -> dict[str, JSON]:
    every = list(lines)
    paid = [line.charge.cost for line in every if line.charge is not None]
    return {
        "jobs": len(every),
        "billed": len(paid),
        # Done, but without a known price, or with its input deleted.
        "unpriced": sum(1 for line in every if line.unpriced),
        "cost": f"{sum(paid, Decimal(0)):f}",
    }
