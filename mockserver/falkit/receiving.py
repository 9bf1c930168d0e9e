"""Webhooks for applications in this process, ASGI or WSGI, without a socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx

from falkit_mock.core.settings import SettingsError
from falkit_mock.mock import SharedLoop
from falkit_mock.webhooks import SendFailed
from falkit_mock.webhooks.sender import MOST_BODY, Answer, Sender, is_asgi

if TYPE_CHECKING:
    from falkit_mock.mock import LoopThread
    from falkit_mock.webhooks.delivery import Deliveries
    from falkit_mock.webhooks.targets import Target, Targets

_log = logging.getLogger("falkit_mock")
# Apart from the mock's own, so that a handler that calls the mock and waits can be answered.
_THREAD = "falkit applications"


def receive(
    server: LoopThread,
    webhooks: Deliveries,
    url: object,
    app: object,
    loop: asyncio.AbstractEventLoop | None,
) -> None:
    """Have a mock deliver to an application what goes to URLs that begin so."""
    base, application = _base(url), _application(app)

    def add() -> None:
        receivers, targets = webhooks.receivers, webhooks.targets
        if not isinstance(receivers.sender, InProcessSender):
            receivers.sender = InProcessSender(receivers.sender, targets)
        receivers.sender.applications[base] = (application, loop)
        targets.inside = [*receivers.sender.applications]

    server.inside(add)


class InProcessSender:
    """Carries webhooks to applications in this process, and others as the sender before it."""

    def __init__(self, elsewhere: Sender, targets: Targets) -> None:
        self._elsewhere = elsewhere
        self._targets = targets
        # By what the URLs begin with; each with the event loop that it is to run on.
        self.applications: dict[
            str, tuple[Callable[..., Any], asyncio.AbstractEventLoop | None]
        ] = {}

    async def send(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        """Call the application that a URL leads to; what it raises is logged, and answered 500."""
        base = self._targets.inside_at(target.url)
        if base is None:
            return await self._elsewhere.send(target, headers, body)
        app, loop = self.applications[base]
        user = {} if target.authorization is None else {"authorization": target.authorization}
        url = f"{target.origin}{target.path}"
        request = httpx.Request("POST", url, headers={**headers, **user}, content=body)
        try:
            reply = await (_asgi(app, request, loop) if is_asgi(app) else _wsgi(app, request))
        except SendFailed:
            raise
        except Exception as error:
            _log.error("the application at %s failed", url, exc_info=error)
            return Answer(500, {"content-type": "text/plain"}, b"Internal Server Error")
        # As the wire has it: names of several are joined.
        return Answer(reply.status_code, dict(reply.headers), reply.content[:MOST_BODY])


async def _asgi(
    app: Callable[..., Any], request: httpx.Request, loop: asyncio.AbstractEventLoop | None
) -> httpx.Response:
    async def call() -> httpx.Response:
        reply = await httpx.ASGITransport(app).handle_async_request(request)
        await reply.aread()
        return reply

    called = call()
    try:
        there = loop or SharedLoop.named(_THREAD).running()
        answered = asyncio.run_coroutine_threadsafe(called, there)
    except RuntimeError:
        called.close()
        raise SendFailed("the application's event loop has ended") from None
    return await asyncio.wrap_future(answered)


async def _wsgi(app: Callable[..., Any], request: httpx.Request) -> httpx.Response:
    def call() -> httpx.Response:
        reply = httpx.WSGITransport(app).handle_request(request)
        reply.read()
        return reply

    return await asyncio.to_thread(call)


def _base(url: object) -> str:
    """Return what URLs begin with; raise SettingsError for what none can."""
    if isinstance(url, str):
        try:
            parts = urlsplit(url.strip())
            if parts.scheme in ("http", "https") and parts.hostname:
                return url.strip().rstrip("/")
        except ValueError:
            pass
    fix = "give what webhooks' URLs begin with, such as https://app.example/webhooks"
    raise SettingsError("url", f"{url!r} is no URL of a webhook; {fix}")


def _application(app: object) -> Callable[..., Any]:
    if callable(app):
        return cast("Callable[..., Any]", app)
    fix = "give the application itself, such as FastAPI's or Flask's object"
    raise SettingsError("app", f"{app!r} is no ASGI or WSGI application; {fix}")
