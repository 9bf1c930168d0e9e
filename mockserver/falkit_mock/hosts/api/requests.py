"""GET /models/requests/by-endpoint, /models/usage, /models/billing-events; DELETE payloads."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import cast

from falkit_mock.api_errors import Invalid, Missing
from falkit_mock.hosts.api.query import Query
from falkit_mock.platform.history import (
    Charge,
    Entry,
    Timeframe,
    bucket,
    charge,
    entries,
    iso,
    lines,
    usual_timeframe,
)
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.wire_json import loads
from falkit_spec import JSON, Catalog
from falkit_spec.types import dig

_DAY = 86_400.0
# For how long the same Idempotency-Key brings the same answer (wire.md §10).
_REMEMBERED = 600.0
_TIMEFRAMES = ("minute", "hour", "day", "week", "month")


class Requests:
    """The mock's own jobs."""

    def __init__(self, platform: Platform, catalog: Catalog) -> None:
        self._platform = platform
        self._catalog = catalog
        # Answers to deletions by key: until when, for which request, and what.
        self._answers: dict[str, tuple[float, str, dict[str, JSON]]] = {}

    async def by_endpoint(self, query: Query) -> dict[str, JSON]:
        ids = query.endpoint_ids(self._catalog, required=True)
        payloads = "payloads" in query.expand("payloads")
        result = query.one_of("status", "success", "error", "user_error")
        by_duration = query.one_of("sort_by", "ended_at", "duration") == "duration"
        request_id = query.text("request_id")
        now = self._platform.clock.now()
        start = query.moment("start", now - (90 * _DAY if request_id else _DAY))
        end = query.moment("end", float("inf"))
        found = [
            entry
            async for entry in entries(self._platform, self._catalog)
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
        now = self._platform.clock.now()
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
        start = query.moment("start", self._platform.clock.now() - _DAY)
        charges = await self._charges(query, start, query.moment("end", float("inf")))
        found = [one for one in charges if not wanted or one.entry.job.id in wanted]
        found.sort(key=lambda one: one.entry.ended, reverse=True)
        page, more = query.page(found, usual=50, most=10_000)
        return {"billing_events": [_event(one) for one in page], **more}

    async def delete_payloads(self, request_id: str, key: str) -> dict[str, JSON]:
        """Delete a job's input, output and file; the same key brings the same answer again."""
        now = self._platform.clock.now()
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
        job = self._platform.store.get(request_id)
        if job is None:
            raise Missing(f"Request {request_id!r} not found")
        if job.status(self._platform.clock.now()) != "COMPLETED":
            raise Invalid(f"request_id: {request_id} is not done; its payloads are still needed")
        outcome = await self._platform.outcome(job)
        output = loads(outcome.body) if outcome.body else None
        link = dig(output, "video", "url") if outcome.ok else None
        self._platform.store.erase(request_id)
        results: list[JSON] = [] if link is None else [{"link": link, "exception": None}]
        return {"cdn_delete_results": results}

    async def _charges(self, query: Query, start: float, end: float) -> list[Charge]:
        ids = query.endpoint_ids(self._catalog)
        return [
            one
            async for entry in entries(self._platform, self._catalog)
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
