"""The gateway's socket, and each connection until it is known who answers it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from falkit_mock.core import REAL_KEY
from falkit_mock.core.identity import holds_key
from falkit_mock.core.network import (
    MEDIA,
    MEDIA_BASE,
    ROUTED,
    is_fal,
    is_router,
    is_this_machine,
    reached,
)
from falkit_mock.gateway import Egress
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.http2 import PREFACE, Http2Refusal
from falkit_mock.gateway.proxy_protocol import (
    END,
    MOST,
    TLS,
    RequestHead,
    Streams,
    end,
    relay,
    server_name,
    streams_of,
)

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# How a connection to one of fal's names ended before a request: the caller refused the
# certificate, speaks HTTP/2 alone, or just closed.
EarlyEnd: TypeAlias = Literal["refused", "http2", "closed"]
# Seconds for a head or a handshake, and for reaching another host.
PATIENCE = 30.0
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_NOTED = b"HTTP/1.1 204 Noted\r\n\r\n"


class GatewayConnection(asyncio.Protocol):
    """Reads the first bytes: a tunnel, a whole URL, a mere path, or TLS at once.

    What comes within TLS is read likewise. Afterwards the connection is uvicorn's, as if it had
    come to the mock's own port, or a tunnel's.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._early = bytearray()
        # Which of the names answered here is meant, by a tunnel or TLS, until a request comes.
        self._name = ""
        self._secured = False
        self._busy = False
        # Whether the caller sent its end of file while something took time.
        self._finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._gateway.connections.add(self._transport)
        self._timer = self._loop.call_later(PATIENCE, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._note_end("closed")

    def eof_received(self) -> bool:
        self._finished = True
        # TLS can't be left half open.
        return self._busy and not self._secured

    def data_received(self, data: bytes) -> None:
        self._early += data
        if self._busy:
            # Read before the pause took hold; kept for whoever answers.
            return
        if self._early[0] == TLS and not self._secured:
            self._name = self._name or _answered(server_name(bytes(self._early)))
            self._work(self._secure())
        elif self._early.startswith(PREFACE):
            self._refuse_http2()
        elif PREFACE.startswith(self._early):
            return
        elif self._name and not is_router(self._name):
            self._hand_over(self._gateway.http())
        elif (end := self._early.find(END)) >= 0:
            head = bytes(self._early[:end])
            del self._early[: end + len(END)]
            self._read(head)
        elif len(self._early) > MOST or not 0x41 <= self._early[0] <= 0x5A:
            self._refuse(400, "Bad Request", "falkit's gateway takes HTTP requests and TLS.")

    def _read(self, head: bytes) -> None:
        try:
            request = RequestHead.parse(head)
            if not request.scheme and is_router(request.host):
                # Each request goes its own way, so that it is on a connection of its own.
                request = RequestHead.parse(head, "https" if self._secured else "http")
        except ValueError as error:
            self._refuse(400, "Bad Request", f"falkit's gateway can't read this: {error}.")
            return
        if not request.scheme:
            self._early[:0] = head + END
            self._hand_over(self._gateway.http())
        elif _is_answered(request):
            self._receive(request)
        else:
            self._let_out(request)

    def _receive(self, request: RequestHead) -> None:
        if request.scheme == "CONNECT":
            self._name = _answered(request.host)
            self._timer.cancel()
            self._timer = self._loop.call_later(PATIENCE, self._transport.abort)
            self._transport.write(_ESTABLISHED)
            if self._early:
                self.data_received(b"")
            return
        # Some clients send https URLs to a proxy in the open; the reply must not tell.
        self._early[:0] = request.onward
        protocol = self._gateway.http()
        self._hand_over(protocol, "https" if request.scheme == "https" else None)

    def _let_out(self, request: RequestHead) -> None:
        self._name = ""
        host, port = request.host, request.port
        egress = self._gateway.egress
        # Nothing where the caller has gone by now.
        caller = self._transport.get_extra_info("peername")
        if is_this_machine(host) and caller and not is_this_machine(caller[0]):
            text = f"falkit lets callers on other machines reach nothing on its own, as {host}."
            self._refuse(403, f"Blocked by falkit: {host}:{port}", text)
        elif not is_this_machine(host) and not egress.attempt(host, port, key=_key(request)):
            text = f"falkit let nothing out to {host}:{port}; --egress allow would."
            if is_router(host):
                text += f" Of that host it answers {ROUTED}… alone, not {request.path}."
            self._refuse(403, f"Blocked by falkit: {host}:{port}", text)
        elif request.has(b"x-falkit-note"):
            self._transport.write(_NOTED)
            self._transport.close()
        else:
            self._work(self._tunnel(request))

    async def _tunnel(self, request: RequestHead) -> None:
        tls = ssl.create_default_context() if request.scheme == "https" else None
        try:
            async with asyncio.timeout(PATIENCE):
                far = await asyncio.open_connection(request.host, request.port, ssl=tls)
        except (OSError, UnicodeError) as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            where = f"{request.host}:{request.port}"
            self._refuse(502, "Bad Gateway", f"falkit could not reach {where}: {reason}.")
            return
        writers = [far[1]]
        self._timer.cancel()
        self._gateway.connections.add(far[1].transport)
        try:
            if not self._transport.is_closing():
                near = streams_of(self._transport)
                writers.append(near[1])
                self._begin(request, near, far)
                await relay(near, far)
        finally:
            for writer in writers:
                await end(writer)
                self._gateway.connections.discard(writer.transport)

    def _begin(self, request: RequestHead, near: Streams, far: Streams) -> None:
        """Announce the tunnel, and hand on what was read before it."""
        if request.scheme == "CONNECT":
            near[1].write(_ESTABLISHED)
        far[1].write(request.onward + bytes(self._early))
        if self._finished:
            near[0].feed_eof()
        self._transport.resume_reading()

    async def _secure(self) -> None:
        context = await self._gateway.context()
        if self._finished:
            self._transport.close()
            return
        handoff = _Handoff()
        upgrade = self._loop.create_task(
            self._loop.start_tls(
                self._transport,
                handoff,
                context,
                server_side=True,
                ssl_handshake_timeout=PATIENCE,
            )
        )
        # The first bytes of the handshake have been read. start_tls schedules the protocol's
        # beginning and then the reading on; this follows those two before anything is read.
        self._loop.call_soon(self._loop.call_soon, self._feed)
        try:
            secured = await upgrade
        except (OSError, EOFError) as error:
            # An alert is the caller's word on the certificate; others just hung up.
            refused = isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
            self._note_end("refused" if refused else "closed")
            return
        finally:
            self._leave()
        if secured is None or handoff.lost:
            self._note_end("closed")
            return
        self._early, self._secured, self._busy = handoff.early, True, False
        secured.set_protocol(self)
        self.connection_made(secured)
        if self._early:
            self.data_received(b"")

    def _feed(self) -> None:
        protocol = cast("asyncio.BufferedProtocol", self._transport.get_protocol())
        rest = memoryview(bytes(self._early))
        while rest and not self._transport.is_closing():
            room = memoryview(cast("bytearray", protocol.get_buffer(len(rest))))
            size = min(len(room), len(rest))
            room[:size] = rest[:size]
            protocol.buffer_updated(size)
            rest = rest[size:]

    def _hand_over(self, protocol: HttpToolsProtocol, scheme: str | None = None) -> None:
        """Let uvicorn answer, beginning with what was read already."""
        self._leave()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if scheme == "https":
            protocol.scheme = "https"
        if self._early:
            protocol.data_received(bytes(self._early))

    def _refuse_http2(self) -> None:
        self._note_end("http2")
        self._timer.cancel()
        text = "falkit answers HTTP/1.1 alone, and so nothing that is asked by gRPC"
        refusal = Http2Refusal(self._transport, text, bytes(self._early), self._leave)
        self._transport.set_protocol(refusal)

    def _refuse(self, status: int, phrase: str, text: str) -> None:
        self._name = ""
        body = f"{text}\n".encode("utf-8", "replace")
        head = (
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._transport.write(head.encode("latin-1", "replace") + body)
        self._transport.close()

    def _work(self, job: Coroutine[Any, Any, None]) -> None:
        """Do what takes time, and read nothing meanwhile."""
        self._busy = True
        self._transport.pause_reading()
        self._gateway.work(job)

    def _leave(self) -> None:
        self._timer.cancel()
        self._gateway.connections.discard(self._transport)

    def _note_end(self, how: EarlyEnd) -> None:
        """Count the end of a connection on which no request came; of each once."""
        if self._name:
            self._gateway.early_ends[self._name, how] += 1
            self._name = ""


def _answered(host: str) -> str:
    """Return a host's name if falkit may answer for it, else nothing."""
    return host.lower().rstrip(".") if is_fal(host) or is_router(host) else ""


def _is_answered(request: RequestHead) -> bool:
    """Tell whether a request for another host is one for the mock; of the router's some are."""
    if not is_router(request.host):
        return is_fal(request.host)
    return request.scheme == "CONNECT" or request.path.startswith(ROUTED)


def _key(request: RequestHead) -> bool:
    """Tell whether a request to another host has a key of fal's in it; in a tunnel none is seen."""
    return holds_key(request.value(b"authorization")) or bool(REAL_KEY.search(request.path))


class _Handoff(asyncio.Protocol):
    """Keeps what comes right behind a handshake, before uvicorn has the connection."""

    def __init__(self) -> None:
        self.early = bytearray()
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class Gateway:
    """A proxy at which connections to fal's names end; used on the mock's own event loop.

    `mock` is the mock's own URL, which media URLs begin with. Without an authority it takes
    the user's own, and raises GatewayError if that can't be had.
    """

    def __init__(
        self,
        listener: socket.socket,
        mock: str,
        egress: Egress,
        authority: Authority | None = None,
    ) -> None:
        self.authority = authority or Authority.open()
        self.egress = egress
        self.url = reached(listener)
        # What is added to the state of its connections.
        self.state = {MEDIA_BASE: f"{mock}/{MEDIA}"}
        # Those that uvicorn doesn't know of: not handed over yet, or tunnels.
        self.connections: set[asyncio.WriteTransport] = set()
        # Connections to fal's names on which no request came, by name and how they ended.
        self.early_ends: Counter[tuple[str, EarlyEnd]] = Counter()
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._http: Callable[[], HttpToolsProtocol] | None = None
        self._context: asyncio.Future[ssl.SSLContext] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, http: Callable[[], HttpToolsProtocol]) -> None:
        """Answer from now on; `http` makes what speaks to the mock for one connection."""
        self._http = http
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: GatewayConnection(self), sock=self._listener
        )

    def close(self) -> None:
        """Take no more connections, and end those that uvicorn doesn't know of."""
        if self._server is not None:
            self._server.close()
        for transport in list(self.connections):
            transport.abort()
        for task in list(self._tasks):
            task.cancel()

    def http(self) -> HttpToolsProtocol:
        """Return what answers one connection as the mock."""
        assert self._http is not None, "open() comes first"
        return self._http()

    async def context(self) -> ssl.SSLContext:
        """Return the TLS settings, made on first use and off the loop, since it takes a while."""
        if self._context is None:
            loop = asyncio.get_running_loop()
            self._context = loop.run_in_executor(None, self.authority.context)
        return await asyncio.shield(self._context)

    def work(self, job: Coroutine[Any, Any, None]) -> None:
        """Have a connection's work done until the gateway closes."""
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
