"""What a caller asks for beside the input, read from headers and query (wire.md §3.1)."""

from __future__ import annotations

from starlette.datastructures import QueryParams
from starlette.requests import Request

from falkit_mock.edge import Address
from falkit_mock.platform import access
from falkit_mock.platform.jobs import Wishes


def read_wishes(request: Request, address: Address) -> Wishes:
    """Return what a request to a model asks for."""
    query = QueryParams(address.query)
    return Wishes(
        key=access.key_id(request.headers.get("authorization", "")),
        webhook=query.get("fal_webhook") or None,
    )
