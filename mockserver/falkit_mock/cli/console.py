"""A line on stderr per request, delivery, job that ended and call to another host."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Literal, TextIO, TypeAlias
from urllib.parse import quote

from falkit_mock.core import iso, masked, printable
from falkit_mock.core.clock import Clock, SimulatedClock
from falkit_mock.core.events import (
    AmountReached,
    Delivery,
    DeliveryAttempted,
    Event,
    HostContacted,
    JobChanged,
    JobError,
    RequestAnswered,
    RequestArrived,
    RequestRecord,
    fault_names,
)
from falkit_mock.core.network import MEDIA, ROLES
from falkit_spec import JSON
from falkit_spec.facts import dollars

Format: TypeAlias = Literal["text", "json"]
Level: TypeAlias = Literal["info", "warning", "error"]

# A line has the mock's time too where it is further than this from the machine's, in seconds.
_NEAR = 60.0
# Characters of a receiver's answer that are shown, and of a hint that was shown before.
_LONGEST, _REMINDER = 100, 160
_INDENT = "\n         "
_AGAIN = "… (as above)"


def json_line(level: Level, facts: Mapping[str, JSON], now: float | None = None) -> str:
    """Return a line of the log in JSON; `now` is the machine's time, unix seconds."""
    at = iso(time.time() if now is None else now)
    return json.dumps({"time": at, "level": level, **facts})


def log_errors() -> None:
    """Have falkit's own errors written to stderr in JSON; Python itself writes text."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter())
    for name in ("falkit_mock", "falkit_spec"):
        logging.getLogger(name).addHandler(handler)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json_line("error", {"message": super().format(record)}, record.created)


def delivery_text(delivery: Delivery, now: float, *, paused: bool = False) -> str:
    """Return a line, and what went wrong in further ones; `now` is the machine's time.

    The mock's is added where its clock is paused, or far from the machine's.
    """
    apart = paused or abs(delivery.sent - now) > _NEAR
    parts = [
        f"{_clock(now)} {delivery.status_code or '---'} HOOK {shown_url(delivery.url)}",
        f"{delivery.seconds * 1000:.1f} ms",
        " ".join(filter(None, (_status(delivery), delivery.request_id))),
    ]
    if delivery.number > 1:
        parts.append(f"attempt {delivery.number}")
    if delivery.cause == "probe":
        parts.append(_probed(delivery))
    elif delivery.faults:
        parts.append(f"fault: {fault_names(delivery.faults)}")
    if apart:
        parts.append(f"at {iso(delivery.sent)} by the mock's clock")
    line = "  ".join(parts)
    if delivery.status == "acknowledged" or delivery.cause == "probe":
        return line
    return f"{line}{_INDENT}{_failure(delivery, apart=apart)}"


def delivery_facts(delivery: Delivery) -> dict[str, JSON]:
    """Return what the log in JSON has of a delivery; `sent` and `next` are by the mock's clock."""
    return {
        "webhook": masked(delivery.url),
        "request_id": delivery.request_id,
        "job_status": _status(delivery) or None,
        "cause": delivery.cause,
        "attempt": delivery.number,
        "sent": iso(delivery.sent),
        "status_code": delivery.status_code,
        "status": delivery.status,
        "error": None if delivery.status == "acknowledged" else delivery_reason(delivery) or None,
        "next": None if delivery.next is None else iso(delivery.next),
        "faults": [*delivery.faults],
        "ms": round(delivery.seconds * 1000, 2),
    }


def delivery_reason(delivery: Delivery) -> str:
    """Say why a delivery was not taken, as far as its code doesn't; "" where nothing says it."""
    code = delivery.status_code
    if delivery.error:
        return printable(delivery.error)
    if code is not None and 300 <= code < 400:
        return "redirects aren't followed"
    text = delivery.response_body[: 4 * _LONGEST].decode("utf-8", "replace").strip()
    line = printable(text.partition("\n")[0])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def job_failure(error: JobError) -> str:
    """Say why a job failed: the field that is to blame, if one is, and the message."""
    return printable(": ".join(filter(None, (error.field, error.message))))


def shown_url(url: str) -> str:
    """Return a receiver's URL without its password, quoted so that none can forge a line."""
    return quote(masked(url), safe="/%:?&=+,;@[]~!$'()*")


def is_paused(clock: Clock | None) -> bool:
    """Tell whether no time passes by itself."""
    return isinstance(clock, SimulatedClock) and not clock.running


def _failure(delivery: Delivery, *, apart: bool) -> str:
    why = delivery_reason(delivery)
    why = f": {why}" if why else ""
    if delivery.next is not None:
        then = iso(delivery.next) if apart else _clock(delivery.next)
        return f"attempt {delivery.number} was not taken{why}; the next is at {then}"
    if delivery.status in ("refused", "lost"):
        return f"{delivery.status}{why}"
    if delivery.number > 1 and delivery.cause == "job":
        return f"given up after {delivery.number} attempts{why}"
    return f"not taken, and not tried again{why}"


def _probed(delivery: Delivery) -> str:
    copy = "a re-serialised copy" if "reserialised" in delivery.faults else "a forged copy"
    if delivery.status == "acknowledged":
        return f"{copy} was taken; it should be refused"
    return (
        f"{copy} was refused, as it should be" if delivery.status_code else f"{copy} has no answer"
    )


def _status(delivery: Delivery) -> str:
    return str(delivery.payload.get("status", "")) if delivery.body else ""


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


class _Recent:
    """The newest texts: each is new once, as long as it is among them."""

    def __init__(self, size: int = 100) -> None:
        self._size = size
        self._texts: dict[str, None] = {}

    def is_new(self, text: str) -> bool:
        new = text not in self._texts
        self._texts.pop(text, None)
        self._texts[text] = None
        if len(self._texts) > self._size:
            del self._texts[next(iter(self._texts))]
        return new


class ConsoleLog:
    """Writes what happens, a line each; a listener.

    With `failures_only` it writes jobs that failed and webhooks that were not taken, alike ones
    once. With the mock's clock it also says when a caller waits for one that is paused.
    """

    # Real seconds after which a caller counts as waiting.
    patience = 1.0

    def __init__(
        self,
        form: Format = "text",
        file: TextIO | None = None,
        clock: Clock | None = None,
        *,
        failures_only: bool = False,
        keys: bool = False,
    ) -> None:
        # Whether lines say whose a request was.
        self._keys = keys
        self._form = form
        self._file = file or sys.stderr
        self._clock = clock
        self._failures_only = failures_only
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        self._recent = _Recent()

    def __call__(self, event: Event) -> None:
        """Write an event, if it is one to write."""
        match event:
            case JobChanged(change="ended"):
                self._ended(event)
            case DeliveryAttempted(delivery):
                self._delivered(delivery)
            case AmountReached():
                self._reached(event)
            case _ if self._failures_only:
                return
            case RequestArrived(record) if is_paused(self._clock):
                loop = asyncio.get_running_loop()
                self._waiting[id(record)] = loop.call_later(self.patience, self._waits, record)
            case RequestAnswered(record):
                if (waiting := self._waiting.pop(id(record), None)) is not None:
                    waiting.cancel()
                self._answered(record)
            case HostContacted():
                where, out = f"{event.host}:{event.port}", event.allowed
                text = f"{_clock(event.time)} {'out' if out else '---'} {'':<4} {where}"
                text += "" if out else "  refused"
                facts: dict[str, JSON] = {"event": event.kind, "egress": where, "allowed": out}
                self._write(text, "info" if out else "warning", facts)
            case _:
                return

    def _ended(self, job: JobChanged) -> None:
        error = None if job.cancelled else job.error
        text = ""
        if error is not None and self._is_wanted(f"{job.endpoint_id} {error}"):
            line = f"{_clock(time.time())} {error.status_code} JOB  {quote(job.endpoint_id)}"
            text = f"{line}  failed  {job.request_id}{_INDENT}{job_failure(error)}"
        facts = {"event": "job_ended", **job.to_json(), "ended": iso(job.time)}
        del facts["time"], facts["change"]
        self._write(text, "info" if error is None else "warning", facts)

    def _delivered(self, delivery: Delivery) -> None:
        # A probe's refusal is what is wanted.
        taken = (delivery.status == "acknowledged") is (delivery.cause != "probe")
        if self._failures_only:
            reason = _probed if delivery.cause == "probe" else delivery_reason
            alike = f"{delivery.url} {delivery.status} {reason(delivery)}"
            if taken or not self._is_wanted(alike):
                return
        text = delivery_text(delivery, time.time(), paused=is_paused(self._clock))
        facts = {"event": DeliveryAttempted.kind, **delivery_facts(delivery)}
        self._write(text, "info" if taken else "warning", facts)

    def _reached(self, event: AmountReached) -> None:
        amount = dollars(event.amount)
        what = f"the alert at {amount}" if event.of == "alert" else f"over the budget of {amount}"
        text = f"{_clock(time.time())} $$$ COST {quote(event.endpoint_id)}  {event.request_id}"
        text += f"{_INDENT}calls would have cost {dollars(event.cost)} so far: {what}"
        self._write(text, "warning", {"event": event.kind, **event.to_json()})

    def _is_wanted(self, alike: str) -> bool:
        return not self._failures_only or self._recent.is_new(alike)

    def _waits(self, record: RequestRecord) -> None:
        """Write that a caller waits for a clock that is paused, if it does."""
        # What is sent or fetched may just take its time.
        if ROLES.get(record.host) == MEDIA or self._clock is None:
            return
        streams = record.path.endswith("/status/stream")
        if not is_paused(self._clock) or (record.status and not streams):
            return
        line = f"{_clock(time.time())} ... {record.method:<4} {_target(record)}"
        why = f"waits for the clock, which is paused at {iso(self._clock.now())}"
        text = f"{line}{_INDENT}{why}; `falkit clock advance 1m` moves it"
        facts = {"event": "request_waits", **_caller(record), "waits_for": "clock"}
        self._write(text, "info", facts)

    def _answered(self, record: RequestRecord) -> None:
        ms, status, faults = record.ms or 0.0, record.status or 0, ", ".join(record.faults)
        # A caller that hung up got no status.
        text = f"{_clock(time.time())} {status or '---'} {record.method:<4} {_target(record)}"
        text += f"  {ms:.1f} ms"
        if self._keys and record.key:
            text += f"  key {quote(record.key)}"
        if record.hint:
            new = self._recent.is_new(record.hint) or len(record.hint) <= _REMINDER
            text += f"{_INDENT}hint: {record.hint if new else record.hint[:_REMINDER] + _AGAIN}"
        elif faults:
            text += f"{_INDENT}fault: {faults}"
        notes = {"request_id": record.request_id, "hint": record.hint, "fault": faults}
        facts = {"event": RequestAnswered.kind, **_caller(record), "status": status}
        facts["ms"] = round(ms, 2)
        facts |= {name: note for name, note in notes.items() if note}
        failed = record.cut or (not 0 < status < 400 and not record.early)
        level: Level = "error" if status >= 500 else "warning" if failed else "info"
        self._write(text, level, facts)

    def _write(self, text: str, level: Level, facts: Mapping[str, JSON]) -> None:
        line = json_line(level, facts) if self._form == "json" else text
        if line:
            print(line, file=self._file, flush=True)


def _caller(record: RequestRecord) -> dict[str, JSON]:
    return {
        "method": record.method,
        "target": _target(record),
        "key": record.key,
        "client": record.client,
    }


def _target(record: RequestRecord) -> str:
    """Return what a request asked for, quoted so that no path can forge a line."""
    path = quote(record.path)
    return f"{quote(record.host)}{path}" if record.fal else path
