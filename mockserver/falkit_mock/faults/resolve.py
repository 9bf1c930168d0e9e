"""What the rules decide about a new job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from falkit_mock.core import HINT, header_text, parse_body
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
    as_input,
)
from falkit_mock.core.settings import Assumptions, Progression
from falkit_mock.faults import Concern, Fault, Operation, RuleError
from falkit_mock.faults.catalogue import WEBHOOK_PREFIX
from falkit_mock.faults.matching import INDEX, MatchContext, found_at
from falkit_mock.faults.pins import Fixture
from falkit_mock.faults.rulebook import Rulebook, TriggeredFault
from falkit_mock.faults.rules import NO_MAGIC, Magic, Rule, find_magic
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
        raise RuleError("fault", rule.fault.name, "isn't an error that a job can end with")
    return _outcome(TriggeredFault(rule, "chosen by hand", 1), parsed, entry, assumptions)


def tried_again(triggered: TriggeredFault) -> bool:
    """Tell whether the queue itself tries again: after 429, 503, 504 and connection errors.

    A model's own word, the retry header, counts where its status is of the 5xx (wire.md §6.3).
    """
    match triggered.fault.family:
        case "request error":
            return triggered.fault.temporary
        case "model error":
            return _status(triggered) >= 500 and triggered.value("retryable") is True
        case "raw answer":
            return _status(triggered) in (429, 503, 504)
        case _:
            raise AssertionError(triggered.name)


def _status(triggered: TriggeredFault) -> int:
    given = triggered.value("status")
    return triggered.fault.status if given is None else int(str(given))


def _outcome(
    triggered: TriggeredFault,
    parsed: ParsedRequest | Refused,
    entry: Entry,
    assumptions: Assumptions,
) -> Outcome:
    code = _status(triggered)
    error = error_text(code, assumptions) if code >= 400 else None
    match triggered.fault.family:
        case "request error":
            return _request_error(triggered, entry)
        case "model error":
            return _model_error(triggered, parsed, code, error, assumptions)
        case "raw answer":
            headers = {"content-type": "text/plain; charset=utf-8"}
            return Outcome(code, triggered.text("text").encode(), headers, error)
        case _:
            raise AssertionError(triggered.name)


def _request_error(triggered: TriggeredFault, entry: Entry) -> Outcome:
    outcome = platform_error(triggered.name, triggered.text("detail"))
    headers = dict(outcome.headers)
    if entry == "run" and triggered.fault.temporary:
        # fal.run leaves the trying again to its caller (wire.md §4).
        headers["x-fal-needs-retry"] = "1"
    if triggered.value("by") == "platform":
        headers.pop("x-fal-request-timeout-type", None)
    return replace(outcome, headers=headers)


def _model_error(
    triggered: TriggeredFault,
    parsed: ParsedRequest | Refused,
    code: int,
    error: str | None,
    assumptions: Assumptions,
) -> Outcome:
    place = triggered.text("field") or _place(triggered.fault.concerns, parsed)
    steps: list[JSON] = [
        int(step) if INDEX.fullmatch(step) else step for step in place.split(".") if step
    ]
    ctx = {name: triggered.value(name) for name in triggered.fault.ctx}
    item = model_error(triggered.name, steps, ctx, triggered.text("msg"))
    if place and isinstance(parsed, ParsedRequest):
        item["input"] = found_at(parsed.input, place)
    if categories := triggered.value("categories"):
        item["categories"] = categories
    retryable = triggered.value("retryable") is True
    units = None
    # wire.md §6.3: only a 422, and only once a runner has worked on it.
    if code == 422 and triggered.fault.ran and isinstance(parsed, ParsedRequest):
        units = parsed.units if assumptions.refused_after_run == "billed" else None
    return refusal([item], error=error, status=code, retryable=retryable, units=units)


def _place(concerns: Concern, parsed: ParsedRequest | Refused) -> str:
    """Return the field that an error is about: the first of the input that fits, or its prompt."""
    if not concerns or concerns == "prompt" or isinstance(parsed, Refused):
        return "prompt" if concerns else ""
    if concerns == "number":
        numbers = [
            name
            for name, value in parsed.input.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        return min(numbers, key=lambda name: (name != "duration", name), default="prompt")
    media = sorted(parsed.media, key=lambda medium: medium.field.kind != concerns)
    return ".".join(map(str, media[0].place)) if media else "prompt"


# How often the queue hands a job to a runner before it gives up (wire.md §3.6).
MOST_ATTEMPTS = 10


class Resolution(NamedTuple):
    """What was decided; by default nothing, so that the job goes its usual way."""

    # How the job ends; None for as the model has it.
    outcome: Outcome | None = None
    # Whether it takes its time on a runner before that.
    ran: bool = True
    attempts: int = 1
    # What is kept with the job.
    faults: JobFaults = NO_FAULTS
    # The output that it has instead of the model's, and the hint that says so.
    pin: Fixture | None = None
    pin_hint: str = ""
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
        hint = "; ".join(filter(None, (parsed.hint, self.hint)))
        if isinstance(parsed, Refused):
            return parsed._replace(hint=hint)
        return replace(parsed, hint=hint)


USUAL = Resolution()


def input_of(body: bytes) -> Mapping[str, JSON]:
    """Return a body as an object; an empty one for what is none."""
    return as_input(parse_body(body))


def operation_of(entry: Entry) -> Operation:
    """Return the operation that makes a job by an entry."""
    return "submit" if entry == "queue" else "run"


def named_faults(request: ModelRequest, entry: Entry) -> Magic:
    """Return the faults that a request names itself: by its header, and then in its input."""
    header = request.options.faults
    if not request.marked:
        return NO_MAGIC
    found = find_magic(request.input, operation_of(entry))
    return found._replace(texts=(*header, *found.texts))


def match_context(
    request: ModelRequest, entry: Entry, named: tuple[str, ...], job: str = ""
) -> MatchContext:
    """Return a call of a model as rules see it; it has no job before it is taken."""
    operation, key = operation_of(entry), request.options.key
    return MatchContext(operation, request.path, key, named, lambda: request.input, job)


def resolve(
    book: Rulebook,
    request: ModelRequest,
    magic: Magic,
    parsed: ParsedRequest | Refused,
    entry: Entry,
    assumptions: Assumptions,
    job: str,
) -> Resolution:
    """Decide about a new job, by its id; count what the rules counted.

    `magic` is what `named_faults` found in the request. Without any, and without rules, there is
    nothing to decide: that is USUAL.
    """
    hint = "; ".join(magic.hints) or None
    context = match_context(request, entry, magic.texts, job)
    # An input that the model would not have taken never comes to its own errors.
    triggered, attempts = _attempts(
        book, context, request, entry, valid=isinstance(parsed, ParsedRequest)
    )
    faults = JobFaults(magic.texts)
    if entry == "queue":
        faults = _later(book, context, faults)
    if triggered is None:
        pin, told = None, ""
        if isinstance(parsed, ParsedRequest):
            # By the endpoint's own id, which a stream's path goes on behind.
            about = context._replace(endpoint=parsed.endpoint.id)
            if (output := book.choose("output", about)) is not None:
                pin, told = output.pinned()
                faults = replace(faults, output=output.id)
        return Resolution(attempts=attempts, faults=faults, pin=pin, pin_hint=told, hint=hint)
    return Resolution(
        outcome=ending(triggered, parsed, entry, assumptions),
        ran=triggered.fault.ran,
        attempts=attempts,
        faults=replace(faults, outcome=triggered.name, rule=triggered.id),
        hint=hint,
    )


def _attempts(
    book: Rulebook, context: MatchContext, request: ModelRequest, entry: Entry, *, valid: bool
) -> tuple[TriggeredFault | None, int]:
    """Return the error that the job ends with, if any, and how often it was tried (wire.md §3.6).

    Each attempt asks the rules again, so that an error that comes twice is gone on the third.
    """

    def only(fault: Fault) -> bool:
        return valid or fault.family == "request error"

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
    names = [each.name for each in triggered.fault.parameters]
    numbers = {name: triggered.number(name) for name in names if triggered.value(name) is not None}
    return KeptFault(triggered.name.removeprefix(WEBHOOK_PREFIX), numbers)
