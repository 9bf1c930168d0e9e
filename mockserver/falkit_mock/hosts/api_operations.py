"""api.fal.ai: models, prices, requests and usage."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import TypeVar, cast

from starlette.datastructures import QueryParams

from falkit_mock.core import iso, loads
from falkit_mock.core.errors import Invalid, Missing
from falkit_mock.hosts.site import metadata, search, unit_price
from falkit_mock.service.billing import (
    Charge,
    Entry,
    Timeframe,
    bucket,
    charge,
    entries,
    lines,
    usual_timeframe,
)
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.types import dig

T = TypeVar("T")
_MOST_IDS = 50
# A page beyond this is no page of anything here.
_LAST_PAGE = 1_000_000


class Query:
    """An operation's query string; what can't be read raises Invalid with its name."""

    def __init__(self, text: str) -> None:
        self._params = QueryParams(text)

    def text(self, name: str) -> str | None:
        return self._params.get(name) or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Invalid(f"{name}: is required")
        return value

    def one_of(self, name: str, *known: str) -> str | None:
        """Return a parameter that must be one of a few words, None if it isn't there."""
        value = self.text(name)
        if value is not None and value not in known:
            raise Invalid(f"{name}: {value!r} is none of {', '.join(known)}")
        return value

    def many(self, name: str) -> list[str]:
        """Return a parameter that may be repeated, or be a list with commas."""
        every = ",".join(self._params.getlist(name)).split(",")
        return [value.strip() for value in every if value.strip()]

    def expand(self, *known: str) -> list[str]:
        found = self.many("expand")
        if unknown := [word for word in found if word not in known]:
            raise Invalid(f"expand: {unknown[0]!r} is none of {', '.join(known)}")
        return found

    def endpoint_ids(self, catalog: Catalog, *, required: bool = False) -> list[str]:
        """Return 1 to 50 ids of models; raise Missing for one that is unknown."""
        ids = self.many("endpoint_id")
        if required and not ids:
            raise Invalid("endpoint_id: is required, once or more")
        if len(ids) > _MOST_IDS:
            raise Invalid(f"endpoint_id: {len(ids)} are too many; the most is {_MOST_IDS}")
        if unknown := [name for name in ids if name not in catalog]:
            raise Missing(
                f"Endpoint {unknown[0]!r} not found",
                hint="this mock knows " + ", ".join(endpoint.id for endpoint in catalog),
            )
        return list(dict.fromkeys(ids))

    def moment(self, name: str, default: float, zone: tzinfo = UTC) -> float:
        """Return a date or a date with a time (ISO 8601) as unix seconds."""
        value = self.text(name)
        if value is None:
            return default
        try:
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
        except (ValueError, OverflowError):
            mend = "write 2026-01-31 or 2026-01-31T12:00:00Z"
            raise Invalid(f"{name}: {value!r} is no date; {mend}") from None

    def page(self, items: Sequence[T], usual: int, most: int) -> tuple[list[T], dict[str, JSON]]:
        """Cut out the page that `limit` and `cursor` ask for; return it and what says of more."""
        size = self._limit(usual, most)
        number = self._cursor()
        start = (number - 1) * size
        has_more = len(items) > start + size
        cursor = base64.b64encode(str(number + 1).encode()).decode() if has_more else None
        return [*items[start : start + size]], {"next_cursor": cursor, "has_more": has_more}

    def _limit(self, usual: int, most: int) -> int:
        value = self.text("limit")
        if value is None:
            return usual
        if not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= most:
            raise Invalid(f"limit: {value!r} is no number from 1 to {most}")
        return int(value)

    def _cursor(self) -> int:
        value = self.text("cursor")
        if value is None:
            return 1
        try:
            number = int(base64.b64decode(value, validate=True))
        except (ValueError, binascii.Error):
            number = 0
        if not 1 <= number <= _LAST_PAGE:
            raise Invalid(f"cursor: {value!r} is none; give the next_cursor of the page before")
        return number


_EXPANSIONS = ("openapi-3.0", "enterprise_status")
_METHODS = {"historical_api_price": "call_quantity", "unit_price": "unit_quantity"}


class Models:
    """The catalog, as lists and price lists."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    def list(self, query: Query, *, known_caller: bool) -> dict[str, JSON]:
        expand = query.expand(*_EXPANSIONS)
        ids = query.endpoint_ids(self._catalog) or None
        found = search(self._catalog, query.text("q") or "", query.text("category"), ids)
        if query.one_of("status", "active", "deprecated") == "deprecated":
            found = []
        page, more = query.page(found, usual=50, most=100)
        models: list[JSON] = [_model(endpoint, expand, known_caller) for endpoint in page]
        return {"models": models, **more}

    def pricing(self, query: Query) -> dict[str, JSON]:
        ids = query.endpoint_ids(self._catalog, required=True)
        page, more = query.page(ids, usual=50, most=50)
        return {"prices": [self._price(endpoint_id) for endpoint_id in page], **more}

    async def estimate(self, body: JSON) -> dict[str, JSON]:
        method = dig(body, "estimate_type")
        if not isinstance(method, str) or method not in _METHODS:
            raise Invalid(f"estimate_type: {method!r} is none of {', '.join(_METHODS)}")
        asked = dig(body, "endpoints")
        if not isinstance(asked, dict) or not asked:
            raise Invalid("endpoints: must be an object of quantities by endpoint id")
        total = Decimal(0)
        for endpoint_id, quantity in asked.items():
            count = _quantity(quantity, endpoint_id, _METHODS[method])
            each = (
                unit_price(self._endpoint(endpoint_id))
                if method == "unit_price"
                else await self._per_call(self._endpoint(endpoint_id))
            )
            if each is None:
                raise Missing(f"No price is known for {endpoint_id!r}")
            total += count * each[0]
        return {"estimate_type": method, "total_cost": float(total), "currency": "USD"}

    async def _per_call(self, endpoint: Endpoint) -> tuple[Decimal, str] | None:
        """Return what a call has cost on average here; before the first, what defaults cost."""
        found = [
            one.cost
            async for entry in entries(self._service, self._catalog)
            if entry.endpoint_id == endpoint.id and (one := charge(entry, self._catalog))
        ]
        if found:
            return sum(found, Decimal(0)) / len(found), "call"
        price = endpoint.price({})
        return None if price is None else (price, "call")

    def _price(self, endpoint_id: str) -> dict[str, JSON]:
        priced = unit_price(self._catalog.get(endpoint_id))
        if priced is None:
            raise Missing(f"No price is known for {endpoint_id!r}")
        amount, unit = priced
        return {
            "endpoint_id": endpoint_id,
            "unit_price": float(amount),
            "unit": unit,
            "currency": "USD",
        }

    def _endpoint(self, endpoint_id: str) -> Endpoint:
        if endpoint_id not in self._catalog:
            raise Missing(f"Endpoint {endpoint_id!r} not found")
        return self._catalog.get(endpoint_id)


def _model(endpoint: Endpoint, expand: list[str], known_caller: bool) -> dict[str, JSON]:
    model: dict[str, JSON] = {
        "endpoint_id": endpoint.id,
        "metadata": metadata(endpoint, known_caller=known_caller),
    }
    if "openapi-3.0" in expand:
        model["openapi"] = endpoint.document.data
    if "enterprise_status" in expand:
        model["enterprise_status"] = "ready"
    return model


def _quantity(value: JSON, endpoint_id: str, name: str) -> Decimal:
    quantity = dig(value, name)
    if isinstance(quantity, bool) or not isinstance(quantity, int | float) or not quantity > 0:
        raise Invalid(f"endpoints.{endpoint_id}.{name}: {quantity!r} is no number above 0")
    if quantity > 1e12:
        raise Invalid(f"endpoints.{endpoint_id}.{name}: {quantity!r} is more than a billion calls")
    return Decimal(str(quantity))


_DAY = 86_400.0
# For how long the same Idempotency-Key brings the same answer (wire.md §10).
_REMEMBERED = 600.0
_TIMEFRAMES = ("minute", "hour", "day", "week", "month")


class Requests:
    """The mock's own jobs."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        # Answers to deletions by key: until when, for which request, and what.
        self._answers: dict[str, tuple[float, str, dict[str, JSON]]] = {}

    async def by_endpoint(self, query: Query) -> dict[str, JSON]:
        ids = query.endpoint_ids(self._catalog, required=True)
        payloads = "payloads" in query.expand("payloads")
        result = query.one_of("status", "success", "error", "user_error")
        by_duration = query.one_of("sort_by", "ended_at", "duration") == "duration"
        request_id = query.text("request_id")
        now = self._service.clock.now()
        start = query.moment("start", now - (90 * _DAY if request_id else _DAY))
        end = query.moment("end", float("inf"))
        found = [
            entry
            async for entry in entries(self._service, self._catalog)
            if entry.endpoint_id in ids
            and start <= entry.job.created < end
            and result in (None, entry.result)
            and request_id in (None, entry.job.id)
        ]
        found.sort(key=_duration if by_duration else _ended, reverse=True)
        page, more = query.page(found, usual=50, most=100)
        return {"items": [entry.as_json(payloads=payloads) for entry in page], **more}

    async def usage(self, query: Query) -> dict[str, JSON]:
        expand = query.expand("time_series", "summary", "auth_method") or ["time_series"]
        zone = _zone(query.text("timezone") or "UTC")
        now = self._service.clock.now()
        start = query.moment("start", now - _DAY, zone)
        end = query.moment("end", float("inf"), zone)
        chosen = query.one_of("timeframe", *_TIMEFRAMES)
        timeframe = cast(Timeframe, chosen) if chosen else usual_timeframe(min(end, now) - start)
        if query.one_of("bound_to_timeframe", "true", "false") != "false":
            start = _bound(start, timeframe, zone)
        charges = await self._charges(query, start, end)
        body: dict[str, JSON] = {}
        buckets: dict[str, list[Charge]] = {}
        for one in charges:
            buckets.setdefault(bucket(one.entry.ended, timeframe, zone), []).append(one)
        page, more = query.page(sorted(buckets), usual=50, most=1000)
        if "time_series" in expand:
            body["time_series"] = [{"bucket": at, "results": lines(buckets[at])} for at in page]
        if "summary" in expand:
            body["summary"] = lines(charges)
        return {**body, **more}

    async def billing_events(self, query: Query) -> dict[str, JSON]:
        query.expand("auth_method", "auth_method_structured")
        wanted = query.many("request_id")
        start = query.moment("start", self._service.clock.now() - _DAY)
        charges = await self._charges(query, start, query.moment("end", float("inf")))
        found = [one for one in charges if not wanted or one.entry.job.id in wanted]
        found.sort(key=lambda one: one.entry.ended, reverse=True)
        page, more = query.page(found, usual=50, most=10_000)
        return {"billing_events": [_event(one) for one in page], **more}

    async def delete_payloads(self, request_id: str, key: str) -> dict[str, JSON]:
        """Delete a job's input, output and file; the same key brings the same answer again."""
        now = self._service.clock.now()
        self._answers = {name: answer for name, answer in self._answers.items() if answer[0] > now}
        if key in self._answers:
            _, before, answer = self._answers[key]
            if before != request_id:
                raise Invalid(f"Idempotency-Key: {key!r} was used for the request {before}")
            return answer
        answer = await self._delete(request_id)
        if key:
            self._answers[key] = (now + _REMEMBERED, request_id, answer)
        return answer

    async def _delete(self, request_id: str) -> dict[str, JSON]:
        job = self._service.store.get(request_id)
        if job is None:
            raise Missing(f"Request {request_id!r} not found")
        if job.status(self._service.clock.now()) != "COMPLETED":
            raise Invalid(f"request_id: {request_id} is not done; its payloads are still needed")
        outcome = await self._service.outcome(job)
        output = loads(outcome.body) if outcome.body else None
        link = dig(output, "video", "url") if outcome.ok else None
        self._service.store.erase(request_id)
        results: list[JSON] = [] if link is None else [{"link": link, "exception": None}]
        return {"cdn_delete_results": results}

    async def _charges(self, query: Query, start: float, end: float) -> list[Charge]:
        ids = query.endpoint_ids(self._catalog)
        return [
            one
            async for entry in entries(self._service, self._catalog)
            if start <= entry.ended < end
            and (not ids or entry.endpoint_id in ids)
            and (one := charge(entry, self._catalog))
        ]


def _ended(entry: Entry) -> float:
    return entry.ended


def _duration(entry: Entry) -> float:
    return entry.duration or 0.0


def _event(one: Charge) -> JSON:
    return {
        "request_id": one.entry.job.id,
        "endpoint_id": one.entry.endpoint_id,
        "timestamp": iso(one.entry.ended),
        "output_units": float(one.quantity),
        "unit_price": float(one.unit_price),
        "percent_discount": None,
        "cost_subtotal": float(one.cost),
        "cost_discount": 0.0,
        "cost_total": float(one.cost),
        "cost_estimate_nano_usd": int(one.cost * 1_000_000_000),
    }


def _bound(start: float, timeframe: Timeframe, zone: tzinfo) -> float:
    """Return where the stretch of time begins that a moment falls into, unix seconds."""
    try:
        return datetime.fromisoformat(bucket(start, timeframe, zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise Invalid("start: is too far from today for its timezone") from None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        # Windows has no files of zones, and this one needs none.
        return UTC
    # Lazy: it reads files that most runs never need.
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise Invalid(f"timezone: {name!r} is none; write one such as Europe/Oslo") from None
