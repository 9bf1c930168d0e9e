"""The lines at the end of falkit run."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from textwrap import wrap
from urllib.parse import quote

from falkit_mock.cli.console import reason, shown_url, stands
from falkit_mock.core.events import (
    Delivery,
    DeliveryAttempted,
    Event,
    RequestAnswered,
    RequestRecord,
)
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.gateway import Egress
from falkit_mock.service.billing import charge, entries
from falkit_mock.service.service import Service
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
    """Counts the requests that are for one of fal's hosts; a listener."""

    def __init__(self) -> None:
        self.requests = 0
        # By status, method and target; the status is --- where a connection ended without one,
        # and cut where it ended within the reply.
        self.failures: Counter[tuple[str, str, str]] = Counter()
        # Failures that rules made, by the fault's name.
        self.made: Counter[str] = Counter()
        # Hints of requests that failed for another reason, and of those that succeeded.
        self.hints = Hints()
        self.hints_of_successes = Hints()

    def __call__(self, event: Event) -> None:
        """Count a request that was answered."""
        if not isinstance(event, RequestAnswered) or not event.record.fal:
            return
        record, hint = event.record, event.record.hint or ""
        self.requests += 1
        if record.status and record.status < 400 and not record.cut:
            self.hints_of_successes.add(hint)
            return
        # Some clients poll the result until it is there: no failure of theirs.
        if record.early:
            return
        # Jobs fail alike whatever their ids, and a long run has many.
        target = _REQUEST.sub("/requests/{id}", quote(f"{record.host}{record.path}", safe="/:"))
        shown = "cut" if record.cut else str(record.status or "---")
        self.failures[shown, record.method, target] += 1
        made = _faults(record)
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


def _faults(record: RequestRecord) -> list[str]:
    """Return the faults that made a request fail; others only delay it."""
    return [
        name
        for name in record.faults
        if name in FAULTS and FAULTS[name].phase in ("answer", "outcome", "media")
    ]


async def spend(service: Service, catalog: Catalog) -> Spend:
    """Return what the mock's jobs would have cost at fal: those that succeeded."""
    jobs = done = unpriced = 0
    dollars = Decimal(0)
    async for entry in entries(service, catalog):
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


@dataclass(frozen=True, slots=True)
class Remains:
    """Webhooks by what is to be said of them, rules by their text."""

    refused: Counter[str] = field(default_factory=Counter[str])
    given_up: Counter[str] = field(default_factory=Counter[str])
    undelivered: Counter[str] = field(default_factory=Counter[str])
    # Jobs that were not done, and those of them whose webhook therefore was not sent.
    unfinished: int = 0
    unsent: int = 0
    # Whether that may be because time stood.
    stood: bool = False
    # How often each rule matched that never applied.
    idle_rules: dict[str, int] = field(default_factory=dict[str, int])


class Webhooks:
    """Notes what became of each attempt to deliver the webhook of a job."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()
        # Why one that is tried again was not taken last time, by request id.
        self.reasons: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Count an attempt that is over."""
        if not isinstance(event, DeliveryAttempted) or event.delivery.cause != "job":
            # Whoever asked for another one was told.
            return
        delivery = event.delivery
        match delivery.status:
            case "refused":
                self.refused[reason(delivery)] += 1
            case "retry":
                self.reasons[delivery.request_id] = _why(delivery)
            case "failed" if delivery.number > 1 or "duplicate" not in delivery.faults:
                self.reasons.pop(delivery.request_id, None)
                self.given_up[f"{shown_url(delivery.url)}: {_why(delivery)}"] += 1
            case _:
                self.reasons.pop(delivery.request_id, None)


def remains(service: Service, heard: Webhooks) -> Remains:
    """Return what is left now; call it on the platform's own event loop."""
    now = service.clock.now()
    open_jobs = {job.id for job in service.store.jobs() if job.status(now) != "COMPLETED"}
    undelivered: Counter[str] = Counter()
    unsent = 0
    for pending in service.webhooks.pending():
        if pending.request_id in open_jobs:
            unsent += 1
            continue
        why = heard.reasons.get(pending.request_id, "nobody had answered yet")
        undelivered[f"{shown_url(pending.target.url)}: {why}"] += 1
    return Remains(
        heard.refused,
        heard.given_up,
        undelivered,
        len(open_jobs),
        unsent,
        stands(service.clock),
        {
            kept.rule.text(): kept.matched
            for kept in service.rules.all()
            if kept.id not in service.rules.used
        },
    )


def _why(delivery: Delivery) -> str:
    code = "" if delivery.status_code is None else str(delivery.status_code)
    return ", ".join(filter(None, (code, reason(delivery))))


# Distinct failures and hosts that are named; the rest is counted.
_NAMED = 5
_WIDTH = 80


def summary(
    tally: Tally, spend: Spend, left: Remains, egress: Egress, failed_handshakes: int
) -> str:
    """Return the summary, without a line's end."""
    failed = tally.failures.total()
    head = [
        f"{_count(tally.requests, 'request')}, {failed} failed",
        f"{_count(spend.jobs, 'job')}, {spend.done} done: would have cost ${_dollars(spend)}",
    ]
    if not egress.counts:
        head.append("nothing tried to leave")
    lines = ["falkit: " + "; ".join(head)]
    lines += _named(
        "  failed", Counter({f"{s} {m} {t}": n for (s, m, t), n in tally.failures.items()})
    )
    if tally.made:
        lines += _wrapped(f"  {tally.made.total()} by a rule: {_listed(tally.made)}")
    hints = [f"  hint: {hint}" for hint in (*tally.hints.all(), *tally.hints_of_successes.all())]
    lines += _few(hints, "  hint:")
    lines += _jobs(left)
    lines += _named("  webhook refused:", left.refused)
    lines += _named("  webhook given up:", left.given_up)
    lines += _named("  webhook not taken:", left.undelivered)
    lines += _few([_idle(text, seen) for text, seen in left.idle_rules.items()], "  never applied:")
    verb = "  went out to" if egress.policy == "allow" else "  kept from leaving to"
    lines += _named(verb, Counter({f"{h}:{p}": n for (h, p), n in egress.counts.items()}))
    if failed_handshakes:
        refused = _count(failed_handshakes, "connection")
        lines.append(f"  refused falkit's certificate on {refused}; docs/run.md says what may help")
    return "\n".join(lines)


def _jobs(left: Remains) -> list[str]:
    if not left.unfinished:
        return []
    line = f"  {_count(left.unfinished, 'job')} not done at the end"
    if left.stood:
        line += ", as time stood"
    if left.unsent:
        line += f"; {_count(left.unsent, 'webhook')} not sent"
    return [line]


def _idle(text: str, seen: int) -> str:
    matched = f", though it matched {_count(seen, 'time')}" if seen else ""
    return f"  never applied: --fault '{text}'{matched}"


def _dollars(spend: Spend) -> str:
    text = f"{spend.dollars.normalize():f}"
    whole, _, cents = text.partition(".")
    known = f"{whole}.{cents:0<2}"
    return f"{known} and {spend.unpriced} unpriced" if spend.unpriced else known


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(
        what if times == 1 or len(counts) == 1 else f"{what} ({times} times)"
        for what, times in counts.most_common()
    )


def _named(verb: str, counts: Counter[str]) -> list[str]:
    said = [
        f"{verb} {what}" + (f"  ({times} times)" if times > 1 else "")
        for what, times in counts.most_common()
    ]
    return _few(said, verb)


def _few(said: list[str], kind: str) -> list[str]:
    shown = [line for text in said[:_NAMED] for line in _wrapped(text)]
    if (more := len(said) - _NAMED) > 0:
        shown.append(f"{kind} {more} more")
    return shown


def _wrapped(text: str) -> list[str]:
    """Break what is too long, at spaces alone, and leave off what would take a fourth line."""
    return wrap(
        text,
        _WIDTH,
        subsequent_indent="    ",
        max_lines=3,
        placeholder=" …",
        break_long_words=False,
        break_on_hyphens=False,
    )
