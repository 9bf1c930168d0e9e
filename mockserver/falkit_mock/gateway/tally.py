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
from falkit_mock.hosts.cut import SPOILT
from falkit_mock.hosts.faulty import FAULT
from falkit_mock.platform.history import charge, entries
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.rules.catalogue import FAULTS
from falkit_spec import Catalog

_REQUEST = re.compile(r"/requests/[^/]+")
_DIGITS = re.compile(r"[0-9]+")
_MOST_HINTS = 100
_TOLD = ("falkit made this fault", "fal_webhook: webhooks go to")


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
        # By status, method and target; the status is --- where a connection ended without one,
        # and cut where it ended within the reply.
        self.failures: Counter[tuple[str, str, str]] = Counter()
        # Failures that rules made, by the fault's name.
        self.made: Counter[str] = Counter()
        # Hints of requests that failed for another reason, and of those that succeeded.
        self.hints = Hints()
        self.hints_of_successes = Hints()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = scope["type"] != "http"

        async def count(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._count(scope, message["status"], _hint(message))
            await send(message)

        try:
            await self._app(scope, receive, count)
        finally:
            if not answered:
                self._count(scope, None, "")

    def _count(self, scope: Scope, status: int | None, hint: str) -> None:
        address: Address | None = scope.get("falkit.address")
        error = scope.get("falkit.error")
        if address is None and not isinstance(error, HostNotImitated):
            return
        self.requests += 1
        cut = SPOILT in scope and status is not None
        if status is not None and status < 400 and not cut:
            self.hints_of_successes.add(hint)
            return
        # Some clients poll the result until it is there: no failure of theirs.
        if isinstance(error, StillInProgress):
            return
        host = address.host if address else dict(scope["headers"]).get(b"host", b"").decode()
        path = address.path if address else scope["path"]
        # Jobs fail alike whatever their ids, and a long run has many.
        target = _REQUEST.sub("/requests/{id}", quote(f"{host}{path}", safe="/:"))
        shown = "cut" if cut else str(status or "---")
        self.failures[shown, scope["method"], target] += 1
        made = _faults(scope)
        for fault in made:
            self.made[fault] += 1
        if not made:
            self.hints.add(hint)


class Hints:
    """Hints, each once; those that differ only in their numbers count as one."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def add(self, hint: str) -> None:
        """Keep a hint, unless a fault or a webhook brought it: those are told of by themselves."""
        if hint.startswith(_TOLD):
            return
        kind = _DIGITS.sub("0", hint)
        if hint and kind not in self._first and len(self._first) < _MOST_HINTS:
            self._first[kind] = hint

    def all(self) -> list[str]:
        """Return them in the order in which they came."""
        return list(self._first.values())


def _hint(message: Message) -> str:
    for name, value in message["headers"]:
        if name == b"x-falkit-hint":
            return str(value, "latin-1")
    return ""


def _faults(scope: Scope) -> list[str]:
    """Return the faults that made a request fail; others only delay it."""
    noted: str = scope.get(FAULT, "")
    return [
        name
        for name in noted.split(", ")
        if name in FAULTS and FAULTS[name].phase in ("answer", "outcome", "media")
    ]


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
