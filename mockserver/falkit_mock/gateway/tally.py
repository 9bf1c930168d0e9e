"""What a program did at the mock, counted as it goes, and what it would have paid at fal."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from falkit_mock.edge import Address
from falkit_mock.errors import HostNotImitated, StillInProgress
from falkit_mock.platform.history import charge, entries
from falkit_mock.platform.platform import Platform
from falkit_spec import Catalog

_REQUEST = re.compile(r"/requests/[^/]+")


@dataclass(frozen=True, slots=True)
class Spend:
    """Jobs that were asked for, how many of them are done, and their price in US dollars."""

    jobs: int
    done: int
    dollars: Decimal
    # Done, but of an endpoint without a known price, or with its input deleted.
    unpriced: int


class Tally:
    """Wraps an application; counts the requests that are for one of fal's hosts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.requests = 0
        # By status, method and target.
        self.failures: Counter[tuple[int, str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"])
            await send(message)

        await self._app(scope, receive, count)

    def _count(self, scope: Scope, status: int) -> None:
        address: Address | None = scope.get("falkit.address")
        error = scope.get("falkit.error")
        if address is None and not isinstance(error, HostNotImitated):
            return
        self.requests += 1
        # Some clients poll the result until it is there: no failure of theirs.
        if status >= 400 and not isinstance(error, StillInProgress):
            host = address.host if address else dict(scope["headers"]).get(b"host", b"").decode()
            path = address.path if address else scope["path"]
            # Jobs fail alike whatever their ids, and a long run has many.
            target = _REQUEST.sub("/requests/{id}", quote(f"{host}{path}", safe="/:"))
            self.failures[status, scope["method"], target] += 1


async def spend(platform: Platform, catalog: Catalog) -> Spend:
    """Return what the mock's jobs would have cost at fal: those that succeeded."""
    jobs = done = unpriced = 0
    dollars = Decimal(0)
    async for entry in entries(platform, catalog):
        jobs += 1
        if entry.result != "success":
            continue
        done += 1
        paid = charge(entry, catalog)
        if paid is None:
            unpriced += 1
        else:
            dollars += paid.cost
    return Spend(jobs, done, dollars, unpriced)
