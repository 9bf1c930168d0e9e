"""What has happened, told to the rules in its order, and what they find."""

from __future__ import annotations

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
from falkit_mock.core.network import QUEUE, ROLES, RUN
from falkit_mock.findings.inputs import Inputs
from falkit_mock.findings.paying import Amounts, Retries
from falkit_mock.findings.rules import Rule, Watched
from falkit_mock.findings.urls import Urls
from falkit_mock.findings.waiting import Outcomes, Polling
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
)

# Jobs that are watched, those of them that are read to their end, and findings: at most so many.
_OPEN, _DONE, _KEPT = 10_000, 2_000, 1_000
# What is asked of a request, by the end of its path (wire.md §3); submits are told by their method.
_REQUEST = re.compile(r"/requests/([^/]+)(/status|/status/stream|/cancel)?/?")
_DIGITS = re.compile("[0-9]+")


class Looking:
    """Leads events to the rules, and keeps the jobs that are asked for and what was found."""

    def __init__(self, service: Service, catalog: Catalog, test: str = "") -> None:
        self.service = service
        self.catalog = catalog
        # Requests to fal's hosts, and those of them that failed, not counting early results.
        self.requests = self.failed = 0
        # Jobs that were given up while they were watched, and findings that weren't kept.
        self.dropped = self.unkept = 0
        # The id of the test that runs.
        self.test = test
        self._rules = [make(self) for make in RULES]
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
        """Have the rules hear of events."""
        for event in events:
            if type(event) is RequestAnswered:
                record = event.record
                if record.fal:
                    self._request(record)
            elif isinstance(event, DeliveryAttempted):
                _tell(self._delivered, event.delivery)
            elif isinstance(event, HostContacted):
                _tell(self._contacted, event)
            elif isinstance(event, AmountReached):
                _tell(self._reached, event)

    def _request(self, record: RequestRecord) -> None:
        self.requests += 1
        status = record.status or 0
        if (not 0 < status < 400 or record.cut) and not record.early:
            self.failed += 1
        role = ROLES.get(record.host)
        if role == QUEUE:
            if record.method == "POST":
                for act in self._submitted:
                    act(record)
                return
            if self._about(record):
                return
        elif role == RUN and record.method == "POST":
            _tell(self._ran, record)
            return
        _tell(self._asked, record)

    def _about(self, record: RequestRecord) -> bool:
        """Tell the rules of a request about a job; tell whether it is one."""
        match = _REQUEST.search(record.path)
        # A job's own replies have its id; others have one of their own, and ask in vain.
        if match is None or match.end() != len(record.path) or match[1] != record.request_id:
            return False
        watched = self._watched(record)
        if watched is None:
            return False
        what, status = match[2], record.status
        if what is None:
            if record.early:
                watched.early += 1
            else:
                # It was asked for, even where the answer was lost.
                watched.result = 0 if record.cut else status or 0
            _tell(self._read, record, watched)
        elif what == "/cancel":
            watched.cancelled = True
            _tell(self._cancelled, record, watched)
        else:
            watched.polls += 1
            if status == 200 and (record.completed or what == "/status") and not record.cut:
                watched.completed += 1
            _tell(self._polled, record, watched)
        watched.last = record
        return True

    def _watched(self, record: RequestRecord) -> Watched | None:
        """Return what is known of a request's job, from now on; None where there is none."""
        id = record.request_id
        assert id is not None, "it was compared"
        found = self._open.get(id) or self._done.get(id)
        if found is not None:
            return found
        job = self.job(id)
        if job is None:
            return None
        if len(self._open) >= _OPEN:
            self._open.pop(next(iter(self._open)))
            self.dropped += 1
        options = job.options
        found = Watched(id, job.path, options.key, options.webhook is not None, record)
        self._open[id] = found
        return found

    def forget(self) -> None:
        """Judge what is certain of all jobs, and watch none any longer."""
        self._leave(over=False)
        self._open.clear()
        self._done.clear()

    def _leave(self, *, over: bool) -> None:
        for watched in [*self._open.values(), *self._done.values()]:
            for act in self._left:
                act(watched, over=over)

    def findings(self, *, conclude: bool) -> list[Finding]:
        """Return what was found, in order; with `conclude` also what is found if all is over."""
        if not conclude:
            return [*self._found.values()]
        kept, unkept, self._tells = dict(self._found), self.unkept, False
        try:
            self._leave(over=True)
            return [*self._found.values()]
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
        test = self.test
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

    def job(self, request_id: str | None) -> Job | None:
        return None if request_id is None else self.service.store.get(request_id)

    def endpoint(self, path: str) -> Endpoint | None:
        return self.catalog.at(path)

    def input(self, request_id: str) -> Object | None:
        data = self.service.store.input(request_id)
        value = parse_body(data) if data else None
        return value if is_object(value) else None


def _tell(acts: list[Callable[..., None]], *what: object) -> None:
    for act in acts:
        act(*what)
