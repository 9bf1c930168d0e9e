"""queue.fal.run: submit, status, stream, result and cancel (wire.md §3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from falkit_mock.core import HINT, dumps, header_text
from falkit_mock.core.errors import ShuttingDown, no_queue_route, still_in_progress
from falkit_mock.core.jobs import NO_FAULTS, Job
from falkit_mock.faults import Operation
from falkit_mock.faults.rules import NO_MAGIC
from falkit_mock.hosts import Host, RequestContext, authorize
from falkit_mock.hosts.addresses import Address, split_app
from falkit_mock.hosts.fal_run import in_turn, read_model_request
from falkit_mock.hosts.faults import REDIRECTED, before_job, before_model, note_job, note_outcome
from falkit_mock.hosts.replies import (
    REQUEST_ID,
    AnyReply,
    Reply,
    json_reply,
    outcome_reply,
)
from falkit_mock.store.sharing import turn
from falkit_spec import JSON

# Seconds between the comments that keep a silent stream open (wire.md §3.3).
KEEP_ALIVE = 15.0
_CANCEL_CODES = {"CANCELLATION_REQUESTED": 202, "OK": 200, "ALREADY_COMPLETED": 400}


class Queue(Host):
    """What can be asked of /{app}/requests/{request id}; and POST to any other path: a submit."""

    async def __call__(self, context: RequestContext) -> AnyReply:
        app, rest = split_app(context.address.path)
        route = self._route(rest, slash=context.address.slash)
        if route is None:
            return await self._submit(context, app, rest)
        request_id, (name, methods, answer) = route
        if context.method not in methods:
            raise no_queue_route(*methods)
        service = self._service
        authorize(context, app, service)
        job = service.find(app, request_id, context.now)
        if b"x-falkit-fault" in context.headers or not service.rules.idle:
            await before_job(service, context, job, name)
        return await answer(self, job, context)

    def _route(self, rest: list[str], *, slash: bool) -> tuple[str, _Route] | None:
        """Return whose request a path behind the app is about, and what it asks; else None.

        Whatever isn't /requests/{request id} and an operation, to the letter, is the path of a
        submit (wire.md §3.7): a whole id before `requests`, /response, a slash too many.
        """
        lenient = self._service.settings.assumptions.queue_urls == "lenient"
        if lenient and "requests" in rest:
            rest = rest[rest.index("requests") :]
        if len(rest) < 2 or rest[0] != "requests" or not rest[1]:
            return None
        operation = "/".join(rest[2:])
        if slash and not lenient and operation not in _SLASHED:
            return None
        if lenient and operation == "response":
            operation = ""
        route = _ROUTES.get(operation)
        return None if route is None else (rest[1], route)

    async def _submit(self, context: RequestContext, app: str, rest: list[str]) -> Reply:
        if "requests" in rest:
            context.add_hint(_meant(context, app, rest[rest.index("requests") :]))
        if context.method != "POST":
            raise no_queue_route("POST", hint=_no_get(context))
        request = await read_model_request(context, app, self._catalog, self._service)
        if "requests" in rest:
            # What was meant is said already.
            request = replace(request, hint=None)
        service, magic = self._service, NO_MAGIC
        if request.marked or not service.rules.idle:
            magic = await before_model(service, context, request, "queue")
        if service.needs_turn(magic):
            job = await in_turn(service, partial(service.submit, request, magic))
        else:
            job = service.submit(request, magic)
        if job.faults is not NO_FAULTS:
            note_job(context, job)
        if job.options.webhook is not None:
            await service.before_reply(job)
        hint = "" if job.outcome is None else job.outcome.headers.get(HINT, "")
        # The word is looked for first because most queries have none to parse.
        if "fal_webhook" in context.address.query:
            own = service.webhooks.hint(job) or _no_webhook(context)
            hint = header_text("; ".join(filter(None, (hint, own))))
        body: dict[str, JSON] = {
            "status": "IN_QUEUE",
            "request_id": job.id,
            **_job_urls(context.address, job),
            "logs": None,
            "metrics": {},
            # What took no time has no place.
            "queue_position": 0
            if job.ends <= job.created
            else service.place(job, service.clock.now()),
        }
        return json_reply(body, request_id=job.id, headers={HINT: hint} if hint else None)

    async def _status(self, job: Job, context: RequestContext) -> Reply:
        with_logs = context.address.query != "" and _wants_logs(context)
        body = await self._status_body(job, context.address, context.now, with_logs=with_logs)
        if job.progression == "polls":
            await self._looked_at(job)
        # Some clients read nothing but this code (wire.md §3.2, §12).
        code = 200 if body["status"] == "COMPLETED" else 202
        return json_reply(body, request_id=job.id, status_code=code)

    async def _status_body(
        self, job: Job, address: Address, now: float, *, with_logs: bool
    ) -> dict[str, JSON]:
        service, waits = self._service, now < job.starts and now < job.ends
        body: dict[str, JSON] = {
            "status": "IN_QUEUE" if waits else "IN_PROGRESS",
            "request_id": job.id,
            **_job_urls(address, job),
            # None unless they were asked for, or while the job waits (wire.md §3.2).
            "logs": self._logs(job, now) if with_logs and not waits else None,
            "metrics": {},
        }
        if waits:
            body["queue_position"] = service.place(job, now)
        if now < job.ends:
            return body
        body["status"] = "COMPLETED"
        outcome = await service.outcome(job)
        if not job.cancelled and job.starts <= job.ends:
            body["metrics"] = {"inference_time": round(job.ends - job.starts, 6)}
        for name, text in (("error", outcome.error), ("error_type", outcome.error_type)):
            if text is not None:
                body[name] = text
        return body

    def _logs(self, job: Job, now: float) -> list[JSON]:
        return self._service.logs(job, now, self._catalog.at(job.path))

    async def _stream(self, job: Job, context: RequestContext) -> AnyReply:
        events = self._events(job, context, with_logs=_wants_logs(context))
        # Lazy: most jobs are polled.
        from falkit_mock.hosts.stream_reply import Stream

        headers = {REQUEST_ID: job.id, "cache-control": "no-store"}
        return Stream(events, headers=headers, media_type="text/event-stream")

    async def _events(
        self, job: Job, context: RequestContext, *, with_logs: bool
    ) -> AsyncGenerator[bytes]:
        """Yield the status each time it reads differently, until the job is done."""
        service, clock = self._service, self._service.clock
        news = _News(whole_window=service.settings.assumptions.stream_logs == "window")
        silent_since = clock.now()
        while not service.closing:
            waiter = clock.notifier.waiter()
            job = service.store.get(job.id) or job
            try:
                now = clock.now()
                body = await self._status_body(job, context.address, now, with_logs=with_logs)
            except ShuttingDown:
                return
            if service.store.journal is not None:
                await service.store.journal.told(job.id)
            event = news.of(body)
            if event is not None:
                yield b"data: " + dumps(event) + b"\n\n"
                silent_since = clock.now()
            elif clock.now() >= silent_since + KEEP_ALIVE:
                yield b": keep-alive\n\n"
                silent_since = clock.now()
            if body["status"] == "COMPLETED":
                context.record.completed = True
                return
            if job.progression == "polls":
                await self._looked_at(job)
                job = service.store.get(job.id) or job
            change = service.next_change(job, with_logs=with_logs)
            await clock.wait(min(change, silent_since + KEEP_ALIVE), waiter)

    async def _result(self, job: Job, context: RequestContext) -> Reply:
        service, over = self._service, context.now >= job.ends
        if job.progression == "polls":
            await self._looked_at(job)
        if not over:
            context.record.early = True
            raise still_in_progress(job.id, _job_urls(context.address, job))
        outcome = await service.outcome(job)
        if not outcome.body:
            # Its payloads were deleted by the Platform API.
            raise service.unknown()
        if job.faults.outcome is not None and not job.cancelled and not job.given_up:
            note_outcome(context, job)
        return outcome_reply(job, outcome)

    async def _looked_at(self, job: Job) -> None:
        service = self._service
        async with turn(service.store):
            service.looked_at(service.store.get(job.id) or job)

    async def _cancel(self, job: Job, context: RequestContext) -> Reply:
        service = self._service
        async with turn(service.store):
            answer = service.cancel(service.store.get(job.id) or job)
        return json_reply({"status": answer}, request_id=job.id, status_code=_CANCEL_CODES[answer])


class _News:
    """Picks out of a row of statuses what a stream's reader has not been sent yet.

    The official JavaScript client puts each event's lines after those of the events before, so
    an event must bring only new ones; a window each time would come out many times over.
    """

    def __init__(self, *, whole_window: bool) -> None:
        self._whole_window = whole_window
        self._last: dict[str, JSON] = {}
        self._window: list[JSON] = []

    def of(self, body: dict[str, JSON]) -> dict[str, JSON] | None:
        window = body["logs"]
        fresh: list[JSON] = []
        if isinstance(window, list):
            fresh = [line for line in window if line not in self._window]
            self._window = window
            body = body if self._whole_window else {**body, "logs": [*fresh]}
        bare = {**body, "logs": None}
        if bare == self._last and not fresh:
            return None
        self._last = bare
        return body


def _job_urls(address: Address, job: Job) -> dict[str, str]:
    """Return a job's three URLs in the short form that fal hands out (wire.md §3.1)."""
    base = f"{address.base}/{job.app}/requests/{job.id}"
    return {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}


def _no_webhook(context: RequestContext) -> str:
    """Say that an empty webhook was named, as by a setting that is not there."""
    if context.query.get("fal_webhook") != "":
        return ""
    return "fal_webhook: it is empty, so no webhook is sent; give the receiver's URL"


def _wants_logs(context: RequestContext) -> bool:
    # Python sends true and false, JavaScript 1 and 0 (wire.md §3.2).
    text = context.query.get("logs", "")
    if text not in ("", "1", "true", "0", "false"):
        context.add_hint(f"logs: {text!r} is neither 1 nor true, so there are no logs")
    return text in ("1", "true")


def _meant(context: RequestContext, app: str, rest: list[str]) -> str:
    """Name the request's own URL, and the method, where a path is near to one and isn't it."""
    operation = "/".join(rest[2:]).removesuffix("response").rstrip("/")
    if len(rest) < 2 or not rest[1] or operation not in _ROUTES:
        return f"a request has {', '.join(filter(None, _ROUTES))} behind /{app}/requests/{{id}}"
    url = "/".join(filter(None, (context.address.base, app, "requests", rest[1], operation)))
    method = _ROUTES[operation][1][0]
    why = "fal takes this URL for a submit, whose method is POST"
    lenient = "--assume queue-urls=lenient takes it as it was meant"
    return f"send {method} {url}, which the reply to the submit names; {why} ({lenient})"


def _no_get(context: RequestContext) -> str | None:
    """Say what a GET of a submit's URL may have come from; None where nothing is known."""
    if REDIRECTED in context.address.query:
        return "the redirect was a 307, which is followed with the method and body as they were"
    return None


_READS, _GET = ("GET", "HEAD"), ("GET",)
_Answer: TypeAlias = Callable[[Queue, Job, RequestContext], Awaitable[AnyReply]]
_Route: TypeAlias = tuple[Operation, tuple[str, ...], _Answer]
# What can be asked of a request: the operation's name, its methods, what answers it.
_ROUTES: dict[str, _Route] = {
    "": ("result", _READS, Queue._result),  # pyright: ignore[reportPrivateUsage]
    "status": ("status", _READS, Queue._status),  # pyright: ignore[reportPrivateUsage]
    "status/stream": ("stream", _GET, Queue._stream),  # pyright: ignore[reportPrivateUsage]
    "cancel": ("cancel", ("PUT",), Queue._cancel),  # pyright: ignore[reportPrivateUsage]
}
# Where SDK adds a slash at the end (wire.md §1.3).
_SLASHED = ("", "status")
