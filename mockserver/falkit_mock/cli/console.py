"""A line per request and per delivery."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from falkit_mock.core import masked
from falkit_mock.core.clock import Clock, SimulatedClock
from falkit_mock.core.events import Delivery
from falkit_mock.core.network import MEDIA
from falkit_mock.hosts import Address
from falkit_spec import JSON

if TYPE_CHECKING:
    from falkit_mock.core.events import HostContacted

# The mock's time is told where it is further than this from the machine's, in seconds.
_NEAR = 60.0
# Characters of a receiver's answer that are shown.
_LONGEST = 100
_STATUS = re.compile(rb'"status":"(OK|ERROR)"')
_INDENT = "\n         "


def as_text(delivery: Delivery, now: float, *, stands: bool = False) -> str:
    """Return a line, and what went wrong in further ones; `now` is the machine's time.

    The mock's is told where it stands, or is elsewhere.
    """
    apart = stands or abs(delivery.sent - now) > _NEAR
    parts = [
        f"{_clock(now)} {delivery.status_code or '---'} HOOK {shown_url(delivery.url)}",
        f"{delivery.seconds * 1000:.1f} ms",
        " ".join(filter(None, (_status(delivery), delivery.request_id))),
    ]
    if delivery.number > 1:
        parts.append(f"attempt {delivery.number}")
    if delivery.faults:
        parts.append(f"fault: {', '.join(delivery.faults)}")
    if apart:
        parts.append(f"at {moment(delivery.sent)} by the mock's clock")
    line = "  ".join(parts)
    if delivery.verdict == "acknowledged":
        return line
    return f"{line}{_INDENT}{_untaken(delivery, apart=apart)}"


def as_facts(delivery: Delivery, now: float) -> dict[str, JSON]:
    """Return an object: `time` by the machine's clock, `sent` and `next` by the mock's."""
    return {
        "time": round(now, 3),
        "webhook": masked(delivery.url),
        "request_id": delivery.request_id,
        "job_status": _status(delivery) or None,
        "cause": delivery.cause,
        "attempt": delivery.number,
        "sent": round(delivery.sent, 3),
        "status": delivery.status_code,
        "outcome": delivery.verdict,
        "error": None if delivery.verdict == "acknowledged" else reason(delivery) or None,
        "next": delivery.next,
        "faults": [*delivery.faults],
        "ms": round(delivery.seconds * 1000, 2),
    }


def reason(delivery: Delivery) -> str:
    """Say why a delivery was not taken, as far as its code doesn't; "" where nothing says it."""
    code = delivery.status_code
    if delivery.error:
        return delivery.error
    if code is not None and 300 <= code < 400:
        return "redirects aren't followed"
    text = delivery.response_body[: 4 * _LONGEST].decode("utf-8", "replace").strip()
    line = "".join(each if each.isprintable() else " " for each in text.partition("\n")[0])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def shown_url(url: str) -> str:
    """Return a receiver's URL without its password, quoted so that none can forge a line."""
    return quote(masked(url), safe="/%:?&=+,;@[]~!$'()*")


def moment(seconds: float) -> str:
    """Write unix seconds in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _untaken(delivery: Delivery, *, apart: bool) -> str:
    why = reason(delivery)
    why = f": {why}" if why else ""
    if delivery.next is not None:
        then = moment(delivery.next) if apart else _clock(delivery.next)
        return f"attempt {delivery.number} was not taken{why}; the next is at {then}"
    if delivery.verdict == "refused":
        return f"refused{why}"
    if delivery.number > 1 and delivery.cause == "job":
        return f"given up after {delivery.number} attempts{why}"
    return f"not taken, and not tried again{why}"


def _status(delivery: Delivery) -> str:
    # The mock writes it near the beginning, before a payload that may have one of its own.
    found = _STATUS.search(delivery.body)
    return found[1].decode() if found else ""


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


_SHOWN = {b"x-fal-request-id": "request_id", b"x-falkit-hint": "hint"}


class ConsoleLog:
    """Wraps an application; plain ASGI, since it sits on every request's way.

    With the mock's clock it also says when a caller waits for one that stands.
    """

    # Real seconds after which a caller counts as waiting.
    patience = 1.0

    def __init__(
        self,
        app: ASGIApp,
        form: Literal["text", "json"] = "text",
        file: TextIO | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._app = app
        self._form = form
        self._file = file or sys.stderr
        self._clock = clock

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

        waiting: asyncio.TimerHandle | None = None
        if stands(self._clock):
            loop = asyncio.get_running_loop()
            waiting = loop.call_later(self.patience, lambda: self._waits(scope, status))
        try:
            await self._app(scope, receive, note)
        finally:
            if waiting is not None:
                waiting.cancel()
            if fault := scope.get("falkit.fault"):
                notes["fault"] = fault
            self._write(scope, status, (time.perf_counter() - began) * 1000, notes)

    def delivered(self, delivery: Delivery) -> None:
        """Write what became of an attempt to deliver a webhook."""
        now = time.time()
        if self._form == "json":
            self._print(json.dumps(as_facts(delivery, now)))
        else:
            self._print(as_text(delivery, now, stands=stands(self._clock)))

    def left(self, attempt: HostContacted) -> None:
        """Write that somebody called a host which is not fal's."""
        where = f"{attempt.host}:{attempt.port}"
        if self._form == "json":
            facts = {"time": round(attempt.time, 3), "egress": where, "allowed": attempt.allowed}
            line = json.dumps(facts)
        else:
            clock = time.strftime("%H:%M:%S", time.localtime(attempt.time))
            line = f"{clock} {'out' if attempt.allowed else 'no!'} {'':<4} {where}"
        self._print(line)

    def _waits(self, scope: Scope, status: int) -> None:
        """Write that a caller waits for a clock that stands, if it does."""
        address: Address | None = scope.get("falkit.address")
        # What is sent or fetched may just take its time.
        if address is None or address.role == MEDIA or self._clock is None:
            return
        streams = address.path.endswith("/status/stream")
        if not stands(self._clock) or (status and not streams):
            return
        now, target = time.time(), _target(scope)
        if self._form == "json":
            facts: dict[str, Any] = {"method": scope["method"], "target": target}
            self._print(json.dumps({"time": round(now, 3), **facts, "waits_for": "clock"}))
            return
        why = f"waits for the clock, which stands at {moment(self._clock.now())}"
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        line = f"{clock} ... {scope['method']:<4} {target}"
        self._print(f"{line}\n         {why}; `falkit clock advance 1m` moves it")

    def _write(self, scope: Scope, status: int, ms: float, notes: dict[str, str]) -> None:
        target = _target(scope)
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
        self._print(line)

    def _print(self, line: str) -> None:
        print(line, file=self._file, flush=True)


def stands(clock: Clock | None) -> bool:
    """Say whether no time passes by itself."""
    return isinstance(clock, SimulatedClock) and not clock.running


def _target(scope: Scope) -> str:
    address: Address | None = scope.get("falkit.address")
    # Quoted, so that no path can forge a line.
    path = quote(scope["path"] if address is None else address.path)
    return path if address is None else f"{address.host}{path}"
