"""What a check works with: requests, jobs of its own, and what it says of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NoReturn

from falkit_contract.conform.target import (
    QUEUE,
    RUN,
    Asking,
    Elsewhere,
    Exchange,
    Target,
    Unreachable,
)
from falkit_spec.endpoint import Endpoint
from falkit_spec.types import JSON, Object

if TYPE_CHECKING:
    from falkit_contract.conform.receiving import Delivery, Receiver

# A job of nobody's: a UUID of version 7, in whose time nothing ran.
NOBODYS = "00000000-0000-7000-8000-000000000000"
UNFINISHED = ("IN_QUEUE", "IN_PROGRESS")
# Seconds between two looks at a job, doubled from the first to the second.
_SOONEST, _LATEST = 0.02, 0.5
_LONGEST = 300


class Failed(Exception):
    """The target doesn't keep what a check is for."""

    def __init__(self, expected: str, got: str, exchange: Exchange | None) -> None:
        self.expected = expected
        self.got = got
        self.exchange = exchange
        super().__init__(f"expected {expected}; got {got}")


class NotApplicable(Exception):
    """There is nothing here for a check to look at; the message says why."""


class CouldNotLook(Exception):
    """What a check needs before it can look isn't there; the message says why."""


class NoWebhook(CouldNotLook):
    """A job has ended, and its webhook didn't come."""


@dataclass
class Ledger:
    """What jobs have cost at most; at fal never more than the budget.

    Those that are to be refused count too: fal's document may have changed since.
    """

    price: Decimal | None = None
    budget: Decimal | None = None
    jobs: int = 0

    @property
    def spent(self) -> Decimal:
        """Return what all jobs cost together at most, in US dollars."""
        return self.jobs * (self.price or Decimal(0))

    def take(self) -> None:
        """Count one job more; raise CouldNotLook where it would pass the budget."""
        if self.budget is not None:
            if self.price is None:
                raise CouldNotLook("what a job costs isn't known, so the budget can't be kept")
            if self.spent + self.price > self.budget:
                raise CouldNotLook(f"another job would pass the budget of ${self.budget}")
        self.jobs += 1


@dataclass(frozen=True)
class Setup:
    """What all checks of a run have in common."""

    target: Target
    endpoint: Endpoint
    input: Object
    # Seconds that a check waits for a job, and for its webhook.
    timeout: float
    webhook_timeout: float
    ledger: Ledger
    # Where webhooks come, or why none can.
    receiver: Receiver | None = None
    without_receiver: str = ""


@dataclass
class Probe:
    """One check's view. `notes` are what differs from what is only inferred of fal."""

    setup: Setup
    asking: Asking
    notes: list[str] = field(default_factory=list[str])
    last: Exchange | None = None
    # Jobs that nobody has seen the end of.
    _open: set[str] = field(default_factory=set[str])

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint whose jobs are made."""
        return self.setup.endpoint

    def ask(
        self,
        method: str,
        url: str,
        *,
        body: JSON | bytes = b"",
        headers: Mapping[str, str] | None = None,
        key: bool = True,
    ) -> Exchange:
        """Send a request; JSON unless the body is bytes. Raise Failed for a URL elsewhere."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"authorization": f"Key {self.setup.target.key}"} if key else {}
        if not isinstance(body, bytes):
            sent["content-type"] = "application/json"
        try:
            self.last = self.asking.send(method, url, {**sent, **(headers or {})}, content)
        except Elsewhere as error:
            raise Failed("a URL at the target", str(error), self.last) from None
        return self.last

    def fail(self, expected: str, got: object) -> NoReturn:
        """Say that the last answer is wrong."""
        raise Failed(expected, short(got), self.last)

    def expect(self, true: bool, expected: str, got: object) -> None:
        """Fail unless something is so."""
        if not true:
            self.fail(expected, got)

    def code(self, reply: Exchange, *codes: int) -> None:
        """Fail unless an answer has one of these codes."""
        words = " or ".join(map(str, codes))
        self.expect(reply.status in codes, f"code {words}", f"{reply.status} {reply.text}")

    def note(self, true: bool, text: str) -> None:
        """Note something that isn't so, where fal's way is only inferred."""
        if not true:
            self.notes.append(text)

    @property
    def submit_url(self) -> str:
        """Where jobs are submitted, at fal."""
        return f"https://{QUEUE}/{self.endpoint.id}"

    @property
    def run_url(self) -> str:
        """Where the endpoint is called directly, at fal."""
        return f"https://{RUN}/{self.endpoint.id}"

    def request_url(self, request_id: str, rest: str = "", *, of: str | None = None) -> str:
        """Return a URL of a request at fal: of the endpoint's app, or of what `of` says."""
        return f"https://{QUEUE}/{of or self.endpoint.app}/requests/{request_id}{rest}"

    def wrong_input(self) -> Object:
        """Return an input that the endpoint's document refuses."""
        properties = self.endpoint.input_schema.get("properties")
        names = list(properties) if isinstance(properties, dict) else []
        odd: JSON = {"not": ["right"]}
        tried: list[Object] = [{}, *({**self.setup.input, name: odd} for name in names)]
        for input in tried:
            if self.endpoint.validate(input):
                return input
        raise NotApplicable("the endpoint's document has nothing that it refuses")

    def submit(
        self,
        input: Object | None = None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Submit an input, by default one that is right; return the answer."""
        self.setup.ledger.take()
        given = self.setup.input if input is None else input
        reply = self.ask("POST", f"{self.submit_url}{query}", body=given, headers=headers)
        request_id = reply.fields().get("request_id")
        if isinstance(request_id, str) and request_id:
            self._open.add(request_id)
        return reply

    def run(self, input: JSON | bytes = None, url: str | None = None) -> Exchange:
        """Call the endpoint directly, as `submit` does by the queue; 429 is waited for."""
        self.setup.ledger.take()
        given = self.setup.input if input is None else input
        head = {"content-type": "application/json"}
        found: list[Exchange] = []

        def taken() -> bool:
            found.append(self.ask("POST", url or self.run_url, body=given, headers=head))
            return found[-1].status != 429

        self.until(taken, "a direct call that isn't 429, the limit of those at once")
        return found[-1]

    def tidy(self) -> None:
        """Cancel what a check leaves behind, which would be in the way of others, and cost."""
        for request_id in self._open:
            with suppress(Failed, Unreachable):
                self.ask("PUT", self.request_url(request_id, "/cancel"))

    def job(self, input: Object | None = None, *, query: str = "") -> str:
        """Return the id of a new job; raise CouldNotLook if there is none."""
        reply = self.submit(input, query=query)
        request_id = reply.fields().get("request_id")
        if reply.status != 200 or not isinstance(request_id, str) or not request_id:
            what = "a wrong input" if input is not None else "its input"
            got = short(f"{reply.status} {reply.text}")
            raise CouldNotLook(f"no job was made: a submit of {what} is answered {got}")
        return request_id

    def status(self, request_id: str, query: str = "") -> Exchange:
        """Ask for a job's status."""
        return self.ask("GET", self.request_url(request_id, f"/status{query}"))

    def result(self, request_id: str) -> Exchange:
        """Ask for a job's result."""
        return self.ask("GET", self.request_url(request_id))

    def statuses(self, request_id: str, query: str = "") -> list[Exchange]:
        """Follow a job to its end; return each answer, the last first without a known status.

        What is neither IN_QUEUE nor IN_PROGRESS is an end.
        """
        found: list[Exchange] = []

        def ended() -> bool:
            found.append(self.status(request_id, query))
            return found[-1].fields().get("status") not in UNFINISHED

        self.until(ended, f"job {request_id} to end")
        self._open.discard(request_id)
        return found

    def done(self, input: Object | None = None, *, query: str = "") -> str:
        """Return the id of a new job once it has ended."""
        request_id = self.job(input, query=query)
        self.ended(request_id)
        return request_id

    def ended(self, request_id: str) -> Exchange:
        """Return the last status of a job; raise CouldNotLook if it isn't COMPLETED."""
        last = self.statuses(request_id)[-1]
        if last.fields().get("status") != "COMPLETED":
            raise CouldNotLook(f"a job doesn't end: its status is {short(last.text)}")
        return last

    def output(self) -> Object:
        """Return the output of a new job; raise CouldNotLook if it has none."""
        reply = self.result(self.done())
        if reply.status != 200 or not reply.fields():
            raise CouldNotLook(f"a job has no output: {short(f'{reply.status} {reply.text}')}")
        return reply.fields()

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait until something is so; raise CouldNotLook after the time that a check has."""
        end, pause = time.monotonic() + self.setup.timeout, _SOONEST
        while not true():
            if time.monotonic() > end:
                raise CouldNotLook(f"waited {self.setup.timeout:g} s for {what}; see --timeout")
            time.sleep(pause)
            pause = min(pause * 2, _LATEST)

    def delivery(self, input: Object | None = None) -> tuple[str, Delivery]:
        """Return a new job that has ended, and what its webhook has brought."""
        receiver = self.setup.receiver
        if receiver is None:
            raise NotApplicable(self.setup.without_receiver)
        place, query = receiver.open()
        request_id = self.done(input, query=query)
        patience = self.setup.webhook_timeout
        found = receiver.wait(place, patience)
        if found is None:
            where = f"no webhook came to {receiver.url} within {patience:g} s"
            raise NoWebhook(f"{where} of its job's end")
        return request_id, found


def short(value: object) -> str:
    """Return a value as it is shown, in one line."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
