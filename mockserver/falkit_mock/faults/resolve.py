"""What the rules decide about a new job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from falkit_mock.core import HINT, NotJson, header_text, loads
from falkit_mock.core.fal_errors import error_text, model_error, platform_error, refusal
from falkit_mock.core.jobs import (
    NO_FAULTS,
    Entry,
    JobFaults,
    KeptFault,
    ModelRequest,
    Outcome,
    ParsedRequest,
    Refused,
)
from falkit_mock.core.settings import Assumptions, Progression
from falkit_mock.faults import Fault, Operation, RuleError
from falkit_mock.faults.catalogue import WEBHOOK_PREFIX
from falkit_mock.faults.job_errors import ModelError, RequestError
from falkit_mock.faults.matching import INDEX, MatchContext, found_at
from falkit_mock.faults.rulebook import Rulebook, TriggeredFault
from falkit_mock.faults.rules import NO_MAGIC, Magic, Rule, find, may_have
from falkit_spec import JSON


def ending(
    triggered: TriggeredFault,
    parsed: ParsedRequest | Refused,
    entry: Entry,
    assumptions: Assumptions,
) -> Outcome:
    """Return how a job ends by a fault, and the hint that says so."""
    outcome = _outcome(triggered, parsed, entry, assumptions)
    return replace(outcome, headers={**outcome.headers, HINT: header_text(triggered.hint)})


def outcome_as(
    source: str | Mapping[str, JSON],
    parsed: ParsedRequest | Refused,
    entry: Entry,
    assumptions: Assumptions,
) -> Outcome:
    """Return how a job would end by a fault; raise RuleError for one that no job ends with.

    `source` is a rule, of which only the fault and its parameters count.
    """
    rule = Rule.read(source)
    if rule.fault.phase != "outcome":
        raise RuleError("fault", rule.fault.name, "is no error that a job can end with")
    return _outcome(TriggeredFault(rule, "chosen by hand", 1), parsed, entry, assumptions)


def tried_again(triggered: TriggeredFault) -> bool:
    """Say whether the queue itself tries again: after 503, 504 and connection errors.

    A model's own word, the retry header, counts where its status is of the 5xx (wire.md §6.3).
    """
    match triggered.rule.fault:
        case RequestError() as fault:
            return fault.temporary
        case ModelError():
            return _status(triggered) >= 500 and triggered.parameters()["retryable"] is True
        case _:
            return triggered.name == "raw_error" and _status(triggered) in (503, 504)


def ran(fault: Fault) -> bool:
    """Say whether a runner worked on a job before it ended so."""
    return fault.ran if isinstance(fault, ModelError | RequestError) else True


def _status(triggered: TriggeredFault) -> int:
    fault, said = triggered.rule.fault, triggered.parameters().get("status")
    return (
        int(str(said))
        if said is not None
        else fault.status
        if isinstance(fault, ModelError)
        else 200
    )


def _outcome(
    triggered: TriggeredFault,
    parsed: ParsedRequest | Refused,
    entry: Entry,
    assumptions: Assumptions,
) -> Outcome:
    match triggered.rule.fault:
        case RequestError() as fault:
            return _request_error(fault, triggered, entry)
        case ModelError() as fault:
            valid = parsed if isinstance(parsed, ParsedRequest) else None
            return _model_error(fault, triggered, valid, assumptions)
        case _:
            code = _status(triggered)
            error = error_text(code, assumptions) if code >= 400 else None
            body = str(triggered.parameters()["text"]).encode()
            headers = {"content-type": "text/plain; charset=utf-8"}
            return Outcome(code, body, headers, error)


def _request_error(fault: RequestError, triggered: TriggeredFault, entry: Entry) -> Outcome:
    said = triggered.parameters()
    outcome = platform_error(fault.name, cast("str | None", said["detail"]))
    headers = dict(outcome.headers)
    if entry == "run" and fault.temporary:
        # fal.run leaves the trying again to its caller (wire.md §4).
        headers["x-fal-needs-retry"] = "1"
    if said.get("by") == "platform":
        headers.pop("x-fal-request-timeout-type", None)
    return replace(outcome, headers=headers)


def _model_error(
    fault: ModelError,
    triggered: TriggeredFault,
    parsed: ParsedRequest | None,
    assumptions: Assumptions,
) -> Outcome:
    said = triggered.parameters()
    code = _status(triggered)
    ctx = {name: said[name] for name in fault.ctx}
    place = said["field"] if isinstance(said["field"], str) else _place(fault, parsed)
    steps: list[JSON] = [
        int(step) if INDEX.fullmatch(step) else step for step in place.split(".") if step
    ]
    item = model_error(fault.name, steps, ctx, cast("str | None", said["msg"]))
    if place and parsed is not None:
        item["input"] = found_at(parsed.input, place)
    retryable = said.get("retryable") is True
    return refusal([item], error=error_text(code, assumptions), status=code, retryable=retryable)


def _place(fault: ModelError, parsed: ParsedRequest | None) -> str:
    """Return the field that an error is about: the first of the input that fits, or its prompt."""
    if parsed is None:
        return "prompt" if fault.concerns else ""
    match fault.concerns:
        case "":
            return ""
        case "prompt":
            return "prompt"
        case "number":
            numbers = [
                name
                for name, value in parsed.input.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            ]
            return min(numbers, key=lambda name: (name != "duration", name), default="prompt")
        case kind:
            media = sorted(parsed.media, key=lambda medium: medium.kind != kind)
            return media[0].field if media else "prompt"


# How often the queue hands a job to a runner before it gives up (wire.md §3.6).
MOST_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was decided; by default nothing, so that the job goes its usual way."""

    # How the job ends; None for as the model has it.
    outcome: Outcome | None = None
    # Whether it takes its time on a runner before that.
    ran: bool = True
    attempts: int = 1
    # What is kept with the job.
    faults: JobFaults = NO_FAULTS
    # Of what the input names and nothing can be made of.
    hint: str | None = None

    def progression(self, usual: Progression) -> Progression:
        """Return what drives the job: nothing, if it is stuck for ever or no clock drives any."""
        stuck = self.faults.stuck
        return "held" if stuck and (math.isinf(stuck) or usual != "clock") else usual

    def applied(self, parsed: ParsedRequest | Refused) -> ParsedRequest | Refused:
        """Return what was read of the input as it counts now: refused at once, or with a hint."""
        if self.outcome is not None and not self.ran:
            return Refused(self.outcome)
        if self.hint is None:
            return parsed
        return replace(parsed, hint="; ".join(filter(None, (parsed.hint, self.hint))))


USUAL = Resolution()


def input_of(body: bytes) -> Mapping[str, JSON]:
    """Return a body as an object; an empty one for what is none."""
    try:
        value = loads(body)
    except NotJson:
        return {}
    return value if isinstance(value, dict) else {}


def magic_of(body: bytes) -> Magic:
    """Return what an input names itself."""
    return find(input_of(body)) if may_have(body) else NO_MAGIC


def subject_of(request: ModelRequest, entry: Entry, named: tuple[str, ...]) -> MatchContext:
    """Return an order as rules see it."""
    operation: Operation = "submit" if entry == "queue" else "run"
    return MatchContext(
        operation, request.path, request.options.key, named, lambda: input_of(request.body)
    )


def resolve(
    book: Rulebook,
    request: ModelRequest,
    parsed: ParsedRequest | Refused,
    entry: Entry,
    assumptions: Assumptions,
) -> Resolution:
    """Decide about a new job; count what the rules counted."""
    found = magic_of(request.body)
    operation: Operation = "submit" if entry == "queue" else "run"
    misplaced = (Rule.read(text).misplaced(operation) for text in found.texts)
    hint = "; ".join(filter(None, (*found.hints, *misplaced))) or None
    named = (*request.options.faults, *found.texts)
    if book.idle and not named:
        return USUAL if hint is None else Resolution(hint=hint)
    context = subject_of(request, entry, named)
    # An input that the model would not have taken never comes to its own errors.
    triggered, attempts = _attempts(
        book, context, request, entry, valid=isinstance(parsed, ParsedRequest)
    )
    faults = JobFaults(named)
    if entry == "queue":
        faults = _later(book, context, faults)
    if triggered is None:
        return Resolution(attempts=attempts, faults=faults, hint=hint)
    return Resolution(
        outcome=ending(triggered, parsed, entry, assumptions),
        ran=ran(triggered.rule.fault),
        attempts=attempts,
        faults=replace(faults, outcome=triggered.name, rule=triggered.id),
        hint=hint,
    )


def _attempts(
    book: Rulebook, context: MatchContext, request: ModelRequest, entry: Entry, *, valid: bool
) -> tuple[TriggeredFault | None, int]:
    """Return the error that the job ends with, if any, and how often it was tried (wire.md §3.6).

    Each attempt asks the rules anew, so that an error that comes twice is gone on the third.
    """

    def only(fault: Fault) -> bool:
        return valid or isinstance(fault, RequestError)

    most = MOST_ATTEMPTS if entry == "queue" and request.options.retry else 1
    triggered = None
    for attempt in range(1, most + 1):
        triggered = book.choose("outcome", context, only)
        if triggered is None or not tried_again(triggered):
            return triggered, attempt
    return triggered, most


def _later(book: Rulebook, context: MatchContext, faults: JobFaults) -> JobFaults:
    """Add what applies to a queued job after it was taken."""
    queue, logs = book.choose("queue", context), book.choose("logs", context)
    webhook = [_kept(triggered) for triggered in book.choose_all("webhook", context)]
    return replace(
        faults,
        queue=None if queue is None else _kept(queue),
        logs=None if logs is None else _kept(logs),
        webhook={kept.name: kept for kept in webhook},
    )


def _kept(triggered: TriggeredFault) -> KeptFault:
    """Return a fault as it is kept with a job."""
    numbers = {
        name: value if isinstance(value, int | float) else math.inf
        for name, value in triggered.parameters().items()
    }
    return KeptFault(triggered.name.removeprefix(WEBHOOK_PREFIX), numbers)
