"""api.fal.ai/v1: from a method and a path to an operation, and every refusal in its envelope."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from falkit_mock.api_errors import Invalid, Missing, NotAuthorized, NotImitated
from falkit_mock.edge import Address
from falkit_mock.errors import BodyTooLarge, Unauthenticated
from falkit_mock.hosts.api.models import Models
from falkit_mock.hosts.api.query import Query
from falkit_mock.hosts.api.requests import Requests
from falkit_mock.hosts.api.storage import Storage
from falkit_mock.hosts.replies import json_reply, read_body
from falkit_mock.platform import access
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.wire_json import NotJson, loads
from falkit_spec import JSON, Catalog

# What fal's Platform API has besides; asked for here, it is said to be missing here.
_ELSEWHERE = re.compile(
    r"/(models/(analytics|requests/search)|serverless|workflows|assets|compute|keys|account"
    r"|organization)(/.*)?"
)
_PAYLOADS = re.compile(r"/models/requests/([^/]+)/payloads")
_MOST = 1024 * 1024
# Documentation names no range that would hold for a mock; TEST-NET-1 belongs to nobody.
_META: dict[str, JSON] = {"webhook_ip_ranges": ["192.0.2.0/24"]}

Operation: TypeAlias = Callable[[Query, Request], Awaitable[dict[str, JSON]]]


class Api:
    """The operations that stand on the catalog and on the mock's own jobs."""

    def __init__(self, platform: Platform, catalog: Catalog) -> None:
        self._platform = platform
        self._models = Models(platform, catalog)
        self._requests = Requests(platform, catalog)
        self._storage = Storage(platform)
        self._operations: dict[str, dict[str, Operation]] = {
            "/models": {"GET": self._list},
            "/models/pricing": {"GET": self._pricing},
            "/models/pricing/estimate": {"POST": self._estimate},
            "/models/requests/by-endpoint": {"GET": self._by_endpoint},
            "/models/usage": {"GET": self._usage},
            "/models/billing-events": {"GET": self._billing_events},
            "/storage/files/acl": {"GET": self._acl, "PUT": self._set_acl},
            "/storage/files/sign": {"POST": self._sign},
            "/storage/settings": {"GET": self._settings, "PUT": self._set_settings},
            "/meta": {"GET": self._meta},
        }

    async def __call__(self, request: Request, address: Address) -> Response:
        path = address.path.removeprefix("/v1")
        operation = self._operation(request.method, path, address.path)
        if path not in ("/models", "/meta"):
            self._authorize(request)
        body = await operation(Query(address.query), request)
        return json_reply(body, request_id=self._platform.identity.reply_id())

    def _operation(self, method: str, path: str, whole: str) -> Operation:
        methods = self._operations.get(path) if whole.startswith("/v1/") else None
        if methods is None and (match := _PAYLOADS.fullmatch(path)):
            methods = {"DELETE": self._deletion(match[1])}
        if methods is None and _ELSEWHERE.fullmatch(path):
            raise NotImitated(f"{method} {whole}")
        if methods is None:
            raise Missing("Resource not found", hint="the paths are /v1/models, /v1/meta, …")
        operation = methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise Missing(f"{method} {whole} not found", hint=f"it takes {', '.join(methods)}")
        return operation

    def _authorize(self, request: Request) -> None:
        header = request.headers.get("authorization", "")
        try:
            access.check(header, None, self._platform.settings.api_keys)
        except Unauthenticated as error:
            raise NotAuthorized("Authentication required", hint=error.hint) from None

    async def _list(self, query: Query, request: Request) -> dict[str, JSON]:
        known = "authorization" in request.headers
        if known:
            self._authorize(request)
        return self._models.list(query, known_caller=known)

    async def _pricing(self, query: Query, request: Request) -> dict[str, JSON]:
        return self._models.pricing(query)

    async def _estimate(self, query: Query, request: Request) -> dict[str, JSON]:
        return await self._models.estimate(await _body(request))

    async def _by_endpoint(self, query: Query, request: Request) -> dict[str, JSON]:
        return await self._requests.by_endpoint(query)

    async def _usage(self, query: Query, request: Request) -> dict[str, JSON]:
        return await self._requests.usage(query)

    async def _billing_events(self, query: Query, request: Request) -> dict[str, JSON]:
        return await self._requests.billing_events(query)

    async def _acl(self, query: Query, request: Request) -> dict[str, JSON]:
        return self._storage.acl(query)

    async def _set_acl(self, query: Query, request: Request) -> dict[str, JSON]:
        return self._storage.set_acl(query, await _body(request))

    async def _sign(self, query: Query, request: Request) -> dict[str, JSON]:
        return self._storage.sign(query, await _body(request))

    async def _settings(self, query: Query, request: Request) -> dict[str, JSON]:
        return self._storage.settings()

    async def _set_settings(self, query: Query, request: Request) -> dict[str, JSON]:
        return self._storage.set_settings(await _body(request))

    async def _meta(self, query: Query, request: Request) -> dict[str, JSON]:
        return _META

    def _deletion(self, request_id: str) -> Operation:
        async def delete(query: Query, request: Request) -> dict[str, JSON]:
            key = request.headers.get("idempotency-key", "")
            return await self._requests.delete_payloads(request_id, key)

        return delete


async def _body(request: Request) -> JSON:
    try:
        return loads(await read_body(request, _MOST))
    except BodyTooLarge:
        raise Invalid(f"body: more than {_MOST} bytes") from None
    except NotJson as error:
        raise Invalid(f"body: no JSON ({error.message})") from None
