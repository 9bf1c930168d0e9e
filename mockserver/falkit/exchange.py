"""One request of httpx's, answered by an ASGI application on another thread's event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import anyio
import anyio.to_thread
import httpx

from falkit_mock.hosts import CONNECTION
from falkit_mock.hosts.replies import phrase

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

# Bytes of a reply that wait to be read before the application has to: uvicorn's limit.
_MOST_UNREAD = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class Exchange(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A request and its reply: begun at once, and read by its caller, waiting or not.

    It is the server's side of a connection as well (`hosts.Connection`), and ends as one does:
    what cuts it is the error that httpx has where a socket breaks. What the caller's side shares
    with the event loop's is changed under `_lock`.
    """

    def __init__(
        self,
        app: ASGIApp,
        loop: asyncio.AbstractEventLoop,
        request: httpx.Request,
        done: Callable[[Exchange], object],
    ) -> None:
        self.request = request
        self._app = app
        self._loop = loop
        self._done = done
        timeouts: dict[str, float | None] = request.extensions.get("timeout") or {}
        # Seconds for which the caller waits for the next bytes, None for any number.
        self._patience = timeouts.get("read")
        self._lock = threading.Lock()
        # Status and headers, once they are there; then the parts of the body that aren't read.
        self._head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._parts: deque[bytes] = deque()
        self._unread = 0
        self._error: httpx.TransportError | None = None
        self._complete = self._closed = False
        # What the caller waits on.
        self._waiter: Future[None] | None = None
        # Of the event loop alone.
        self._asked = self._ringing = False
        self._sent = 0
        self._announced: int | None = None
        self._space: asyncio.Event | None = None

    def begin(self) -> None:
        """Have the application answer; called on its event loop."""
        # Done once the caller has gone, or the connection is cut.
        self.gone = self._loop.create_future()
        self._ended = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    async def stop(self, grace: float) -> None:
        """Return once the application has ended; cut it if that takes more than so many seconds."""
        await asyncio.wait({self._task}, timeout=grace)
        self._task.cancel()
        await asyncio.wait({self._task})

    # The caller's side.

    def response(self) -> httpx.Response:
        """Wait in this thread for the reply's head; raise httpx's errors."""
        self._block(lambda: self._head is not None or self._error is not None)
        return self._response()

    async def response_async(self) -> httpx.Response:
        """Wait for the reply's head, on asyncio or trio; raise httpx's errors."""
        await self._pause(lambda: self._head is not None or self._error is not None)
        return self._response()

    def __iter__(self) -> Generator[bytes]:
        while True:
            self._block(lambda: bool(self._parts) or self._complete or self._error is not None)
            if (part := self._take()) is None:
                return
            yield part

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while True:
            await self._pause(
                lambda: bool(self._parts) or self._complete or self._error is not None
            )
            if (part := self._take()) is None:
                return
            yield part

    def close(self) -> None:
        """Read no more: if there is more, the application finds its caller gone."""
        with self._lock:
            hangs_up = not self._closed and not self._complete
            self._closed = True
            self._parts.clear()
        if hangs_up:
            self._loop.call_soon_threadsafe(self._hang_up)

    async def aclose(self) -> None:
        self.close()

    def _response(self) -> httpx.Response:
        if self._head is None:
            assert self._error is not None
            raise self._error
        status, headers = self._head
        # As httpx has them of a reply by HTTP/1.1.
        extensions = {"http_version": b"HTTP/1.1", "reason_phrase": phrase(status)}
        stream: Exchange | httpx.ByteStream = self
        if self._complete:
            # By its type respx knows what it can keep, for whoever looks at its calls.
            stream = httpx.ByteStream(b"".join(self._parts))
        return httpx.Response(
            status, headers=headers, stream=stream, request=self.request, extensions=extensions
        )

    def _take(self) -> bytes | None:
        """Return the next part of the body; None at its end. Raise what has cut it."""
        with self._lock:
            if self._parts:
                part = self._parts.popleft()
                self._unread -= len(part)
                space = self._space
                if space is not None and self._unread <= _MOST_UNREAD:
                    self._loop.call_soon_threadsafe(space.set)
                return part
            if self._error is not None and not self._complete:
                raise self._error
            return None

    def _waits_for(self, there: Callable[[], bool]) -> Future[None] | None:
        """Return what rings when there is more; None if what is waited for is there."""
        with self._lock:
            if there():
                return None
            self._waiter = Future()
            return self._waiter

    def _block(self, there: Callable[[], bool]) -> None:
        while (waiter := self._waits_for(there)) is not None:
            try:
                waiter.result(self._patience)
            except TimeoutError:
                self.close()
                message = "The read operation timed out"
                raise httpx.ReadTimeout(message, request=self.request) from None
            except BaseException:
                self.close()
                raise

    async def _pause(self, there: Callable[[], bool]) -> None:
        while (waiter := self._waits_for(there)) is not None:
            try:
                with anyio.fail_after(self._patience):
                    await _rung(waiter)
            except TimeoutError:
                self.close()
                raise httpx.ReadTimeout("", request=self.request) from None
            except BaseException:
                self.close()
                raise

    # The side of the event loop, as uvicorn has it.

    async def _run(self) -> None:
        try:
            await self._app(self._scope(), self._receive, self._send)
        except Exception:
            # The application has logged it, and answered if it could.
            pass
        finally:
            if not self._complete:
                self.end()
            self._done(self)

    def _scope(self) -> Scope:
        request, url = self.request, self.request.url
        path, _, query = url.raw_path.partition(b"?")
        text = path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (url.host, url.port or _PORTS[url.scheme]),
            "client": None,
            "state": {},
            CONNECTION: self,
        }

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            # respx has read all of it.
            return {"type": "http.request", "body": self.request.content, "more_body": False}
        await self._ended.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._space is not None:
            await self._space.wait()
            self._space = None
        if self.gone.done():
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message.get("headers", []))
        else:
            self._add(message.get("body", b""), message.get("more_body", False))
        # What is sent without a pause is read in one go.
        if not self._ringing:
            self._ringing = True
            self._loop.call_soon(self._ring)

    def _start(self, status: int, given: list[tuple[bytes, bytes]]) -> None:
        headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        for name, value in given:
            headers.append((name.lower(), value))
            if name.lower() == b"content-length":
                self._announced = int(value)
        bare = self.request.method == "HEAD" or status in (204, 304)
        if self._announced is None and not bare:
            headers.append((b"transfer-encoding", b"chunked"))
        with self._lock:
            self._head = status, headers

    def _add(self, body: bytes, more: bool) -> None:
        with self._lock:
            if body and self.request.method != "HEAD":
                self._parts.append(body)
                self._unread += len(body)
                self._sent += len(body)
            self._complete = not more
            if more and self._unread > _MOST_UNREAD:
                self._space = asyncio.Event()
        if not more:
            self._ended.set()

    def _ring(self) -> None:
        self._ringing = False
        with self._lock:
            waiter, self._waiter = self._waiter, None
        if waiter is not None:
            # Its caller may have been cancelled.
            with suppress(InvalidStateError):
                waiter.set_result(None)

    def _hang_up(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
        self._ended.set()
        if self._space is not None:
            self._space.set()

    def reset(self) -> None:
        """Have the caller read `connection reset`."""
        reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        self._cut(httpx.ReadError(str(reset), request=self.request))

    def end(self, last: bytes = b"") -> None:
        """Have the caller read what was sent, then what is no HTTP or nothing."""
        early = "peer closed connection without sending complete message body"
        if last:
            line, _, _ = last.partition(b"\r\n")
            why = f"illegal status line: {bytearray(line)}"
        elif self._head is None:
            why = "Server disconnected without sending a response."
        elif self._announced is None:
            why = f"{early} (incomplete chunked read)"
        else:
            why = f"{early} (received {self._sent} bytes, expected {self._announced})"
        self._cut(httpx.RemoteProtocolError(why, request=self.request))

    def _cut(self, error: httpx.TransportError) -> None:
        with self._lock:
            self._error = self._error or error
        self._hang_up()
        self._ring()


async def _rung(waiter: Future[None]) -> None:
    """Wait for what another thread does, on whatever event loop this is."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # trio's, which has no way of its own.
        try:
            await anyio.to_thread.run_sync(waiter.result, abandon_on_cancel=True)
        finally:
            waiter.cancel()
    else:
        await asyncio.wrap_future(waiter)


class Reply(httpx.Response):
    """A reply whose head is waited for by whoever wants it: awaited, or read in a thread.

    respx asks a side effect for the reply without a word of whether its caller can await one.
    """

    def __init__(self, exchange: Exchange) -> None:
        # httpx's own follows once the head is there; until then nothing is.
        self._exchange = exchange
        self._request = exchange.request

    def __await__(self) -> Generator[Any, Any, httpx.Response]:
        return self._exchange.response_async().__await__()

    def __getattr__(self, name: str) -> Any:
        if "stream" not in self.__dict__ and not name.startswith("__"):
            found = self._exchange.response()
            self.__dict__.update(found.__dict__)
            return getattr(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
