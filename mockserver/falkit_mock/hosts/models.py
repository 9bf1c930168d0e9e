"""What fal.run and the queue share: from a URL's path and a body to an order."""

from __future__ import annotations

from starlette.requests import Request

from falkit_mock.edge import Address
from falkit_mock.errors import ApplicationNotFound, NotFound
from falkit_mock.hosts.replies import read_body
from falkit_mock.platform import access
from falkit_mock.platform.model import Order
from falkit_mock.settings import Settings
from falkit_spec import Catalog, Match, UnknownEndpoint

# Ids under these begin with a namespace, so that an app's name has three segments (wire.md §1.3).
_NAMESPACES = ("workflows", "comfy")


def split_app(path: str) -> tuple[str, list[str]]:
    """Split `/owner/alias/more` into the app and the rest; raise NotFound if it is no app."""
    segments = path.strip("/").split("/")
    size = 3 if segments[0] in _NAMESPACES else 2
    if len(segments) < size or not all(segments):
        raise NotFound("a model's path is /owner/alias/…, such as /fal-ai/ltx-2/image-to-video")
    return "/".join(segments[:size]), segments[size:]


def authorize(request: Request, app: str, settings: Settings) -> None:
    """Raise Unauthenticated unless the request may call the app."""
    access.check(request.headers.get("authorization", ""), app, settings.api_keys)


async def read_order(
    request: Request, address: Address, catalog: Catalog, settings: Settings
) -> Order:
    """Read a POST to a model; raise the WireError that fal's gateway would answer."""
    app, rest = split_app(address.path)
    authorize(request, app, settings)
    path = "/".join((app, *rest))
    match = catalog.find(path)
    if match is None and not catalog.has_app(app):
        raise ApplicationNotFound(app.rpartition("/")[2], _known(catalog))
    endpoint = match.endpoint if match is not None and not match.rest else None
    return Order(
        path=path,
        app=app,
        endpoint=endpoint,
        body=await read_body(request, settings.max_body),
        content_type=request.headers.get("content-type", ""),
        media_base=address.media_base,
        hint=None if endpoint else _nothing_there(catalog, path, match),
    )


def _nothing_there(catalog: Catalog, path: str, match: Match | None) -> str:
    """Say what was probably meant by a path that its app doesn't have."""
    if match is not None:
        return f"{match.endpoint.id} has nothing at /{match.rest}; it answers a plain POST"
    try:
        return f"{catalog.get(path).id} is an endpoint"
    except UnknownEndpoint as error:
        meant = " or ".join(error.near) or _known(catalog)
        return f"no endpoint {path}; did you mean {meant}?"


def _known(catalog: Catalog) -> str:
    return "this mock knows " + ", ".join(endpoint.id for endpoint in catalog)
