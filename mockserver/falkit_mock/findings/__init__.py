"""What is wrong with the program that calls the mock: a listener that collects findings.

An event costs an append. What waits is judged in batches (`findings/looking.py`, by the rules of
`findings/rules.py`, imported at the first): when somebody asks, before jobs are forgotten, when
much waits, and soon after the first where somebody hears of findings as they are made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Protocol

from falkit_mock.core import count
from falkit_mock.core.events import (
    AmountReached,
    DeliveryAttempted,
    Event,
    FindingMade,
    HostContacted,
    RequestAnswered,
)
from falkit_mock.metrics import Metrics
from falkit_mock.service.service import Service
from falkit_spec import Catalog

if TYPE_CHECKING:
    from falkit_mock.findings.looking import Looking
    from falkit_spec import JSON
    from falkit_spec.findings import Finding, Report

# So many events wait at most; and so many seconds, where somebody hears of findings.
_MOST, _SOON = 256, 0.25


class Watcher:
    """Collects what is wrong with those who call one mock; a listener.

    Findings stay when jobs are forgotten, as spend does.
    """

    hears: ClassVar[tuple[type, ...]] = (
        RequestAnswered,
        DeliveryAttempted,
        HostContacted,
        AmountReached,
    )

    def __init__(self, service: Service, catalog: Catalog, front: Watcher | None = None) -> None:
        """Watch who calls a service; `front` keeps what was found once the service ends."""
        self._service = service
        self._catalog = catalog
        self._front = front
        # Those who follow the stream of events, of this mock and of all.
        self._followers = [one.events.behind for one in (service, front and front._service) if one]
        self._waiting: list[Event] = []
        self._looking: Looking | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Whether a listener is to hear of findings soon; who follows the stream of events does.
        self.live = False
        # What others, such as tests with mocks of their own, have handed over.
        self.handed: Report | None = None
        service.closed.append(self._close)

    def __call__(self, event: Event) -> None:
        """Keep an event until there are more."""
        waiting = self._waiting
        waiting.append(event)
        if len(waiting) >= _MOST:
            self.catch_up()
        elif self._timer is None and (self.live or any(self._followers)):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_SOON, self.catch_up)

    def catch_up(self) -> None:
        """Judge what has happened by now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = self._waiting
        if waiting:
            self._waiting = []
            self.looking.look(waiting)

    async def leave(self) -> None:
        """Judge what is certain of jobs before all are forgotten."""
        self.catch_up()
        if self._looking is not None:
            self._looking.forget()

    def findings(self, *, conclude: bool = False) -> list[Finding]:
        """Return what was found by now, in order; with `conclude` as if nobody called again."""
        self.catch_up()
        own = [] if self._looking is None else self._looking.findings(conclude=conclude)
        return own if self.handed is None else [*own, *self.handed.findings]

    def take(self, report: Report) -> None:
        """Add a report of mocks that others had, which they hand over; raise SpecError."""
        # Lazy: nobody may hand anything over.
        from falkit_spec.reports.adding import taken

        one = taken(report)
        self._keep(one)
        for finding in one.findings:
            self._service.events.emit(FindingMade(finding))

    def _keep(self, report: Report) -> None:
        from falkit_spec.reports.adding import bounded, joined

        before = () if self.handed is None else (self.handed,)
        self.handed = bounded(joined("", (*before, report)))

    @property
    def looking(self) -> Looking:
        """What judges; imported and made at its first use."""
        if self._looking is None:
            # Lazy: most mocks answer their first calls before anything is judged.
            from falkit_mock.findings.looking import Looking

            self._looking = Looking(self._service, self._catalog)
        return self._looking

    def _close(self) -> None:
        self.catch_up()
        if self._front is not None and self._looking is not None:
            self._front.looking.take(self._looking)
        if self._front is not None and self.handed is not None:
            self._front._keep(self.handed)


class Front(Watcher):
    """Collects what concerns no tenant, in front of them: calls of other hosts."""

    hears = (HostContacted,)


class App(Protocol):
    """A mock, as far as it is reported on."""

    service: Service
    catalog: Catalog
    metrics: Metrics

    def services(self) -> list[Service]:
        """Return those that have jobs."""
        ...


def watcher_of(service: Service) -> Watcher | None:
    """Return what watches those who call a mock; None where nothing does."""
    found = service.hooks.watcher
    return found if isinstance(found, Watcher) else None


def begin_test(services: Iterable[Service], test: str) -> None:
    """Have what is submitted and found from now on be a test's, by its id; empty for no test's."""
    # No file and no reply can have half a character in it.
    test = test.encode(errors="replace").decode()
    for service in services:
        if (watcher := watcher_of(service)) is not None:
            # What waits is of the test before.
            watcher.catch_up()
        service.test = test


def findings_of(services: Sequence[Service], *, conclude: bool = False) -> list[Finding]:
    """Return what was found by now with all services, the worst first.

    With `conclude` it is judged as if nobody called again: a job that was left, a result that was
    never read.
    """
    from falkit_spec.findings import merged

    watchers = filter(None, map(watcher_of, services))
    return merged(one for watcher in watchers for one in watcher.findings(conclude=conclude))


async def report_of(app: App, command: str, *, conclude: bool = True) -> Report:
    """Return what came of a mock by now, of all its tenants; on its event loop.

    `command` says what was looked at. `conclude` is as for `findings_of`.
    """
    # Lazy: most mocks are never asked.
    from falkit_mock.service.spend import sums_of
    from falkit_spec.findings import Report

    every = list(dict.fromkeys((app.service, *app.services())))
    for probing in filter(None, (one.hooks.probing for one in every)):
        await probing()
    findings = findings_of(every, conclude=conclude)
    watchers = [one for one in map(watcher_of, every) if one is not None]
    seen = [one.looking for one in watchers]
    problems: list[str] = []
    if len(watchers) < len(every):
        problems.append("not everybody who called was watched")
    if any(one.store.sharing is not None for one in every):
        problems.append(
            "several processes share this mock's state, and each has seen its own requests alone"
        )
    if dropped := sum(one.dropped for one in seen):
        problems.append(f"{count(dropped, 'job')} could not be followed: too many at once")
    if unkept := sum(one.unkept for one in seen):
        problems.append(f"{count(unkept, 'finding')} could not be kept: too many of them")
    if unjudged := sum(one.unjudged for one in seen):
        problems.append(f"{count(unjudged, 'event')} could not be judged: see the mock's log")
    for url in sorted(set[str]().union(*(one.store.deliveries.unprobed() for one in every))):
        problems.append(f"{url} answered no probe: it has to be there a moment longer")
    sums, budget = await sums_of(app.services(), app.catalog), app.service.settings.budget
    told = None if budget is None else f"{budget:f}"
    requests = sum(one.requests for one in seen), sum(one.failed for one in seen)
    report = Report(
        command,
        findings,
        problems,
        {"total": requests[0], "failed": requests[1]},
        {**app.metrics.jobs},
        {**sums.to_json(), "budget": told},
        not_done=_not_done(app),
    )
    if not app.service.settings.probe_webhooks:
        report.untried = sorted(set[str]().union(*(one.untried for one in seen)))
    handed = handed_to(app)
    if not handed:
        return report
    # Lazy, as above.
    from falkit_spec.reports.adding import joined

    # What was found is among the watchers' findings already.
    others = (replace(one, findings=[]) for one in handed)
    return joined(command, (report, *others))


def handed_to(app: App) -> list[Report]:
    """Return the reports that were handed over to a mock, or to its tenants."""
    watchers = map(watcher_of, dict.fromkeys((app.service, *app.services())))
    return [one.handed for one in watchers if one is not None and one.handed is not None]


def _not_done(app: App) -> dict[str, JSON]:
    """Return how many jobs haven't ended, and what they'd cost; nothing where all have."""
    # Lazy, as above.
    from falkit_mock.service.billing import Sum, due

    whole = Sum()
    for service in app.services():
        whole.add(due(service.store.open(service.clock.now()), service, app.catalog))
    # Those that a reset forgot would have gone on at fal.
    counts = app.metrics.jobs
    gone = 2 * counts["total"] - sum(counts.values()) - whole.jobs
    if gone > 0:
        whole.add(Sum(jobs=gone, unpriced=gone))
    return whole.to_json() if whole.jobs else {}
