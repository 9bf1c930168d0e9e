"""What each call does, step by step, for both clients; nothing in this module does I/O."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from falkit_client import _replies
from falkit_client._address import Address
from falkit_client._checks import Checks
from falkit_client._deadline import Deadline, OutOfTime
from falkit_client._key import chosen_key
from falkit_client._plain import plain
from falkit_client._replies import Reply
from falkit_client._requests import Request, Requests, Ticket
from falkit_client._steps import Flow, Listen, Pause, Report, Send, ask, hear
from falkit_client.errors import FalkitError, NoAnswer, TimedOut
from falkit_client.options import Options
from falkit_client.queue import Completed, News, Status
from falkit_client.result import JsonObject, Result
from falkit_client.retries import Retries
from falkit_client.sse import EventReader
from falkit_spec.catalog import Catalog
from falkit_spec.types import Object

T = TypeVar("T")

# A stream may say nothing for 15 s (wire.md §3.3), in which nobody looks at the clock: when less
# than this is left of the caller's time, polling takes over and keeps the limit exactly.
SILENCE = 16.0


@dataclass(frozen=True, slots=True)
class Core:
    """All calls as flows; time and chance come from outside."""

    requests: Requests
    checks: Checks
    retries: Retries
    poll_interval: float
    clock: Callable[[], float]
    random: Callable[[], float]

    @classmethod
    def chosen(
        cls,
        key: str | None,
        base_url: str | None,
        catalog: Catalog | None,
        check: bool,
        retries: Retries | None,
        poll_interval: float,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> Core:
        """The core of a client's settings, the environment filling in what they leave open."""
        if not poll_interval > 0:
            raise ValueError(f"poll_interval is {poll_interval}: it must be more than 0 seconds")
        return cls(
            Requests(Address.chosen(base_url, os.environ), chosen_key(key, os.environ)),
            Checks(catalog or Catalog.vendored(), check),
            retries or Retries(),
            poll_interval,
            clock,
            random,
        )

    def price(self, endpoint: str, body: Mapping[str, object]) -> Decimal | None:
        """US dollars that the input costs; None where no price is known."""
        return self.checks.price(endpoint, plain(body, endpoint))

    def run(
        self, endpoint: str, body: Mapping[str, object], options: Options
    ) -> Flow[Result[JsonObject]]:
        """Call synchronously; one request, one result."""
        request = self.requests.run(endpoint, self._checked(endpoint, body, options), options)
        with _mentioned(f"the run of {endpoint} was under way: it may finish and be billed"):
            reply = yield from self._send(request)
        result = _replies.read_result(request, reply)
        return self.checks.output(result, check=options.check)

    def submit(self, endpoint: str, body: Mapping[str, object], options: Options) -> Flow[Ticket]:
        """Put a job into the queue."""
        request = self.requests.submit(endpoint, self._checked(endpoint, body, options), options)
        unsure = f"a submit to {endpoint} was under way: fal may have accepted the job"
        # Who limits the queue's length wants to be told at once that it is too long.
        final = _replies.is_error if options.max_queue_length else _replies.is_for_good
        with _mentioned(unsure):
            reply = yield from self._send(request, final=final)
        request_id, given = _replies.read_submit(request, reply)
        return self.requests.ticket(endpoint, request_id, given)

    def status(
        self, ticket: Ticket, *, logs: bool, deadline: Deadline | None = None
    ) -> Flow[Status]:
        """Ask once how far a job is."""
        request = self.requests.status(ticket, logs=logs)
        reply = yield from self._send(request, deadline)
        return _replies.read_status(request, reply)

    def result(self, ticket: Ticket, *, check: bool | None = None) -> Flow[Result[JsonObject]]:
        """Ask once for the output; NotReady before the end."""
        request = self.requests.result(ticket)
        reply = yield from self._send(request, final=_replies.is_outcome)
        result = _replies.read_result(request, reply)
        return self.checks.output(result, check=check)

    def cancel(self, ticket: Ticket) -> Flow[bool]:
        """Ask that a job end."""
        request = self.requests.cancel(ticket)
        reply = yield from self._send(request)
        return _replies.read_cancel(request, reply)

    def watch(
        self,
        ticket: Ticket,
        *,
        logs: bool,
        stream: bool,
        timeout: float | None = None,
    ) -> Flow[Completed]:
        """Report each change of a job up to its end; on timeout cancel it and raise TimedOut."""
        deadline, news = Deadline.after(timeout, self.clock), News()
        with _mentioned(_still_there(ticket)):
            try:
                return (yield from self._changes(ticket, logs, stream, deadline, news))
            except OutOfTime:
                yield from self._give_up(ticket, timeout or 0.0)
            # It had ended in that very moment: what is paid for is not thrown away.
            endless = Deadline.after(None, self.clock)
            return (yield from self._changes(ticket, logs, False, endless, news))

    def wait(
        self,
        ticket: Ticket,
        *,
        logs: bool,
        stream: bool,
        timeout: float | None,
        check: bool | None = None,
    ) -> Flow[Result[JsonObject]]:
        """Report each change of a job, then give its output."""
        with _mentioned(_still_there(ticket)):
            yield from self.watch(ticket, logs=logs, stream=stream, timeout=timeout)
            return (yield from self.result(ticket, check=check))

    def subscribe(
        self,
        endpoint: str,
        body: Mapping[str, object],
        options: Options,
        *,
        logs: bool,
        stream: bool,
        timeout: float | None,
    ) -> Flow[Result[JsonObject]]:
        """Submit, then wait; the time counts from the moment the job is accepted."""
        ticket = yield from self.submit(endpoint, body, options)
        check = options.check
        return (
            yield from self.wait(ticket, logs=logs, stream=stream, timeout=timeout, check=check)
        )

    def _checked(self, endpoint: str, body: Mapping[str, object], options: Options) -> Object:
        written = plain(body, endpoint)
        self.checks.input(endpoint, written, check=options.check)
        return written

    def _changes(
        self, ticket: Ticket, logs: bool, stream: bool, deadline: Deadline, news: News
    ) -> Flow[Completed]:
        if stream:
            heard = yield from self._streamed(ticket, logs, deadline, news)
            if heard is not None:
                return heard
        while True:
            status = yield from self.status(ticket, logs=logs, deadline=deadline)
            yield from _reported(news, status)
            if isinstance(status, Completed):
                return status
            yield Pause(deadline.limit(self.poll_interval))

    def _streamed(
        self, ticket: Ticket, logs: bool, deadline: Deadline, news: News
    ) -> Flow[Completed | None]:
        """The end as the stream told it; None if there is no stream, and polling must go on."""
        request = self.requests.stream(ticket, logs=logs)
        if deadline.left() < SILENCE:
            return None
        try:
            reply = yield from ask(Listen(deadline.bound(request)))
            if not reply.ok:
                return None
            reader = EventReader()
            while deadline.left() >= SILENCE and (piece := (yield from hear())) is not None:
                for data in reader.feed(piece):
                    status = _replies.parse_status(request, data)
                    yield from _reported(news, status)
                    if isinstance(status, Completed):
                        return status
        except NoAnswer:
            return None
        return None

    def _give_up(self, ticket: Ticket, seconds: float) -> Flow[None]:
        """Cancel a job that took too long and raise TimedOut; return if it has ended after all."""
        late = f"{ticket.endpoint} did not finish within {seconds:g} s"
        try:
            cancelled = yield from self.cancel(ticket)
        except FalkitError as error:
            raise TimedOut(
                f"{late}, and could not be cancelled: it may run on and be billed",
                seconds=seconds,
                cancelled=False,
                endpoint=ticket.endpoint,
                request_id=ticket.request_id,
            ) from error
        if cancelled:
            raise TimedOut(
                f"{late} and was cancelled; work already begun may still be billed",
                seconds=seconds,
                cancelled=True,
                endpoint=ticket.endpoint,
                request_id=ticket.request_id,
            )

    def _send(
        self,
        request: Request,
        deadline: Deadline | None = None,
        final: Callable[[Reply], bool] = _replies.is_for_good,
    ) -> Flow[Reply]:
        """Send, and send again as the retries allow; `final` tells errors that will not change."""
        waits = self.retries.waits(self.random)
        while True:
            wait = next(waits, None)
            try:
                reply = yield from ask(Send(deadline.bound(request) if deadline else request))
            except NoAnswer as error:
                if deadline and deadline.left() <= 0:
                    raise OutOfTime from error
                if wait is None or not self.retries.after_silence(error, safe=request.safe):
                    raise
            else:
                again = self.retries.after_reply(reply.status, safe=request.safe)
                if wait is None or not again or final(reply):
                    return reply
            yield Pause(deadline.limit(wait) if deadline else wait)


def _reported(news: News, status: Status) -> Flow[None]:
    fresh = news.of(status)
    if fresh is not None:
        yield Report(fresh)


def _still_there(ticket: Ticket) -> str:
    return (
        f"job {ticket.request_id} of {ticket.endpoint} was not cancelled: "
        "it may still be running and be billed"
    )


@contextmanager
def _mentioned(note: str) -> Generator[None]:
    """Leave a note on what breaks in from outside, such as Ctrl-C; our own errors know the job."""
    try:
        yield
    except (FalkitError, OutOfTime, GeneratorExit):
        raise
    except BaseException as error:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise
