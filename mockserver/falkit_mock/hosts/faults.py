"""Faults applied to requests: delays, refusals, cut connections, corrupt media."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from falkit_mock.core.errors import (
    ShuttingDown,
    Unauthenticated,
    WireError,
    account_locked,
    bad_header,
    file_not_found,
    redirected,
    too_many_at_once,
)
from falkit_mock.core.jobs import Entry, Job, ModelRequest
from falkit_mock.core.limits import RULES
from falkit_mock.core.network import MEDIA
from falkit_mock.faults import JOBS, Fault, Operation, Phase, RuleError
from falkit_mock.faults.catalogue import WEBHOOK_PREFIX
from falkit_mock.faults.matching import MatchContext
from falkit_mock.faults.resolve import input_of, match_context, named_faults
from falkit_mock.faults.rulebook import TriggeredFault
from falkit_mock.faults.rules import Magic, Rule, parse_texts
from falkit_mock.hosts import ClientDisconnect, RequestContext
from falkit_mock.hosts.replies import HalfSent, Reply, half
from falkit_mock.service.files import MediaFile
from falkit_mock.service.service import Service
from falkit_mock.store.sharing import turn

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Send

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

    def reply(self) -> Reply:
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
        return Reply(page.encode(), self.code, {"server": "nginx", "content-type": "text/html"})


async def cut(context: RequestContext, fault: str) -> None:
    """Cut a request's connection as a fault has it, and wait until it is gone.

    Raise ConnectionCut inside one process, where there is no connection.
    """
    connection = context.connection
    if connection is None:
        raise ConnectionCut(fault)
    match fault:
        case "garbage":
            connection.end(_GARBAGE)
        case "half_reply" | "hang":
            connection.end()
        case "connection_reset" | "reply_lost":
            connection.reset()
        case _:
            raise AssertionError(fault)
    # Uvicorn would answer in its own words a request that is neither answered nor gone.
    await connection.gone


async def corrupt_reply(context: RequestContext, fault: str, reply: ASGIApp, send: Send) -> None:
    """Send what `reply_lost`, `half_reply` or `garbage` leaves of a reply that is ready."""
    if fault == "half_reply":
        with contextlib.suppress(HalfSent):
            await reply(context.scope, context.receive, half(send))
    await cut(context, fault)


# Pieces that a slow file comes in.
_PIECES = 10
_PAGE = b"<!DOCTYPE html>\n<title>Not the file</title>\n<p>This is a page, and no media file.</p>\n"


def corrupted(file: MediaFile, triggered: TriggeredFault | None) -> MediaFile:
    """Return a file as a fault leaves it; raise WireError 404 if it takes it away.

    What is changed has another ETag, so that nobody puts the two together from parts.
    """
    if triggered is None:
        return file
    etag = f'{file.etag[:-1]}-{triggered.name}"'
    match triggered.name:
        case "media_missing":
            error = file_not_found()
            error.hint = triggered.hint
            raise error
        case "media_truncated":
            size = int(len(file.data) * triggered.number("share"))
            return file._replace(data=file.data[:size], etag=etag)
        case "media_wrong_type":
            return MediaFile(_PAGE, triggered.text("content_type"), etag)
        case "media_slow":
            # What `slowly` does with it.
            return file
        case _:
            raise AssertionError(triggered.name)


async def slowly(
    service: Service, context: RequestContext, data: bytes, seconds: float
) -> AsyncGenerator[bytes]:
    """Yield data in pieces with a pause before each; all of a file takes so many seconds."""
    size = max(1, -(-len(data) // _PIECES))
    for start in range(0, len(data), size):
        await wait(service, context, service.clock.now() + seconds / _PIECES)
        yield data[start : start + size]


HEADER = "x-falkit-fault"


def named_by(context: RequestContext, operation: Operation) -> tuple[str, ...]:
    """Return the faults that a request's own header names.

    Raise WireError 400 for what isn't one, and where a job would begin for one that it can't have.
    On other requests that is a hint, since a program may send the header with all its requests.
    """
    header = HEADER.encode()
    if header not in context.headers:
        return ()
    found: list[str] = []
    for name, value in context.scope["headers"]:
        if name == header:
            found += _named(context, operation, value.decode("utf-8", "replace"))
    return tuple(found)


def _named(context: RequestContext, operation: Operation, text: str) -> list[str]:
    try:
        rules = [Rule.read(each) for each in parse_texts(text, RULES)]
    except RuleError as error:
        raise _unreadable(text, f"can't be used: {error}") from None
    if not rules:
        raise _unreadable(text, "names no fault; give one, or leave the header out")
    for rule in rules:
        misplaced = rule.misplaced(operation)
        if misplaced and operation in JOBS:
            raise _unreadable(text, f"does nothing here: {misplaced}")
        if misplaced:
            context.add_hint(f"{HEADER} does nothing here: {misplaced}")
    return [rule.text() for rule in rules]


def _unreadable(text: str, fix: str) -> WireError:
    why = f"falkit refused this, not fal: {HEADER} {fix}"
    return bad_header(HEADER, text, fix, why)


async def before_model(
    service: Service, context: RequestContext, request: ModelRequest, entry: Entry
) -> Magic:
    """Apply what a call of a model meets before it is carried out; return what it names."""
    magic = named_faults(request, entry)
    if magic.texts or not service.rules.idle:
        await _apply(service, context, match_context(request, entry, magic.texts))
    return magic


async def before_alias(
    service: Service, context: RequestContext, path: str, operation: Operation
) -> None:
    """Redirect a call by a name that no app has and a rule leads elsewhere: an alias."""
    match = MatchContext(operation, path, context.record.key, named_by(context, operation))
    if service.rules.idle and not match.named:
        return
    async with turn(service.store):
        triggered = _chosen(service, context, "answer", match, _leads_elsewhere)
    if triggered is not None and triggered.text("to"):
        raise _refusal(service, context, triggered, match)


async def before_job(
    service: Service, context: RequestContext, job: Job, operation: Operation
) -> None:
    """Apply what a request about a job meets, by its own header or by the job's input."""
    named = named_by(context, operation)
    if named or not service.rules.idle:
        await _apply(service, context, _about_job(service, job, operation, named))


async def before_file(service: Service, context: RequestContext) -> None:
    """Apply what a request about files or tokens meets."""
    operation = _operation(context)
    if operation is not None and (match := _about_file(service, context, operation)):
        await _apply(service, context, match)


async def of_media(service: Service, context: RequestContext) -> TriggeredFault | None:
    """Return what is wrong with a file that is asked for."""
    match = _about_file(service, context, "media")
    if match is None:
        return None
    async with turn(service.store):
        triggered = _chosen(service, context, "media", match)
    if triggered is not None and triggered.name != "media_missing":
        context.add_hint(triggered.hint)
    return triggered


async def wait(service: Service, context: RequestContext, until: float) -> None:
    """Wait for a moment of the clock; raise if the caller hangs up or the mock ends."""
    clock, connection = service.clock, context.connection
    while clock.now() < until:
        if service.closing:
            raise ShuttingDown(service.identity.reply_id())
        waiting = asyncio.ensure_future(clock.wait(until, clock.notifier.waiter()))
        ends = [waiting, connection.gone] if connection else [waiting]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if connection is not None and connection.gone.done():
            raise ClientDisconnect
    context.now = clock.now()


def _about_job(
    service: Service, job: Job, operation: Operation, named: tuple[str, ...]
) -> MatchContext:
    """Return a request about a job as rules see it: by the job's endpoint, input and key."""
    every, id = (*named, *job.faults.named), job.id
    return MatchContext(
        operation, job.path, job.options.key, every, lambda: input_of(service.store.input(id)), id
    )


def _about_file(
    service: Service, context: RequestContext, operation: Operation
) -> MatchContext | None:
    """Return a request about files as rules see it; None where there is nothing to apply.

    One for an output is about the job that made it.
    """
    named = named_by(context, operation)
    # What the page fetches to show it uses up no fault that is meant for a program.
    if not context.told or (service.rules.idle and not named):
        return None
    record = service.store.file(context.address.path) if operation == "media" else None
    job = service.store.get(record.request_id) if record is not None else None
    if job is not None:
        return _about_job(service, job, operation, named)
    return MatchContext(operation, "", context.record.key, named)


async def _apply(service: Service, context: RequestContext, match: MatchContext) -> None:
    """Delay a request, refuse it, or cut its connection, as the rules have it."""
    async with turn(service.store):
        late = _chosen(service, context, "latency", match)
    if late:
        context.add_hint(late.hint)
        seconds = service.rules.draw(late, "seconds")
        await wait(service, context, service.clock.now() + seconds)
    # Who followed a redirect has arrived, or it would go round and round.
    arrived = REDIRECTED.encode() in context.scope["query_string"]
    async with turn(service.store):
        triggered = _chosen(service, context, "answer", match, _may_follow if arrived else None)
    if triggered is None:
        return
    if triggered.fault.family != "connection":
        raise _refusal(service, context, triggered, match)
    if triggered.name == "hang":
        await wait(service, context, service.clock.now() + triggered.number("seconds"))
    if not triggered.fault.done:
        raise ConnectionCut(triggered.name)
    context.add_hint(triggered.hint)
    context.reply_fault = triggered.name


def _chosen(
    service: Service,
    context: RequestContext,
    phase: Phase,
    match: MatchContext,
    only: Callable[[Fault], bool] | None = None,
) -> TriggeredFault | None:
    """Return the fault that a rule applies in a phase, and note it for the log."""
    triggered = service.rules.choose(phase, match, only)
    if triggered is not None:
        context.note_fault(triggered.name)
    return triggered


def _refusal(
    service: Service, context: RequestContext, triggered: TriggeredFault, asked: MatchContext
) -> WireError:
    error: WireError
    match triggered.name:
        case "account_locked":
            error = account_locked(triggered.text("reason"))
        case "bad_key":
            error = Unauthenticated.unknown()
        case "concurrent_requests_limit":
            error = too_many_at_once(asked.key, 2)
        case "ingress_error":
            return IngressError(int(triggered.number("status")))
        case "result_expired":
            error = service.unknown()
        case "redirect":
            error = redirected(_location(context, triggered.text("to") or asked.endpoint))
        case _:
            raise AssertionError(triggered.name)
    error.hint = triggered.hint
    return error


def _leads_elsewhere(fault: Fault) -> bool:
    return fault.name == "redirect"


def _may_follow(fault: Fault) -> bool:
    """Tell whether a fault may happen to a request that followed a redirect."""
    return fault.name != "redirect"


# The parameter by which a redirect's target knows its caller.
REDIRECTED = "falkit_redirected"


def _location(context: RequestContext, id: str) -> str:
    """Return the URL of an endpoint where the caller came from, by which it is found again."""
    address = context.address
    if b"x-fal-target-url" in context.headers:
        # The caller sends the header again, which says where the call is for.
        return f"{context.scope['path']}?{REDIRECTED}=1"
    query = "&".join(filter(None, (address.query, f"{REDIRECTED}=1")))
    return f"{address.base}/{quote(id.strip('/'), safe='/')}?{query}"


def note_job(context: RequestContext, job: Job) -> None:
    """Note the faults that a new job was given."""
    note_outcome(context, job)
    faults = job.faults
    names = [kept.name for kept in (faults.queue, faults.logs) if kept is not None]
    for name in (*names, *(f"{WEBHOOK_PREFIX}{name}" for name in faults.webhook)):
        context.note_fault(name)
        context.add_hint(f"falkit made this fault ({name})")


def note_outcome(context: RequestContext, job: Job) -> None:
    """Note the rule's fault that a job failed with, if one did, when its result is fetched."""
    if job.faults.outcome is not None and job.faults.rule is not None:
        context.note_fault(job.faults.outcome)


def _operation(context: RequestContext) -> Operation | None:
    path = context.address.path
    if context.address.role == MEDIA:
        return "media" if context.method in ("GET", "HEAD") else "upload"
    if path.startswith("/storage/upload/"):
        return "initiate"
    return "token" if path in _TOKENS else None


_TOKENS = ("/storage/auth/token", "/tokens", "/tokens/realtime")
