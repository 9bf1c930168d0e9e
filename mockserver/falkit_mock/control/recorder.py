"""Writes the journal: around what answers for fal's hosts, and so not around the control API."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from falkit_mock.edge import Address
from falkit_mock.hosts.faulty import FAULT
from falkit_mock.platform import access
from falkit_mock.platform.journal import Seen
from falkit_mock.platform.platform import Platform

# Where a request's line is found by who knows which host it is for.
SEEN = "falkit.seen"


class Recorder:
    """Wraps an application; plain ASGI, since it sits on every request's way."""

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app = app
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        journal, began = self._platform.journal, time.perf_counter()
        headers = dict(scope["headers"])
        seen = journal.arrived(
            scope["method"],
            headers.get(b"host", b"").decode("latin-1"),
            scope["path"],
            access.key_id(headers.get(b"authorization", b"").decode("latin-1")),
            self._platform.clock.now(),
        )
        scope[SEEN] = seen

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                _answered(seen, message)
                seen.faults = _faults(scope)
                journal.bell.ring()
            await send(message)

        journal.bell.ring()
        try:
            await self._app(scope, receive, note)
        finally:
            seen.faults = _faults(scope)
            seen.ms = (time.perf_counter() - began) * 1000
            if seen.status is None:
                seen.status = 0
            journal.bell.ring()


def located(scope: Scope, address: Address) -> None:
    """Note which of fal's hosts a request turned out to be for."""
    seen: Seen | None = scope.get(SEEN)
    if seen is not None:
        seen.host, seen.path = address.host, address.path


def _faults(scope: Scope) -> tuple[str, ...]:
    noted: str | None = scope.get(FAULT)
    return tuple(noted.split(", ")) if noted else ()


def _answered(seen: Seen, message: Message) -> None:
    seen.status = message["status"]
    for name, value in message["headers"]:
        if name == b"x-fal-request-id":
            seen.request_id = value.decode("latin-1")
        elif name == b"x-falkit-hint":
            seen.hint = value.decode("latin-1")
