"""A job, its request and its outcome; its status at a moment is computed, never ticked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias

from falkit_mock.core import NotJson
from falkit_mock.core.settings import Progression
from falkit_spec import JSON, Endpoint, MediaInput, VideoFacts
from falkit_spec.media import Place
from falkit_spec.streams import Workflow

WebhookFaultName: TypeAlias = Literal[
    "duplicate",
    "late",
    "out_of_order",
    "lost",
    "before_reply",
    "tampered",
    "stale",
    "unknown_key",
    "slow",
    # No rule has this one: probes alone.
    "reserialised",
]


@dataclass(frozen=True, slots=True)
class KeptFault:
    """A fault that was chosen for a job, with its numbers; infinite for what has no end."""

    name: str
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])

    def to_json(self) -> dict[str, JSON]:
        """Return name and numbers, null for what has no end."""
        numbers = {name: None if math.isinf(n) else n for name, n in self.numbers.items()}
        return {"name": self.name, **numbers}

    @classmethod
    def from_json(cls, value: JSON) -> KeptFault | None:
        """Read what `to_json` wrote; None for anything else."""
        if not isinstance(value, dict) or not isinstance(name := value.get("name"), str):
            return None
        numbers = {
            key: float(number) if isinstance(number, int | float) else math.inf
            for key, number in value.items()
            if key != "name"
        }
        return cls(name, numbers)


@dataclass(frozen=True, slots=True)
class JobFaults:
    """What rules decided about a job when it was taken, for its later phases."""

    # Rules that the request itself named, as they were written: they go on applying to the job.
    named: tuple[str, ...] = ()
    # The fault that the job ends with, and the id of its rule: None for one chosen by hand.
    outcome: str | None = None
    rule: str | None = None
    # How long it is stuck in the queue, and how late its log lines show.
    queue: KeptFault | None = None
    logs: KeptFault | None = None
    # By name, without the prefix that rules write.
    webhook: Mapping[str, KeptFault] = field(default_factory=dict[str, KeptFault])
    # The id of the rule whose output the job answers.
    output: str | None = None

    @property
    def stuck(self) -> float:
        """Seconds for which it stays in the queue whatever is ahead of it; infinite for ever."""
        return 0.0 if self.queue is None else self.queue.numbers["seconds"]

    @property
    def position(self) -> int | None:
        """The `queue_position` that was asked for while it waits; None for the real one."""
        asked = None if self.queue is None else self.queue.numbers.get("position")
        return None if asked is None else int(asked)

    @property
    def log_delay(self) -> float:
        """Seconds after which a log line shows; infinite for never."""
        return 0.0 if self.logs is None else self.logs.numbers["seconds"]

    def delivery(self) -> tuple[str, ...]:
        """Return the webhook faults that are about all of a delivery, not about single attempts."""
        return tuple(name for name, kept in self.webhook.items() if "attempts" not in kept.numbers)

    def webhook_number(self, name: WebhookFaultName, parameter: str) -> float:
        """Return a number of a webhook fault; 0 where the webhook hasn't the fault."""
        kept = self.webhook.get(name)
        return 0.0 if kept is None else kept.numbers.get(parameter, 0.0)

    def corrupts(self, name: WebhookFaultName, attempt: int) -> bool:
        """Tell whether a webhook fault touches an attempt; the first is 1."""
        return attempt <= self.webhook_number(name, "attempts")

    def to_json(self) -> dict[str, JSON]:
        """Return what there is, by phase, for `from_json` and for people."""
        found: dict[str, JSON] = {}
        if self.named:
            found["named"] = [*self.named]
        for phase, kept in (("queue", self.queue), ("logs", self.logs)):
            if kept is not None:
                found[phase] = kept.to_json()
        if self.webhook:
            found["webhook"] = [kept.to_json() for kept in self.webhook.values()]
        if self.outcome is not None:
            found["outcome"] = {"name": self.outcome, "rule": self.rule}
        if self.output is not None:
            found["output"] = {"rule": self.output}
        return found

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> JobFaults:
        """Read what `to_json` wrote; what is of another shape is passed over."""
        named, webhook, ending = (value.get(key) for key in ("named", "webhook", "outcome"))
        items = webhook if isinstance(webhook, list) else ()
        kept = [fault for item in items if (fault := KeptFault.from_json(item))]
        name = ending.get("name") if isinstance(ending, dict) else None
        rule = ending.get("rule") if isinstance(ending, dict) else None
        pinned = value.get("output")
        output = pinned.get("rule") if isinstance(pinned, dict) else None
        return cls(
            named=tuple(map(str, named)) if isinstance(named, list) else (),
            outcome=name if isinstance(name, str) else None,
            rule=rule if isinstance(rule, str) else None,
            queue=KeptFault.from_json(value.get("queue")),
            logs=KeptFault.from_json(value.get("logs")),
            webhook={fault.name: fault for fault in kept},
            output=output if isinstance(output, str) else None,
        )


NO_FAULTS = JobFaults()


@dataclass(slots=True)
class MediaValue:
    """One file of one input: what its field takes, where in the input it is, and its URL."""

    field: MediaInput
    place: Place
    value: str

    @property
    def name(self) -> str:
        """Its place as people write it: `elements[0].image_url`."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return "".join(steps).removeprefix(".")


Moments: TypeAlias = tuple[float, float]


def moments(starts: float, run: float, start_by: float) -> Moments:
    """Return when a job starts and ends; one that would start too late ends without a start."""
    return (math.inf, start_by) if starts > start_by else (starts, starts + run)


Status: TypeAlias = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
Entry: TypeAlias = Literal["queue", "run"]
Priority: TypeAlias = Literal["normal", "low"]


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What a caller asks for beside the input: by headers, by the query, by the key; its test."""

    # The key's id: the part before the colon. Its secret is kept nowhere.
    key: str = ""
    priority: Priority = "normal"
    # Seconds after submission within which the job has to start (wire.md §3.1), or it times out.
    start_within: float = math.inf
    # How many may wait at the endpoint already; more, and the request is not taken (wire.md §3.1).
    max_queue_length: int | None = None
    # Whether the service itself tries again after its own failures (wire.md §3.6).
    retry: bool = True
    # Where the webhook goes; None for none.
    webhook: str | None = None
    # Whether the Platform API may show what was sent and answered.
    keep_payloads: bool = True
    # Seconds for which the output's files last after the end; infinite unless asked for.
    media_for: float = math.inf
    # Who may read those files: access rules as JSON, or nothing (wire.md §3.1).
    media_acl: str = ""
    # The caller's own labels, each `key=value` (wire.md §3.1).
    tags: tuple[str, ...] = ()
    # Faults that the request itself names, as they were written.
    faults: tuple[str, ...] = ()
    # The id of the test that ran; empty where nobody said.
    test: str = ""


@dataclass(slots=True)
class Outcome:
    """What the job answers once it is done: the reply that fal.run or the result gives.

    `error` and `error_type` are what a COMPLETED status adds for a failed job.
    """

    status_code: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])
    error: str | None = None
    error_type: str | None = None

    @property
    def ok(self) -> bool:
        return self.status_code < 400


@dataclass(slots=True)
class Job:
    """One submitted request. Moments are unix seconds, infinite while unknown.

    `ends` is when it is COMPLETED, whatever the reason: one that is given up before it starts
    has an end before its start, which is infinite.
    """

    id: str
    # Order of submission; the queue is first come, first served.
    seq: int
    # As posted, sub-path included, even where the app has no such endpoint.
    path: str
    app: str
    entry: Entry
    progression: Progression
    created: float
    starts: float
    ends: float
    # Seconds on a runner, and the moment before which no runner takes it: kept so that a
    # cancellation ahead can move this job forward. One cancelled while it waits has no run.
    run: float
    ready: float
    # None until the inputs were looked at, which may take a download.
    outcome: Outcome | None = None
    cancelled: bool = False
    options: RequestOptions = field(default_factory=RequestOptions)
    # How often the service handed it to a runner; each further time has another gateway id.
    attempts: int = 1
    faults: JobFaults = NO_FAULTS

    @property
    def order(self) -> tuple[bool, int]:
        """The job's place among those that wait: those of low priority come behind the others."""
        return self.options.priority == "low", self.seq

    @property
    def start_by(self) -> float:
        """When the job is given up unless it has started, unix seconds; infinite for never."""
        return self.created + self.options.start_within

    @property
    def given_up(self) -> bool:
        """Whether it ends, by the present plan, because it didn't start in time."""
        return self.ends < self.starts

    def status(self, now: float) -> Status:
        """Return one of the only three statuses that exist (wire.md §3.2)."""
        if now >= self.ends:
            return "COMPLETED"
        return "IN_PROGRESS" if now >= self.starts else "IN_QUEUE"

    def step(self, now: float) -> None:
        """Move on by one status, now; not beyond the end, even if it comes without a start."""
        if now >= self.ends:
            return
        if now < self.starts:
            self.starts = now
            self.ends = now + self.run if self.progression == "clock" else math.inf
        else:
            self.ends = now


def as_input(value: JSON | NotJson) -> Mapping[str, JSON]:
    """Return what a body holds as an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


class PinnedFile(NamedTuple):
    """A file of the user's in an output that a rule pins."""

    # Its place there, that of its URL.
    place: Place
    # Its real path on this machine.
    path: str
    name: str
    content_type: str


class Pinned(NamedTuple):
    """An output that a rule has a model answer, and its files, which have no URLs yet."""

    value: Mapping[str, JSON]
    files: tuple[PinnedFile, ...]
    # What the reply says of it.
    hint: str = ""


@dataclass(slots=True)
class ModelRequest:
    """One request to a model, as it came, and where its output is to be found."""

    # As posted: the endpoint's id, perhaps followed by more.
    path: str
    app: str
    # None where the app has nothing at that path.
    endpoint: Endpoint | None
    body: bytes
    # Its JSON, or what is wrong with it.
    parsed_body: JSON | NotJson
    content_type: str
    # What a URL on the media host begins with, up to its path.
    media_base: str
    # What was probably meant, where there is no endpoint.
    hint: str | None = None
    options: RequestOptions = field(default_factory=RequestOptions)
    # Whether it may name faults itself, which is worth a closer look.
    marked: bool = False
    # What it comes to, where that was worked out ahead of the job.
    checked: ParsedRequest | Refused | None = None
    # Of a workflow: its steps, and the endpoint of each, by the node's id.
    workflow: Workflow | None = None
    nodes: Mapping[str, Endpoint] = field(default_factory=dict[str, Endpoint])
    # What a rule has it answer in place of the model's own output.
    pinned: Pinned | None = None

    @property
    def runs_steps(self) -> bool:
        """Whether a workflow's steps make the output."""
        return self.workflow is not None and self.pinned is None

    @property
    def input(self) -> Mapping[str, JSON]:
        """The input as it was sent, without defaults; empty where the body is not an object."""
        return as_input(self.parsed_body)


@dataclass(slots=True)
class ParsedRequest:
    """A request whose body was read and checked against the document."""

    endpoint: Endpoint
    # With the document's defaults filled in.
    input: dict[str, JSON]
    # Of the input so filled in, as hex.
    digest: str
    media: tuple[MediaValue, ...]
    # What the output shows; None for an endpoint whose output isn't a video.
    video: VideoFacts | None
    # How many units are billed; None where no price is known.
    units: Decimal | None
    # What the model takes no notice of.
    hint: str | None


class Refused(NamedTuple):
    """A request that the model answers at once with an error."""

    outcome: Outcome
    hint: str | None = None
