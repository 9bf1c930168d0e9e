"""The mock's own routes in one application of Starlette's: probes, and the control API."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import Mount, Route

from falkit_mock.control.routes import Guard
from falkit_mock.core.errors import WireError, is_shortage, no_room
from falkit_mock.core.network import PROBES
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

# What the mock's own routes raise that is an answer, or may be one.
_REFUSALS = (HTTPException, WireError, MemoryError, OSError, BadCopy)


def own_routes(
    service: Service,
    guard: Guard,
    metrics: Metrics,
    unready: Callable[[], str | None],
    damaged: Callable[[BadCopy], WireError],
) -> Starlette:
    """Return the probes and the control API, with refusals in JSON.

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
        routes=[*map(Route, PROBES, (health, ready, measured)), Mount("", guard)],
        exception_handlers=dict.fromkeys(_REFUSALS, refused),  # type: ignore[arg-type]
    )


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
