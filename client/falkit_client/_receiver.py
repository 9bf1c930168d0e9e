"""The receiver of falkit listen: it verifies each delivery, passes it on, and answers it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import FrameType

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from falkit_client.errors import WebhookError
from falkit_client.webhooks import Delivery, KeyRing, Now, verify_async

# Headers of one connection (RFC 9110 §7.6.1); the next one gets its own.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"content-length",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# As long as fal ever waits (wire.md §5.3).
_TIMEOUT = httpx.Timeout(120.0, connect=10.0)

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Passed:
    """The receiver's answer from `url` after `seconds`; `failure` says why there is none."""

    url: str
    seconds: float
    status: int
    headers: RawHeaders
    body: bytes
    failure: str | None = None


class Forwarding:
    """The way to one receiver. Bodies go byte for byte; redirects are answers like others."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`url` is the receiver's; paths and queries of deliveries are added to it."""
        self.url = url
        # Receivers are near: a proxy of the environment is not for them.
        self._http = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def target(self, path: str, query: str) -> str:
        """Where a delivery to this path and query goes; both as they were sent.

        >>> Forwarding("http://localhost:8000/fal").target("/", "order=7")
        'http://localhost:8000/fal?order=7'
        """
        base, _, own = self.url.partition("?")
        whole = base if path in ("", "/") else base.rstrip("/") + path
        queries = "&".join(part for part in (own, query) if part)
        return f"{whole}?{queries}" if queries else whole

    async def post(self, path: str, query: str, headers: RawHeaders, body: bytes) -> Passed:
        """Pass one delivery on; the answer is 502 or 504 where the receiver does not answer."""
        url = self.target(path, query)
        began = time.perf_counter()
        try:
            # Built without the client, which would add headers of its own.
            request = httpx.Request("POST", url, headers=_end_to_end(headers), content=body)
            request.extensions = {"timeout": _TIMEOUT.as_dict()}
            response = await self._http.send(request, stream=True)
            try:
                answer = b"".join([piece async for piece in response.aiter_raw()])
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _failed(url, error, time.perf_counter() - began)
        seconds = time.perf_counter() - began
        return Passed(url, seconds, response.status_code, _end_to_end(response.headers.raw), answer)


def _end_to_end(headers: RawHeaders) -> RawHeaders:
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


def _failed(url: str, error: Exception, seconds: float) -> Passed:
    late = isinstance(error, httpx.ReadTimeout)
    why = f"no answer within {_TIMEOUT.read:g} s" if late else str(error) or type(error).__name__
    body = f"falkit listen: {url} can't be reached: {why}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    return Passed(url, seconds, 504 if late else 502, headers, body, why)


@dataclass(frozen=True, slots=True)
class Received:
    """One delivery as it came, and how it was answered.

    `at`: Unix seconds. `path`: with the query. `size`: bytes of the body. `found`: what it says,
    or why it is refused. `times`: how often this request id has come verified, this one included.
    `status`: the answer's code. `passed`: the answer of the receiver behind this one, if any.
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
    report: Callable[[Received], object],
    *,
    forwarding: Forwarding | None = None,
    leeway: float,
    now: Now = time.time,
) -> Starlette:
    """Return the application; `report` is called with each delivery once it is answered.

    Every delivery is passed on, verified or not, so that the receiver's own verification is
    tested too. Without a receiver the answer is 200, or 400, 401 or 503 by what is wrong.
    """
    seen: Counter[str] = Counter()

    async def receive(request: Request) -> Response:
        body = await request.body()
        path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
        query = request.url.query
        verifying = _verified(request, body, keys, leeway, now)
        if forwarding is None:
            found, passed = await verifying, None
        else:
            passing = forwarding.post(path, query, request.headers.raw, body)
            found, passed = await asyncio.gather(verifying, passing)
        times = 0
        if isinstance(found, Delivery):
            times = seen[found.request_id] = seen[found.request_id] + 1
        if passed is not None:
            response = _passed_back(passed)
        elif isinstance(found, WebhookError):
            response = PlainTextResponse(f"{found.message}\n", found.answer)
        else:
            response = Response()
        shown = f"{path}?{query}" if query else path
        report(Received(now(), shown, len(body), found, times, response.status_code, passed))
        return response

    @asynccontextmanager
    async def closing(_app: Starlette) -> AsyncGenerator[None]:
        yield
        if forwarding is not None:
            await forwarding.close()

    return Starlette(routes=[Route("/{path:path}", receive, methods=["POST"])], lifespan=closing)


async def _verified(
    request: Request, body: bytes, keys: KeyRing, leeway: float, now: Now
) -> Delivery | WebhookError:
    try:
        return await verify_async(request.headers, body, keys=keys, leeway=leeway, now=now)
    except WebhookError as error:
        return error


def _passed_back(passed: Passed) -> Response:
    response = Response(passed.body, passed.status)
    pairs = ((name.lower(), value) for name, value in passed.headers)
    # The server adds its own date.
    response.raw_headers.extend(pair for pair in pairs if pair[0] != b"date")
    return response


class Server(uvicorn.Server):
    """uvicorn, which reports when it accepts connections and waits for none at the end."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        """`ready` is called once connections are accepted."""
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                access_log=False,
                log_level="critical",
                server_header=False,
                timeout_graceful_shutdown=0,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then report it."""
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop without a failure; uvicorn would raise the signal again."""
        self.should_exit = True
