"""api.fal.ai: the Platform API's table of operations; models, prices and files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from falkit_mock.core import NotJson, loads
from falkit_mock.core.errors import (
    BodyTooLarge,
    Unauthenticated,
    api_error,
    invalid,
    missing,
)
from falkit_mock.core.identity import check
from falkit_mock.hosts import RequestContext
from falkit_mock.hosts.api_operations import (
    IDS,
    TEXT,
    Call,
    Operation,
    Requests,
    known_endpoint,
    known_ids,
    page_of,
    paged,
    words,
)
from falkit_mock.hosts.replies import Reply, json_reply
from falkit_mock.hosts.site import metadata, search, unit_price
from falkit_mock.service import Acl, BadLifecycle, Lifecycle
from falkit_mock.service.billing import charge, entries
from falkit_mock.service.files import path_of
from falkit_mock.service.service import Service
from falkit_mock.store.sharing import turn
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.types import dig

_QUANTITIES = {"historical_api_price": "call_quantity", "unit_price": "unit_quantity"}


class Models:
    """The catalog, as lists and price lists."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    def operations(self) -> dict[str, dict[str, Operation]]:
        """Return the operations by path and method."""
        listed = {
            "endpoint_id": IDS,
            "q": TEXT,
            "category": TEXT,
            "status": {"enum": ["active", "deprecated"]},
            "expand": words("openapi-3.0", "enterprise_status"),
        }
        prices = paged(50, {"endpoint_id": IDS})
        return {
            "/models": {"GET": Operation(self.list, paged(100, listed), needs_key=False)},
            "/models/pricing": {"GET": Operation(self.pricing, prices, "endpoint_id")},
            "/models/pricing/estimate": {"POST": Operation(self.estimate)},
        }

    async def list(self, call: Call) -> dict[str, JSON]:
        query = call.query
        ids = known_ids(query, self._catalog) or None
        found = search(self._catalog, query.get("q", ""), query.get("category"), ids)
        page, more = page_of([] if query.get("status") == "deprecated" else found, query)
        expand, known = query.get("expand", []), b"authorization" in call.context.headers
        models: list[JSON] = [_model(endpoint, expand, known) for endpoint in page]
        return {"models": models, **more}

    async def pricing(self, call: Call) -> dict[str, JSON]:
        ids = known_ids(call.query, self._catalog)
        # What isn't known is left out: it costs something, and 0 would be wrong.
        found = {endpoint_id: unit_price(self._catalog.get(endpoint_id)) for endpoint_id in ids}
        priced = [(endpoint_id, price) for endpoint_id, price in found.items() if price]
        if not priced:
            raise missing(f"No price is known for {', '.join(map(repr, ids))}")
        page, more = page_of(priced, call.query)
        prices: list[JSON] = [
            {
                "endpoint_id": endpoint_id,
                "unit_price": float(price),
                "unit": unit,
                "currency": "USD",
            }
            for endpoint_id, (price, unit) in page
        ]
        return {"prices": prices, **more}

    async def estimate(self, call: Call) -> dict[str, JSON]:
        method = dig(call.body, "estimate_type")
        if not isinstance(method, str) or method not in _QUANTITIES:
            raise invalid(f"estimate_type: {method!r} is not {' or '.join(_QUANTITIES)}")
        asked = dig(call.body, "endpoints")
        if not isinstance(asked, dict) or not asked:
            raise invalid("endpoints: must be an object of quantities by endpoint id")
        total = Decimal(0)
        for endpoint_id, quantity in asked.items():
            count = _quantity(quantity, endpoint_id, _QUANTITIES[method])
            endpoint = known_endpoint(endpoint_id, self._catalog)
            price = (
                unit_price(endpoint) if method == "unit_price" else await self._per_call(endpoint)
            )
            if price is None:
                raise missing(f"No price is known for {endpoint_id!r}")
            total += count * price[0]
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


def _model(endpoint: Endpoint, expand: list[str], known_caller: bool) -> dict[str, JSON]:
    about = metadata(endpoint, known_caller=known_caller)
    model: dict[str, JSON] = {"endpoint_id": endpoint.id, "metadata": about}
    if "openapi-3.0" in expand:
        model["openapi"] = endpoint.document.data
    if "enterprise_status" in expand:
        model["enterprise_status"] = "ready"
    return model


def _quantity(value: JSON, endpoint_id: str, name: str) -> Decimal:
    quantity = dig(value, name)
    if isinstance(quantity, bool) or not isinstance(quantity, int | float) or not quantity > 0:
        raise invalid(f"endpoints.{endpoint_id}.{name}: {quantity!r} is not a number above 0")
    if quantity > 1e12:
        raise invalid(f"endpoints.{endpoint_id}.{name}: {quantity!r} is more than a billion calls")
    return Decimal(str(quantity))


_LONGEST = 7 * 86_400


class Storage:
    """Who may read the files, and for how long they are kept."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def operations(self) -> dict[str, dict[str, Operation]]:
        """Return the operations by path and method."""
        file = {"url": {**TEXT, "x-expected": "a file's URL"}}
        return {
            "/storage/files/acl": {
                "GET": Operation(self.acl, file, "url"),
                "PUT": Operation(self.set_acl, file, "url"),
            },
            "/storage/files/sign": {"POST": Operation(self.sign, file, "url")},
            "/storage/settings": {
                "GET": Operation(self.settings),
                "PUT": Operation(self.set_settings),
            },
        }

    async def acl(self, call: Call) -> dict[str, JSON]:
        return Acl.stored(self._file(call.query)[1]).as_json()

    async def set_acl(self, call: Call) -> dict[str, JSON]:
        path, _ = self._file(call.query)
        try:
            acl = Acl.read(call.body, "acl")
        except BadLifecycle as error:
            raise invalid(str(error)) from None
        async with turn(self._service.store):
            if stored := self._service.uploads.file(path):
                self._service.uploads.set_acl(stored.upload, acl)
            else:
                self._service.media.set_acl(path, acl)
        return acl.as_json()

    async def sign(self, call: Call) -> dict[str, JSON]:
        path, _ = self._file(call.query)
        seconds = dig(call.body, "expiration_seconds")
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds <= _LONGEST:
            raise invalid(
                f"expiration_seconds: {seconds!r} is not a whole number from 1 to {_LONGEST}"
            )
        token = self._service.tokens.issue("read", seconds, sub=path)
        return {"signed_url": f"{call.query['url']}?identity={token}"}

    async def settings(self, call: Call) -> dict[str, JSON]:
        return self._service.uploads.defaults.as_json()

    async def set_settings(self, call: Call) -> dict[str, JSON]:
        uploads = self._service.uploads
        async with turn(self._service.store):
            try:
                uploads.defaults = Lifecycle.read(call.body, uploads.defaults)
            except BadLifecycle as error:
                raise invalid(str(error)) from None
        return uploads.defaults.as_json()

    def _file(self, query: Mapping[str, Any]) -> tuple[str, str]:
        """Return the path and the access rules of the upload or the output that a URL names."""
        url: str = query["url"]
        if re.search("[?#]", url):
            raise invalid(f"url: {url!r} must have no query")
        path = path_of(url) or ""
        if stored := self._service.uploads.file(path):
            return path, stored.upload.acl
        if output := self._service.media.record(path):
            return path, output[0].acl
        raise missing(f"File {url!r} not found")


_PAYLOADS = re.compile(r"/models/requests/([^/]+)/payloads")
_MOST = 1024 * 1024
# Documentation names no range that would hold for a mock; TEST-NET-1 belongs to nobody.
_META: dict[str, JSON] = {"webhook_ip_ranges": ["192.0.2.0/24"]}


class Api:
    """The operations that stand on the catalog, the mock's own jobs and its files."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._requests = Requests(service, catalog)
        self._operations: dict[str, dict[str, Operation]] = {
            **Models(service, catalog).operations(),
            **self._requests.operations(),
            **Storage(service).operations(),
            "/meta": {"GET": Operation(_meta, needs_key=False)},
        }

    async def __call__(self, context: RequestContext) -> Reply:
        path = context.address.path.removeprefix("/v1")
        operation = self._operation(context.method, path, context.address.path)
        # Where no key is needed, one that is given must be good all the same.
        if operation.needs_key or (path == "/models" and b"authorization" in context.headers):
            self._authorize(context)
        query = operation.read(context.query)
        body = await _body(context) if context.method in ("POST", "PUT") else None
        answer = await operation.answer(Call(query, context, body))
        return json_reply(answer, request_id=self._service.identity.reply_id())

    def _operation(self, method: str, path: str, whole: str) -> Operation:
        methods = self._operations.get(path)
        if methods is None and (match := _PAYLOADS.fullmatch(path)):
            methods = {"DELETE": self._deletion(match[1])}
        if methods is None:
            # fal has more than is here, and adds to it: whether a path is there isn't known.
            message = f"falkit does not imitate {method} {whole} yet"
            known = ", ".join(f"/v1{each}" for each in self._operations)
            hint = f"this says nothing about fal; of api.fal.ai falkit has {known}"
            raise api_error(501, "not_implemented", message, hint)
        if not whole.startswith("/v1/"):
            raise missing("Resource not found", hint=f"its path is /v1{path}")
        operation = methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise missing(f"{method} {whole} not found", hint=f"it takes {', '.join(methods)}")
        return operation

    def _authorize(self, context: RequestContext) -> None:
        try:
            check(context.authorization, None, self._service.settings.api_keys)
        except Unauthenticated as error:
            detail = "Authentication required"
            raise api_error(401, "authorization_error", detail, error.hint) from None

    def _deletion(self, request_id: str) -> Operation:
        async def delete(call: Call) -> dict[str, JSON]:
            key = call.context.header(b"idempotency-key")
            return await self._requests.delete_payloads(request_id, key)

        return Operation(delete)


async def _meta(call: Call) -> dict[str, JSON]:
    return _META


async def _body(context: RequestContext) -> JSON:
    try:
        return loads(await context.body(_MOST))
    except BodyTooLarge:
        raise invalid(f"body: more than {_MOST} bytes") from None
    except NotJson as error:
        raise invalid(f"body: no JSON ({error.message})") from None
