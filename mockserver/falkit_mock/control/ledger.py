"""What fal would have charged: in all, by endpoint, by key and, if asked for, by job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control.exchange import answer, query_of
from falkit_mock.platform.history import Charge, Entry, charge, entries
from falkit_mock.platform.platform import Platform
from falkit_spec import JSON, Catalog


@dataclass(frozen=True, slots=True)
class Line:
    """One job, and what it cost if it is done, is billed and has a known price."""

    entry: Entry
    charge: Charge | None

    @property
    def unpriced(self) -> bool:
        return self.charge is None and self.entry.result == "success"

    def as_json(self) -> dict[str, JSON]:
        paid = self.charge
        return {
            "request_id": self.entry.job.id,
            "endpoint_id": self.entry.endpoint_id,
            "key": self.entry.job.wishes.key,
            "result": self.entry.result,
            "quantity": None if paid is None else f"{paid.quantity:f}",
            "unit": None if paid is None else paid.unit,
            "cost": None if paid is None else f"{paid.cost:f}",
        }


def routes(platform: Platform, catalog: Catalog) -> list[Route]:
    """Return the routes below /__falkit."""

    async def ledger(request: Request) -> Response:
        query = query_of(request, "endpoint", "key", "jobs")
        glob, key, with_jobs = query.text("endpoint"), query.text("key"), query.flag("jobs")
        lines = [
            Line(entry, charge(entry, catalog))
            async for entry in entries(platform, catalog)
            if (not glob or fnmatchcase(entry.endpoint_id, glob))
            and (not key or entry.job.wishes.key == key)
        ]
        told: dict[str, JSON] = {
            "currency": "USD",
            **_sum(lines),
            "endpoints": _grouped(lines, "endpoint_id"),
            "keys": _grouped(lines, "key"),
        }
        if with_jobs:
            told["lines"] = [line.as_json() for line in lines]
        return answer(platform, told)

    return [Route("/ledger", ledger)]


def _grouped(lines: Iterable[Line], name: str) -> list[JSON]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(str(line.as_json()[name]), []).append(line)
    return [{name: value, **_sum(group)} for value, group in sorted(groups.items())]


def _sum(lines: Iterable[Line]) -> dict[str, JSON]:
    every = list(lines)
    paid = [line.charge.cost for line in every if line.charge is not None]
    return {
        "jobs": len(every),
        "billed": len(paid),
        # Done, but without a known price, or with its input deleted.
        "unpriced": sum(1 for line in every if line.unpriced),
        "cost": f"{sum(paid, Decimal(0)):f}",
    }
