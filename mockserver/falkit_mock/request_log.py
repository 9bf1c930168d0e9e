"""One line per request on stderr, for people or for programs."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Literal, TextIO
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from falkit_mock.edge import Address

if TYPE_CHECKING:
    from falkit_mock.gateway.egress import Attempt
    from falkit_mock.store.deliveries import Delivery

_SHOWN = {b"x-fal-request-id": "request_id", b"x-falkit-hint": "hint"}


class RequestLog:
    """Wraps an application; plain ASGI, since it sits on every request's way."""

    def __init__(
        self, app: ASGIApp, form: Literal["text", "json"] = "text", file: TextIO | None = None
    ) -> None:
        self._app = app
        self._form = form
        self._file = file or sys.stderr

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        notes: dict[str, str] = {}

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, value in message["headers"]:
                    if name in _SHOWN:
                        notes[_SHOWN[name]] = value.decode("latin-1")
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            if fault := scope.get("falkit.fault"):
                notes["fault"] = fault
            self._write(scope, status, (time.perf_counter() - began) * 1000, notes)

    def delivered(self, delivery: Delivery) -> None:
        """Write what became of an attempt to deliver a webhook."""
        code, ms = delivery.status_code, round(delivery.seconds * 1000, 2)
        if self._form == "json":
            facts = {
                "time": round(delivery.sent, 3),
                "webhook": delivery.url,
                "request_id": delivery.request_id,
                "attempt": delivery.number,
                "status": code,
                "outcome": delivery.verdict,
                "error": delivery.error,
                "next": delivery.next,
                "ms": ms,
            }
            print(json.dumps(facts), file=self._file, flush=True)
            return
        clock = time.strftime("%H:%M:%S", time.localtime(delivery.sent))
        # Quoted, so that no URL can forge a line.
        url = quote(delivery.url, safe="/%:?&=+,;@[]~!$'()*")
        line = f"{clock} {code or '---'} HOOK {url}  {ms:.1f} ms"
        if delivery.verdict != "acknowledged":
            line += f"\n         {_untaken(delivery)}"
        print(line, file=self._file, flush=True)

    def left(self, attempt: Attempt) -> None:
        """Write that somebody called a host which is not fal's."""
        where = f"{attempt.host}:{attempt.port}"
        if self._form == "json":
            facts = {"time": round(attempt.time, 3), "egress": where, "allowed": attempt.allowed}
            line = json.dumps(facts)
        else:
            clock = time.strftime("%H:%M:%S", time.localtime(attempt.time))
            line = f"{clock} {'out' if attempt.allowed else 'no!'} {'':<4} {where}"
        print(line, file=self._file, flush=True)

    def _write(self, scope: Scope, status: int, ms: float, notes: dict[str, str]) -> None:
        address: Address | None = scope.get("falkit.address")
        # Quoted, so that no path can forge a line.
        path = quote(scope["path"] if address is None else address.path)
        target = path if address is None else f"{address.host}{path}"
        now = time.time()
        if self._form == "json":
            line = json.dumps(
                {
                    "time": round(now, 3),
                    "method": scope["method"],
                    "target": target,
                    "status": status,
                    "ms": round(ms, 2),
                    **notes,
                }
            )
        else:
            clock = time.strftime("%H:%M:%S", time.localtime(now))
            # A caller that hung up got no status.
            line = f"{clock} {status or '---'} {scope['method']:<4} {target}  {ms:.1f} ms"
            if hint := notes.get("hint"):
                line += f"\n         hint: {hint}"
            elif fault := notes.get("fault"):
                line += f"\n         fault: {fault}"
        print(line, file=self._file, flush=True)


def _untaken(delivery: Delivery) -> str:
    why = f": {delivery.error}" if delivery.error else ""
    if delivery.next is None:
        return f"{delivery.verdict}{why}"
    return f"attempt {delivery.number} was not taken{why}; the next is at {_clock(delivery.next)}"


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
