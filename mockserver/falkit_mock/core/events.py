"""What happened, as records that listeners hear of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from falkit_spec import JSON

# What became of one attempt: taken by the receiver, to be made again, given up, or never made
# because its target is not allowed.
Verdict: TypeAlias = Literal["acknowledged", "retry", "failed", "refused"]
VERDICTS: tuple[Verdict, ...] = ("acknowledged", "retry", "failed", "refused")
# Why it was made: a job's end, or somebody's wish.
Cause: TypeAlias = Literal["job", "resend", "trigger"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver a webhook. Moments are unix seconds."""

    id: str
    request_id: str
    url: str
    cause: Cause
    # Which attempt at this webhook it is; the first is 1.
    number: int
    sent: float
    # Seconds until it was over, on the mock's clock.
    seconds: float
    headers: dict[str, str]
    body: bytes
    # The receiver's answer; no code where there was none, and then `error` says why.
    status_code: int | None
    response_headers: dict[str, str]
    response_body: bytes
    error: str | None
    verdict: Verdict
    # When it is tried again; None if it isn't.
    next: float | None
    # Names of the faults that touched it.
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class RequestRecord:
    """One request. Bodies and secrets are kept nowhere; a job's input is with the job."""

    number: int
    # On the mock's clock, unix seconds.
    time: float
    method: str
    host: str
    path: str
    # Whose key it came with: what stands before the colon.
    key: str
    # None until it is answered; 0 for one that never was.
    status: int | None = None
    request_id: str | None = None
    hint: str | None = None
    # The faults that were put upon it, by name.
    faults: tuple[str, ...] = ()
    # Real milliseconds to the end of the reply; None until then.
    ms: float | None = None

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


@dataclass(frozen=True, slots=True)
class HostContacted:
    """One connection to a host that is neither fal's nor this machine."""

    host: str
    port: int
    # Unix seconds.
    time: float
    allowed: bool
