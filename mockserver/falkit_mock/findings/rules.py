"""The form of a rule.

A rule is a class with a method for each thing that it wants to hear of, in the order in which it
happened; of what it doesn't define it isn't told. It is made once for each mock, keeps what it
likes, if bounded, and tells `self.look.found(code, seen, …)`. It judges after the event, in
batches: a record has what the caller was answered, whereas a job is as it is by then, or gone.

A new rule goes into a module beside this one, its class into `RULES` of `looking.py`, and its code
into `spec/falkit_spec/findings.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from falkit_mock.core.events import (
        AmountReached,
        DeliveryAttempted,
        HostContacted,
        RequestRecord,
    )
    from falkit_mock.core.jobs import Job
    from falkit_mock.service.service import Service
    from falkit_spec import Catalog, Endpoint
    from falkit_spec.findings import Severity
    from falkit_spec.types import Object


@dataclass(slots=True)
class Watched:
    """A job that its caller has asked for, and what came of that by now."""

    request_id: str
    # As posted; what its URLs begin with; the key's id; when it was submitted, on the mock's clock;
    # whether a webhook tells of its end; the test in which it was first asked for; and the latest
    # request for it but the one that is told.
    path: str
    base: str
    key: str
    created: float
    webhook: bool
    test: str
    last: RequestRecord
    # How often its status was asked for, and how often it was COMPLETED.
    polls: int = 0
    completed: int = 0
    # How often its result was asked for too early; and what it was answered once it was there, 0
    # where a fault lost that.
    early: int = 0
    result: int | None = None
    # How often its result was fetched, and was the model's own failure.
    failures: int = 0
    # Whether its caller wanted it cancelled.
    cancelled: bool = False
    # How often in a row its status was asked for too soon, and how often too late (`Polling`).
    soon: int = 0
    late: int = 0


class Look(Protocol):
    """What a rule looks with."""

    service: Service
    catalog: Catalog
    # The id of the test that runs; empty for none.
    test: str

    def found(
        self,
        code: str,
        seen: str,
        *,
        subject: str = "",
        record: RequestRecord | None = None,
        request_id: str | None = None,
        key: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Note a finding, or that it was seen once more.

        `seen` is one line without ids; `record` the request in which it was seen, where there is
        one; `severity` one that isn't the kind's.
        """
        ...

    def withdraw(self, code: str, subject: str) -> None:
        """Take findings of a code about a subject back."""
        ...

    def job(self, request_id: str | None) -> Job | None:
        """Return a job as it is now; None if there is none any more."""
        ...

    def endpoint(self, path: str) -> Endpoint | None:
        """Return the endpoint that is called at a path; None where none is known."""
        ...

    def input(self, request_id: str) -> Object | None:
        """Return what a job was sent; None where that is no object, large, or gone."""
        ...


# How the clients of fal's begin to name themselves (wire.md §1.3).
_OFFICIAL = (b"fal-client/", b"fal-sdk/", b"@fal-ai/")
# Adapters that write integers as text themselves, whatever their caller gives (docs/clients.md).
_QUOTING = (b"litellm/",)


def is_official(record: RequestRecord) -> bool:
    """Tell whether a request comes from a client of fal's, as far as it says so itself."""
    return record.agent.startswith(_OFFICIAL)


def quotes_by_design(record: RequestRecord) -> bool:
    """Tell whether a request comes from an adapter that sends integers as text by itself."""
    return record.agent.startswith(_QUOTING)


class Rule:
    """One kind of mistake, or a few that are seen alike."""

    def __init__(self, look: Look) -> None:
        self.look = look

    # Each costs its call at every event of its kind; the first is on the way of every submit.

    def submitted(self, record: RequestRecord) -> None:
        """Hear of a POST to the queue, whatever it was answered; it may have no `request_id`."""

    def ran(self, record: RequestRecord) -> None:
        """Hear of a call of fal.run: direct, a stream, or a message of realtime."""

    def polled(self, record: RequestRecord, job: Watched) -> None:
        """Hear of a status that was read, or of a stream of them that has ended."""

    def read(self, record: RequestRecord, job: Watched) -> None:
        """Hear of a result that was asked for, early or not."""

    def cancelled(self, record: RequestRecord, job: Watched) -> None:
        """Hear of a job that its caller wanted cancelled."""

    def asked(self, record: RequestRecord) -> None:
        """Hear of any other request to a host of fal's: uploads, files, URLs that fal hasn't."""

    def delivered(self, made: DeliveryAttempted) -> None:
        """Hear of an attempt at a webhook."""

    def contacted(self, contact: HostContacted) -> None:
        """Hear of a call to a host that is neither fal's nor this machine."""

    def reached(self, amount: AmountReached) -> None:
        """Hear that jobs have cost as much as an alert or the budget."""

    def left(self, job: Watched, *, over: bool) -> None:
        """Hear that nobody asks for a job any more: all is over, or a reset forgets it.

        It may be called more than once for a job, since what is over may go on.
        """
