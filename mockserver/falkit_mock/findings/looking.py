"""What has happened, told to the rules in its order, and what they find."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from falkit_mock.core import parse_body
from falkit_mock.core.events import (
    AmountReached,
    DeliveryAttempted,
    Event,
    FindingMade,
    HostContacted,
    RequestAnswered,
    RequestRecord,
)
from falkit_mock.core.jobs import Job
from falkit_mock.core.limits import AT_ONCE
from falkit_mock.core.network import QUEUE, ROLES, RUN
from falkit_mock.findings.addresses import Addresses
from falkit_mock.findings.inputs import Inputs
from falkit_mock.findings.paying import Amounts, Retries
from falkit_mock.findings.rules import Rule, Watched
from falkit_mock.findings.urls import Urls
from falkit_mock.findings.waiting import Outcomes, Polling
from falkit_mock.findings.webhooks import Webhooks
from falkit_mock.service.service import Service
from falkit_spec import Catalog, Endpoint
from falkit_spec.findings import Finding, Severity, finding_kinds
from falkit_spec.types import Object, is_object

# All rules; those of one module together.
RULES: tuple[type[Rule], ...] = (
    Urls,
    Inputs,
    *(Polling, Outcomes),
    *(Retries, Amounts),
    Addresses,
    Webhooks,
)

# Jobs that are watched, those of them that are read to their end, and findings: at most so many.
_OPEN, _DONE, _KEPT = 10_000, 2_000, 1_000
# Characters of what was seen, and of its subject.
_LENGTH = 500
# What can be asked of a request, behind its id (wire.md §3); the last by an assumption alone.
_WHAT = ("", "status", "status/stream", "cancel", "response")
_DIGITS = re.compile("[0-9]+")


_log = logging.getLogger("falkit_mock")


class Looking:
    """Leads events to the rules, and keeps the jobs that are asked for and what was found."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self.service = service
        self.catalog = catalog
        # Requests to fal's hosts, and those of them that failed, not counting early results.
        self.requests = self.failed = 0
        # Jobs that were given up while they were watched, findings that weren't kept, and events
        # that no rule could judge.
        self.dropped = self.unkept = self.unjudged = 0
        # The id of the test of what is judged.
        self.test = ""
        self._rules = [make(self) for make in RULES]
        self._webhooks = next(rule for rule in self._rules if isinstance(rule, Webhooks))
        self._submitted = self._of("submitted")
        self._ran, self._asked = self._of("ran"), self._of("asked")
        self._polled, self._read = self._of("polled"), self._of("read")
        self._cancelled, self._left = self._of("cancelled"), self._of("left")
        self._delivered, self._contacted = self._of("delivered"), self._of("contacted")
        self._reached = self._of("reached")
        # The longest watched first.
        self._open: dict[str, Watched] = {}
        self._done: dict[str, Watched] = {}
        # By the test, the code, the subject, and what was seen but for its numbers.
        self._found: dict[tuple[str, str, str, str], Finding] = {}
        # Whether listeners hear of what is found.
        self._tells = True

    def _of(self, name: str) -> list[Callable[..., None]]:
        """Return the methods of the rules that have one of their own."""
        usual = getattr(Rule, name)
        found: list[Callable[..., None]] = [
            getattr(rule, name) for rule in self._rules if getattr(type(rule), name) is not usual
        ]
        return found

    def look(self, events: Iterable[Event]) -> None:
        """Have the rules hear of events, which are of the test that runs."""
        self.test = self.service.test
        for event in events:
            try:
                if type(event) is RequestAnswered:
                    record = event.record
                    # Whoever tries something on the page is not the program.
                    if record.fal and not record.own:
                        self._request(record)
                elif isinstance(event, DeliveryAttempted):
                    _tell(self._delivered, event)
                elif isinstance(event, HostContacted):
                    _tell(self._contacted, event)
                elif isinstance(event, AmountReached):
                    _tell(self._reached, event)
            except Exception as error:
                # Such as a state file that can't be read: whoever called is answered all the same.
                self.unjudged += 1
                _log.error("findings: %s could not be judged", event.kind, exc_info=error)

    def _request(self, record: RequestRecord) -> None:
        self.requests += 1
        status = record.status
        if (not status or status >= 400 or record.cut) and not record.early:
            self.failed += 1
        role = ROLES.get(record.host)
        acts = self._asked
        if role == QUEUE:
            if record.method == "POST":
                acts = self._submitted
            elif "/requests/" in record.path and self._about(record):
                return
        elif role == RUN and record.method == "POST":
            acts = self._ran
        for act in acts:
            act(record)

    def _about(self, record: RequestRecord) -> bool:
        """Tell the rules of a request about a job; tell whether it is one."""
        base, _, tail = record.path.rpartition("/requests/")
        id, _, what = tail.partition("/")
        # A job's own replies have its id; others have one of their own, or none, and ask in vain.
        if id != record.request_id or what not in _WHAT:
            if not what and (refused := self._open.get(id)) is not None:
                # It was asked for its result all the same, as once it has expired.
                refused.result = record.status or 0
            return False
        watched = self._open.get(id) or self._done.get(id) or self._watched(record, id)
        if watched is None:
            return False
        if base != watched.base or what == "response":
            # It was taken as it was meant (--assume queue-urls=lenient).
            _tell(self._asked, record)
        status = record.status
        if what in ("status", "status/stream"):
            acts = self._polled
            watched.polls += 1
            if status == 200 and (record.completed or what == "status") and not record.cut:
                watched.completed += 1
        elif what == "cancel":
            acts = self._cancelled
            watched.cancelled = True
        else:
            acts = self._read
            if record.early:
                watched.early += 1
            else:
                # It was asked for, even where the answer was lost.
                watched.result = 0 if record.cut else status or 0
                self._finish(watched)
        for act in acts:
            act(record, watched)
        watched.last = record
        return True

    def _finish(self, watched: Watched) -> None:
        """Watch a job whose result was read among those that are of less interest."""
        if self._open.pop(watched.request_id, None) is not None:
            if len(self._done) >= _DONE:
                del self._done[next(iter(self._done))]
            self._done[watched.request_id] = watched

    def _watched(self, record: RequestRecord, id: str) -> Watched | None:
        """Return what is to be known of a request's job; None where there is none."""
        job = self.job(id)
        if job is None:
            return None
        if len(self._open) >= _OPEN:
            del self._open[next(iter(self._open))]
            self.dropped += 1
        options = job.options
        webhook = options.webhook is not None
        base, key, test = f"/{job.app}", options.key, self.test
        watched = Watched(id, job.path, base, key, job.created, webhook, test, record)
        self._open[id] = watched
        return watched

    def forget(self) -> None:
        """Judge what is certain of all jobs, and watch none any longer."""
        self._leave(over=False)
        self._open.clear()
        self._done.clear()

    def _leave(self, *, over: bool) -> None:
        test = self.test
        for watched in [*self._open.values(), *self._done.values()]:
            self.test = watched.test
            for act in self._left:
                act(watched, over=over)
        self.test = test

    def take(self, other: Looking) -> None:
        """Add what another has counted and found, and judge what it watches: it ends."""
        for name, one in other.concluded().items():
            same = self._found.get(name)
            self._found[name] = one if same is None else replace(same, times=same.times + one.times)
        self.requests += other.requests
        self.failed += other.failed
        self.dropped += other.dropped
        self.unkept += other.unkept
        self.unjudged += other.unjudged
        self._webhooks.taking |= other._webhooks.taking
        self._webhooks.tried |= other._webhooks.tried

    @property
    def untried(self) -> set[str]:
        """The receivers that took webhooks and were sent no forged copy."""
        return self._webhooks.taking - self._webhooks.tried

    def findings(self, *, conclude: bool) -> list[Finding]:
        """Return what was found, in order; with `conclude` also what is found if all is over."""
        return [*(self.concluded() if conclude else self._found).values()]

    def concluded(self) -> dict[tuple[str, str, str, str], Finding]:
        """Return what was found, and what is found if all is over, of which nothing is kept."""
        kept, unkept, self._tells = dict(self._found), self.unkept, False
        try:
            self._leave(over=True)
            return self._found
        finally:
            self._found, self.unkept, self._tells = kept, unkept, True

    # What rules look with: `rules.Look`.

    def found(
        self,
        code: str,
        seen: str,
        *,
        subject: str = "",
        record: RequestRecord | None = None,
        request_id: str | None = None,
        key: str = "",
        severity: Severity | None = None,
    ) -> None:
        test, seen, subject = self.test, seen[:_LENGTH], subject[:_LENGTH]
        name = (test, code, subject, _DIGITS.sub("0", seen))
        if (same := self._found.get(name)) is not None:
            self._found[name] = replace(same, times=same.times + 1)
            return
        if len(self._found) >= _KEPT:
            self.unkept += 1
            return
        kind = finding_kinds()[code]
        about: dict[str, Any] = {"key": key, "time": self.service.clock.now()}
        if record is not None:
            client = record.agent.decode("latin-1")[:200]
            about = {"key": record.key, "time": record.time, "client": client}
            request_id = request_id or record.request_id
        finding = Finding(
            kind=kind,
            severity=severity or kind.severity,
            seen=seen,
            subject=subject,
            request_id=request_id,
            test=test,
            **about,
        )
        self._found[name] = finding
        if self._tells:
            self.service.events.emit(FindingMade(finding))

    def withdraw(self, code: str, subject: str) -> None:
        for name in [name for name in self._found if name[1:3] == (code, subject[:_LENGTH])]:
            del self._found[name]

    def job(self, request_id: str | None) -> Job | None:
        return None if request_id is None else self.service.store.get(request_id)

    def endpoint(self, path: str) -> Endpoint | None:
        return self.catalog.at(path)

    def input(self, request_id: str) -> Object | None:
        data = self.service.store.input(request_id)
        # A large one would keep others waiting.
        value = parse_body(data) if 0 < len(data) <= AT_ONCE else None
        return value if is_object(value) else None


def _tell(acts: list[Callable[..., None]], *what: object) -> None:
    for act in acts:
        act(*what)
