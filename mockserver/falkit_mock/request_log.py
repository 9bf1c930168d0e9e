"""One line per request on stderr, for people or for programs."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Literal, TextIO
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from falkit_mock.delivery_line import as_facts, as_text, moment
from falkit_mock.edge import MEDIA, Address
from falkit_mock.platform.clock import Clock, SimulatedClock

if TYPE_CHECKING:
    from falkit_mock.gateway.egress import Attempt
    from falkit_mock.store.deliveries import Delivery

_SHOWN = {b"x-fal-request-id": "request_id", b"x-falkit-hint": "hint"}


class RequestLog:
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

    def left(self, attempt: Attempt) -> None:
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
