"""All routes of the control API, behind one guard."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, fields
from functools import cache
from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from falkit_mock.control import ForbiddenOrigin, TokenNeeded, answer
from falkit_mock.control.faults import fault_routes
from falkit_mock.control.jobs import job_routes
from falkit_mock.control.records import RequestLog, billing_routes, request_log_routes
from falkit_mock.control.state import clock_routes, seed_routes, state_routes
from falkit_mock.control.webhooks import webhook_routes
from falkit_mock.core import dumps
from falkit_mock.core.network import is_fal, is_this_machine
from falkit_mock.hosts.replies import AnyReply, Reply, json_reply, raw_reply
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog

if TYPE_CHECKING:
    from falkit_mock.gateway.gateway import Gateway

METHODS = ("get", "put", "post", "delete", "patch")
ROOT = "/__falkit"


@cache
def document() -> dict[str, Any]:
    """Return the document; the same object for all."""
    # Lazy: it takes longer than the server's start.
    import yaml

    text = Path(__file__).with_name("openapi.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return read


@cache
def written() -> bytes:
    """Return the document as JSON."""
    return dumps(document())


def operations() -> list[JSON]:
    """Return `{method, path, summary}` of every operation, as the document has them in order."""
    return [
        {"method": method.upper(), "path": path, "summary": item[method]["summary"]}
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    ]


# What opens doors is counted only; rules have a place of their own.
_APART = ("api_keys", "control_token", "faults")


def health_routes(service: Service) -> list[Route]:
    """Return the routes below /__falkit."""
    began = time.monotonic()

    async def health(request: Request) -> Reply:
        return answer(
            service,
            {
                "status": "ok",
                "version": version(),
                # On the machine's clock, not on the mock's.
                "uptime": round(time.monotonic() - began, 3),
                "seed": service.identity.seed,
                "settings": _settings(service),
            },
        )

    return [Route("/health", health)]


@cache
def version() -> str:
    """Return falkit's version."""
    # Lazy: it reads the disk.
    from importlib.metadata import version as installed

    return installed("falkit")


def _settings(service: Service) -> dict[str, JSON]:
    settings = service.settings
    told = {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if field.name not in _APART
    }
    # What is infinite is written as null, and what isn't JSON as its text.
    told["faults"] = [rule.text() for rule in settings.faults]
    plain: dict[str, JSON] = orjson.loads(orjson.dumps(told, default=_written))
    plain["api_keys"] = len(settings.api_keys)
    plain["control_token"] = settings.control_token is not None
    return plain


def _written(value: Any) -> list[Any] | str:
    return [*value] if isinstance(value, frozenset) else str(value)


def gateway_routes(service: Service, beside: Callable[[], Gateway | None]) -> list[Route]:
    """Return the routes below /__falkit."""

    async def gateway(request: Request) -> Reply:
        found = beside()
        request_id = service.identity.reply_id()
        if found is None:
            detail: dict[str, JSON] = {"detail": "This mock was started without --gateway"}
            return json_reply(detail, request_id=request_id, status_code=404)
        body: dict[str, JSON] = {
            "url": found.url,
            "ca": str(found.authority.certificate),
            "egress": found.egress.policy,
            "failed_handshakes": found.failed_handshakes,
            "attempts": [asdict(attempt) for attempt in found.egress.attempts],
        }
        return json_reply(body, request_id=request_id)

    return [Route("/gateway", gateway)]


TOKEN_HEADER = "x-falkit-token"
_SAME = ("same-origin", "none")


class Guard:
    """Wraps the control API's routes; raises what is to be answered instead."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if self._token is not None:
            _check_token(headers, self._token)
        else:
            _check_machine(scope, headers)
            _check_page(scope, headers)
        # Whoever hangs up while something is waited for wants no answer.
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send)


def _check_token(headers: Headers, token: str) -> None:
    given = headers.get(TOKEN_HEADER)
    if given is None:
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        given = credential.strip() if scheme.lower() == "bearer" else ""
    if not compare_digest(given.encode("latin-1", "replace"), token.encode("utf-8")):
        raise TokenNeeded


def _check_machine(scope: Scope, headers: Headers) -> None:
    server = scope.get("server")
    if server is not None and _is_address(server[0]) and not is_this_machine(server[0]):
        raise ForbiddenOrigin(
            f"the control API is reached at {server[0]}, which isn't this machine's own address, "
            "and has no token; start the mock with --control-token"
        )
    if server is not None and not _is_address(server[0]):
        # Called within the process, by which no browser comes.
        return
    host = headers.get("host", "")
    if not is_this_machine(_name(host)):
        raise ForbiddenOrigin(
            f"host: {host!r} is no name of this machine; call the control API at 127.0.0.1 or "
            "localhost, or start the mock with --control-token"
        )


def _check_page(scope: Scope, headers: Headers) -> None:
    origin = headers.get("origin")
    if origin is not None:
        same = origin.partition("://")[2].lower() == headers.get("host", "").lower()
    else:
        # A link that is followed shows its page to a person, and to no other page.
        followed = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        same = followed or headers.get("sec-fetch-site", "none") in _SAME
    if not same:
        raise ForbiddenOrigin(
            f"origin: a page of {origin or 'another site'} can't use the control API; "
            "call it from outside the browser"
        )


def _name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


Endpoint = Callable[[Request], Awaitable[AnyReply]]


def control_router(
    service: Service,
    catalog: Catalog,
    request_log: RequestLog,
    gateway: Callable[[], Gateway | None],
) -> Router:
    """Return the routes of the control API; a refusal is raised as a WireError."""
    own = [
        *_described(service),
        *health_routes(service),
        *job_routes(service, catalog),
        *clock_routes(service),
        *fault_routes(service, catalog),
        *seed_routes(service),
        *request_log_routes(service, request_log),
        *billing_routes(service, catalog),
        *state_routes(service),
        *webhook_routes(service, catalog),
        *gateway_routes(service, gateway),
    ]
    return Router(_by_path(own), redirect_slashes=False)


def is_control(path: str, headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request is for the control API, and not for a host of fal's."""
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        return False
    host = headers.get(b"host", b"").decode("latin-1").partition(":")[0]
    return b"x-fal-target-url" not in headers and not is_fal(host)


def _described(service: Service) -> list[Route]:
    """Return what tells of all the others."""

    async def index(request: Request) -> Reply:
        return answer(service, {"operations": operations()})

    async def described(request: Request) -> Reply:
        return raw_reply(written(), request_id=service.identity.reply_id())

    return [Route("/", index), Route("/openapi.json", described)]


def _by_path(own: Iterable[Route]) -> list[BaseRoute]:
    """Join the routes of each path, so that a 405 names all the methods that it takes."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for route in own:
        methods = paths.setdefault(route.path, {})
        for method in route.methods or ():
            assert method not in methods, f"{method} {route.path} is there twice"
            methods[method] = route.endpoint
    every = [_joined(f"{ROOT}{path}", methods) for path, methods in paths.items()]
    # The index is there without its slash, too.
    return [*every, _joined(ROOT, paths["/"])]


def _joined(path: str, methods: dict[str, Endpoint]) -> Route:
    async def dispatch(request: Request) -> AnyReply:
        return await methods[request.method](request)

    return Route(path, dispatch, methods=sorted(methods))
