"""The journal looked through, waited on and cleared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fnmatch import fnmatchcase

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control.exchange import Fields, answer, body_of, query_of
from falkit_mock.hosts.waiting import unless_gone
from falkit_mock.platform.journal import Seen
from falkit_mock.platform.platform import Platform

_FILTERS = ("method", "host", "path", "status", "key", "request_id")
_MOST = 10_000
# Real seconds of the longest wait.
_PATIENCE = 60.0
_LAST = 2**53 - 1


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""
    journal = platform.journal

    async def show(request: Request) -> Response:
        query = query_of(request, *_FILTERS, "since", "limit", "wait", "count")
        wanted = _wanted(query)
        limit = query.whole("limit", least=1, most=_MOST, default=100)
        wait = query.number("wait", least=0, most=_PATIENCE, default=0.0)
        count = query.whole("count", least=1, most=_MOST, default=1)
        if wait:
            await unless_gone(request, _waited(platform, wanted, count, wait))
        found = [seen for seen in journal if wanted(seen)]
        # Whoever follows from a number on wants the next, whoever looks wants the latest.
        page = found[:limit] if "since" in query else found[-limit:]
        lines = [seen.as_json() for seen in page]
        last = page[-1].number if len(page) < len(found) and "since" in query else journal.last
        return answer(platform, {"requests": [*lines], "last": last})

    async def clear(request: Request) -> Response:
        await body_of(platform, request)
        return answer(platform, {"cleared": journal.clear()})

    return [Route("/journal", show), Route("/journal", clear, methods=["DELETE"])]


async def _waited(
    platform: Platform, wanted: Callable[[Seen], bool], count: int, seconds: float
) -> None:
    """Return once so many requests are there, or so many real seconds have passed."""
    journal = platform.journal
    try:
        async with asyncio.timeout(seconds):
            while not platform.closing:
                ticket = journal.bell.ticket()
                if sum(1 for seen in journal if wanted(seen)) >= count:
                    return
                await ticket.wait()
    except TimeoutError:
        return


def _wanted(query: Fields) -> Callable[[Seen], bool]:
    """Return what tells whether a request is one of those that a query asks for."""
    method, host, path = query.text("method").upper(), query.text("host"), query.text("path")
    key, request_id = query.text("key"), query.text("request_id")
    status = query.whole("status", least=0, most=599, default=-1)
    since = query.whole("since", least=0, most=_LAST, default=0)

    def wanted(seen: Seen) -> bool:
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
