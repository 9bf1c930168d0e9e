"""The application: a request becomes a context, a host's reply, and an event."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from time import perf_counter

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from falkit_mock.control.routes import ROOT, Guard, control_router, is_control
from falkit_mock.core import HINT
from falkit_mock.core.clock import Clock
from falkit_mock.core.errors import HostNotImitated, StateAway, WireError, is_shortage, no_room
from falkit_mock.core.events import EventLog, RequestAnswered, RequestArrived, RequestLog
from falkit_mock.core.network import API, MEDIA, QUEUE, REST, RUN, SITE, WS
from falkit_mock.gateway.gateway import Gateway
from falkit_mock.hosts import SEND_WHOLE, RequestContext
from falkit_mock.hosts.addresses import check_slash, find_address
from falkit_mock.hosts.fal_run import FalRun, request_again
from falkit_mock.hosts.faults import ConnectionCut, IngressError, before_file, corrupt_reply, cut
from falkit_mock.hosts.media import MediaHost
from falkit_mock.hosts.options import IgnoredHeaders
from falkit_mock.hosts.queue import Queue
from falkit_mock.hosts.realtime import RealtimeHost
from falkit_mock.hosts.replies import (
    EXPOSED_HEADERS,
    REQUEST_ID,
    AnyReply,
    Reply,
    SendWhole,
    add_hints,
    error_reply,
    json_reply,
)
from falkit_mock.hosts.rest import Rest
from falkit_mock.hosts.site import Site
from falkit_mock.hosts.sockets import answer_handshake
from falkit_mock.hosts.websocket import WebSocketHost
from falkit_mock.service.pins import check_outputs
from falkit_mock.service.service import Service
from falkit_mock.settings import Settings
from falkit_mock.store import BadCopy, Store
from falkit_spec import Catalog

_log = logging.getLogger("falkit_mock")

Host = Callable[[RequestContext], Awaitable[AnyReply]]

# What the mock's own routes raise that is an answer, or may be one.
_REFUSALS = (HTTPException, WireError, MemoryError, OSError, BadCopy)
_READS = ("GET", "HEAD", "OPTIONS")
# Whether the mock is up, for whoever waits for it.
_PROBES = ("/health", "/ready")
# Where faults apply to a request that calls no model; those of a model's ask for its input first.
_FILES = (MEDIA, REST)


class MockApp:
    """Every fal host behind one address, and the mock's own routes: an ASGI application.

    Plain ASGI, since Starlette's routes and middleware take longer than the rest of a request;
    the mock's own routes are Starlette's.
    """

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self.service = service
        self.catalog = catalog
        self._sharing = service.store.sharing
        check_outputs(service.settings, catalog, service.pins)
        service.rules.validate = partial(service.pins.check, catalog=catalog)
        # The gateway beside it, once there is one.
        self.gateway: Gateway | None = None
        self.request_log, self.event_log = _logs(service)
        service.events.listeners += [self.request_log, self.event_log]
        service.restarted.append(self.request_log.restart)
        run = FalRun(service, catalog)
        self._hosts: dict[str, Host] = {
            RUN: RealtimeHost(service, catalog, self, run),
            WS: WebSocketHost(service, catalog, self, run),
            QUEUE: Queue(service, catalog),
            MEDIA: MediaHost(service, catalog),
            SITE: Site(service, catalog),
            REST: Rest(service, catalog),
            API: self._platform_api,
        }
        # What is to be done before the first request is answered.
        self._begin: Callable[[], None] | None = None
        if service.store.journal is not None:
            # Lazy: most mocks forget everything.
            from falkit_mock.service.lasting import Lasting

            lasting = Lasting(service, self.request_log, partial(request_again, catalog=catalog))
            self._begin = lasting.begin
            if service.store.sharing is not None:
                from falkit_mock.service.following import begin_shared

                self._begin = begin_shared(service, lasting, self.request_log, self.event_log)
                service.hooks.opening.append(self._begin_now)
        self._ignored_headers = IgnoredHeaders()
        self._own = self._own_routes()
        # Every page may use fal's hosts, as at fal, and none the control API.
        self._cors = CORSMiddleware(
            self._own,
            allow_origins=["*"],
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            max_age=86400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await answer_handshake(self, scope, receive, send)
            return
        if scope["type"] != "http":
            self.go_on()
            await self._own(scope, receive, send)
            return
        if self._sharing is not None:
            if self._begin is not None:
                self.go_on()
            with suppress(StateAway):
                await self._sharing.sync()
        # Of a header that comes twice the first counts.
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        context = RequestContext(scope, headers, receive, self.service.clock.now())
        if self._begin is not None:
            self.go_on()
        record = context.record
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        try:
            if path in _PROBES or (path.startswith(ROOT) and is_control(path, headers)):
                await self._own(scope, receive, self._noting(context, send))
            else:
                await self._answer(context, send)
        finally:
            record.ms = (perf_counter() - context.began) * 1000
            if record.status is None:
                record.status = 0
            self.service.events.emit(RequestAnswered(record))

    async def _answer(self, context: RequestContext, send: Send) -> None:
        """Have a fal host answer, and send its reply as far as no fault keeps it back."""
        failed: Exception | None = None
        try:
            asks = context.method == "OPTIONS" and self._preflight(context)
            reply = asks or await self._reply(context)
        except ClientDisconnect:
            return
        except ConnectionCut as error:
            await cut(context, error.fault)
            return
        except Exception as error:
            if isinstance(error, StateAway):
                # Fal's clients try this again, and no reply that has an id.
                reply = IngressError(503).reply()
            elif is_shortage(error):
                reply = error_reply(no_room(error), self.service.identity.reply_id())
            elif isinstance(error, BadCopy):
                reply = error_reply(self._damaged(error), self.service.identity.reply_id())
            else:
                failed, reply = error, self._internal_error(context, error)
        if context.hints:
            add_hints(reply, context.hints)
        record, headers = context.record, reply.headers
        record.status = reply.status_code
        record.request_id, record.hint = headers.get(REQUEST_ID), headers.get(HINT)
        record.cut = context.reply_fault is not None
        # Taken out, or scope and server hold each other until the garbage collector comes.
        whole: SendWhole | None = context.scope.pop(SEND_WHOLE, None)
        if b"origin" in context.headers:
            whole = None
            page = Headers(scope=context.scope)
            send = partial(self._cors.send, send=send, request_headers=page)
        if context.reply_fault is None:
            if whole is None or not isinstance(reply, Reply) or not reply.send_by(whole):
                await reply(context.scope, context.receive, send)
        else:
            await corrupt_reply(context, context.reply_fault, reply, send)
        if failed is not None:
            raise failed

    async def _reply(self, context: RequestContext) -> AnyReply:
        service, record = self.service, context.record
        try:
            address = find_address(context.scope, context.headers, service.settings.media_host)
            context.address = address
            record.fal, record.host, record.path = True, address.host, address.path
            service.events.emit(RequestArrived(record))
            host = self._hosts.get(address.role)
            if host is None:
                raise HostNotImitated(address.host)
            check_slash(address)
            if self._sharing is not None and self._sharing.away and record.method not in _READS:
                raise self._sharing.away
            self._ignored_headers.hint(context)
            if address.role in _FILES:
                await before_file(service, context)
            reply = await host(context)
            if service.store.journal is not None:
                await self._kept(context.method, reply.headers.get(REQUEST_ID))
            return reply
        except IngressError as error:
            # The ingress's own page has no header of ours.
            context.hints.clear()
            return error.reply()
        except WireError as error:
            record.fal = record.fal or isinstance(error, HostNotImitated)
            return error_reply(error, service.identity.reply_id())

    async def _kept(self, method: str, request_id: str | None) -> None:
        """Return once all that a reply tells is on the disk; raise WireError 507 if it can't be.

        What only reads waits for nothing but the job that it reads.
        """
        journal = self.service.store.journal
        assert journal is not None, "it was looked at"
        if method in _READS and not journal.unsaved(request_id):
            return
        try:
            await journal.saved()
        except OSError as error:
            if method == "POST" and request_id is not None:
                self.service.withdraw(request_id)
            raise (error if isinstance(error, StateAway) else no_room(error)) from None

    def _preflight(self, context: RequestContext) -> AnyReply | None:
        """Return the answer to OPTIONS of a browser that asks what it may send; else None."""
        if not {b"access-control-request-method", b"origin"} <= context.headers.keys():
            return None
        return self._cors.preflight_response(Headers(scope=context.scope))

    async def _platform_api(self, context: RequestContext) -> AnyReply:
        # Lazy: most runs never ask api.fal.ai.
        from falkit_mock.hosts.api import Api

        api = self._hosts[API] = Api(self.service, self.catalog)
        return await api(context)

    def _internal_error(self, context: RequestContext, error: Exception) -> Reply:
        # A mistake of falkit's own. Uvicorn's log level would hide it.
        _log.error("%s %r failed", context.method, context.scope["path"], exc_info=error)
        detail = {"detail": "Internal Server Error", "error_type": "internal_error"}
        return json_reply(detail, request_id=self.service.identity.reply_id(), status_code=500)

    def _damaged(self, error: BadCopy) -> WireError:
        """Say that the state file has something in it that can't be read."""
        _log.error("state: %s %s; restore a copy of it", self.service.settings.state, error)
        hint = f"the state file {error}"
        return WireError({"detail": "Internal Server Error"}, status_code=500, hint=hint)

    def _noting(self, context: RequestContext, send: Send) -> Send:
        """Return what sends a reply of the mock's own routes, and notes its status.

        What changes something is answered once that is on the disk, or 507.
        """
        journal = self.service.store.journal
        waits = journal is not None and context.method not in _READS
        refused: Reply | None = None

        async def note(message: Message) -> None:
            nonlocal refused
            if refused is not None:
                return
            if message["type"] == "http.response.start":
                if waits and journal is not None:
                    try:
                        await journal.saved()
                    except OSError as error:
                        refused = error_reply(no_room(error), self.service.identity.reply_id())
                        context.record.status = refused.status_code
                        await refused(context.scope, context.receive, send)
                        return
                context.record.status = message["status"]
            await send(message)

        return note

    def go_on(self) -> None:
        """Go on with what a state file has, once there is an event loop."""
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()

    async def _begin_now(self) -> None:
        """Have clock, seed and rules where the replicas that come later find them."""
        self.go_on()
        journal = self.service.store.journal
        assert journal is not None, "what is shared has one"
        journal.noted()
        await journal.saved()

    def _own_routes(self) -> Starlette:
        """Return the probes and the control API, with refusals in JSON."""
        service = self.service

        async def health(request: Request) -> Reply:
            return json_reply({"status": "ok"}, request_id=service.identity.reply_id())

        async def refused(request: Request, error: Exception) -> Reply:
            if is_shortage(error):
                error = no_room(error)
            elif isinstance(error, BadCopy):
                error = self._damaged(error)
            elif isinstance(error, HTTPException):
                # Starlette's own refusals are plain text without an id.
                detail, code = {"detail": error.detail}, error.status_code
                error = WireError(detail, status_code=code, headers=error.headers)
            if not isinstance(error, WireError):
                raise error
            return error_reply(error, service.identity.reply_id())

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncGenerator[None]:
            yield
            service.close()
            if self._sharing is not None:
                await self._sharing.stop()
            service.store.close()

        router = control_router(
            service, self.catalog, self.request_log, self.event_log, lambda: self.gateway
        )
        control = Guard(router, service.settings.control_token)
        return Starlette(
            routes=[
                *(Route(path, health) for path in _PROBES),
                Mount("", control),
            ],
            exception_handlers=dict.fromkeys(_REFUSALS, refused),  # type: ignore[arg-type]
            lifespan=lifespan,
        )


def _logs(service: Service) -> tuple[RequestLog, EventLog]:
    """Return the request log and the log of events, which replicas of a shared state share."""
    if service.store.sharing is None:
        return RequestLog(service.settings.request_log), EventLog()
    # Lazy: most mocks are alone.
    from falkit_mock.service.following import shared_logs

    return shared_logs(service)


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    catalog: Catalog | None = None,
    store: Store | None = None,
) -> MockApp:
    """Return the mock as an ASGI application.

    `clock` lets a test own the time; the default catalog is what the settings `documents` and
    `as_of` choose, and the default store what the setting `state` says.
    """
    settings = settings or Settings()
    settings.check_catalog(catalog)
    if catalog is None:
        catalog = settings.read_catalog()
        for line in catalog.notes:
            _log.warning("%s", line)
    return app_of(settings, catalog, clock=clock, store=store)


def _store_of(settings: Settings) -> Store:
    if settings.state is None:
        return Store()
    # Lazy: most mocks forget everything.
    from falkit_mock.service.lasting import store_of

    return store_of(settings.state, settings.request_log)


def app_of(
    settings: Settings, catalog: Catalog, *, clock: Clock | None = None, store: Store | None = None
) -> MockApp:
    """Return the application of settings whose documents were read already.

    Raise SettingsError for an output that its endpoint can't have.
    """
    kept = store or _store_of(settings)
    try:
        return MockApp(Service(settings, clock or settings.new_clock(), kept), catalog)
    except BaseException:
        if store is None:
            kept.close()
        raise
