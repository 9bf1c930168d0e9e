"""A line per request and per delivery."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from datetime import UTC, datetime
from typing import Any, Literal, TextIO
from urllib.parse import quote

from falkit_mock.core import masked
from falkit_mock.core.clock import Clock, SimulatedClock
from falkit_mock.core.events import (
    Delivery,
    DeliveryAttempted,
    Event,
    HostContacted,
    RequestAnswered,
    RequestArrived,
    RequestRecord,
)
from falkit_mock.core.network import MEDIA, ROLES
from falkit_spec import JSON

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
    if delivery.status == "acknowledged":
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
        "outcome": delivery.status,
        "error": None if delivery.status == "acknowledged" else reason(delivery) or None,
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
    if delivery.status == "refused":
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


class ConsoleLog:
    """Writes a line per request, delivery and call to another host; a listener.

    With the mock's clock it also says when a caller waits for one that is paused.
    """

    # Real seconds after which a caller counts as waiting.
    patience = 1.0

    def __init__(
        self,
        form: Literal["text", "json"] = "text",
        file: TextIO | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._form = form
        self._file = file or sys.stderr
        self._clock = clock
        self._waiting: dict[int, asyncio.TimerHandle] = {}

    def __call__(self, event: Event) -> None:
        """Write an event, if it is one to write."""
        match event:
            case RequestArrived(record) if stands(self._clock):
                loop = asyncio.get_running_loop()
                self._waiting[id(record)] = loop.call_later(self.patience, self._waits, record)
            case RequestAnswered(record):
                if (waiting := self._waiting.pop(id(record), None)) is not None:
                    waiting.cancel()
                self._answered(record)
            case DeliveryAttempted(delivery):
                self._delivered(delivery)
            case HostContacted():
                self._left(event)
            case _:
                return

    def _delivered(self, delivery: Delivery) -> None:
        now = time.time()
        if self._form == "json":
            self._print(json.dumps(as_facts(delivery, now)))
        else:
            self._print(as_text(delivery, now, stands=stands(self._clock)))

    def _left(self, attempt: HostContacted) -> None:
        where = f"{attempt.host}:{attempt.port}"
        if self._form == "json":
            facts = {"time": round(attempt.time, 3), "egress": where, "allowed": attempt.allowed}
            line = json.dumps(facts)
        else:
            clock = time.strftime("%H:%M:%S", time.localtime(attempt.time))
            line = f"{clock} {'out' if attempt.allowed else 'no!'} {'':<4} {where}"
        self._print(line)

    def _waits(self, record: RequestRecord) -> None:
        """Write that a caller waits for a clock that is paused, if it does."""
        # What is sent or fetched may just take its time.
        if ROLES.get(record.host) == MEDIA or self._clock is None:
            return
        streams = record.path.endswith("/status/stream")
        if not stands(self._clock) or (record.status and not streams):
            return
        now, target = time.time(), target_of(record)
        if self._form == "json":
            facts: dict[str, Any] = {"method": record.method, "target": target}
            self._print(json.dumps({"time": round(now, 3), **facts, "waits_for": "clock"}))
            return
        why = f"waits for the clock, which stands at {moment(self._clock.now())}"
        line = f"{_clock(now)} ... {record.method:<4} {target}"
        self._print(f"{line}{_INDENT}{why}; `falkit clock advance 1m` moves it")

    def _answered(self, record: RequestRecord) -> None:
        now, target, ms = time.time(), target_of(record), record.ms or 0.0
        if self._form == "json":
            facts: dict[str, Any] = {
                "time": round(now, 3),
                "method": record.method,
                "target": target,
                "status": record.status,
                "ms": round(ms, 2),
            }
            notes = {"request_id": record.request_id, "hint": record.hint}
            notes["fault"] = ", ".join(record.faults)
            self._print(json.dumps(facts | {name: note for name, note in notes.items() if note}))
            return
        # A caller that hung up got no status.
        line = f"{_clock(now)} {record.status or '---'} {record.method:<4} {target}  {ms:.1f} ms"
        if record.hint:
            line += f"{_INDENT}hint: {record.hint}"
        elif record.faults:
            line += f"{_INDENT}fault: {', '.join(record.faults)}"
        self._print(line)

    def _print(self, line: str) -> None:
        print(line, file=self._file, flush=True)


def stands(clock: Clock | None) -> bool:
    """Say whether no time passes by itself."""
    return isinstance(clock, SimulatedClock) and not clock.running


def target_of(record: RequestRecord) -> str:
    """Return what a request asked for, quoted so that no path can forge a line."""
    path = quote(record.path)
    return f"{quote(record.host)}{path}" if record.fal else path
