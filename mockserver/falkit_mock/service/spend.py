"""What jobs have cost since the mock started: each is counted when it ends, and stays counted.

A reset, or whatever else forgets jobs, gives nothing back. What a job costs is as in billing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, cast

from falkit_mock.core import count, dumps, loads
from falkit_mock.core.breaks import PAGE
from falkit_mock.core.events import AmountReached, Event, JobChanged
from falkit_mock.core.fal_errors import platform_error
from falkit_mock.core.jobs import Job
from falkit_mock.service.billing import Charge, Entry, Sum, Sums, charge
from falkit_mock.service.facts import KeepsFacts
from falkit_mock.service.ledger import ledger_of
from falkit_mock.service.service import Service
from falkit_mock.store import BadCopy, Store
from falkit_spec import Catalog
from falkit_spec.facts import in_words

if TYPE_CHECKING:
    from falkit_mock.settings import Settings


class Cost(NamedTuple):
    """What the jobs of one endpoint, or with one key, have cost."""

    # US dollars.
    total: Decimal
    # How many have ended, and how many of them are billed at a price that isn't known.
    jobs: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Spend:
    """What jobs have cost since the mock started, in all and in parts, the dearest first."""

    # US dollars.
    total: Decimal
    # How many have ended, and how many of them are billed at a price that isn't known.
    jobs: int
    unknown: int
    by_endpoint: dict[str, Cost]
    by_key: dict[str, Cost]

    @classmethod
    def of(cls, sums: Sums) -> Spend:
        """Return what sums come to."""
        endpoints, keys = sums.by("endpoint"), sums.by("key")
        return cls(*_cost(sums.whole()), _dearest(endpoints), _dearest(keys))

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Spend:
        """Return what `GET /__falkit/spend` tells."""
        endpoints = {one["endpoint_id"]: _sum(one) for one in told["endpoints"]}
        keys = {one["key"]: _sum(one) for one in told["keys"]}
        return cls(*_cost(_sum(told)), _dearest(endpoints), _dearest(keys))

    @property
    def cost(self) -> Cost:
        """What it is in all."""
        return Cost(self.total, self.jobs, self.unknown)

    def __str__(self) -> str:
        """In words, such as `$0.36: fal-ai/ltx-2/text-to-video $0.36 (1 job)`."""
        return ": ".join(filter(None, (said(self.cost), listed(self.by_endpoint))))


def _sum(told: Mapping[str, Any]) -> Sum:
    return Sum(told["jobs"], told["billed"], told["unpriced"], Decimal(told["cost"]))


def _cost(one: Sum) -> Cost:
    return Cost(one.cost, one.jobs, one.unpriced)


def _dearest(sums: Mapping[str, Sum]) -> dict[str, Cost]:
    costs = {name: _cost(one) for name, one in sums.items()}
    return dict(sorted(costs.items(), key=lambda item: (-item[1].total, item[0])))


def said(cost: Cost) -> str:
    """Return what jobs have cost, in words."""
    return in_words(cost.total, cost.unknown)


# How many endpoints a line names.
_NAMED = 3


def listed(costs: Mapping[str, Cost]) -> str:
    """Return what the dearest have cost, as a list in words."""
    billed = [(name, one) for name, one in costs.items() if one.total or one.unknown]
    words = [f"{name} {said(one)} ({count(one.jobs, 'job')})" for name, one in billed[:_NAMED]]
    more = [f"{len(billed) - _NAMED} more"] if len(billed) > _NAMED else []
    return ", ".join(words + more)


# Of a dollar: what workers have spent is shared in whole ones.
_BILLIONTH = Decimal(10) ** -9


class SpentTogether:
    """What several workers have spent, in memory that they share: a number for each, and a last one
    that says how many amounts were told.
    """

    def __init__(self, memory: memoryview, number: int = 0) -> None:
        """Take whole numbers of eight bytes; `number` is this worker's, from 1, 0 for none."""
        self._memory = memory
        self._own = number - 1
        # One that takes another's place goes on from there.
        self._before: int = memory[self._own] if number else 0

    @property
    def total(self) -> Decimal:
        """US dollars of all."""
        return (sum(self._memory[:-1]) * _BILLIONTH).normalize()

    @property
    def told(self) -> int:
        """How many of the amounts were told, of which the lowest comes first."""
        told: int = self._memory[-1]
        return told

    @told.setter
    def told(self, number: int) -> None:
        self._memory[-1] = number

    def spent(self, own: Decimal) -> None:
        """Note what this worker has spent in all, US dollars."""
        self._memory[self._own] = self._before + int(own / _BILLIONTH)


class Limits:
    """The budget, and amounts at which to alert: tells once, as an event, that one is reached.

    One for a mock with all its tenants, and for its workers together: it is one bill.
    """

    def __init__(self, settings: Settings) -> None:
        self.together: SpentTogether | None = None
        self._total = Decimal(0)
        alerts = [(amount, False) for amount in settings.alert_at]
        budget = [] if settings.budget is None else [(settings.budget, True)]
        # The lowest first, and whether each is the budget; and how many were told.
        self._amounts = sorted(alerts + budget)
        self._told = 0

    def add(self, service: Service, job: Job, paid: Charge) -> None:
        """Add what a job costs."""
        self._total += paid.cost
        total, told = self._total, self._told
        if (together := self.together) is not None:
            together.spent(self._total)
            total, told = together.total, together.told
        for amount, is_budget in self._amounts[told:]:
            if total < amount or (is_budget and total == amount):
                break
            self._told = told = told + 1
            if together is not None:
                together.told = told
            of: Literal["alert", "budget"] = "budget" if is_budget else "alert"
            endpoint_id, key = paid.entry.endpoint_id, job.options.key
            service.events.emit(
                AmountReached(of, amount, total, job.id, endpoint_id, key, job.ends)
            )


class Meter:
    """Counts what the jobs of one service cost, those whose ends this process tells.

    It counts when it is asked, and before jobs are forgotten; as a listener, at each end.
    """

    hears: ClassVar[tuple[type, ...]] = (JobChanged,)

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self.sums = Sums()
        self.limits: Limits | None = None
        self._service = service
        self._catalog = catalog

    def __call__(self, event: Event) -> None:
        """Count a job that has ended."""
        if isinstance(event, JobChanged) and event.change == "ended":
            self.count()

    def count(self, most: int | None = None) -> bool:
        """Count jobs that have ended, so many at most or all; tell whether there were any."""
        ended, store = self._service.job_events.uncounted, self._service.store
        ids = ended[:most]
        del ended[:most]
        for id in ids:
            if (job := store.get(id)) is not None:
                self._add(job)
        return bool(ids)

    async def counted(self) -> Sums:
        """Return the sums, with all that has ended by now; others are served meanwhile."""
        await self._service.job_events.told()
        await self.catch_up()
        return self.sums

    async def catch_up(self) -> None:
        """Count all that was told by now, some at a time."""
        while self.count(PAGE):
            await asyncio.sleep(0)

    async def leave(self) -> None:
        """Count all jobs before they are forgotten; in a turn, where a state is shared."""
        await self.catch_up()
        store = self._service.store
        if store.sharing is not None:
            sums = Sums()
            with suppress(BadCopy):
                # What can't be read can't be added to either.
                sums.add(_forgotten(store))
            await _add_jobs(sums, self._service, self._catalog)
            cast(KeepsFacts, store).facts[_FORGOTTEN] = dumps(sums.dump())

    def _add(self, job: Job) -> None:
        endpoint = self._catalog.at(job.path)
        # One that was given up has an outcome that was never told.
        outcome = platform_error("request_timeout") if job.ends < job.starts else job.outcome
        endpoint_id = job.path if endpoint is None else endpoint.id
        input = self._service.store.input
        entry = Entry(job, endpoint_id, outcome, lambda: input(job.id))
        paid = charge(entry, self._catalog)
        cost, key = None if paid is None else paid.cost, job.options.key
        self.sums.of(endpoint_id, key).count(1, entry.result, cost, billed=entry.billed)
        if paid is not None and self.limits is not None:
            self.limits.add(self._service, job, paid)


def meter_of(service: Service, catalog: Catalog) -> Meter:
    """Return the meter of a service; it is made when it is first asked for."""
    found = service.hooks.meter
    if not isinstance(found, Meter):
        found = service.hooks.meter = Meter(service, catalog)
    return found


def sums_by_now(services: Iterable[Service], catalog: Catalog) -> Sums:
    """Return what jobs have cost whose ends this process told by now; it waits for nothing."""
    meters = [meter_of(service, catalog) for service in services]
    for meter in meters:
        meter.count()
    return _all(meter.sums for meter in meters)


async def sums_here(services: Iterable[Service], catalog: Catalog) -> Sums:
    """Return what jobs have cost whose ends this process told."""
    return _all([await meter_of(service, catalog).counted() for service in services])


async def sums_of(services: Iterable[Service], catalog: Catalog) -> Sums:
    """Return what jobs have cost since the mock started; of a shared state, since it began.

    Only the state knows what other replicas, and those that are gone, have answered.
    """
    return _all(
        [
            await meter_of(service, catalog).counted()
            if service.store.sharing is None
            else await _of_state(service, catalog)
            for service in services
        ]
    )


# The fact of a shared state that has what jobs cost that a reset forgot.
_FORGOTTEN = "spent"


def _forgotten(store: Store) -> Sums:
    """Return what jobs cost that a reset forgot; raise BadCopy where that can't be read."""
    sums, facts = Sums(), cast(KeepsFacts, store).facts
    try:
        sums.load(loads(facts.get(_FORGOTTEN, b"[]")))
    except (ValueError, TypeError, ArithmeticError):
        raise BadCopy("has what was spent in a form that can't be read; reset it") from None
    return sums


async def _add_jobs(sums: Sums, service: Service, catalog: Catalog) -> None:
    for kind, jobs in await ledger_of(service, catalog).sums():
        if kind.result is not None:
            kind.count(jobs, sums)


async def _of_state(service: Service, catalog: Catalog) -> Sums:
    """Return what all jobs of a shared state have cost, also those that a reset forgot."""
    sums = _forgotten(service.store)
    await _add_jobs(sums, service, catalog)
    return sums


def _all(found: Iterable[Sums]) -> Sums:
    sums = Sums()
    for part in found:
        sums.add(part)
    return sums
