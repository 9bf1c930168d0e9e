"""What fal.run and the queue share: from a URL's path and a body to an order."""

from __future__ import annotations

from starlette.datastructures import QueryParams
from starlette.requests import Request

from falkit_mock.edge import Address
from falkit_mock.errors import ApplicationNotFound, NotFound, Unauthenticated
from falkit_mock.hosts.replies import read_body
from falkit_mock.hosts.wishes import read_wishes
from falkit_mock.platform import access
from falkit_mock.platform.jobs import Wishes
from falkit_mock.platform.model import Order
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.tokens import BadToken
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


def authorize(request: Request, address: Address, app: str, platform: Platform) -> None:
    """Raise Unauthenticated unless the request may call the app: by a key or by a token.

    A browser has no key and names a token of rest.fal.ai in the query (wire.md §2, §8).
    """
    # The words are looked for first because most queries are short and have none to parse.
    token = QueryParams(address.query).get("fal_jwt_token") if "token" in address.query else None
    if token is not None:
        _check_token(token, app, platform)
    else:
        keys = platform.settings.api_keys
        access.check(request.headers.get("authorization", ""), app, keys)


def _check_token(token: str, app: str, platform: Platform) -> None:
    try:
        apps = platform.tokens.read(token, "apps")["apps"]
    except BadToken as error:
        raise Unauthenticated.app_token(str(error)) from None
    # The older tokens name the alias, the newer the whole path.
    alias = app.rpartition("/")[2]
    assert isinstance(apps, list), "as it was signed"
    if not any(name == alias or f"{name}/".startswith(f"{app}/") for name in apps):
        raise Unauthenticated.app_token(f"it is for {apps}, not for {app}")


async def read_order(
    request: Request, address: Address, catalog: Catalog, platform: Platform
) -> Order:
    """Read a POST to a model; raise the WireError that fal's gateway would answer."""
    app, rest = split_app(address.path)
    authorize(request, address, app, platform)
    path = "/".join((app, *rest))
    match = catalog.find(path)
    if match is None and not catalog.has_app(app):
        raise ApplicationNotFound(app.rpartition("/")[2], _known(catalog))
    endpoint = match.endpoint if match is not None and not match.rest else None
    # Before the body, which may be long; after the method, where it is the wrong one.
    posts = request.method == "POST"
    wishes = read_wishes(request, address, platform.uploads.defaults) if posts else Wishes()
    return Order(
        path=path,
        app=app,
        endpoint=endpoint,
        body=await read_body(request, platform.settings.max_body),
        content_type=request.headers.get("content-type", ""),
        media_base=address.media_base,
        hint=None if endpoint else _nothing_there(catalog, path, match),
        wishes=wishes,
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
