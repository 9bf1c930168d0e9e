"""fal.ai: the page that gives a model's OpenAPI document (wire.md §10)."""

from __future__ import annotations

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from falkit_mock.edge import Address
from falkit_mock.errors import MethodNotAllowed, NotFound
from falkit_mock.hosts.replies import json_reply, raw_reply
from falkit_mock.platform.platform import Platform
from falkit_spec import Catalog

_DOCUMENT = "/api/openapi/queue/openapi.json"


class Site:
    """GET /api/openapi/queue/openapi.json?endpoint_id=…"""

    def __init__(self, platform: Platform, catalog: Catalog) -> None:
        self._platform = platform
        self._catalog = catalog

    async def __call__(self, request: Request, address: Address) -> Response:
        if address.path != _DOCUMENT:
            raise NotFound(f"of fal.ai this mock has only {_DOCUMENT}")
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET", "HEAD")
        request_id = self._platform.identity.reply_id()
        endpoint_id = QueryParams(address.query).get("endpoint_id", "")
        if endpoint_id not in self._catalog:
            # The body is the bare word null (wire.md §10, I-3p).
            return json_reply(None, request_id=request_id, status_code=404)
        return raw_reply(self._catalog.get(endpoint_id).document.raw, request_id=request_id)
