"""api.fal.ai: what an operation takes, and the operations on requests and usage."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias, TypeVar

from starlette.datastructures import QueryParams

from falkit_mock.core import iso, loads
from falkit_mock.core.errors import invalid, missing
from falkit_mock.hosts import RequestContext
from falkit_mock.hosts.fields import FieldError, Fields
from falkit_mock.service.billing import (
    Charge,
    Lines,
    Timeframe,
    bucket,
    charge,
    entry_of,
    usual_timeframe,
)
from falkit_mock.service.ledger import Kind, Ledger, ledger_of
from falkit_mock.service.service import Service
from falkit_mock.store.sharing import turn
from falkit_spec import JSON, Catalog, Endpoint, UnknownEndpoint
from falkit_spec.types import dig

T = TypeVar("T")
Schema: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request for an operation: the parameters that are given, and the body if it takes one."""

    query: Mapping[str, Any]
    context: RequestContext
    body: JSON = None


Answer: TypeAlias = Callable[[Call], Awaitable[dict[str, JSON]]]


class Operation:
    """What answers a method and a path, and the schemas of its parameters."""

    def __init__(
        self, answer: Answer, query: Schema | None = None, *required: str, needs_key: bool = True
    ) -> None:
        self.answer = answer
        self.needs_key = needs_key
        self._query = Fields({"properties": query or {}, "required": [*required]})

    def read(self, params: QueryParams) -> dict[str, Any]:
        """Return the parameters as their types; raise WireError 400, which names the parameter.

        An empty one counts as none, and one that the operation doesn't have is left alone.
        """
        given: dict[str, JSON] = {}
        for name, schema in self._query.properties.items():
            # A list may be repeated, or have commas.
            every = ",".join(params.getlist(name)).split(",")
            items: list[JSON] = [item.strip() for item in every if item.strip()]
            if schema.get("type") == "array" and items:
                given[name] = items
            elif schema.get("type") != "array" and params.get(name):
                given[name] = params[name]
        try:
            return self._query.read(given, as_text=True)
        except FieldError as error:
            raise invalid(str(error)) from None


TEXT: Schema = {"type": "string"}
_DATE: Schema = {"type": "string", "x-expected": "a date, such as 2026-01-31T12:00:00Z"}
_PERIOD: Schema = {"start": _DATE, "end": _DATE}


def words(*choices: str) -> Schema:
    """Return the schema of a list, whose items are some choices or any text."""
    return {"type": "array", "items": {"enum": [*choices]} if choices else TEXT}


IDS: Schema = {**words(), "maxItems": 50}


def paged(most: int, query: Schema) -> Schema:
    """Return the schemas of a list's parameters, with those that pick its page."""
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": 50}
    return {**query, "limit": limit, "cursor": TEXT}


# No list here has this page.
_LAST_PAGE = 1_000_000


def page_of(items: Sequence[T], query: Mapping[str, Any]) -> tuple[list[T], dict[str, JSON]]:
    """Return the page that `limit` and `cursor` ask for, and what says of more."""
    size, cursor, number = query["limit"], query.get("cursor"), 1
    if cursor is not None:
        try:
            number = int(base64.b64decode(cursor, validate=True))
        except (ValueError, binascii.Error):
            number = 0
        if not 1 <= number <= _LAST_PAGE:
            raise invalid(
                f"cursor: {cursor!r} is not a cursor; give the next_cursor of the page before"
            )
    start = (number - 1) * size
    has_more = len(items) > start + size
    following = base64.b64encode(str(number + 1).encode()).decode() if has_more else None
    return [*items[start : start + size]], {"next_cursor": following, "has_more": has_more}


def _moment(query: Mapping[str, Any], name: str, default: float, zone: tzinfo = UTC) -> float:
    """Return a date or a date with a time (ISO 8601) as unix seconds."""
    value = query.get(name)
    if value is None:
        return default
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        fix = "write 2026-01-31 or 2026-01-31T12:00:00Z"
        raise invalid(f"{name}: {value!r} is not a date; {fix}") from None


def known_ids(query: Mapping[str, Any], catalog: Catalog) -> list[str]:
    """Return the ids of models that a query names; raise WireError 404 for one that is unknown."""
    ids: list[str] = query.get("endpoint_id", [])
    for name in ids:
        known_endpoint(name, catalog)
    return list(dict.fromkeys(ids))


def known_endpoint(name: str, catalog: Catalog) -> Endpoint:
    """Return the model of this id; raise WireError 404, whose hint tells it from fal's."""
    try:
        return catalog.get(name)
    except UnknownEndpoint as error:
        raise missing(f"Endpoint {name!r} not found", hint=str(error)) from None


_DAY = 86_400.0
# Seconds for which the same Idempotency-Key brings the same answer (wire.md §10).
_REMEMBERED = 600.0
_TIMEFRAMES = ("minute", "hour", "day", "week", "month")


class Requests:
    """The mock's own jobs."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        # Answers to deletions by key: until when, for which request, and what.
        self._answers: dict[str, tuple[float, str, dict[str, JSON]]] = {}

    def operations(self) -> dict[str, dict[str, Operation]]:
        """Return the operations by path and method."""
        listed: Schema = {
            "endpoint_id": IDS,
            "request_id": TEXT,
            "status": {"enum": ["success", "error", "user_error"]},
            "sort_by": {"enum": ["ended_at", "duration"]},
            "expand": words("payloads"),
            **_PERIOD,
        }
        usage: Schema = {
            "endpoint_id": IDS,
            "timezone": TEXT,
            "timeframe": {"enum": [*_TIMEFRAMES]},
            "bound_to_timeframe": {"enum": ["true", "false"]},
            "expand": words("time_series", "summary", "auth_method"),
            **_PERIOD,
        }
        events: Schema = {
            "endpoint_id": IDS,
            "request_id": words(),
            "expand": words("auth_method", "auth_method_structured"),
            **_PERIOD,
        }
        by_endpoint = Operation(self.by_endpoint, paged(100, listed), "endpoint_id")
        return {
            "/models/requests/by-endpoint": {"GET": by_endpoint},
            "/models/usage": {"GET": Operation(self.usage, paged(1000, usage))},
            "/models/billing-events": {
                "GET": Operation(self.billing_events, paged(10_000, events))
            },
            "/account/billing": {"GET": Operation(self.account, {"expand": words("credits")})},
        }

    async def by_endpoint(self, call: Call) -> dict[str, JSON]:
        query = call.query
        ids = known_ids(query, self._catalog)
        result, request_id = query.get("status"), query.get("request_id")
        now = self._service.clock.now()
        start = _moment(query, "start", now - (90 * _DAY if request_id else _DAY))
        found = await self._ledger.newest(
            lambda kind: kind.endpoint_id in ids and result in (None, kind.result),
            created=(start, _moment(query, "end", float("inf"))),
            ids=None if request_id is None else [request_id],
            by_duration=query.get("sort_by") == "duration",
        )
        page, more = page_of(found, query)
        payloads = "payloads" in query.get("expand", [])
        items: list[JSON] = []
        async for job in self._ledger.jobs(page):
            entry = await entry_of(job, now, self._service, self._catalog)
            items.append(entry.as_json(payloads=payloads))
        return {"items": items, **more}

    async def usage(self, call: Call) -> dict[str, JSON]:
        query = call.query
        expand = query.get("expand") or ["time_series"]
        zone = _zone(query.get("timezone", "UTC"))
        now = self._service.clock.now()
        start = _moment(query, "start", now - _DAY, zone)
        end = _moment(query, "end", float("inf"), zone)
        timeframe: Timeframe = query.get("timeframe") or usual_timeframe(min(end, now) - start)
        if query.get("bound_to_timeframe") != "false":
            start = _bound(start, timeframe, zone)
        body: dict[str, JSON] = {}
        buckets, summary = dict[str, Lines](), Lines()
        counted = await self._ledger.minutes(self._charged(query), start, end)
        for (minute, kind), jobs in counted.items():
            assert kind.unit is not None, "it was charged"
            line = (kind.endpoint_id, (kind.unit, kind.unit_price))
            sums = (jobs * kind.quantity, jobs * kind.cost)
            buckets.setdefault(bucket(minute * 60.0, timeframe, zone), Lines()).add(*line, sums)
            summary.add(*line, sums)
        page, more = page_of(sorted(buckets), query)
        if "time_series" in expand:
            series: list[JSON] = [{"bucket": at, "results": buckets[at].to_json()} for at in page]
            body["time_series"] = series
        if "summary" in expand:
            body["summary"] = summary.to_json()
        return {**body, **more}

    async def billing_events(self, call: Call) -> dict[str, JSON]:
        query = call.query
        start = _moment(query, "start", self._service.clock.now() - _DAY)
        found = await self._ledger.newest(
            self._charged(query),
            ended=(start, _moment(query, "end", float("inf"))),
            ids=query.get("request_id") or None,
        )
        page, more = page_of(found, query)
        now, shown = self._service.clock.now(), list[JSON]()
        async for job in self._ledger.jobs(page):
            entry = await entry_of(job, now, self._service, self._catalog)
            if paid := charge(entry, self._catalog):
                shown.append(_event(paid))
        return {"billing_events": shown, **more}

    async def account(self, call: Call) -> dict[str, JSON]:
        """Name the account; tell what it has left if that is asked for (wire.md §10)."""
        body: dict[str, JSON] = {"username": "falkit"}
        if "credits" in call.query.get("expand", []):
            left = await self._ledger.balance()
            body["credits"] = {"current_balance": left, "currency": "USD"}
        return body

    async def delete_payloads(self, request_id: str, key: str) -> dict[str, JSON]:
        """Delete a job's input, output and file; the same key brings the same answer again."""
        now = self._service.clock.now()
        self._answers = {name: answer for name, answer in self._answers.items() if answer[0] > now}
        if key in self._answers:
            _, before, answer = self._answers[key]
            if before != request_id:
                raise invalid(f"Idempotency-Key: {key!r} was used for the request {before}")
            return answer
        answer = await self._delete(request_id)
        if key:
            self._answers[key] = (now + _REMEMBERED, request_id, answer)
        return answer

    async def _delete(self, request_id: str) -> dict[str, JSON]:
        job = self._service.store.get(request_id)
        if job is None:
            raise missing(f"Request {request_id!r} not found")
        if job.status(self._service.clock.now()) != "COMPLETED":
            raise invalid(f"request_id: {request_id} is not done; its payloads are still needed")
        outcome = await self._service.outcome(job)
        output = loads(outcome.body) if outcome.body else None
        link = dig(output, "video", "url") if outcome.ok else None
        async with turn(self._service.store):
            self._service.store.erase(request_id)
        results: list[JSON] = [] if link is None else [{"link": link, "exception": None}]
        return {"cdn_delete_results": results}

    @property
    def _ledger(self) -> Ledger:
        return ledger_of(self._service, self._catalog)

    def _charged(self, query: Mapping[str, Any]) -> Callable[[Kind], bool]:
        """Return what tells whether jobs of a kind are charged, and of a model asked for."""
        ids = known_ids(query, self._catalog)
        return lambda kind: kind.unit is not None and (not ids or kind.endpoint_id in ids)


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
        raise invalid("start: is too far from today for its timezone") from None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        # Windows has no files of zones, and this one needs none.
        return UTC
    # Lazy: it reads files that most runs never need.
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise invalid(
            f"timezone: {name!r} is not a timezone; write one such as Europe/Oslo"
        ) from None
