"""The faults of a request: it waits, is refused, or its connection is cut.

What befalls a job is decided when it is taken (platform.rules.verdict); this is about requests.
"""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from falkit_mock import edge
from falkit_mock.edge import Address
from falkit_mock.errors import (
    AccountLocked,
    BadHeader,
    ShuttingDown,
    TooManyAtOnce,
    Unauthenticated,
    WireError,
)
from falkit_mock.hosts.cut import SPOILT, ConnectionCut, IngressError, Spoiling
from falkit_mock.line import line_of
from falkit_mock.platform import access
from falkit_mock.platform.jobs import Door, Job
from falkit_mock.platform.model import Order
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.rules.errors import RuleError
from falkit_mock.platform.rules.fault import JOBS, Operation
from falkit_mock.platform.rules.line_faults import LineFault
from falkit_mock.platform.rules.rule import Rule
from falkit_mock.platform.rules.rulebook import Chosen
from falkit_mock.platform.rules.subject import Subject
from falkit_mock.platform.rules.text import parse_texts
from falkit_mock.platform.rules.verdict import input_of, magic_of, subject_of

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


class Faulty:
    """Lets what rules name happen to requests."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._rules = platform.rules

    async def before_order(self, request: Request, order: Order, operation: Operation) -> None:
        """Do what befalls a call of a model before it is carried out."""
        named = (*order.wishes.faults, *magic_of(order.body).texts)
        if named or not self._rules.idle:
            door: Door = "queue" if operation == "submit" else "run"
            await self._strike(request, subject_of(order, door, named))

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
        key = access.key_id(request.headers.get("authorization", ""))
        await self._strike(request, Subject(operation, "", key, named))

    def of_media(self, request: Request, address: Address) -> Chosen | None:
        """Return what is wrong with a file that is asked for."""
        named = named_by(request, "media")
        if self._rules.idle and not named:
            return None
        job = self._maker(address.path)
        subject = Subject("media", named=named)
        if job is not None:
            subject = self.subject_of(job, "media", named)
        chosen = self._noted(request, self._rules.choose("media", subject))
        if chosen is not None and chosen.name != "media_missing":
            hint(request, chosen.hint)
        return chosen

    def subject_of(self, job: Job, operation: Operation, named: tuple[str, ...]) -> Subject:
        """Return a request about a job as rules see it: by the job's endpoint, input and key."""
        kept = job.faults.get("named")
        of_job = tuple(map(str, kept)) if isinstance(kept, list) else ()
        store = self._platform.store
        return Subject(
            operation,
            job.path,
            job.wishes.key,
            (*named, *of_job),
            lambda: input_of(store.input(job.id)),
        )

    async def wait(self, request: Request, until: float) -> None:
        """Wait for a moment of the clock; raise if the caller hangs up or the mock ends."""
        clock, line = self._platform.clock, line_of(request.scope)
        while clock.now() < until:
            if self._platform.closing:
                raise ShuttingDown(self._platform.identity.reply_id())
            waiting = asyncio.ensure_future(clock.wait(until, clock.bell.ticket()))
            ends = [waiting, line.gone] if line else [waiting]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if line is not None and line.gone.done():
                raise ClientDisconnect

    def _maker(self, path: str) -> Job | None:
        record = self._platform.store.file(path)
        return None if record is None else self._platform.store.get(record.request_id)

    async def _strike(self, request: Request, subject: Subject) -> None:
        if late := self._noted(request, self._rules.choose("latency", subject)):
            hint(request, late.hint)
            seconds = self._rules.draw(late, "seconds")
            await self.wait(request, self._platform.clock.now() + seconds)
        chosen = self._noted(request, self._rules.choose("answer", subject))
        if chosen is None:
            return
        if isinstance(chosen.rule.fault, LineFault):
            await self._cut(request, chosen)
            return
        raise self._refusal(chosen, subject)

    async def _cut(self, request: Request, chosen: Chosen) -> None:
        match chosen.name:
            case "connection_reset":
                raise ConnectionCut(chosen.name)
            case "hang":
                seconds = chosen.parameters()["seconds"]
                await self.wait(request, self._platform.clock.now() + float(str(seconds)))
                raise ConnectionCut(chosen.name)
            case _:
                hint(request, chosen.hint)
                request.scope[SPOILT] = Spoiling(chosen.name)

    def _refusal(self, chosen: Chosen, subject: Subject) -> WireError:
        said = chosen.parameters()
        error: WireError
        match chosen.name:
            case "account_locked":
                error = AccountLocked(str(said["reason"]))
            case "bad_key":
                error = Unauthenticated.unknown()
            case "concurrent_requests_limit":
                error = TooManyAtOnce(subject.key, 2)
            case "ingress_error":
                return IngressError(int(str(said["status"])))
            case _:
                error = self._platform.unknown()
        error.hint = chosen.hint
        return error

    def _noted(self, request: Request, chosen: Chosen | None) -> Chosen | None:
        if chosen is not None:
            note(request, chosen.name)
        return chosen


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
    for phase, prefix in (("queue", ""), ("logs", ""), ("webhook", "webhook_")):
        kept = job.faults.get(phase)
        for fault in kept if isinstance(kept, list) else [kept]:
            if isinstance(fault, dict):
                name = f"{prefix}{fault['name']}"
                note(request, name)
                hint(request, f"falkit made this fault ({name})")


def note_outcome(request: Request, job: Job) -> None:
    """Write down the rule's fault that a job failed with, if one did, when its result is had."""
    kept = job.faults.get("outcome")
    if isinstance(kept, dict) and kept["rule"] is not None:
        note(request, str(kept["name"]))


def _operation(request: Request, address: Address) -> Operation | None:
    if address.role == edge.MEDIA:
        return "media" if request.method in ("GET", "HEAD") else "upload"
    if address.path.startswith("/storage/upload/"):
        return "initiate"
    return "token" if address.path in _TOKENS else None


_TOKENS = ("/storage/auth/token", "/tokens", "/tokens/realtime")
