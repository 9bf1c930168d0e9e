"""api.fal.ai: the Platform API's dispatch, and storage."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

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
from falkit_mock.hosts.api_operations import Models, Query, Requests
from falkit_mock.hosts.replies import Reply, json_reply
from falkit_mock.service import Acl, BadLifecycle, Lifecycle
from falkit_mock.service.files import path_of
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog
from falkit_spec.types import dig

_LONGEST = 7 * 86_400


class Storage:
    """Who may read the files, and for how long they are kept."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def acl(self, query: Query) -> dict[str, JSON]:
        return Acl.stored(self._file(query)[1]).as_json()

    def set_acl(self, query: Query, body: JSON) -> dict[str, JSON]:
        path, _ = self._file(query)
        try:
            acl = Acl.read(body, "acl")
        except BadLifecycle as error:
            raise invalid(str(error)) from None
        if stored := self._service.uploads.file(path):
            self._service.uploads.set_acl(stored.upload, acl)
        else:
            self._service.media.set_acl(path, acl)
        return acl.as_json()

    def sign(self, query: Query, body: JSON) -> dict[str, JSON]:
        path, _ = self._file(query)
        seconds = dig(body, "expiration_seconds")
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds <= _LONGEST:
            raise invalid(f"expiration_seconds: {seconds!r} is no number from 1 to {_LONGEST}")
        token = self._service.tokens.issue("read", seconds, sub=path)
        return {"signed_url": f"{query.required('url')}?identity={token}"}

    def settings(self) -> dict[str, JSON]:
        return self._service.uploads.defaults.as_json()

    def set_settings(self, body: JSON) -> dict[str, JSON]:
        uploads = self._service.uploads
        try:
            uploads.defaults = Lifecycle.read(body, uploads.defaults)
        except BadLifecycle as error:
            raise invalid(str(error)) from None
        return self.settings()

    def _file(self, query: Query) -> tuple[str, str]:
        """Return the path and the access rules of the upload or the output that a URL names."""
        url = query.required("url")
        if re.search("[?#]", url):
            raise invalid(f"url: {url!r} must have no query")
        path = path_of(url) or ""
        if stored := self._service.uploads.file(path):
            return path, stored.upload.acl
        if output := self._service.media.file(path):
            return path, output.acl
        raise missing(f"File {url!r} not found")


# What fal's Platform API has besides; asked for here, it is said to be missing here.
_ELSEWHERE = re.compile(
    r"/(models/(analytics|requests/search)|serverless|workflows|assets|compute|keys|account"
    r"|organization)(/.*)?"
)
_PAYLOADS = re.compile(r"/models/requests/([^/]+)/payloads")
_MOST = 1024 * 1024
# Documentation names no range that would hold for a mock; TEST-NET-1 belongs to nobody.
_META: dict[str, JSON] = {"webhook_ip_ranges": ["192.0.2.0/24"]}
Operation: TypeAlias = Callable[[Query, RequestContext], Awaitable[dict[str, JSON]]]


class Api:
    """The operations that stand on the catalog and on the mock's own jobs."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._models = Models(service, catalog)
        self._requests = Requests(service, catalog)
        self._storage = Storage(service)
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

    async def __call__(self, context: RequestContext) -> Reply:
        path = context.address.path.removeprefix("/v1")
        operation = self._operation(context.method, path, context.address.path)
        if path not in ("/models", "/meta"):
            self._authorize(context)
        body = await operation(Query(context.address.query), context)
        return json_reply(body, request_id=self._service.identity.reply_id())

    def _operation(self, method: str, path: str, whole: str) -> Operation:
        methods = self._operations.get(path) if whole.startswith("/v1/") else None
        if methods is None and (match := _PAYLOADS.fullmatch(path)):
            methods = {"DELETE": self._deletion(match[1])}
        if methods is None and _ELSEWHERE.fullmatch(path):
            raise api_error(501, "not_implemented", f"falkit does not imitate {method} {whole} yet")
        if methods is None:
            raise missing("Resource not found", hint="the paths are /v1/models, /v1/meta, …")
        operation = methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise missing(f"{method} {whole} not found", hint=f"it takes {', '.join(methods)}")
        return operation

    def _authorize(self, context: RequestContext) -> None:
        header = context.authorization
        try:
            check(header, None, self._service.settings.api_keys)
        except Unauthenticated as error:
            detail = "Authentication required"
            raise api_error(401, "authorization_error", detail, error.hint) from None

    async def _list(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        known = b"authorization" in context.headers
        if known:
            self._authorize(context)
        return self._models.list(query, known_caller=known)

    async def _pricing(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return self._models.pricing(query)

    async def _estimate(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return await self._models.estimate(await _body(context))

    async def _by_endpoint(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return await self._requests.by_endpoint(query)

    async def _usage(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return await self._requests.usage(query)

    async def _billing_events(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return await self._requests.billing_events(query)

    async def _acl(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return self._storage.acl(query)

    async def _set_acl(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return self._storage.set_acl(query, await _body(context))

    async def _sign(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return self._storage.sign(query, await _body(context))

    async def _settings(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return self._storage.settings()

    async def _set_settings(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return self._storage.set_settings(await _body(context))

    async def _meta(self, query: Query, context: RequestContext) -> dict[str, JSON]:
        return _META

    def _deletion(self, request_id: str) -> Operation:
        async def delete(query: Query, context: RequestContext) -> dict[str, JSON]:
            key = context.header(b"idempotency-key")
            return await self._requests.delete_payloads(request_id, key)

        return delete


async def _body(context: RequestContext) -> JSON:
    try:
        return loads(await context.body(_MOST))
    except BodyTooLarge:
        raise invalid(f"body: more than {_MOST} bytes") from None
    except NotJson as error:
        raise invalid(f"body: no JSON ({error.message})") from None
