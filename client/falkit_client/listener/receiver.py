"""The receiver itself: an ASGI application that judges each delivery and answers it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from falkit_client.errors import WebhookError
from falkit_client.listener.forwarding import Forwarding, Passed
from falkit_client.webhooks import Delivery, KeyRing, Now, verify_async


@dataclass(frozen=True, slots=True)
class Heard:
    """One delivery as it came, and what was made of it.

    `at`: Unix seconds. `path`: with the query. `size`: bytes of the body. `found`: what it says,
    or why it isn't believed. `times`: how often this request id has come verified, this one
    included. `status`: what was answered. `passed`: the receiver's part, if there is one.
    """

    at: float
    path: str
    size: int
    found: Delivery | WebhookError
    times: int
    status: int
    passed: Passed | None


def receiver(
    keys: KeyRing,
    tell: Callable[[Heard], object],
    *,
    forwarding: Forwarding | None = None,
    leeway: float,
    now: Now = time.time,
) -> Starlette:
    """Return the application; `tell` is called with each delivery once it is answered.

    All that comes is passed on, verified or not: the receiver's own verification is under test,
    too. Without a receiver the answer is 200, or 400, 401 or 503 by what is wrong.
    """
    seen: Counter[str] = Counter()

    async def hear(request: Request) -> Response:
        body = await request.body()
        path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
        judging = _judged(request, body, keys, leeway, now)
        if forwarding is None:
            found, passed = await judging, None
        else:
            raw = request.headers.raw
            passing = forwarding.post(path, request.url.query, raw, body)
            found, passed = await asyncio.gather(judging, passing)
        if isinstance(found, Delivery):
            seen[found.request_id] += 1
        times = seen[found.request_id] if isinstance(found, Delivery) else 0
        response = _own(found) if passed is None else _brought(passed)
        shown = f"{path}?{request.url.query}" if request.url.query else path
        tell(Heard(now(), shown, len(body), found, times, response.status_code, passed))
        return response

    @asynccontextmanager
    async def closing(_app: Starlette) -> AsyncGenerator[None]:
        yield
        if forwarding is not None:
            await forwarding.close()

    return Starlette(routes=[Route("/{path:path}", hear, methods=["POST"])], lifespan=closing)


async def _judged(
    request: Request, body: bytes, keys: KeyRing, leeway: float, now: Now
) -> Delivery | WebhookError:
    try:
        return await verify_async(request.headers, body, keys=keys, leeway=leeway, now=now)
    except WebhookError as error:
        return error


def _own(found: Delivery | WebhookError) -> Response:
    if isinstance(found, Delivery):
        return Response()
    return PlainTextResponse(f"{found.message}\n", found.answer)


def _brought(passed: Passed) -> Response:
    response = Response(passed.body, passed.status)
    pairs = ((name.lower(), value) for name, value in passed.headers)
    # The server writes a date of its own.
    response.raw_headers.extend(pair for pair in pairs if pair[0] != b"date")
    return response
