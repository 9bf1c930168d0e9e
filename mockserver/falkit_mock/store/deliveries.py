"""What the platform asks of a store about webhooks: what was delivered, and the keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

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


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A signing key by its number, from which the key itself follows."""

    number: int
    created: float
    withdrawn: bool


class DeliveryStore(Protocol):
    """Attempts in the order in which they ended, and the signing keys by number."""

    def add(self, delivery: Delivery) -> None: ...

    def get(self, delivery_id: str) -> Delivery | None: ...

    def select(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[Delivery]:
        """Return the newest deliveries that match, `limit` of them; the newest is the last.

        With the id of a delivery as `before`, those that were logged before it.
        """
        ...

    def count(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
    ) -> int:
        """Return how many deliveries match."""
        ...

    def last(self, request_id: str) -> Delivery | None:
        """Return the newest attempt that a job's end caused."""
        ...

    def keys(self) -> list[KeyRecord]:
        """Return every key, the oldest first."""
        ...

    def put_key(self, key: KeyRecord) -> None:
        """Store a key, new or changed."""
        ...
