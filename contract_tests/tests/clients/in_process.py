"""The mock in the place of fal's hosts, for clients that go through httpx: no socket at all."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import respx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import ASGIApp

from falkit import Settings, create_app

FAL_HOSTS = r"^(.+\.)?fal\.(run|ai|media)$"


@dataclass(frozen=True)
class Fal:
    """What answers for fal, and the requests that it was sent, in order."""

    app: ASGIApp
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])

    def sent(self, header: str) -> list[str | None]:
        """Return one header of each request."""
        return [request.headers.get(header) for request in self.requests]

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request by the application, whole."""
        self.requests.append(request)
        content = await request.aread()
        # Anew, so that a request of a synchronous client has a body that can be awaited.
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        reply = await httpx.ASGITransport(self.app).handle_async_request(copy)
        body = await reply.aread()
        return httpx.Response(reply.status_code, headers=reply.headers, content=body)


def mock(timing: str) -> Fal:
    """Return a mock that knows one key."""
    keys = frozenset({"id:secret"})
    return Fal(create_app(Settings(timing=timing, api_keys=keys)))


@contextmanager
def routed(fal: Fal, portal: BlockingPortal | None = None) -> Generator[Fal]:
    """Send what is meant for fal's hosts to the application; other hosts stay unreachable.

    Synchronous clients need a portal, behind which the application has its event loop.
    """

    def answer(request: httpx.Request) -> httpx.Response:
        assert portal is not None
        request.read()
        return portal.call(fal.answer, request)

    with respx.mock(assert_all_called=False) as router:
        side_effect = fal.answer if portal is None else answer
        router.route(host__regex=FAL_HOSTS).mock(side_effect=side_effect)
        yield fal


@contextmanager
def routed_from_threads(fal: Fal) -> Generator[Fal]:
    """The same for synchronous clients."""
    with start_blocking_portal() as portal, routed(fal, portal):
        yield fal
