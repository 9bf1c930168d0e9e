"""The application: a request becomes a context, a host's reply, and an event."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, partial
from time import perf_counter
from typing import TYPE_CHECKING

from falkit_mock.core import HINT
from falkit_mock.core.errors import HostNotImitated, StateAway, WireError, is_shortage, no_room
from falkit_mock.core.events import RequestAnswered, RequestArrived
from falkit_mock.core.network import (
    API,
    CONTROL,
    MEDIA,
    OWN,
    QUEUE,
    REST,
    RUN,
    SITE,
    WS,
    is_file_of_page,
    is_of_page,
    is_own,
)
from falkit_mock.core.telling import EventLog, RequestLog
from falkit_mock.hosts import HANDSHAKE, SEND_WHOLE, ClientDisconnect, RequestContext
from falkit_mock.hosts.addresses import check_slash, find_address
from falkit_mock.hosts.fal_run import FalRun, request_again
from falkit_mock.hosts.faults import ConnectionCut, IngressError, before_file, corrupt_reply, cut
from falkit_mock.hosts.options import IgnoredHeaders
from falkit_mock.hosts.queue import Queue
from falkit_mock.hosts.replies import (
    REQUEST_ID,
    AnyReply,
    Reply,
    SendWhole,
    add_hints,
    error_reply,
    json_reply,
)
from falkit_mock.metrics import Metrics
from falkit_mock.service.service import Service
from falkit_mock.store import BadCopy
from falkit_mock.store.sharing import synced
from falkit_spec import Catalog

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.middleware.cors import CORSMiddleware
    from starlette.types import Receive, Scope, Send

    from falkit_mock.control.guard import Guard
    from falkit_mock.control.routes import ControlRouter
    from falkit_mock.faults.rules import Rule
    from falkit_mock.gateway.gateway import Gateway

_log = logging.getLogger("falkit_mock")

Host = Callable[[RequestContext], Awaitable[AnyReply]]

_READS = ("GET", "HEAD", "OPTIONS")
# Where faults apply to a request that calls no model; those of a model's ask for its input first.
_FILES = (MEDIA, REST)


class MockApp:
    """Every fal host behind one address, and the mock's own routes: an ASGI application.

    Plain ASGI but for the mock's own routes: Starlette's take longer than the rest of a request.
    """

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self.service = service
        self.catalog = catalog
        self._sharing = service.store.sharing
        if service.settings.faults or service.settings.outputs:
            # Lazy: most mocks pin nothing.
            from falkit_mock.service.pins import check_outputs

            check_outputs(service.settings, catalog, service.pins)
        service.rules.validate = self._check_pins
        # The gateway beside it, once there is one.
        self.gateway: Gateway | None = None
        self.request_log, self.event_log = RequestLog(service.settings.request_log), EventLog()
        if self._sharing is not None:
            # Lazy: most mocks are alone.
            from falkit_mock.service.following import shared_logs

            self.request_log, self.event_log = shared_logs(service, self._sharing)
        self.metrics = Metrics(self.services)
        service.events.listen(self.request_log, self.event_log, self.metrics)
        # For whoever only watches, and all that happens.
        self.events = service.events
        service.restarted.append(self.request_log.restart)
        keeps = service.settings.page and service.settings.request_log
        self._transcripts = self.request_log.transcripts if keeps else None
        # Made and imported when they are first called, all but two.
        self._run = FalRun(service, catalog)
        self._hosts: dict[str, Host] = {QUEUE: Queue(service, catalog), RUN: self._run}
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # Lazy: most mocks have no such caller.
            from falkit_mock.hosts.sockets import answer_handshake

            await answer_handshake(self, scope, receive, send)
            return
        if scope["type"] != "http":
            await self._live(receive, send)
            return
        if self._sharing is not None:
            self.go_on()
        stale = None if self._sharing is None else await synced(self._sharing)
        # Of a header that comes twice the first counts.
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        context = RequestContext(scope, headers, receive, self.service.clock.now())
        context.stale = stale
        if self._begin is not None:
            self.go_on()
        record = context.record
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        try:
            own = path in OWN or path.startswith(CONTROL)
            if own and is_own(path, context.method, headers, page=self.service.settings.page):
                # Lazy, as those routes are.
                from falkit_mock.control.own import noting

                # Nobody listens for what the page does to show what others do.
                context.told = not is_of_page(path, headers)
                await self._own(scope, receive, noting(self.service, context, send))
            else:
                await self._answer(context, send)
        finally:
            record.ms = (perf_counter() - context.began) * 1000
            if record.status is None:
                record.status = 0
            if context.told:
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
            self._transcribe(context, None, None)
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
        # Of a stream there is no body.
        self._transcribe(context, headers, reply.body if type(reply) is Reply else None)
        # Taken out, or scope and server hold each other until the garbage collector comes.
        whole: SendWhole | None = context.scope.pop(SEND_WHOLE, None)
        if b"origin" in context.headers:
            # Lazy, as all of Starlette is, which takes an eighth of the start and no submit needs.
            from starlette.datastructures import Headers

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

    def _transcribe(
        self, context: RequestContext, replied: Mapping[str, str] | None, body: bytes | None
    ) -> None:
        """Keep what was sent and answered, for whoever looks into the request."""
        if self._transcripts is not None and context.told:
            scope, record, sent = context.scope, context.record, context.sent
            headers, query = scope["headers"], scope["query_string"]
            self._transcripts.keep(record, headers, query, sent, replied, body)

    async def _reply(self, context: RequestContext) -> AnyReply:
        service, record = self.service, context.record
        try:
            address = find_address(context.scope, context.headers, service.settings.media_host)
            context.address = address
            record.fal, record.host, record.path = True, address.host, address.path
            role = address.role
            if role in _FILES and is_file_of_page(record.method, context.headers):
                context.told = False
            else:
                service.events.emit(RequestArrived(record))
            if role == RUN and HANDSHAKE in context.scope:
                role = HANDSHAKE
            host = self._hosts.get(role) or self._open(role, address.host)
            check_slash(address)
            if context.stale is not None and record.method not in _READS:
                raise context.stale
            self._ignored_headers.hint(context)
            if address.role in _FILES and (
                not service.rules.idle or b"x-falkit-fault" in context.headers
            ):
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
            if error.elsewhere and context.stale is not None:
                raise context.stale from None
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
        from starlette.datastructures import Headers

        return self._cors.preflight_response(Headers(scope=context.scope))

    def _open(self, role: str, name: str) -> Host:
        """Return what answers for a host of fal's; raise HostNotImitated if nothing does.

        Its module is imported here: a mock that is called for the first time is to answer soon.
        """
        service, catalog = self.service, self.catalog
        host: Host
        if role == MEDIA:
            from falkit_mock.hosts.media import MediaHost

            host = MediaHost(service, catalog)
        elif role == REST:
            from falkit_mock.hosts.rest import Rest

            host = Rest(service, catalog)
        elif role == SITE:
            from falkit_mock.hosts.site import Site

            host = Site(service, catalog)
        elif role == API:
            from falkit_mock.hosts.api import Api

            host = Api(service, catalog)
        elif role == HANDSHAKE:
            from falkit_mock.hosts.realtime import RealtimeHost

            host = RealtimeHost(service, catalog, self, self._run)
        elif role == WS:
            from falkit_mock.hosts.websocket import WebSocketHost

            host = WebSocketHost(service, catalog, self, self._run)
        else:
            raise HostNotImitated(name)
        self._hosts[role] = host
        return host

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

    def _unready(self) -> str | None:
        """Say why a submit would not be taken; None if it would."""
        if self._sharing is not None and self._sharing.away is not None:
            return str(self._sharing.away.strerror)
        journals = filter(None, (one.store.journal for one in self.services()))
        return self.service.hooks.unready or next(filter(None, (j.trouble for j in journals)), None)

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

    def _check_pins(self, rule: Rule) -> None:
        if rule.pin is not None:
            self.service.pins.check(rule, self.catalog)

    def attend(self, act: Callable[[MockApp, str | None], object]) -> None:
        """Do something with this mock; or with each of its tenants, and their keys' ids."""
        act(self, None)

    def services(self) -> list[Service]:
        """Return those that have jobs: this mock's own, or its tenants'."""
        return [self.service]

    def close(self) -> None:
        """Let go of everyone who waits, and of what is kept."""
        self.service.close()
        self.service.store.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin and end with the server that has the application (ASGI's lifespan)."""
        await receive()
        self.go_on()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._sharing is not None:
            await self._sharing.stop()
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    @cached_property
    def _own(self) -> Starlette:
        """The probes and the control API."""
        from falkit_mock.control.own import own_routes

        told = (self._unready, self._damaged)
        return own_routes(self.service, self.guard, self.metrics, *told)

    @cached_property
    def control(self) -> ControlRouter:
        """The control API."""
        from falkit_mock.control.routes import control_router

        logs, beside = (self.request_log, self.event_log), (lambda: self.gateway, self)
        return control_router(
            self.service, self.catalog, *logs, *beside, lambda: self.guard.sessions
        )

    @cached_property
    def guard(self) -> Guard:
        """What keeps the control API for those who may use it."""
        from falkit_mock.control.guard import Guard

        return Guard(self.control, self.service.settings.control_token)

    @cached_property
    def _cors(self) -> CORSMiddleware:
        """What pages are told: any may use fal's hosts, as at fal, and none the control API."""
        from falkit_mock.control.own import with_cors

        return with_cors(self._own)
