"""The mock's own routes in one application of Starlette's: probes, the page, the control API."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.types import Message, Send

from falkit_mock.control.guard import Guard
from falkit_mock.core.errors import WireError, is_shortage, no_room
from falkit_mock.core.network import PAGE, PAGE_FILES, PROBES
from falkit_mock.hosts import RequestContext
from falkit_mock.hosts.replies import (
    EXPOSED_HEADERS,
    Reply,
    error_reply,
    json_reply,
    raw_reply,
)
from falkit_mock.metrics import CONTENT_TYPE, Metrics
from falkit_mock.service.service import Service
from falkit_mock.store import BadCopy

if TYPE_CHECKING:
    from falkit_mock.page import Page

# What the mock's own routes raise that is an answer, or may be one.
_REFUSALS = (HTTPException, WireError, MemoryError, OSError, BadCopy)


def own_routes(
    service: Service,
    guard: Guard,
    metrics: Metrics,
    unready: Callable[[], str | None],
    damaged: Callable[[BadCopy], WireError],
) -> Starlette:
    """Return the probes, the page and the control API, with refusals in JSON.

    `unready` tells why no submit is answered, None where it would be; `damaged` what is said of a
    state file that can't be read.
    """

    async def health(request: Request) -> Reply:
        return json_reply({"status": "ok"}, request_id=service.identity.reply_id())

    async def ready(request: Request) -> Reply:
        why, id = unready(), service.identity.reply_id()
        if why is None:
            return json_reply({"status": "ready"}, request_id=id)
        body = {"status": "not ready", "reason": why}
        return json_reply(body, request_id=id, status_code=503)

    async def measured(request: Request) -> Reply:
        headers = {"content-type": CONTENT_TYPE}
        id = service.identity.reply_id()
        return raw_reply(metrics.text(), request_id=id, headers=headers)

    async def refused(request: Request, error: Exception) -> Reply:
        if is_shortage(error):
            error = no_room(error)
        elif isinstance(error, BadCopy):
            error = damaged(error)
        elif isinstance(error, HTTPException):
            # Starlette's own refusals are plain text without an id.
            detail, code = {"detail": error.detail}, error.status_code
            error = WireError(detail, status_code=code, headers=error.headers)
        if not isinstance(error, WireError):
            raise error
        return error_reply(error, service.identity.reply_id())

    return Starlette(
        routes=[
            *map(Route, PROBES, (health, ready, measured)),
            *_page_routes(service, guard),
            Mount("", guard),
        ],
        exception_handlers=dict.fromkeys(_REFUSALS, refused),  # type: ignore[arg-type]
    )


def _page_routes(service: Service, guard: Guard) -> list[Route]:
    """Return where browsers find the page, if they do."""

    @cache
    def page() -> Page:
        # Lazy: nobody may open it.
        from falkit_mock.page import Page

        return Page(guard.sessions, guard.check, guard.check_files, guard.takes)

    async def paged(request: Request) -> Reply:
        return await page().answer(request)

    if not service.settings.page:
        return []
    names = f"{PAGE_FILES}/{{name:path}}"
    return [Route(PAGE, paged), Route(names, paged, methods=["GET", "POST"])]


def noting(service: Service, context: RequestContext, send: Send) -> Send:
    """Return what sends a reply of the mock's own routes, and notes its status.

    What changes something is answered once it is on the disk, what isn't known once it can be.
    """
    journal = service.store.journal
    waits = journal is not None and context.method not in ("GET", "HEAD", "OPTIONS")
    refused: Reply | None = None

    async def note(message: Message) -> None:
        nonlocal refused
        if refused is not None:
            return
        if message["type"] == "http.response.start":
            try:
                if message["status"] == 404 and context.stale is not None:
                    raise context.stale
                if waits and journal is not None:
                    await journal.saved()
            except OSError as error:
                refused = error_reply(no_room(error), service.identity.reply_id())
                context.record.status = refused.status_code
                await refused(context.scope, context.receive, send)
                return
            context.record.status = message["status"]
        await send(message)

    return note


def with_cors(own: Starlette) -> CORSMiddleware:
    """Return what answers pages that ask what they may read of fal's hosts."""
    return CORSMiddleware(
        own,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
        max_age=86400,
    )
