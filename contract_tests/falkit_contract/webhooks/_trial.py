"""One case tried on one handler: what was sent, what came of it, and what is wrong with that."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypedDict, TypeVar, cast

from falkit_contract import BadArgument, Finding
from falkit_contract.webhooks._reaching import Answer, Handler, handler_of
from falkit_contract.webhooks._sent import (
    ENDPOINT,
    Job,
    Sent,
    StandIn,
    example_input,
    stand_in,
)
from falkit_spec import JSON

# Seconds between two looks at what a handler has done.
_BETWEEN_LOOKS = 0.02
# How deep the objects are looked into that a probe returns.
_DEPTH = 12
_T = TypeVar("_T")
NOT_AGAIN = "what isn't answered 2xx is sent again, for two hours"
Probe = Callable[[str], object]


class Options(TypedDict, total=False):
    """How to see what a handler did, and to do what belongs around it; all by request id."""

    # The output as the program keeps it, and whether the program knows that the job failed.
    stored: Probe | None
    failed: Probe | None
    # Tells the program of a job, as once a submit has returned.
    submitted: Probe | None
    # Has the program look for jobs whose webhook didn't come.
    reconcile: Callable[[], object] | None
    # Empties what the program keeps fal's keys in.
    expire: Callable[[], object] | None
    # Real seconds until what the handler did can be seen.
    wait: float
    endpoint: str
    input: JSON


_NAMES = tuple(Options.__annotations__)


class WebhookFinding(Finding):
    """A handler does with a delivery what it shouldn't; the message says what, and how to mend it.

    `case` is the case's id, `problem` what is wrong in one line, `curl` the command that sends the
    last delivery again.
    """

    def __init__(self, case: str, problem: str, lines: Mapping[str, str], curl: str) -> None:
        self.case = case
        self.curl = curl
        # Whether it would also come of a handler that takes no delivery at all.
        self.by_refusal = False
        super().__init__(case, problem, lines, curl)


class NotJudged(Exception):
    """A case that can't be tried on this handler; the message says why."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Have the handler receive this, `later` seconds from now by its own time."""

    sent: Sent
    later: float = 0.0


@dataclass(frozen=True, slots=True)
class Twice:
    """Have the handler receive this twice at the same time."""

    sent: Sent


@dataclass(frozen=True, slots=True)
class Ask:
    """Call a function of the team's."""

    function: Callable[..., object]
    arguments: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait, in real seconds."""

    seconds: float


Step = Deliver | Twice | Ask | Pause
Flow = Generator[Step, Any, _T]


class Trial:
    """What a case does with a handler, as a flow of steps that somebody else carries out."""

    def __init__(self, case: str, handler: object, path: str, given: Options) -> None:
        for name in given:
            if name not in _NAMES:
                value = cast("dict[str, object]", given)[name]
                raise BadArgument(name, value, f"the arguments are {', '.join(_NAMES)}")
        self.case = case
        self.handler: Handler = handler_of(handler, path)
        self.given = given
        self.mock: StandIn = stand_in()
        self.endpoint = given.get("endpoint", ENDPOINT)
        self._input = given.get("input")
        self._sent: list[tuple[str, Sent, Answer]] = []

    def job(self, fault: str | None = None, *, told: bool = True) -> Flow[Job]:
        """Submit a job that ends at once, and tell the program of it unless `told` is False."""
        if self._input is None:
            self._input = example_input(self.endpoint)
        job = self.mock.submit(self.endpoint, self._input, fault)
        if told:
            yield from self.tell(job)
        return job

    def tell(self, job: Job) -> Flow[None]:
        """Tell the program of a job, as once its submit has returned."""
        if submitted := self.given.get("submitted"):
            yield Ask(submitted, (job.request_id,))

    def call(self, function: Callable[[], object]) -> Flow[None]:
        """Call a function of the team's that takes nothing."""
        yield Ask(function)

    def deliver(self, what: str, sent: Sent, later: float = 0.0) -> Flow[Answer]:
        """Deliver, and note it under a few words for the finding."""
        answer: Answer = yield Deliver(sent, later)
        self._sent.append((what, sent, answer))
        return answer

    def twice(self, what: str, sent: Sent) -> Flow[list[Answer]]:
        """Deliver the same twice at once, and note both."""
        answers: list[Answer] = yield Twice(sent)
        self._sent += [(what, sent, answer) for answer in answers]
        return answers

    def stored(self, job: Job) -> Flow[object]:
        """Return what is stored for a job, once there is something or the time to wait is over."""
        return (yield from self._seen("stored", job, lambda form: form is not None))

    def failed(self, job: Job) -> Flow[object]:
        """Return whether the program knows that a job failed, as `stored` does."""
        return (yield from self._seen("failed", job, lambda form: form is not None))

    def stored_other_than(self, before: object, job: Job) -> Flow[object]:
        """Return what is stored for a job, watching it for as long as the handler may take."""
        return (yield from self._seen("stored", job, lambda form: form != before))

    def plain_is_taken(self) -> Flow[bool]:
        """Tell whether a delivery as fal sends it is taken, and its output stored."""
        job = yield from self.job()
        answer: Answer = yield Deliver(self.mock.sign(job))
        return answer.ok and not (
            self.given.get("stored") and (yield from self.stored(job)) is None
        )

    def good(self, job: Job, what: str, sent: Sent) -> Flow[None]:
        """Deliver what has to be taken, and stored, in any case."""
        yield from self.taken(job, (yield from self.deliver(what, sent)))

    def taken(self, job: Job, answer: Answer) -> Flow[None]:
        """Raise unless a good delivery was taken, and stored."""
        wanted, mend = "2xx, and the output stored", f"take it{self.unknown}"
        if not answer.ok:
            raise self.refusal("a good delivery is refused", wanted, NOT_AGAIN, mend)
        if self.given.get("stored") and (yield from self.stored(job)) is None:
            problem = "an output is acknowledged and not stored"
            raise self.refusal(problem, wanted, "it isn't sent again", mend, stored="nothing")

    @property
    def unknown(self) -> str:
        """What to add to advice where a handler may not know the jobs."""
        hint = "; if it takes only jobs that it knows, give submitted="
        return "" if self.given.get("submitted") else hint

    def finding(
        self, problem: str, wanted: str, fal: str, mend: str, **more: str
    ) -> WebhookFinding:
        """Return what is to be raised where a handler is wrong."""
        lines = {
            "sent": "\n".join(f"{what}: {answer}" for what, _, answer in self._sent) or "nothing",
            **more,
            "wanted": wanted,
            "at fal": fal,
            "mend": mend,
        }
        curl = self._sent[-1][1].curl(self.handler.url) if self._sent else "(nothing was sent)"
        return WebhookFinding(self.case, problem, lines, curl)

    def refusal(
        self, problem: str, wanted: str, fal: str, mend: str, **more: str
    ) -> WebhookFinding:
        """Return a finding that is one only if the handler takes what fal sends otherwise."""
        found = self.finding(problem, wanted, fal, mend, **more)
        found.by_refusal = True
        return found

    def not_judged(self, plain: str) -> WebhookFinding:
        """Return what is to be raised where the handler takes no delivery at all."""
        return self.finding(
            "not judged, since a plain delivery isn't taken and stored either",
            "2xx, and the output stored",
            "a delivery is taken before anything can go wrong with it",
            f"see what the case {plain} says",
        )

    def _seen(self, name: str, job: Job, enough: Callable[[object], bool]) -> Flow[object]:
        probe = cast("Probe | None", self.given.get(name))
        if probe is None:
            return None
        end = time.monotonic() + self.given.get("wait", 0.0)
        while True:
            value = yield Ask(probe, (job.request_id,))
            form = shape(value) if value else None
            if enough(form) or time.monotonic() >= end:
                return form
            yield Pause(_BETWEEN_LOOKS)


def shape(value: object, depth: int = _DEPTH) -> object:
    """Return plain data that is equal for values which say the same, now and later.

    An object is compared by its public attributes: most have no equality of their own, and what
    a probe returns is often the very object that the handler goes on to change.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes) or depth == 0:
        return value if depth else repr(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {str(key): shape(item, depth - 1) for key, item in pairs}
    if isinstance(value, list | tuple):
        return [shape(item, depth - 1) for item in cast("list[object]", value)]
    if isinstance(value, set | frozenset):
        return sorted(repr(item) for item in cast("set[object]", value))
    if is_dataclass(value) and not isinstance(value, type):
        return shape({one.name: getattr(value, one.name) for one in fields(value)}, depth)
    public = {
        name: item
        for name, item in getattr(value, "__dict__", {}).items()
        if not name.startswith("_")
    }
    return shape(public, depth) if public else repr(value)


def shown(form: object) -> str:
    """Return what is stored as one short text."""
    text = "nothing" if form is None else repr(form)
    return text if len(text) <= 200 else f"{text[:200]}…"


def called(ask: Ask) -> object:
    """Call a function of the team's; what it returns may have to be awaited."""
    return ask.function(*ask.arguments)


def awaitable(result: object) -> Awaitable[object] | None:
    return cast("Awaitable[object]", result) if inspect.isawaitable(result) else None
