"""fal.ai: the pages that give a model's OpenAPI document and its description (wire.md §10)."""

from __future__ import annotations

import re

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from falkit_mock.edge import Address
from falkit_mock.errors import MethodNotAllowed, NotFound
from falkit_mock.hosts.replies import REQUEST_ID, json_reply, raw_reply
from falkit_mock.platform.platform import Platform
from falkit_spec import Catalog

_DOCUMENT = "/api/openapi/queue/openapi.json"
_PROSE = re.compile(r"/models/(.+)/llms\.txt")


class Site:
    """GET /api/openapi/queue/openapi.json?endpoint_id=… and /models/{endpoint id}/llms.txt"""

    def __init__(self, platform: Platform, catalog: Catalog) -> None:
        self._platform = platform
        self._catalog = catalog

    async def __call__(self, request: Request, address: Address) -> Response:
        prose = _PROSE.fullmatch(address.path)
        if address.path != _DOCUMENT and prose is None:
            raise NotFound(f"of fal.ai this mock has only {_DOCUMENT} and /models/…/llms.txt")
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET", "HEAD")
        request_id = self._platform.identity.reply_id()
        if prose is not None:
            return self._prose(prose[1], request_id)
        endpoint_id = QueryParams(address.query).get("endpoint_id", "")
        if endpoint_id not in self._catalog:
            # The body is the bare word null (wire.md §10, I-3p).
            return json_reply(None, request_id=request_id, status_code=404)
        return raw_reply(self._catalog.get(endpoint_id).document.raw, request_id=request_id)

    def _prose(self, endpoint_id: str, request_id: str) -> Response:
        if endpoint_id not in self._catalog:
            raise NotFound(f"no model {endpoint_id}")
        # Lazy: few ask for it.
        from falkit_mock.platform.llms import written

        text = written(self._catalog.get(endpoint_id))
        return PlainTextResponse(text, headers={REQUEST_ID: request_id})
