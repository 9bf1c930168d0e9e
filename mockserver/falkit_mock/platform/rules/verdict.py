"""What rules decide about a job when it is taken: how it ends, when, and what befalls it later."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from falkit_mock.platform.hints import HINT, header_text
from falkit_mock.platform.jobs import Door, Outcome
from falkit_mock.platform.model import Order, Reading, Refused, error_text
from falkit_mock.platform.refusals import model_error, platform_error, refusal
from falkit_mock.platform.rules import magic
from falkit_mock.platform.rules.fault import Fault, Operation
from falkit_mock.platform.rules.magic import Magic
from falkit_mock.platform.rules.matcher import found_at
from falkit_mock.platform.rules.media_faults import RENAMED
from falkit_mock.platform.rules.model_errors import ModelError
from falkit_mock.platform.rules.request_errors import RequestError
from falkit_mock.platform.rules.rulebook import Chosen, Rulebook
from falkit_mock.platform.rules.subject import Subject
from falkit_mock.platform.timing import Pace
from falkit_mock.platform.wire_json import NotJson, loads
from falkit_mock.settings import Settings
from falkit_spec import JSON

# How often the queue hands a job to a runner before it gives up (wire.md §3.6).
MOST_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided; by default nothing, so that the job goes its usual way."""

    # How the job ends; None for as the model has it.
    outcome: Outcome | None = None
    # Whether it takes its time on a runner before that.
    ran: bool = True
    attempts: int = 1
    # Seconds for which it stays in the queue whatever is ahead of it; infinite for ever.
    stuck: float = 0.0
    # What is kept with the job, by phase.
    faults: dict[str, JSON] = field(default_factory=dict[str, JSON])
    # Of what the input names and nothing can be made of.
    hint: str | None = None

    def pace(self, usual: Pace) -> Pace:
        """Return what drives the job: nothing, if it is stuck for ever or no clock drives any."""
        forever = math.isinf(self.stuck) or usual != "clock"
        return "held" if self.stuck and forever else usual

    def applied(self, judged: Reading | Refused) -> Reading | Refused:
        """Return what was read of the input as it counts now: refused at once, or with a hint."""
        if self.outcome is not None and not self.ran:
            return Refused(self.outcome)
        if self.hint is None:
            return judged
        return replace(judged, hint="; ".join(filter(None, (judged.hint, self.hint))))


USUAL = Verdict()


def input_of(body: bytes) -> Mapping[str, JSON]:
    """Return a body as an object; an empty one for what is none."""
    try:
        value = loads(body)
    except NotJson:
        return {}
    return value if isinstance(value, dict) else {}


def magic_of(body: bytes) -> Magic:
    """Return what an input names itself."""
    return magic.find(input_of(body)) if magic.may_have(body) else magic.NO_MAGIC


def subject_of(order: Order, door: Door, named: tuple[str, ...]) -> Subject:
    """Return an order as rules see it."""
    operation: Operation = "submit" if door == "queue" else "run"
    return Subject(operation, order.path, order.wishes.key, named, lambda: input_of(order.body))


def judge(
    book: Rulebook, order: Order, judged: Reading | Refused, door: Door, settings: Settings
) -> Verdict:
    """Decide about a new job; count what the rules counted."""
    found = magic_of(order.body)
    hint = "; ".join(found.hints) or None
    named = (*order.wishes.faults, *found.texts)
    if book.idle and not named:
        return USUAL if hint is None else Verdict(hint=hint)
    subject = subject_of(order, door, named)
    # An input that the model would not have taken never comes to its own errors.
    chosen, attempts = _attempts(book, subject, order, door, valid=isinstance(judged, Reading))
    faults: dict[str, JSON] = {"named": list(named)} if named else {}
    if door == "queue":
        faults |= _later(book, subject)
    stuck = faults.get("queue")
    seconds = stuck["seconds"] if isinstance(stuck, dict) else 0
    verdict = Verdict(
        attempts=attempts,
        stuck=seconds if isinstance(seconds, int | float) else math.inf,
        faults=faults,
        hint=hint,
    )
    if chosen is None:
        return verdict
    faults["outcome"] = {"name": chosen.name, "rule": chosen.id}
    outcome = _hinted(_outcome(chosen, judged, door, settings), chosen)
    return replace(verdict, outcome=outcome, ran=_ran(chosen.rule.fault))


def _attempts(
    book: Rulebook, subject: Subject, order: Order, door: Door, *, valid: bool
) -> tuple[Chosen | None, int]:
    """Return the error that the job ends with, if any, and how often it was tried (wire.md §3.6).

    Each attempt asks the rules anew, so that an error that comes twice is gone on the third.
    """

    def only(fault: Fault) -> bool:
        return valid or isinstance(fault, RequestError)

    most = MOST_ATTEMPTS if door == "queue" and order.wishes.retry else 1
    chosen = None
    for attempt in range(1, most + 1):
        chosen = book.choose("outcome", subject, only)
        if chosen is None or not _tried_again(chosen):
            return chosen, attempt
    return chosen, most


def _tried_again(chosen: Chosen) -> bool:
    """Say whether the queue itself tries again: after 503, 504 and connection errors.

    A model's own word, the retry header, counts where its status is of the 5xx (wire.md §6.3).
    """
    match chosen.rule.fault:
        case RequestError() as fault:
            return fault.temporary
        case ModelError():
            return _status(chosen) >= 500 and chosen.parameters()["retryable"] is True
        case _:
            return chosen.name == "raw_error" and _status(chosen) in (503, 504)


def _ran(fault: Fault) -> bool:
    return fault.ran if isinstance(fault, ModelError | RequestError) else True


def _status(chosen: Chosen) -> int:
    fault, said = chosen.rule.fault, chosen.parameters().get("status")
    return (
        int(str(said))
        if said is not None
        else fault.status
        if isinstance(fault, ModelError)
        else 200
    )


def _outcome(chosen: Chosen, judged: Reading | Refused, door: Door, settings: Settings) -> Outcome:
    match chosen.rule.fault:
        case RequestError() as fault:
            return _request_error(fault, chosen, door)
        case ModelError() as fault if isinstance(judged, Reading):
            return _model_error(fault, chosen, judged, settings)
        case _:
            code = _status(chosen)
            error = error_text(code, settings) if code >= 400 else None
            body = str(chosen.parameters()["text"]).encode()
            headers = {"content-type": "text/plain; charset=utf-8"}
            return Outcome(code, body, headers, error)


def _request_error(fault: RequestError, chosen: Chosen, door: Door) -> Outcome:
    said = chosen.parameters()
    outcome = platform_error(fault.name, cast("str | None", said["detail"]))
    headers = dict(outcome.headers)
    if door == "run" and fault.temporary:
        # fal.run leaves the trying again to its caller (wire.md §4).
        headers["x-fal-needs-retry"] = "1"
    if said.get("by") == "platform":
        headers.pop("x-fal-request-timeout-type", None)
    return replace(outcome, headers=headers)


def _model_error(
    fault: ModelError, chosen: Chosen, reading: Reading, settings: Settings
) -> Outcome:
    said = chosen.parameters()
    code = _status(chosen)
    ctx = {name: said[name] for name in fault.ctx}
    place = said["field"] if isinstance(said["field"], str) else _place(fault, reading)
    steps: list[JSON] = [
        int(step) if step.isdecimal() else step for step in place.split(".") if step
    ]
    item = model_error(fault.name, steps, ctx, cast("str | None", said["msg"]))
    if place:
        item["input"] = found_at(reading.input, place)
    retryable = said.get("retryable") is True
    return refusal([item], error=error_text(code, settings), status=code, retryable=retryable)


def _place(fault: ModelError, reading: Reading) -> str:
    """Return the field that an error is about: the first of the input that fits, or its prompt."""
    match fault.concerns:
        case "":
            return ""
        case "prompt":
            return "prompt"
        case "number":
            numbers = [
                name
                for name, value in reading.input.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            ]
            return min(numbers, key=lambda name: (name != "duration", name), default="prompt")
        case kind:
            media = sorted(reading.media, key=lambda medium: medium.kind != kind)
            return media[0].field if media else "prompt"


def _later(book: Rulebook, subject: Subject) -> dict[str, JSON]:
    """Return what is to befall a queued job after it was taken, by phase."""
    found: dict[str, JSON] = {}
    for phase in ("queue", "logs"):
        if chosen := book.choose(phase, subject):
            found[phase] = _kept(chosen)
    if webhook := book.choose_all("webhook", subject):
        found["webhook"] = [_kept(chosen) for chosen in webhook]
    return found


def _kept(chosen: Chosen) -> dict[str, JSON]:
    """Return a fault as it is kept with a job: by its own words, and null for what has no end."""
    own = {renamed: name for name, renamed in RENAMED.items()}
    return {
        "name": chosen.name.removeprefix("webhook_"),
        **{
            own.get(name, name): None if value == "inf" else value
            for name, value in chosen.parameters().items()
        },
    }


def _hinted(outcome: Outcome, chosen: Chosen) -> Outcome:
    return replace(outcome, headers={**outcome.headers, HINT: header_text(chosen.hint)})
