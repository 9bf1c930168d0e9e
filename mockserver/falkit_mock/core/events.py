"""What happens in the mock, for every listener.

Whatever only watches (the request log, the console, the summary, billing, metrics, the stream of
the control API) is a listener here, and none of them knows another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias, get_args

from falkit_mock.core import masked
from falkit_spec import JSON

if TYPE_CHECKING:
    from falkit_spec.findings import Finding

# What became of one attempt: taken by the receiver, to be made again, given up, never made
# because its target is not allowed, or never made by a fault.
Verdict: TypeAlias = Literal["acknowledged", "retry", "failed", "refused", "lost"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def fault_names(faults: Iterable[str]) -> str:
    """Return the faults of a delivery by the names that rules have for them."""
    return ", ".join(f"webhook_{name}" for name in faults)


# Why it was made: a job's end, a person's request, or to see whether a receiver verifies.
Cause: TypeAlias = Literal["job", "resend", "trigger", "probe"]
CAUSES: tuple[Cause, ...] = get_args(Cause)


# What in a path is an id: a number, hexadecimal, or a long word with digits.
_IDS = re.compile(
    r"(?<![^/])(?:[0-9]+|(?=[^/]*[0-9])(?:[0-9A-Fa-f-]{8,}|[0-9A-Za-z_-]{20,}))(?![^/])"
)
# What the error of an attempt begins with whose receiver took too long.
NO_ANSWER = "no answer within"
# What is done to an attempt that no receiver should take.
_CORRUPTING = frozenset(("tampered", "stale", "unknown_key", "reserialised"))


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver a webhook. Moments are unix seconds."""

    id: str
    request_id: str
    url: str
    cause: Cause
    # Which attempt at this webhook it is; the first is 1, and 0 stands for none.
    number: int
    sent: float
    # Real seconds until it was over, however the mock's clock went.
    seconds: float
    headers: dict[str, str]
    body: bytes
    # The receiver's answer; no code where there was none, and then `error` says why.
    status_code: int | None
    response_headers: dict[str, str]
    response_body: bytes
    error: str | None
    status: Verdict
    # When it is tried again; None if it isn't.
    next: float | None
    # Names of the faults that touched it.
    faults: tuple[str, ...] = ()

    @classmethod
    def unsent(
        cls,
        id: str,
        request_id: str,
        url: str,
        cause: Cause,
        moment: float,
        status: Verdict,
        why: str,
        faults: tuple[str, ...],
    ) -> Delivery:
        """Return the record of a webhook that isn't sent at all."""
        return cls(
            id=id,
            request_id=request_id,
            url=url,
            cause=cause,
            number=0,
            sent=moment,
            seconds=0.0,
            headers={},
            body=b"",
            status_code=None,
            response_headers={},
            response_body=b"",
            error=why,
            status=status,
            next=None,
            faults=faults,
        )

    @property
    def receiver(self) -> str:
        """Where it went: the URL without its query, `*` for what is another in each job's path."""
        scheme, _, rest = masked(self.url).partition("?")[0].partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host}{slash}{_IDS.sub('*', path)}"

    @property
    def late(self) -> bool:
        """Whether the receiver was still waited for when its time was over."""
        return self.status_code is None and (self.error or "").startswith(NO_ANSWER)

    @property
    def corrupted(self) -> bool:
        """Whether its signature doesn't fit it, by a fault or because it is a probe."""
        return not _CORRUPTING.isdisjoint(self.faults)

    @property
    def payload(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(slots=True)
class RequestRecord:
    """One request. Bodies and secrets are kept nowhere; a job's input is with the job."""

    # On the mock's clock, unix seconds.
    time: float
    method: str
    # The fal host that it is for; of a request to none, its Host header.
    host: str
    path: str
    # The id of the key it came with: the part before the colon.
    key: str
    # The caller's address and port; empty inside one process.
    client: str = ""
    # Whether it is for a host of fal's, and not for the control API or for no known host.
    fal: bool = False
    # Given by the request log, in the order of arrival from 1; 0 for what it doesn't keep.
    number: int = 0
    # None until it is answered; 0 for one that never was.
    status: int | None = None
    request_id: str | None = None
    hint: str | None = None
    # The faults that were applied to it, by name.
    faults: tuple[str, ...] = ()
    # Whether a fault lost or corrupted the reply.
    cut: bool = False
    # Whether it asked too early for a result, as some clients do on purpose.
    early: bool = False
    # Real milliseconds to the end of the reply; None until then.
    ms: float | None = None
    # Told by no API and kept in no state: the program, as it names itself (User-Agent); the real
    # moment at which the request came, in seconds of a clock of its own (perf_counter); whether a
    # stream of statuses was read to its end; and whether the mock's own page called.
    agent: bytes = field(default=b"", repr=False, compare=False)
    began: float = field(default=0.0, repr=False, compare=False)
    completed: bool = field(default=False, repr=False, compare=False)
    own: bool = field(default=False, repr=False, compare=False)

    def as_json(self) -> dict[str, JSON]:
        """Return it as the control API lists it."""
        return {
            "number": self.number,
            "time": self.time,
            "method": self.method,
            "host": self.host,
            "path": self.path,
            "key": self.key,
            "status": self.status,
            "request_id": self.request_id,
            "hint": self.hint,
            "faults": [*self.faults],
            "ms": None if self.ms is None else round(self.ms, 2),
        }


# Not frozen, here and in the next two: they are made at every request, in a third of the time.
@dataclass(slots=True)
class RequestArrived:
    """A request is about to be answered; `record` is filled in meanwhile."""

    kind: ClassVar[str] = "request_arrived"
    record: RequestRecord


@dataclass(slots=True)
class RequestAnswered:
    """The reply to a request has ended, or the caller hung up."""

    kind: ClassVar[str] = "request_answered"
    record: RequestRecord

    def to_json(self) -> dict[str, JSON]:
        """Return it as the stream of events has it."""
        return self.record.as_json()


class JobError(NamedTuple):
    """Why a job failed: `field` is empty where no field of the input is to blame."""

    status_code: int
    error_type: str | None
    field: str
    message: str


@dataclass(slots=True)
class JobChanged:
    """A job was accepted, has started or has ended; `error` tells why it failed."""

    kind: ClassVar[str] = "job_changed"
    change: Literal["accepted", "started", "ended"]
    request_id: str
    endpoint_id: str
    key: str
    # On the mock's clock, unix seconds.
    time: float
    webhook: bool = False
    cancelled: bool = False
    error: JobError | None = None

    def to_json(self) -> dict[str, JSON]:
        """Return it as the stream of events has it."""
        body: dict[str, JSON] = {
            "change": self.change,
            "request_id": self.request_id,
            "endpoint_id": self.endpoint_id,
            "key": self.key,
            "time": self.time,
        }
        if self.change == "ended":
            body["cancelled"] = self.cancelled
            body["error"] = None if self.error is None else self.error._asdict()
        return body


@dataclass(frozen=True, slots=True)
class DeliveryAttempted:
    """An attempt to deliver a webhook is over."""

    kind: ClassVar[str] = "delivery_attempted"
    delivery: Delivery
    # The real moment at which it began, by the clock of RequestRecord.began.
    began: float = 0.0

    def to_json(self) -> dict[str, JSON]:
        """Return it as the stream of events has it, without headers and bodies."""
        made = self.delivery
        return {
            "id": made.id,
            "request_id": made.request_id,
            "url": masked(made.url),
            "cause": made.cause,
            "number": made.number,
            "sent": made.sent,
            "seconds": round(made.seconds, 6),
            "status_code": made.status_code,
            "status": made.status,
            "error": made.error,
            "next": made.next,
            "faults": [*made.faults],
        }


class HostContacted(NamedTuple):
    """A program called a host that is neither fal's nor this machine, and was let out or not."""

    host: str
    port: int
    # Unix seconds.
    time: float
    allowed: bool
    # Whether it was sent a key of fal's, as far as that can be seen.
    key: bool = False

    @property
    def kind(self) -> str:
        """The event's name: a call that left, or a connection that was refused."""
        return "call_left" if self.allowed else "connection_refused"

    def to_json(self) -> dict[str, JSON]:
        """Return it as the stream of events has it."""
        return {"host": self.host, "port": self.port, "time": self.time}


class AmountReached(NamedTuple):
    """Jobs have cost as much as an alert is set at, or more than the budget; told once of each."""

    of: Literal["alert", "budget"]
    # US dollars: what was set, and what jobs have cost since the mock started.
    amount: Decimal
    cost: Decimal
    # The job whose cost it was.
    request_id: str
    endpoint_id: str
    key: str
    # On the mock's clock, unix seconds.
    time: float

    @property
    def kind(self) -> str:
        """The event's name."""
        return "cost_alert" if self.of == "alert" else "budget_exceeded"

    def to_json(self) -> dict[str, JSON]:
        """Return it as the stream of events has it; amounts are text, as in billing."""
        return {
            "amount": f"{self.amount:f}",
            "cost": f"{self.cost:f}",
            "request_id": self.request_id,
            "endpoint_id": self.endpoint_id,
            "key": self.key,
            "time": self.time,
        }


class FindingMade(NamedTuple):
    """Something was found wrong with the program that calls the mock, for the first time."""

    finding: Finding

    @property
    def kind(self) -> str:
        """The event's name."""
        return "finding_made"

    def to_json(self) -> dict[str, JSON]:
        """Return it as the stream of events has it."""
        return self.finding.to_json()


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """An event as the stream of events has it, of whichever process, or of what was steered."""

    kind: str
    fields: JSON

    def to_json(self) -> JSON:
        """Return its fields."""
        return self.fields


# The events that are kept for those who follow them, and all that listeners get.
_Told: TypeAlias = AmountReached | FindingMade | ToldEvent
LoggedEvent: TypeAlias = RequestAnswered | JobChanged | DeliveryAttempted | HostContacted | _Told
Event: TypeAlias = RequestArrived | LoggedEvent


Listener: TypeAlias = Callable[[Event], None]


class Events:
    """Tells its listeners what happened, in order, on the mock's event loop.

    A listener that hears of some kinds alone says so by `hears`.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        # How many events each follower of a log has still to read, by what stands for it.
        self.behind: dict[object, Callable[[], int]] = {}
        # Those that hear of a kind of event.
        self._of: dict[type, list[Listener]] = {}

    def listen(self, *listeners: Listener, first: bool = False) -> None:
        """Tell listeners from now on, before or after those that there are."""
        place = 0 if first else len(self._listeners)
        self._listeners[place:place] = listeners
        self._of.clear()

    def leave(self, listener: Listener) -> None:
        """Tell a listener nothing any more; raise ValueError if it is none."""
        self._listeners.remove(listener)
        self._of.clear()

    def emit(self, event: Event, *more: Event) -> None:
        """Tell every listener, also of more events of the kind; one must neither wait nor raise."""
        kind = type(event)
        listeners = self._of.get(kind)
        if listeners is None:
            listeners = self._of[kind] = [
                one for one in self._listeners if kind in getattr(one, "hears", (kind,))
            ]
        for listener in listeners:
            listener(event)
        for event in more:
            for listener in listeners:
                listener(event)
