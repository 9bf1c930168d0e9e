"""Faults applied to requests: delays, refusals, cut connections, corrupt media."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from falkit_mock.core.errors import (
    AccountLocked,
    BadHeader,
    FileNotFound,
    ShuttingDown,
    TooManyAtOnce,
    Unauthenticated,
    WireError,
)
from falkit_mock.core.identity import key_id
from falkit_mock.core.jobs import Entry, Job, ModelRequest
from falkit_mock.core.network import MEDIA
from falkit_mock.faults import JOBS, Operation, RuleError
from falkit_mock.faults.catalogue import WEBHOOK_PREFIX
from falkit_mock.faults.matching import MatchContext
from falkit_mock.faults.resolve import input_of, match_context, named_faults
from falkit_mock.faults.rulebook import TriggeredFault
from falkit_mock.faults.rules import Rule, parse_texts
from falkit_mock.hosts import Address
from falkit_mock.service.files import MediaFile
from falkit_mock.service.service import Service

_CONNECTION = "falkit.line"
# To close at once and throw away what was not sent yet: the other side reads a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection:
    """One connection, through which nothing goes but what is written here."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # Done once the connection is no more, whoever ended it.
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def reset(self) -> None:
        """End it so that the other side reads `connection reset`."""
        found: socket.socket | None = self._transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def end(self, last: bytes = b"") -> None:
        """Write what is left to say, whether it is HTTP or not, and close."""
        if last:
            self._transport.write(last)
        self._transport.close()


def connection_of(scope: Scope) -> Connection | None:
    """Return the connection of a request; None where there is none, inside one process."""
    found: Connection | None = scope.get(_CONNECTION)
    return found


class ConnectionProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP, which also gives each request its connection."""

    _line: Connection | None = None

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._line = Connection(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._line is not None and not self._line.gone.done():
            self._line.gone.set_result(None)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[_CONNECTION] = self._line  # type: ignore[literal-required]  # as extensions do


REPLY_FAULT = "falkit.spoilt"
# Nothing that begins so is a reply; the null bytes are for those who look no further.
_GARBAGE = b"\x16\x00\x00falkit: this is no HTTP\x00\xff\xfe\r\n\r\n" + bytes(range(256))


class ConnectionCut(ConnectionResetError):
    """A fault cuts the connection; inside one process, where none is, this is what is raised."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"falkit's fault {fault} cut this connection")
        self.fault = fault


class IngressError(WireError):
    """nginx's own page in the place of a reply (wire.md §6.3): HTML, and no request id."""

    # Of the error; the page's own may be another.
    status_code = 503

    def __init__(self, code: int) -> None:
        super().__init__({})
        self.code = code

    def reply(self) -> Response:
        """Return the page, to the letter of nginx's."""
        phrase = HTTPStatus(self.code).phrase
        # nginx has words of its own for two of them.
        named = {503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
        title = f"{self.code} {named.get(self.code, phrase)}"
        page = (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
            f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
            "</body>\r\n</html>\r\n"
        )
        return Response(page, self.code, {"server": "nginx", "content-type": "text/html"})


@dataclass(frozen=True, slots=True)
class ReplyFault:
    """What becomes of a reply that is ready: `reply_lost`, `half_reply` or `garbage`."""

    fault: str

    async def __call__(self, response: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is left of a reply."""
        line = connection_of(scope)
        if self.fault == "half_reply":
            await _half(response, scope, receive, send)
        if line is None:
            raise ConnectionCut(self.fault)
        await cut(line, self.fault)


async def cut_off(scope: Scope, error: ConnectionCut) -> None:
    """Cut a request's connection before there is a reply; raise the error where there is none."""
    line = connection_of(scope)
    if line is None:
        raise error
    await cut(line, error.fault)


async def cut(line: Connection, fault: str) -> None:
    """Cut a connection as a fault has it, and wait until it is gone."""
    match fault:
        case "half_reply":
            line.end()
        case "garbage":
            line.end(_GARBAGE)
        case "hang":
            line.end()
        case _:
            line.reset()
    # Uvicorn would answer in its own words a request that is neither answered nor gone.
    await line.gone


class _Enough(Exception):
    """As much of a reply was sent as is to be."""


async def _half(response: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def first(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        body: bytes = message.get("body", b"")
        await send({**message, "body": body[: len(body) // 2], "more_body": True})
        raise _Enough

    try:
        await response(scope, receive, first)
    except _Enough:
        return


# Pieces that a slow file comes in.
_PIECES = 10
_PAGE = b"<!DOCTYPE html>\n<title>Not the file</title>\n<p>This is a page, and no media file.</p>\n"
Wait = Callable[[float], Awaitable[None]]


def corrupted(file: MediaFile, triggered: TriggeredFault | None) -> MediaFile:
    """Return a file as a fault leaves it; raise FileNotFound if it takes it away.

    What is changed has another ETag, so that nobody puts the two together from parts.
    """
    if triggered is None:
        return file
    etag = f'{file.etag[:-1]}-{triggered.name}"'
    match triggered.name:
        case "media_missing":
            error = FileNotFound()
            error.hint = triggered.hint
            raise error
        case "media_truncated":
            size = int(len(file.data) * triggered.number("share"))
            return replace(file, data=file.data[:size], etag=etag)
        case "media_wrong_type":
            return MediaFile(_PAGE, triggered.text("content_type"), etag)
        case _:
            return file


def pause_of(triggered: TriggeredFault | None) -> float:
    """Return the seconds between the pieces of a slow file; 0 for others."""
    if triggered is None or triggered.name != "media_slow":
        return 0.0
    return triggered.number("seconds") / _PIECES


async def slowly(data: bytes, pause: float, wait: Wait) -> AsyncGenerator[bytes]:
    """Yield data in pieces with a pause before each."""
    size = max(1, -(-len(data) // _PIECES))
    for start in range(0, len(data), size):
        await wait(pause)
        yield data[start : start + size]


HEADER = "x-falkit-fault"
FAULT = "falkit.fault"
# What a reply's hint is to say beside its own.
SAID = "falkit.said"
_HEADER = HEADER.encode()


def named_by(request: Request, operation: Operation) -> tuple[str, ...]:
    """Return the faults that a request's own header names.

    Raise BadHeader for what is none, and where a job would begin for one that it can't have. On
    other requests that is a hint, since a program may send the header with all that it asks.
    """
    found: list[str] = []
    for name, value in request.scope["headers"]:
        if name == _HEADER:
            text = value.decode("utf-8", "replace")
            try:
                rules = [Rule.read(each) for each in parse_texts(text)]
            except RuleError as error:
                raise _unreadable(text, f"makes no fault: {error}") from None
            if not rules:
                raise _unreadable(text, "names no fault; give one, or leave the header out")
            for rule in rules:
                misplaced = rule.misplaced(operation)
                if misplaced and operation in JOBS:
                    raise _unreadable(text, f"does nothing here: {misplaced}")
                if misplaced:
                    hint(request, f"{HEADER} does nothing here: {misplaced}")
            found += [rule.text() for rule in rules]
    return tuple(found)


def _unreadable(text: str, mend: str) -> BadHeader:
    why = f"falkit refused this, not fal: {HEADER} {mend}"
    return BadHeader(HEADER, text, mend, why)


class FaultInjection:
    """Lets what rules name happen to requests."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rules = service.rules

    async def before_order(
        self, request: Request, model_request: ModelRequest, operation: Operation
    ) -> None:
        """Do what befalls a call of a model before it is carried out."""
        entry: Entry = "queue" if operation == "submit" else "run"
        named = named_faults(model_request, entry).texts
        if named or not self._rules.idle:
            await self._strike(request, match_context(model_request, entry, named))

    async def before_job(self, request: Request, job: Job, operation: Operation) -> None:
        """Do what befalls a request about a job, by its own header or by the job's input."""
        named = named_by(request, operation)
        if named or not self._rules.idle:
            await self._strike(request, self.subject_of(job, operation, named))

    async def before_file(self, request: Request, address: Address) -> None:
        """Do what befalls a request about files or tokens."""
        operation = _operation(request, address)
        named = named_by(request, operation) if operation else ()
        if operation is None or (self._rules.idle and not named):
            return
        job = self._maker(address.path) if operation == "media" else None
        if job is not None:
            await self._strike(request, self.subject_of(job, operation, named))
            return
        key = key_id(request.headers.get("authorization", ""))
        await self._strike(request, MatchContext(operation, "", key, named))

    def of_media(self, request: Request, address: Address) -> TriggeredFault | None:
        """Return what is wrong with a file that is asked for."""
        named = named_by(request, "media")
        if self._rules.idle and not named:
            return None
        job = self._maker(address.path)
        context = MatchContext("media", named=named)
        if job is not None:
            context = self.subject_of(job, "media", named)
        triggered = self._noted(request, self._rules.choose("media", context))
        if triggered is not None and triggered.name != "media_missing":
            hint(request, triggered.hint)
        return triggered

    def subject_of(self, job: Job, operation: Operation, named: tuple[str, ...]) -> MatchContext:
        """Return a request about a job as rules see it: by the job's endpoint, input and key."""
        store = self._service.store
        return MatchContext(
            operation,
            job.path,
            job.options.key,
            (*named, *job.faults.named),
            lambda: input_of(store.input(job.id)),
        )

    async def wait(self, request: Request, until: float) -> None:
        """Wait for a moment of the clock; raise if the caller hangs up or the mock ends."""
        clock, line = self._service.clock, connection_of(request.scope)
        while clock.now() < until:
            if self._service.closing:
                raise ShuttingDown(self._service.identity.reply_id())
            waiting = asyncio.ensure_future(clock.wait(until, clock.notifier.waiter()))
            ends = [waiting, line.gone] if line else [waiting]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if line is not None and line.gone.done():
                raise ClientDisconnect

    def _maker(self, path: str) -> Job | None:
        record = self._service.store.file(path)
        return None if record is None else self._service.store.get(record.request_id)

    async def _strike(self, request: Request, context: MatchContext) -> None:
        if late := self._noted(request, self._rules.choose("latency", context)):
            hint(request, late.hint)
            seconds = self._rules.draw(late, "seconds")
            await self.wait(request, self._service.clock.now() + seconds)
        triggered = self._noted(request, self._rules.choose("answer", context))
        if triggered is None:
            return
        if triggered.fault.family == "connection":
            await self._cut(request, triggered)
            return
        raise self._refusal(triggered, context)

    async def _cut(self, request: Request, triggered: TriggeredFault) -> None:
        match triggered.name:
            case "connection_reset":
                raise ConnectionCut(triggered.name)
            case "hang":
                seconds = triggered.number("seconds")
                await self.wait(request, self._service.clock.now() + seconds)
                raise ConnectionCut(triggered.name)
            case _:
                hint(request, triggered.hint)
                request.scope[REPLY_FAULT] = ReplyFault(triggered.name)

    def _refusal(self, triggered: TriggeredFault, context: MatchContext) -> WireError:
        error: WireError
        match triggered.name:
            case "account_locked":
                error = AccountLocked(triggered.text("reason"))
            case "bad_key":
                error = Unauthenticated.unknown()
            case "concurrent_requests_limit":
                error = TooManyAtOnce(context.key, 2)
            case "ingress_error":
                return IngressError(int(triggered.number("status")))
            case _:
                error = self._service.unknown()
        error.hint = triggered.hint
        return error

    def _noted(self, request: Request, triggered: TriggeredFault | None) -> TriggeredFault | None:
        if triggered is not None:
            note(request, triggered.name)
        return triggered


def note(request: Request, name: str) -> None:
    """Write down a fault that befell a request, for its log and the journal."""
    before = request.scope.get(FAULT)
    request.scope[FAULT] = f"{before}, {name}" if before else name


def hint(request: Request, text: str) -> None:
    """Have the reply say something in its hint, beside what it says there by itself; once."""
    said: list[str] = request.scope.setdefault(SAID, [])
    if text not in said:
        said.append(text)


def note_job(request: Request, job: Job) -> None:
    """Write down the faults that a new job was given."""
    note_outcome(request, job)
    faults = job.faults
    names = [kept.name for kept in (faults.queue, faults.logs) if kept is not None]
    for name in (*names, *(f"{WEBHOOK_PREFIX}{name}" for name in faults.webhook)):
        note(request, name)
        hint(request, f"falkit made this fault ({name})")


def note_outcome(request: Request, job: Job) -> None:
    """Write down the rule's fault that a job failed with, if one did, when its result is had."""
    if job.faults.outcome is not None and job.faults.rule is not None:
        note(request, job.faults.outcome)


def _operation(request: Request, address: Address) -> Operation | None:
    if address.role == MEDIA:
        return "media" if request.method in ("GET", "HEAD") else "upload"
    if address.path.startswith("/storage/upload/"):
        return "initiate"
    return "token" if address.path in _TOKENS else None


_TOKENS = ("/storage/auth/token", "/tokens", "/tokens/realtime")
