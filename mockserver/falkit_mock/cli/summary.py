"""The lines at the end of falkit run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from textwrap import wrap
from urllib.parse import quote

from falkit_mock.cli.console import delivery_reason, is_paused, job_failure, shown_url
from falkit_mock.core import count, printable
from falkit_mock.core.events import (
    AmountReached,
    Delivery,
    DeliveryAttempted,
    Event,
    JobChanged,
    RequestAnswered,
    RequestRecord,
)
from falkit_mock.core.network import MEDIA, QUEUE, ROLES, RUN
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.rulebook import RuleState
from falkit_mock.gateway.gateway import EarlyEnd, Gateway
from falkit_mock.outputs import kind_of_output
from falkit_mock.service.billing import Sums
from falkit_mock.service.service import Service
from falkit_mock.service.spend import Spend, said, sums_here
from falkit_spec import Catalog
from falkit_spec.facts import dollars
from falkit_spec.findings import Report
from falkit_spec.reports.words import handed as handed_lines, not_done

_REQUEST = re.compile(r"/requests/[^/?,; ]+")
_DIGITS = re.compile(r"[0-9]+")
# Distinct texts of a kind that are kept, and those that are shown; the rest is counted.
_KEPT, _SHOWN = 100, 5
_WIDTH = 80
# How hints begin that have lines of their own: those of a fault or a webhook.
_OTHER_LINES = (
    "falkit made this fault",
    "falkit answered a pinned output",
    "fal_webhook: webhooks go to",
)
# Findings that have lines of their own: what jobs cost.
_ELSEWHERE = ("cost-alert", "budget-exceeded")
_RESULT = re.compile(r"/requests/[^/]+$")
_TRUST = "the file of `falkit cert path` to trust (docs/run.md)"
# What becomes of connections on which no request came.
_EARLY_ENDS: dict[EarlyEnd, str] = {
    "refused": "ended before a request: falkit's certificate was refused; give the program "
    f"{_TRUST}",
    "closed": "ended before a request; if the program doesn't trust falkit's certificate, give it "
    f"{_TRUST}",
    "http2": "spoke HTTP/2 alone, as gRPC does; falkit imitates nothing of that",
}
# A program that failed may have been unable to read its clips, by how they were named.
_UNREAD = {
    "auto": "the program ended before it fetched its clip; if it refuses to download from "
    "127.0.0.1, --media-host real names clips as fal does",
    "real": "the program ended before it fetched its clip; if a browser was to, which doesn't go "
    "through falkit, --media-host auto names clips by 127.0.0.1",
}


class Summary:
    """Counts what happens in a mock and its gateway; a listener."""

    def __init__(
        self,
        service: Service,
        catalog: Catalog,
        gateway: Gateway | None = None,
        services: Callable[[], list[Service]] | None = None,
    ) -> None:
        self._service = service
        # Those that have jobs, as they are at the end.
        self._services = services or (lambda: [service])
        self._catalog = catalog
        self._gateway = gateway
        # Those that are for one of fal's hosts.
        self._requests = 0
        # By status, method and target; the status is --- where a connection ended without one,
        # and cut where it ended within the reply.
        self._failed: Counter[str] = Counter()
        # Failures that rules made, by the fault's name.
        self._made: Counter[str] = Counter()
        # Hints of requests that failed for another reason, and of those that succeeded.
        self._hints: dict[str, str] = {}
        self._hints_of_successes: dict[str, str] = {}
        # Jobs by why they failed, and which was the first of each.
        self._failed_jobs: Counter[tuple[str, str]] = Counter()
        self._first_jobs: dict[tuple[str, str], str] = {}
        # Webhooks by what their line says.
        self._refused: Counter[str] = Counter()
        self._given_up: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        # Why one that is tried again was not taken last time, by request id.
        self._retried: dict[str, str] = {}
        # Results that were handed out, and files that were read.
        self._results = self._reads = 0
        # Whether a job that is done has files; of a text there are none to read.
        self._files = False
        # Jobs of this run, how they ended, and the ids of those that haven't: a reset forgets
        # jobs, and a state has those of earlier runs.
        self._jobs = 0
        self._ended: Counter[str] = Counter()
        self._open: set[str] = set()
        # What was told of amounts that jobs reached.
        self._alerts: list[str] = []

    def __call__(self, event: Event) -> None:
        """Count an event."""
        match event:
            case RequestAnswered(record) if record.fal:
                self._count_request(record)
            case JobChanged(change="accepted"):
                self._jobs += 1
                self._open.add(event.request_id)
            case JobChanged(change="ended"):
                self._count_end(event)
            case AmountReached(of="alert"):
                told = f"cost alert: {dollars(event.amount)} was reached by {event.endpoint_id}"
                self._alerts += _wrapped(f"  {told}  ({event.request_id})")
            case DeliveryAttempted(delivery) if delivery.cause == "job":
                # A resend and a trigger answer whoever asked for them.
                self._count_delivery(delivery)
            case _:
                return

    def _count_end(self, event: JobChanged) -> None:
        # One of an earlier run's that ends in this one was never accepted here.
        self._jobs += event.request_id not in self._open
        self._open.discard(event.request_id)
        error = event.error
        if event.cancelled:
            self._ended["cancelled"] += 1
        elif error is not None:
            self._ended["failed"] += 1
            why = f"{error.status_code} {event.endpoint_id}", job_failure(error)
            if why in self._first_jobs or len(self._first_jobs) < _KEPT:
                self._failed_jobs[why] += 1
                self._first_jobs.setdefault(why, event.request_id)
        else:
            self._ended["done"] += 1
            if not self._files:
                endpoint = self._catalog.at(event.endpoint_id)
                self._files = endpoint is None or kind_of_output(endpoint) is not None

    def _count_request(self, record: RequestRecord) -> None:
        self._requests += 1
        if record.status == 307 and "redirect" in record.faults:
            self._made["redirect"] += 1
        if record.status and record.status < 400 and not record.cut:
            _keep_hint(self._hints_of_successes, record)
            role = ROLES.get(record.host)
            asked = role == QUEUE and record.method == "GET" and _RESULT.search(record.path)
            self._results += bool(asked) or role == RUN
            self._reads += role == MEDIA and record.method == "GET"
            return
        # Some clients poll the result until it is there: no failure of theirs.
        if record.early:
            return
        # Jobs fail alike whatever their ids, and a long run has many.
        target = _REQUEST.sub("/requests/{id}", quote(f"{record.host}{record.path}", safe="/:"))
        status = "cut" if record.cut else str(record.status or "---")
        self._failed[f"{status} {record.method} {target}"] += 1
        # Other faults only delay a request.
        made = [
            name
            for name in record.faults
            if name in FAULTS and FAULTS[name].phase in ("answer", "outcome", "media")
        ]
        self._made.update(made)
        if not made:
            _keep_hint(self._hints, record)

    def _count_delivery(self, delivery: Delivery) -> None:
        self._retried.pop(delivery.request_id, None)
        match delivery.status:
            case "refused":
                self._refused[delivery_reason(delivery)] += 1
            case "lost":
                self._lost[f"{shown_url(delivery.url)}: {delivery_reason(delivery)}"] += 1
            case "retry":
                self._retried[delivery.request_id] = _why(delivery)
            case "failed" if delivery.number > 1 or "duplicate" not in delivery.faults:
                self._given_up[f"{shown_url(delivery.url)}: {_why(delivery)}"] += 1
            case _:
                return

    async def text(self, code: int = 0, report: Report | None = None) -> str:
        """Return the summary so far, without a line's end; call it on the mock's event loop.

        `code` is the program's exit code, `report` what is wrong with the program.
        """
        sums = await sums_here(self._services(), self._catalog)
        spend, requests = Spend.of(sums), {"total": self._requests, "failed": self._failed.total()}
        jobs = {"total": self._jobs, **self._ended}
        handed = [] if report is None else handed_lines(report)
        if report is not None and handed:
            # Tests with mocks of their own are of this run, too.
            spend, requests, jobs = (
                Spend.read(report.spend),
                _numbers(report.requests),
                {**_numbers(report.jobs), "not done": not_done(report)[0]},
            )
        first = [_counted(requests["total"], "request", {"failed": requests["failed"]}, ", ")]
        first += self._jobs_line(jobs, spend, sums)
        gateway = self._gateway
        if gateway is None or not gateway.egress.counts:
            first.append("nothing tried to leave")
        lines = ["; ".join(first), *self._cost_lines(spend)]
        lines += _bounded([f"  {line}" for line in handed], "  mocks of their own:")
        lines += [] if report is None else _found(report)
        lines += _grouped("  failed", self._failed)
        if self._made:
            lines += _wrapped(f"  {self._made.total()} by a rule: {_listed(self._made)}")
        # The order and the words are those of the requests that failed.
        hints = {**self._hints, **self._hints_of_successes, **self._hints}
        lines += _bounded([f"  hint: {hint}" for hint in hints.values()], "  hint:")
        lines += self._failed_job_lines()
        lines += self._undone()
        lines += _bounded(self._idle_rules(), "  never applied:")
        if gateway is not None:
            verb = "went out" if gateway.egress.policy == "allow" else "kept from leaving"
            counts = Counter({f"{h}:{p}": n for (h, p), n in gateway.egress.counts.items()})
            lines += _grouped(f"  {verb} to", counts)
            ends = [
                f"  {count(times, 'connection')} to {host} {_EARLY_ENDS[how]}"
                for (host, how), times in gateway.early_ends.most_common()
            ]
            lines += _bounded(ends, "  connections to")
        if code and self._results and self._files and not self._reads:
            # The last, since whatever stands above may be why.
            lines += _wrapped(f"  {_UNREAD[self._service.settings.media_host]}")
        return "\n".join(lines)

    def _jobs_line(self, jobs: Mapping[str, int], spend: Spend, sums: Sums) -> list[str]:
        """Return how many jobs there were, how they ended, and what they would have cost."""
        price = said(spend.cost)
        if refused := sums.whole().refused:
            price += f", {dollars(refused)} of it for what a model refused after its run"
        kinds = {kind: jobs.get(kind, 0) for kind in ("done", "failed", "cancelled", "not done")}
        return [_counted(jobs["total"], "job", kinds, ": "), f"would have cost {price}"]

    def _cost_lines(self, spend: Spend) -> list[str]:
        """Return what each endpoint's jobs cost, where there are several, and alerts."""
        lines = self._alerts
        costs = {id: cost for id, cost in spend.by_endpoint.items() if cost.total or cost.unknown}
        if len(costs) > 1:
            each = [
                f"  {said(cost)} {endpoint_id}  ({count(cost.jobs, 'job')})"
                for endpoint_id, cost in costs.items()
            ]
            lines = [*_bounded(each, "  endpoints:"), *lines]
        return lines

    def _failed_job_lines(self) -> list[str]:
        lines: list[str] = []
        for (what, why), times in self._failed_jobs.most_common():
            others = f" and {times - 1} more" if times > 1 else ""
            lines.append(f"  job failed: {what}: {why}  ({self._first_jobs[what, why]}{others})")
        return _bounded(lines, "  job failed:")

    def _undone(self) -> list[str]:
        """Return what is left to do: jobs that have not ended, webhooks not taken."""
        undelivered: Counter[str] = Counter()
        open_jobs: set[str] = set()
        unsent, time_stands = 0, False
        for service in self._services():
            now = service.clock.now()
            left = {job.id for job in service.store.open(now)}
            open_jobs |= left
            time_stands = time_stands or (bool(left) and is_paused(service.clock))
            for pending in service.webhooks.pending():
                if pending.request_id in left:
                    unsent += 1
                    continue
                why = self._retried.get(pending.request_id, "nobody had answered yet")
                undelivered[f"{shown_url(pending.target.url)}: {why}"] += 1
        lines: list[str] = []
        if open_jobs:
            paused = ", as time is paused" if time_stands else ""
            not_sent = f"; {count(unsent, 'webhook')} not sent" if unsent else ""
            lines.append(f"  {count(len(open_jobs), 'job')} not done at the end{paused}{not_sent}")
        lines += _grouped("  webhook refused:", self._refused)
        lines += _grouped("  webhook given up:", self._given_up)
        lines += _grouped("  webhook lost:", self._lost)
        return lines + _grouped("  webhook not taken:", undelivered)

    def _idle_rules(self) -> list[str]:
        # Those of the settings are each tenant's.
        found: dict[tuple[str, str], list[RuleState]] = {}
        used: set[tuple[str, str]] = set()
        for service in self._services():
            for kept in service.rules.all():
                known = kept.id, kept.rule.text()
                found.setdefault(known, []).append(kept)
                if kept.id in service.rules.used:
                    used.add(known)
        lines: list[str] = []
        for (id, text), states in found.items():
            if (id, text) not in used:
                matched = sum(kept.matched for kept in states)
                though = f", though it matched {count(matched, 'time')}" if matched else ""
                option = "--fault " if states[0].rule.pin is None else ""
                lines.append(f"  never applied: {option}'{text}'{though}")
        return lines


def _numbers(counts: Mapping[str, object]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if isinstance(number, int)}


def _found(report: Report) -> list[str]:
    """Return how much is wrong with the program, the worst of it, and the other codes."""
    new = [one for one in report.findings if not one.accepted and one.kind.code not in _ELSEWHERE]
    counts = Counter(one.severity for one in new)
    wrong = [count(counts[one], one) for one in ("error", "warning") if counts[one]]
    known = len([one for one in report.findings if one.accepted])
    if not wrong:
        return [f"  found {count(known, 'finding')} that the baseline accepts"] if known else []
    wrong += [f"{known:,} more in the baseline"] if known else []
    # The worst stands first.
    worst = new[0]
    about = "" if worst.subject in worst.seen else f"{worst.subject}: "
    code = worst.kind.code
    others = list(dict.fromkeys(one.kind.code for one in new if one.severity != "note"))[1:]
    more = f"; also {', '.join(others[:_SHOWN])}" if others else ""
    told = _wrapped(printable(f"  found {', '.join(wrong)}: {code}: {about}{worst.seen}{more}"))
    # The command stays whole, however much is left off before it.
    last = f"{told[-1]}  (falkit explain {code})"
    return [*told[:-1], last] if len(last) <= _WIDTH else [*told, f"    (falkit explain {code})"]


def _keep_hint(hints: dict[str, str], record: RequestRecord) -> None:
    """Keep a hint that has no other line; those that differ only in their numbers are one."""
    hint = _REQUEST.sub("/requests/{id}", record.hint or "")
    if hint and not hint.startswith(_OTHER_LINES) and len(hints) < _KEPT:
        hints.setdefault(_DIGITS.sub("0", hint), hint)


def _why(delivery: Delivery) -> str:
    code = "" if delivery.status_code is None else str(delivery.status_code)
    return ", ".join(filter(None, (code, delivery_reason(delivery))))


def _counted(number: int, noun: str, kinds: dict[str, int], colon: str) -> str:
    parts = [f"{times} {kind}" for kind, times in kinds.items() if times]
    return colon.join(filter(None, (count(number, noun), ", ".join(parts))))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(
        what if times == 1 or len(counts) == 1 else f"{what} ({times} times)"
        for what, times in counts.most_common()
    )


def _grouped(verb: str, counts: Counter[str]) -> list[str]:
    """Return a line for each of the most frequent, with how often it was."""
    lines = [
        f"{verb} {what}" + (f"  ({times} times)" if times > 1 else "")
        for what, times in counts.most_common()
    ]
    return _bounded(lines, verb)


def _bounded(lines: list[str], kind: str) -> list[str]:
    shown = [part for line in lines[:_SHOWN] for part in _wrapped(line)]
    if (more := len(lines) - _SHOWN) > 0:
        shown.append(f"{kind} {more} more")
    return shown


def _wrapped(text: str) -> list[str]:
    """Break what is too long, at spaces alone, and leave off what would take a fifth line."""
    return wrap(
        text,
        _WIDTH,
        subsequent_indent="    ",
        max_lines=4,
        placeholder=" …",
        break_long_words=False,
        break_on_hyphens=False,
    )
