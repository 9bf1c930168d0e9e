"""A job, and what its status is at a moment: computed, never ticked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from falkit_mock.platform.schedule import Lane
from falkit_mock.platform.timing import Pace
from falkit_spec import JSON

Status: TypeAlias = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
Door: TypeAlias = Literal["queue", "run"]
Priority: TypeAlias = Literal["normal", "low"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller asks for beside the input: by headers, by the query, by the key."""

    # The key's id: what stands before the colon. Its secret is nowhere kept.
    key: str = ""
    priority: Priority = "normal"
    # Seconds after submission within which the job has to start (wire.md §3.1), or it times out.
    start_within: float = math.inf
    # How many may wait at the endpoint already; more, and the request is not taken (wire.md §3.1).
    # Not stored: it is of no use after that.
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
    # Faults that the request itself names, as they were written.
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
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
    door: Door
    pace: Pace
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
    wishes: Wishes = field(default_factory=Wishes)
    # How often the service handed it to a runner; each further time has another gateway id.
    attempts: int = 1
    # What was decided about the job's later phases, by phase: written by rules.
    faults: dict[str, JSON] = field(default_factory=dict[str, JSON])

    @property
    def lane(self) -> Lane:
        """Whom it queues with; direct calls are a lane of their own, in which nobody waits."""
        path = self.path if self.door == "queue" else ""
        return Lane(path, self.wishes.key, self.wishes.priority == "low")

    @property
    def start_by(self) -> float:
        """When the job is given up unless it has started, unix seconds; infinite for never."""
        return self.created + self.wishes.start_within

    @property
    def given_up(self) -> bool:
        """Whether, as things stand, its end comes of not having started in time."""
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
            self.ends = now + self.run if self.pace == "clock" else math.inf
        else:
            self.ends = now
