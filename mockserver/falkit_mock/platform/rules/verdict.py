"""What rules decide about a job when it is taken: how it ends, when, and what befalls it later."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from falkit_mock.platform.jobs import Door, Outcome
from falkit_mock.platform.model import Order, Reading, Refused
from falkit_mock.platform.rules import magic
from falkit_mock.platform.rules.ending import ending, ran, tried_again
from falkit_mock.platform.rules.fault import Fault, Operation
from falkit_mock.platform.rules.magic import Magic
from falkit_mock.platform.rules.media_faults import RENAMED
from falkit_mock.platform.rules.request_errors import RequestError
from falkit_mock.platform.rules.rule import Rule
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
    operation: Operation = "submit" if door == "queue" else "run"
    misplaced = (Rule.read(text).misplaced(operation) for text in found.texts)
    hint = "; ".join(filter(None, (*found.hints, *misplaced))) or None
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
    outcome = ending(chosen, judged, door, settings)
    return replace(verdict, outcome=outcome, ran=ran(chosen.rule.fault))


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
        if chosen is None or not tried_again(chosen):
            return chosen, attempt
    return chosen, most


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
