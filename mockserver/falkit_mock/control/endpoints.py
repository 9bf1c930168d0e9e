"""Endpoints: what can be called, with what input, at what price."""

from __future__ import annotations

from asyncio import to_thread
from itertools import islice
from typing import Any

import orjson

from falkit_mock.control import Call, InvalidField, Operation, Unknown, answer
from falkit_mock.core import dumps, loads, parse_body
from falkit_mock.core.jobs import ModelRequest, ParsedRequest
from falkit_mock.hosts.replies import Reply
from falkit_mock.service.outcomes import read_request
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog, Endpoint, SpecError, UnknownEndpoint
from falkit_spec.showing import combined, described, form, listed, rate_in_words, shown
from falkit_spec.types import is_object


def endpoint_operations(service: Service, catalog: Catalog) -> dict[str, Operation]:
    """Return the operations by their ids."""
    endpoints = Endpoints(service, catalog)
    return {
        "endpoints": endpoints.list,
        "endpoint": endpoints.one,
        "endpointCombinations": endpoints.combinations,
        "checkInput": endpoints.check,
    }


class Endpoints:
    """The operations on endpoints. To read a document takes a while, so threads do it."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    async def list(self, call: Call) -> Reply:
        found = [endpoint for _, endpoint in sorted(self._catalog.endpoints.items())]
        lines: list[JSON] = [*await to_thread(lambda: [_line(one) for one in found])]
        return answer(self._service, {"endpoints": lines})

    async def one(self, call: Call) -> Reply:
        endpoint = self._known(call)
        try:
            about = await to_thread(lambda: _named({**shown(endpoint), **form(endpoint)}))
        except (SpecError, RecursionError) as error:
            raise _broken(endpoint, error) from None
        return answer(self._service, about)

    async def combinations(self, call: Call) -> Reply:
        endpoint, fields = self._known(call), call.fields
        try:
            return answer(self._service, await to_thread(_rows, endpoint, fields))
        except (SpecError, RecursionError) as error:
            raise _broken(endpoint, error) from None

    async def check(self, call: Call) -> Reply:
        endpoint, body = self._known(call), dumps(call.fields["input"])
        kind = "application/json"
        request = ModelRequest(
            endpoint.id, endpoint.app, endpoint, body, parse_body(body), kind, ""
        )
        read = await to_thread(read_request, request, self._service.settings)
        if isinstance(read, ParsedRequest):
            pricing, price, rate = endpoint.pricing, None, ""
            if pricing is not None:
                price, rate = (
                    pricing.cost(read.units, read.input),
                    rate_in_words(pricing, read.input),
                )
            cost = None if price is None else f"{price:f}"
            told: dict[str, JSON] = {"valid": True, "errors": [], "price": cost, "hint": read.hint}
            return answer(self._service, {**told, "rate": rate or None})
        said = parse_body(read.outcome.body)
        errors = said.get("detail") if is_object(said) else None
        told = {"valid": False, "errors": errors if isinstance(errors, list) else []}
        return answer(self._service, {**told, "price": None, "rate": None, "hint": read.hint})

    def _known(self, call: Call) -> Endpoint:
        endpoint_id: str = call.fields["endpoint_id"]
        try:
            return self._catalog.get(endpoint_id)
        except UnknownEndpoint as error:
            fix = f"isn't an endpoint that there is a document of; {error}"
            raise Unknown("endpoint_id", endpoint_id, fix) from None


def _rows(endpoint: Endpoint, fields: Any) -> dict[str, JSON]:
    combining = endpoint.combining
    names = [*combining.choices]
    if asked := fields.get("fields"):
        chosen = [name.strip() for name in asked.split(",")]
        for name in chosen:
            if name not in names:
                known = ", ".join(names) or "none"
                raise InvalidField("fields", name, f"is no input that combines; those are {known}")
        names = [name for name in names if name in chosen]
    first: int = fields["offset"]
    found = islice(combining.each(names), first, first + fields["limit"])
    rows: list[JSON] = []
    for one in found:
        row = combined(one)
        facts = {name: row.pop(name) for name in ("legal", "why", "price")}
        rows.append({"values": row, **facts})
    return {"fields": [*names], "total": combining.count(names), "rows": rows}


def _line(endpoint: Endpoint) -> dict[str, JSON]:
    return _named({**listed(endpoint), "description": described(endpoint)})


def _named(about: dict[str, Any]) -> dict[str, JSON]:
    """Return facts of an endpoint as JSON, its id by the name that it has elsewhere here."""
    about = {"endpoint_id": about.pop("endpoint"), **about}
    read = loads(orjson.dumps(about, default=str, option=orjson.OPT_NON_STR_KEYS))
    assert is_object(read), "it was written so"
    return read


def _broken(endpoint: Endpoint, error: Exception) -> InvalidField:
    return InvalidField("endpoint_id", endpoint.id, f"has a document that can't be used: {error}")
