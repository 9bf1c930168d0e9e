"""One POST of a webhook: within limits per receiver, and with the clock held back."""

from __future__ import annotations

import asyncio
import inspect
import ssl
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol, cast
from weakref import WeakValueDictionary

import httptools

from falkit_mock.core.clock import Clock
from falkit_mock.core.events import NO_ANSWER
from falkit_mock.webhooks import SendFailed
from falkit_mock.webhooks.targets import Target

# Attempts that one receiver gets at once. An attempt that lasts longer than this, in real seconds,
# no longer counts among them: the others need not wait for a receiver that is slow with one.
_AT_ONCE = 64
_SLOW = 0.25
# Real seconds for which a receiver that hung is remembered, from when it was last waited for.
_REMEMBERED = 5.0


def _most_connections() -> int:
    """Return how many connections may be open in all: half of what the system allows."""
    if sys.platform == "win32":
        return 512
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if soft == resource.RLIM_INFINITY else max(64, min(soft // 2, 4096))


class Receivers:
    """Takes webhooks to their receivers: so many at once, each in its time, the clock held back.

    A jump of the clock waits for a receiver, but not for long, and only briefly for one that hung
    until it answers again. So one that hangs doesn't make each of an hour's moments take two
    seconds, and a jump leaves no receiver behind that answers in less.
    """

    # Real seconds that a jump waits for an answer, and for one by a receiver that has hung.
    patience: ClassVar[float] = 2.0
    impatience: ClassVar[float] = 0.02

    def __init__(self, clock: Clock) -> None:
        # Tests put one of their own in its place.
        self.sender: Sender = HttpSender()
        self._clock = clock
        # Places at each receiver, for as long as somebody uses them.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._connections = asyncio.Semaphore(_most_connections())
        # When a receiver was last waited for without success, on the event loop's clock.
        self._hung: dict[str, float] = {}

    @contextmanager
    def hold(self, origin: str) -> Generator[float]:
        """Hold the clock back for the block, for so many real seconds at most as are yielded."""
        loop = asyncio.get_running_loop()
        hung = origin in self._hung and loop.time() - self._hung[origin] < _REMEMBERED
        seconds = min(self.impatience, self.patience) if hung else self.patience
        with ExitStack() as held:
            held.enter_context(self._clock.busy())

            def give_up() -> None:
                self._hung[origin] = loop.time()
                held.close()

            giving_up = loop.call_later(seconds, give_up)
            held.callback(giving_up.cancel)
            yield seconds

    @asynccontextmanager
    async def place(self, origin: str) -> AsyncGenerator[None]:
        """Wait for a place at a receiver and keep it for the block, the clock held back.

        First come, first served.
        """
        places = self._places.setdefault(origin, asyncio.Semaphore(_AT_ONCE))
        with self.hold(origin), ExitStack() as taken:
            await places.acquire()
            taken.callback(places.release)
            # Closing twice releases once.
            slow = asyncio.get_running_loop().call_later(_SLOW, taken.close)
            taken.callback(slow.cancel)
            async with self._connections:
                yield

    async def post(
        self, target: Target, headers: dict[str, str], body: bytes, timeout: float
    ) -> tuple[Answer | None, str | None]:
        """Return the answer, or why there is none within `timeout` seconds of the clock."""
        answer, error = None, None
        try:
            async with self._clock.timeout_at(self._clock.now() + timeout):
                answer = await self.sender.send(target, headers, body)
        except TimeoutError:
            return None, f"{NO_ANSWER} {timeout:g} s"
        except SendFailed as failure:
            error = str(failure)
        # It answers, or can't be reached at all.
        self._hung.pop(target.origin, None)
        return answer, error


# Bytes of an answer's body that are kept; what comes after them is not waited for.
MOST_BODY = 16 * 1024
_MOST_HEAD = 64 * 1024
# How OpenSSL reports bytes that aren't TLS; it depends on its version.
_NO_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


class Answer(NamedTuple):
    """What a receiver answered."""

    status_code: int
    headers: dict[str, str]
    body: bytes


def is_asgi(application: Callable[..., Any]) -> bool:
    """Tell an ASGI application from a WSGI one: it is a coroutine, or takes three arguments."""
    called = getattr(application, "__call__", application)  # noqa: B004
    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(called):
        return True
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return False
    return (
        sum(one.default is one.empty and one.kind < one.VAR_POSITIONAL for one in parameters) == 3
    )


class Sender(Protocol):
    """Carries a request to a receiver."""

    async def send(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        """Send a POST and return the answer; raise SendFailed."""
        ...


class HttpSender:
    """Over TCP, and TLS for https."""

    async def send(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        exchange = await self._connect(target, _request(target, headers, body))
        try:
            return await exchange.answer
        finally:
            exchange.close()

    async def _connect(self, target: Target, request: bytes) -> _Exchange:
        loop, tls = asyncio.get_running_loop(), None
        if target.scheme == "https":
            tls = self._unchecked if target.loopback else self._checked
        failed: Exception | None = None
        for address in target.addresses or (target.host,):
            try:
                _, exchange = await loop.create_connection(
                    lambda: _Exchange(request),
                    address,
                    target.port,
                    ssl=tls,
                    server_hostname=target.host if tls else None,
                )
                return exchange
            except (OSError, ssl.SSLError) as error:
                # That nobody listens at the other address says less.
                if failed is None or isinstance(failed, ConnectionRefusedError):
                    failed = error
        raise SendFailed(f"can't connect to {target.origin}: {_reason(failed)}") from failed

    @cached_property
    def _checked(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    @cached_property
    def _unchecked(self) -> ssl.SSLContext:
        """How to speak TLS to a receiver on this machine, which needs no valid certificate."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


class _Exchange(asyncio.Protocol):
    """Writes a request to a connection and reads its one answer.

    A protocol, and not a stream: what has arrived counts even if the connection breaks after it.
    """

    def __init__(self, request: bytes) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._read = 0
        self._in_body = False

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        # Whoever waited for it may have been cancelled.
        self.answer.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have all its methods, and another base class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish()
        except httptools.HttpParserError as error:
            self._fail(f"the answer isn't HTTP ({error})")
        if not self._in_body and self._read > _MOST_HEAD:
            self._fail(f"the answer's headers are longer than {_MOST_HEAD} bytes")

    def eof_received(self) -> None:
        sized = "content-length" in self._headers or "transfer-encoding" in self._headers
        if self._in_body and not sized:
            # It ends with the connection, as in HTTP 1.0.
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._fail(f"the connection broke: {_reason(exc)}")
        elif self._in_body:
            self._fail("the connection was closed in the middle of the answer")
        else:
            self._fail("the connection was closed without an answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._in_body = self._parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        self._body += body[: MOST_BODY - len(self._body)]
        if len(self._body) == MOST_BODY:
            self._finish()

    def on_message_complete(self) -> None:
        if self._in_body:
            self._finish()
        else:
            # An interim response, such as 100 Continue, comes before the answer.
            self._headers.clear()

    def _finish(self) -> None:
        if not self.answer.done():
            code = self._parser.get_status_code()
            self.answer.set_result(Answer(code, self._headers, bytes(self._body)))

    def _fail(self, why: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(SendFailed(why))


def _request(target: Target, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if target.authorization is not None:
        lines.append(f"Authorization: {target.authorization}")
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _reason(error: Exception | None) -> str:
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return "it doesn't speak TLS; use http://"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).lower() if isinstance(error, OSError) else str(text)
