"""What jobs cost, as entries and charges."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeAlias, cast

from falkit_mock.core import NotJson, iso, loads
from falkit_mock.core.breaks import Breaks
from falkit_mock.core.fal_errors import BILLED_UNITS
from falkit_mock.core.jobs import Job, Outcome
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.types import is_object

Result: TypeAlias = Literal["success", "error", "user_error"]
Timeframe: TypeAlias = Literal["minute", "hour", "day", "week", "month"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One job and, once it is done, its outcome."""

    job: Job
    endpoint_id: str
    outcome: Outcome | None
    # Reads the body that asked for it, which may be large.
    input: Callable[[], bytes]
    # Whether a payload of it is still stored (wire.md §3.4).
    kept: Callable[[bytes], bool] = bool

    @property
    def result(self) -> Result | None:
        if self.outcome is None:
            return None
        if self.outcome.ok:
            return "success"
        return "user_error" if self.outcome.status_code < 500 else "error"

    @property
    def billed(self) -> bool:
        """Whether it costs something: a success, or a refusal that says so (wire.md §6.3)."""
        if self.outcome is None:
            return False
        return self.outcome.ok or self.outcome.headers.get(BILLED_UNITS, "0") != "0"

    @property
    def ended(self) -> float:
        """When it ended, unix seconds; infinite if it has not."""
        return self.job.ends if self.outcome is not None else math.inf

    @property
    def duration(self) -> float | None:
        if self.outcome is None:
            return None
        return 0.0 if self.job.given_up else round(self.job.ends - self.job.starts, 6)

    def as_json(self, *, payloads: bool) -> dict[str, JSON]:
        """Return it as `GET /models/requests/by-endpoint` lists it."""
        started = self.job.starts if math.isfinite(self.job.starts) else self.job.created
        item: dict[str, JSON] = {
            "request_id": self.job.id,
            "endpoint_id": self.endpoint_id,
            "started_at": iso(started),
            "sent_at": iso(self.job.created),
            "ended_at": None if self.outcome is None else iso(self.job.ends),
            "status_code": None if self.outcome is None else self.outcome.status_code,
            "duration": self.duration,
        }
        if payloads:
            item["json_input"] = self._payload(self.input())
            item["json_output"] = self._payload(self.outcome.body if self.outcome else b"")
        return item

    def _payload(self, data: bytes) -> JSON:
        return readable(data) if self.kept(data) else None


@dataclass(frozen=True, slots=True)
class Charge:
    """What one job cost, US dollars."""

    entry: Entry
    unit: str
    quantity: Decimal
    cost: Decimal

    @property
    def unit_price(self) -> Decimal:
        return self.cost / self.quantity if self.quantity else Decimal(0)


async def entries(service: Service, catalog: Catalog) -> AsyncGenerator[Entry]:
    """Yield every job in the order of submission, with the outcomes of those that are done.

    Others are served meanwhile, so whoever goes through many keeps sums, and no list of them.
    """
    now, breaks = service.clock.now(), Breaks()
    for job in service.store.walk():
        await breaks.due()
        yield await entry_of(job, now, service, catalog)


async def entry_of(job: Job, now: float, service: Service, catalog: Catalog) -> Entry:
    """Return a job with its outcome, if it is done."""
    endpoint = catalog.at(job.path)
    endpoint_id = job.path if endpoint is None else endpoint.id
    outcome = await service.outcome(job) if job.status(now) == "COMPLETED" else None
    input = partial(service.store.input, job.id)
    return Entry(job, endpoint_id, outcome, input, partial(service.retention.keeps, job))


def charge(entry: Entry, catalog: Catalog) -> Charge | None:
    """Return what a job cost; None for one that is not billed or has no known price."""
    if not entry.billed or entry.endpoint_id not in catalog or entry.outcome is None:
        return None
    endpoint = catalog.get(entry.endpoint_id)
    # What the answer said: the input alone doesn't tell how long its files were.
    said = entry.outcome.headers.get(BILLED_UNITS)
    found = _priced(endpoint, entry.input(), None if said is None else Decimal(said))
    return None if found is None else Charge(entry, *found)


def due(jobs: Iterable[Job], service: Service, catalog: Catalog) -> Sum:
    """Return what jobs would cost that aren't done, if no fault came between.

    What a model refuses, as far as that is known by now, costs nothing.
    """
    whole = Sum()
    for job in jobs:
        outcome, endpoint, data = job.outcome, catalog.at(job.path), service.store.input(job.id)
        refused = outcome is not None and not outcome.ok and job.faults.outcome is None
        cost = None
        if refused or (endpoint is not None and not endpoint.is_valid(readable(data))):
            cost = Decimal(0)
        elif endpoint is not None and (found := _priced(endpoint, data, None)) is not None:
            cost = found[2]
        whole.count(1, "success", cost, billed=True)
    return whole


def _priced(
    endpoint: Endpoint, data: bytes, quantity: Decimal | None
) -> tuple[str, Decimal, Decimal] | None:
    """Return the unit, the quantity and the cost of a job; None where no price is known."""
    input, pricing = readable(data), endpoint.pricing
    if not is_object(input) or pricing is None:
        return None
    full = endpoint.with_defaults(input)
    quantity = pricing.units(full) if quantity is None else quantity
    cost = pricing.cost(quantity, full)
    return None if quantity is None or cost is None else (pricing.unit, quantity, cost)


@dataclass(slots=True)
class Sum:
    """Jobs, and what they cost, added up."""

    jobs: int = 0
    # Those with a known price; and those without, also where the input was deleted.
    billed: int = 0
    unpriced: int = 0
    # US dollars; and what of it is for what a model refused after its run.
    cost: Decimal = Decimal(0)
    refused: Decimal = Decimal(0)

    def count(
        self, jobs: int, result: Result | None, cost: Decimal | None, *, billed: bool
    ) -> None:
        """Add jobs that came to the same; `cost` is of one, None where it isn't known."""
        self.jobs += jobs
        if cost is not None:
            self.billed += jobs
            self.cost += jobs * cost
            if result != "success":
                self.refused += jobs * cost
        elif billed:
            self.unpriced += jobs

    def add(self, other: Sum) -> None:
        """Add what was added up elsewhere."""
        self.jobs += other.jobs
        self.billed += other.billed
        self.unpriced += other.unpriced
        self.cost += other.cost
        self.refused += other.refused

    def to_json(self) -> dict[str, JSON]:
        """Return it as the control API has it; amounts are text, since floats don't add up."""
        return {
            "jobs": self.jobs,
            "billed": self.billed,
            "unpriced": self.unpriced,
            "cost": f"{self.cost:f}",
        }


class Sums:
    """Jobs and what they cost, added up for each endpoint and key."""

    def __init__(self) -> None:
        # By the endpoint's id and the key's.
        self._parts: dict[tuple[str, str], Sum] = {}

    def of(self, endpoint_id: str, key: str) -> Sum:
        """Return the sum of an endpoint and a key, to count into."""
        found = self._parts.get((endpoint_id, key))
        if found is None:
            found = self._parts[endpoint_id, key] = Sum()
        return found

    def add(self, other: Sums) -> None:
        """Add what was added up elsewhere."""
        for (endpoint_id, key), one in other._parts.items():
            self.of(endpoint_id, key).add(one)

    def whole(self) -> Sum:
        """Return the sum of all."""
        found = Sum()
        for one in self._parts.values():
            found.add(one)
        return found

    def by(self, what: Literal["endpoint", "key"]) -> dict[str, Sum]:
        """Return a sum for each endpoint, or for each key, in the order of their ids."""
        place, found = 0 if what == "endpoint" else 1, dict[str, Sum]()
        for name, one in sorted(self._parts.items()):
            found.setdefault(name[place], Sum()).add(one)
        return dict(sorted(found.items()))

    def dump(self) -> JSON:
        """Return them as `load` takes them."""
        return [
            [*names, one.jobs, one.billed, one.unpriced, f"{one.cost:f}", f"{one.refused:f}"]
            for names, one in self._parts.items()
        ]

    def load(self, rows: JSON) -> None:
        """Add what `dump` gave."""
        for endpoint_id, key, jobs, billed, unpriced, cost, refused in cast("list[Any]", rows):
            sums = Sum(jobs, billed, unpriced, Decimal(cost), Decimal(refused))
            self.of(endpoint_id, key).add(sums)

    def to_json(self) -> dict[str, JSON]:
        """Return them as the control API has them."""
        endpoints, keys = self.by("endpoint").items(), self.by("key").items()
        return {
            "currency": "USD",
            **self.whole().to_json(),
            "endpoints": [{"endpoint_id": id, **one.to_json()} for id, one in endpoints],
            "keys": [{"key": key, **one.to_json()} for key, one in keys],
        }


class Lines:
    """Charges added up, a line for each model and unit price, as `GET /models/usage` has them."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, Decimal], tuple[Decimal, Decimal]] = {}

    def add(
        self, endpoint_id: str, price: tuple[str, Decimal], sums: tuple[Decimal, Decimal]
    ) -> None:
        """Add a quantity and what it cost, given its unit and the price of one."""
        key = (endpoint_id, *price)
        quantity, cost = self._sums.get(key, (Decimal(0), Decimal(0)))
        self._sums[key] = (quantity + sums[0], cost + sums[1])

    def to_json(self) -> list[JSON]:
        return [
            {
                "endpoint_id": endpoint_id,
                "unit": unit,
                "quantity": float(quantity),
                "unit_price": float(price),
                "percent_discount": None,
                "cost_subtotal": float(cost),
                "cost_discount": 0.0,
                "cost_total": float(cost),
                "cost": float(cost),
                "currency": "USD",
            }
            for (endpoint_id, unit, price), (quantity, cost) in sorted(self._sums.items())
        ]


def usual_timeframe(seconds: float) -> Timeframe:
    """Return how finely a span is divided where the query doesn't say (wire.md §10, PLAT)."""
    hours = seconds / 3600
    limits: tuple[tuple[float, Timeframe], ...] = (
        (2, "minute"),
        (48, "hour"),
        (64 * 24, "day"),
        (183 * 24, "week"),
        (math.inf, "month"),
    )
    return next(name for most, name in limits if hours < most)


def bucket(moment: float, timeframe: Timeframe, zone: tzinfo) -> str:
    """Return the start of the stretch of time that a moment (unix seconds) falls into."""
    at = datetime.fromtimestamp(moment, zone).replace(second=0, microsecond=0)
    if timeframe != "minute":
        at = at.replace(minute=0)
    if timeframe in ("day", "week", "month"):
        at = at.replace(hour=0)
    if timeframe == "week":
        at -= timedelta(days=at.weekday())
    if timeframe == "month":
        at = at.replace(day=1)
    return at.isoformat()


def readable(data: bytes) -> JSON:
    """Return what bytes say: JSON where they are, else their text; None for none at all."""
    try:
        return loads(data) if data else None
    except NotJson:
        return data.decode("utf-8", "replace")
