"""The application: every fal host behind one address, and the mock's own few routes."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from falkit_mock.control.records import Recorder, RequestLog, located
from falkit_mock.control.routes import FalCors, routes
from falkit_mock.core.clock import Clock, SimulatedClock
from falkit_mock.core.errors import HostNotImitated, WireError
from falkit_mock.core.network import API, MEDIA, QUEUE, REST, RUN, SITE
from falkit_mock.hosts import Address, add_hint, error_reply, json_reply, resolve
from falkit_mock.hosts.fal_run import FalRun
from falkit_mock.hosts.faults import (
    REPLY_FAULT,
    SAID,
    ConnectionCut,
    FaultInjection,
    IngressError,
    ReplyFault,
    cut_off,
)
from falkit_mock.hosts.media import MediaHost
from falkit_mock.hosts.queue import Queue
from falkit_mock.hosts.rest import Rest
from falkit_mock.hosts.site import Site
from falkit_mock.service.service import Service
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_mock.store.memory import MemoryStore
from falkit_spec import Catalog

_log = logging.getLogger("falkit_mock")
Host = Callable[[Request, Address], Awaitable[Response]]
# What a browser may read of a reply, beyond the few headers it always may (wire.md §12 row 31).
EXPOSED_HEADERS = (
    "x-fal-request-id",
    "x-fal-billable-units",
    "x-fal-error-type",
    "x-fal-needs-retry",
    "x-fal-request-timeout-type",
    "x-fal-retryable",
    "x-fal-request-timeout-type",
    "x-falkit-hint",
    "content-length",
    "content-range",
    "etag",
)
# Where faults can befall a request that calls no model; those of a model's ask for its input first.
_FILES = (MEDIA, REST)


class FalHosts:
    """Finds the fal host that a request is for and has it answer. A plain ASGI application."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._faulty = FaultInjection(service)
        self._hosts: dict[str, Host] = {
            RUN: FalRun(service, catalog),
            QUEUE: Queue(service, catalog),
            MEDIA: MediaHost(service),
            SITE: Site(service, catalog),
            REST: Rest(service),
            API: _platform_api(service, catalog),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            address = resolve(scope, self._service.settings.media_host)
            scope["falkit.address"] = address
            located(scope, address)
            host = self._hosts.get(address.role)
            if host is None:
                raise HostNotImitated(address.host)
            if address.role in _FILES:
                await self._faulty.before_file(request, address)
            response = await host(request, address)
        except IngressError as error:
            # The ingress's own page has no header of ours.
            scope.pop(SAID, None)
            response = error.reply()
        except WireError as error:
            scope["falkit.error"] = error
            response = error_reply(error, self._service.identity.reply_id())
        except ClientDisconnect:
            return
        except ConnectionCut as error:
            await cut_off(scope, error)
            return
        if SAID in scope:
            add_hint(response, scope[SAID])
        spoiling: ReplyFault | None = scope.get(REPLY_FAULT)
        if spoiling is None:
            await response(scope, receive, send)
        else:
            await spoiling(response, scope, receive, send)


def _platform_api(service: Service, catalog: Catalog) -> Host:
    """Return api.fal.ai, which is imported when it is first asked: most runs never do."""
    made: list[Host] = []

    async def answer(request: Request, address: Address) -> Response:
        if not made:
            from falkit_mock.hosts.api import Api

            made.append(Api(service, catalog))
        return await made[0](request, address)

    return answer


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    catalog: Catalog | None = None,
    store: Store | None = None,
) -> Starlette:
    """Return the mock as an ASGI application.

    `app.state.platform` is its Platform. `clock` lets a test own the time; the default
    catalog is the vendored one, and the default store forgets everything at the end.
    """
    documents = catalog or Catalog.vendored()
    kept = store or MemoryStore()
    service = Service(settings or Settings(), clock or SimulatedClock(), kept)

    request_log = RequestLog(settings.request_log if settings else 1000)
    service.restarted.append(request_log.restart)

    async def health(request: Request) -> Response:
        return json_reply({"status": "ok"}, request_id=service.identity.reply_id())

    async def refused(request: Request, error: Exception) -> Response:
        # Starlette's own refusals, of the mock's few routes, are plain text without an id.
        assert isinstance(error, HTTPException)
        return json_reply(
            {"detail": error.detail},
            request_id=service.identity.reply_id(),
            status_code=error.status_code,
            headers=error.headers,
        )

    async def control_refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, WireError)
        return error_reply(error, service.identity.reply_id())

    async def internal_error(request: Request, error: Exception) -> Response:
        # A fault of falkit's own. Uvicorn, which is told to be quiet, would keep it to itself.
        if not isinstance(error, ConnectionCut):
            _log.error("%s %r failed", request.method, request.url.path, exc_info=error)
        detail = {"detail": "Internal Server Error", "error_type": "internal_error"}
        request_id = service.identity.reply_id()
        return json_reply(detail, request_id=request_id, status_code=500)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        yield
        service.close()
        kept.close()

    # Each browser preflight is answered, and nothing else added, by one plain middleware.
    cors = Middleware(
        FalCors,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
        max_age=86400,
    )
    app = Starlette(
        routes=[
            Route("/health", health),
            Route("/ready", health),
            *routes(service, documents, request_log),
            Route("/{path:path}", Recorder(FalHosts(service, documents), service, request_log)),
        ],
        middleware=[cors],
        exception_handlers={
            HTTPException: refused,
            WireError: control_refused,
            Exception: internal_error,
        },
        lifespan=lifespan,
    )
    app.state.service = service
    return app
