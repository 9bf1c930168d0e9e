"""A call that is answered by events: partial ones, and at last the output (wire.md §8)."""

from __future__ import annotations

import math
from asyncio import CancelledError, to_thread
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from falkit_mock.core import HINT, NotJson, dumps, parse_body
from falkit_mock.core.errors import ShuttingDown
from falkit_mock.core.jobs import Job, ModelRequest, Outcome, ParsedRequest
from falkit_mock.faults.rules import Magic
from falkit_mock.hosts import ClientDisconnect, RequestContext, unless_gone
from falkit_mock.hosts.faults import note_job
from falkit_mock.hosts.replies import REQUEST_ID, AnyReply, outcome_reply
from falkit_mock.hosts.stream_reply import Stream
from falkit_mock.outputs.openai import CHAT, RESPONSES
from falkit_mock.service.inputs import in_pool
from falkit_mock.service.outcomes import read_request
from falkit_mock.service.partials import chunks, last, partials, response_events
from falkit_mock.service.service import Service
from falkit_mock.service.workflows import failed
from falkit_mock.store.sharing import turn
from falkit_spec.types import Object, is_object

# Seconds between the comments that keep a silent stream open (wire.md §3.3).
KEEP_ALIVE = 15.0


def streams_openai(request: ModelRequest) -> bool:
    """Tell whether a call is one of OpenAI's clients' that asks for a stream."""
    return request.path.endswith((CHAT, RESPONSES)) and request.input.get("stream") is True


async def streamed(
    service: Service, context: RequestContext, request: ModelRequest, magic: Magic
) -> AnyReply:
    """Answer a call by events; what is refused at once is answered as elsewhere, in JSON."""
    parsed = request.checked or read_request(request, service.settings)
    request = replace(request, checked=parsed)
    async with turn(service.store):
        job = service.start(request, magic)
    outcome = job.outcome
    if outcome is None:
        # Whether there will be a stream isn't known before its files have been looked at.
        try:
            outcome = await unless_gone(context.receive, service.outcome(job))
        except ClientDisconnect:
            service.leave(job)
            raise
    late = job.faults.outcome is not None
    as_reply = service.settings.assumptions.stream_error == "reply"
    workflow = request.workflow is not None
    if not isinstance(parsed, ParsedRequest) or (
        not outcome.ok and (as_reply or not (late or workflow))
    ):
        job = await unless_gone(context.receive, service.finish(job))
        note_job(context, job)
        return outcome_reply(job, await service.outcome(job))
    note_job(context, job)
    events = _Events(service, job, parsed, request)
    # Those of a failure come too late to be headers, but for what falkit says of it.
    said = {name: text for name, text in outcome.headers.items() if outcome.ok or name == HINT}
    headers = {"cache-control": "no-store", **said, REQUEST_ID: job.id}
    return Stream(events.sent(), headers=headers, media_type="text/event-stream")


class _Events:
    """The events of one stream, and when each is sent."""

    def __init__(
        self, service: Service, job: Job, parsed: ParsedRequest, request: ModelRequest
    ) -> None:
        self._service = service
        self._job = job
        self._parsed = parsed
        self._request = request
        # What OpenAI's clients call is streamed in OpenAI's own way.
        self._openai = streams_openai(request)

    async def sent(self) -> AsyncGenerator[bytes]:
        """Yield events over the time that the job runs; end the job if the caller hangs up."""
        service, job = self._service, self._job
        clock = service.clock
        partial = await self._partial(await service.outcome(job))
        sent, silent_since = 0, clock.now()
        try:
            while True:
                waiter = clock.notifier.waiter()
                job = service.store.get(job.id) or job
                now = clock.now()
                due = _due(job, now, len(partial))
                for event in partial[sent:due]:
                    yield _event(event)
                    silent_since = now
                sent = max(sent, due)
                if now >= job.ends:
                    break
                if service.closing:
                    return
                if now >= silent_since + KEEP_ALIVE:
                    yield b": keep-alive\n\n"
                    silent_since = now
                following = _moment(job, sent, len(partial))
                await clock.wait(min(following, job.ends, silent_since + KEEP_ALIVE), waiter)
            outcome = await service.outcome(job)
            yield _event(self._last(outcome, partial[:sent]))
            if self._openai and outcome.ok:
                yield b"data: [DONE]\n\n"
        except (CancelledError, GeneratorExit):
            service.leave(job)
            raise
        except ShuttingDown:
            return

    async def _partial(self, outcome: Outcome) -> Sequence[Object]:
        """Return the events before the last; of a run that will fail, those of its first half."""
        service, parsed, request = self._service, self._parsed, self._request
        if request.workflow is not None:
            run = await in_pool(service.outcomes.workflows.run, self._job.id, parsed, request)
            steps = run.events[:-1]
            return steps if outcome.ok or outcome.body == run.outcome.body else steps[:1]
        success = outcome
        if not outcome.ok:
            success = service.outcomes.workflows.would_be(self._job.id, parsed, request)
        output = parse_body(success.body)
        if not is_object(output):
            return ()
        if self._openai:
            events = self._openai_events(output)[:-1]
        else:
            # In a thread, since it may have pictures to draw.
            events = await to_thread(partials, output, parsed, self._job.id)
        return events if outcome.ok else events[: len(events) // 2]

    def _openai_events(self, output: Object) -> Sequence[Object]:
        if self._request.path.endswith(CHAT):
            return chunks(output, self._parsed.input)
        return response_events(output)

    def _last(self, outcome: Outcome, told: Sequence[Object]) -> Object:
        output = parse_body(outcome.body)
        workflow = self._request.workflow
        if workflow is not None and not outcome.ok:
            submitted = [event for event in told if event["type"] == "submit"]
            at = submitted[-1] if submitted else {}
            node, request = at.get("node_id", workflow.nodes[0].id), at.get("request_id")
            return failed(str(node), str(request or self._job.id), outcome)
        if isinstance(output, NotJson) or not is_object(output):
            return {"detail": outcome.body.decode("utf-8", "replace")}
        if workflow is not None:
            return {"type": "output", "output": output}
        if self._openai and outcome.ok:
            return self._openai_events(output)[-1]
        return last(output, self._parsed.endpoint) if outcome.ok else output


def _moment(job: Job, number: int, of: int) -> float:
    """Return when a partial event is due; the first has the number 0."""
    if number >= of or math.isinf(job.ends):
        return job.ends
    return job.starts + (number + 1) / (of + 1) * (job.ends - job.starts)


def _due(job: Job, now: float, of: int) -> int:
    """Return how many of the partial events are due."""
    if now >= job.ends:
        return of
    return sum(_moment(job, number, of) <= now for number in range(of))


def _event(data: Object) -> bytes:
    return b"data: " + dumps(data) + b"\n\n"
