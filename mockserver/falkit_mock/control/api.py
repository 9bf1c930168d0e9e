"""Where the control API hangs together: every module's routes under /__falkit, behind one guard.

A request is for it by its path alone: one that names a host of fal's, be it by the Host header or
by x-fal-target-url, is for that host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from falkit_mock.control import (
    clock,
    document,
    gateway,
    health,
    jobs,
    journal,
    ledger,
    rules,
    seed,
    state,
    webhooks,
)
from falkit_mock.control.exchange import answer
from falkit_mock.control.guard import Guard
from falkit_mock.hosts.replies import raw_reply
from falkit_mock.names import is_fal
from falkit_mock.platform.platform import Platform
from falkit_spec import Catalog

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(platform: Platform, catalog: Catalog) -> list[BaseRoute]:
    """Return the application's routes for the control API."""
    own = [
        *_described(platform),
        *health.routes(platform),
        *jobs.routes(platform, catalog),
        *clock.routes(platform),
        *rules.routes(platform, catalog),
        *seed.routes(platform),
        *journal.routes(platform),
        *ledger.routes(platform, catalog),
        *state.routes(platform),
        *webhooks.routes(platform, catalog),
        *gateway.routes(platform),
    ]
    router = Router(_by_path(own), redirect_slashes=False)
    guarded = Guard(router, platform.settings.control_token)
    return [_Control(document.ROOT, guarded, routes=router.routes)]


class _Control(Mount):
    """Takes what is under /__falkit, unless it is for a host of fal's."""

    def __init__(self, path: str, app: Guard, routes: list[BaseRoute]) -> None:
        super().__init__(path, app)
        self._routes = routes

    @property
    def routes(self) -> list[BaseRoute]:
        return self._routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not is_control(scope):
            return Match.NONE, {}
        if _path(scope) == document.ROOT:
            # The root without its slash, which a mount would not take.
            scope = {**scope, "path": f"{scope['path']}/"}
            match, child = super().matches(scope)
            return match, {**child, "path": scope["path"]}
        return super().matches(scope)


class FalCors(CORSMiddleware):
    """Opens fal's hosts to every web page, as fal does, and the control API to none."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_control(scope):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def is_control(scope: Scope) -> bool:
    """Tell whether a request is for the control API."""
    path = _path(scope)
    if path != document.ROOT and not path.startswith(f"{document.ROOT}/"):
        return False
    headers = Headers(scope=scope)
    host = headers.get("host", "").partition(":")[0]
    return "x-fal-target-url" not in headers and not is_fal(host)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _described(platform: Platform) -> list[Route]:
    """Return what tells of all the others."""

    async def index(request: Request) -> Response:
        return answer(platform, {"operations": document.operations()})

    async def described(request: Request) -> Response:
        return raw_reply(document.written(), request_id=platform.identity.reply_id())

    return [Route("/", index), Route("/openapi.json", described)]


def _by_path(own: Iterable[Route]) -> list[Route]:
    """Join the routes of each path, so that a 405 names all the methods that it takes."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for route in own:
        methods = paths.setdefault(route.path, {})
        for method in route.methods or ():
            assert method not in methods, f"{method} {route.path} is there twice"
            methods[method] = route.endpoint
    return [_joined(path, methods) for path, methods in paths.items()]


def _joined(path: str, methods: dict[str, Endpoint]) -> Route:
    async def dispatch(request: Request) -> Response:
        return await methods[request.method](request)

    return Route(path, dispatch, methods=sorted(methods))
