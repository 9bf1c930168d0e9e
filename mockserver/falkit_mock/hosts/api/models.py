"""GET /models, /models/pricing and POST /models/pricing/estimate."""

from __future__ import annotations

from decimal import Decimal

from falkit_mock.api_errors import Invalid, Missing
from falkit_mock.hosts.api.query import Query
from falkit_mock.platform import listing
from falkit_mock.platform.history import charge, entries
from falkit_mock.platform.platform import Platform
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.types import dig

_EXPANSIONS = ("openapi-3.0", "enterprise_status")
_METHODS = {"historical_api_price": "call_quantity", "unit_price": "unit_quantity"}


class Models:
    """The catalog, as lists and price lists."""

    def __init__(self, platform: Platform, catalog: Catalog) -> None:
        self._platform = platform
        self._catalog = catalog

    def list(self, query: Query, *, known_caller: bool) -> dict[str, JSON]:
        expand = query.expand(*_EXPANSIONS)
        ids = query.endpoint_ids(self._catalog) or None
        found = listing.search(self._catalog, query.text("q") or "", query.text("category"), ids)
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
                listing.unit_price(self._endpoint(endpoint_id))
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
            async for entry in entries(self._platform, self._catalog)
            if entry.endpoint_id == endpoint.id and (one := charge(entry, self._catalog))
        ]
        if found:
            return sum(found, Decimal(0)) / len(found), "call"
        price = endpoint.price({})
        return None if price is None else (price, "call")

    def _price(self, endpoint_id: str) -> dict[str, JSON]:
        priced = listing.unit_price(self._catalog.get(endpoint_id))
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
        "metadata": listing.metadata(endpoint, known_caller=known_caller),
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
