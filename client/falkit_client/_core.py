"""What each call does, step by step, for both clients; nothing in this module does I/O."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from falkit_client import _replies
from falkit_client._checks import Checks
from falkit_client._deadline import Deadline, OutOfTime
from falkit_client._orders import Order, Orders
from falkit_client._replies import EventReader, Reply
from falkit_client._requests import Address, Request, Requests, Ticket, chosen_key
from falkit_client._steps import Flow, Listen, Pause, Report, Send, ask, do, hear
from falkit_client.download import Downloads, Progress, SavedFile, target_of
from falkit_client.errors import FalkitError, NoAnswer, TimedOut
from falkit_client.options import Options, Retries
from falkit_client.results import Completed, JsonObject, News, Result, Status
from falkit_client.uploads import Uploads
from falkit_spec.catalog import Catalog
from falkit_spec.types import Object

if TYPE_CHECKING:
    from falkit_client.budget import Budget
    from falkit_client.cache import Cache

T = TypeVar("T")

# A stream may say nothing for 15 s (wire.md §3.3), in which nobody looks at the clock: when less
# than this is left of the caller's time, polling takes over and keeps the limit exactly.
SILENCE = 16.0


@dataclass(frozen=True, slots=True)
class Core:
    """All calls as flows; time and chance come from outside."""

    requests: Requests
    orders: Orders
    uploads: Uploads
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
        budget: Budget | None,
        cache: Cache | None,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> Core:
        """The core of a client's settings, the environment filling in what they leave open."""
        if not poll_interval > 0:
            raise ValueError(f"poll_interval is {poll_interval}: it must be more than 0 seconds")
        address, patience = Address.chosen(base_url, os.environ), retries or Retries()
        requests = Requests(address, chosen_key(key, os.environ))
        return cls(
            requests,
            Orders(
                Checks(catalog or Catalog.vendored(), check),
                Downloads(patience, random),
                # A stand-in's outputs are no outputs of fal's.
                address.base_url or "",
                budget,
                cache,
            ),
            Uploads(requests, patience, random),
            patience,
            poll_interval,
            clock,
            random,
        )

    def price(self, endpoint: str, body: Mapping[str, object]) -> Decimal | None:
        """US dollars that the input costs; None where no price is known."""
        return self.orders.price(endpoint, body)

    def check(self, endpoint: str, body: Mapping[str, object], options: Options) -> Flow[None]:
        """Raise what is wrong with an input."""
        yield from self.orders.checked(endpoint, body, options)

    def cached(
        self, endpoint: str, body: Mapping[str, object], options: Options
    ) -> Flow[Result[JsonObject] | None]:
        """What the cache has for an input."""
        return (yield from self.orders.found(endpoint, body, options)).hit

    def run(
        self, endpoint: str, body: Mapping[str, object], options: Options
    ) -> Flow[Result[JsonObject]]:
        """Call synchronously; one request, one result."""
        order = yield from self.orders.made(endpoint, body, options)
        if order.hit is not None:
            return order.hit
        with order.preparing():
            content = yield from self.uploads.lightened(order.content)
        with order.submitting():
            request = self.requests.run(endpoint, content, options)
            with _mentioned(f"the run of {endpoint} was under way: it may finish and be billed"):
                reply = yield from self._send(request)
            result = _replies.read_result(request, reply)
        return (yield from self.orders.taken(result, order))

    def submit(
        self, endpoint: str, body: Mapping[str, object], options: Options
    ) -> Flow[tuple[Ticket, Order]]:
        """Put a job into the queue; what the cache has is a job that has ended."""
        order = yield from self.orders.made(endpoint, body, options)
        if order.hit is not None:
            return self.requests.ticket(endpoint, order.hit.request_id or "cached"), order
        with order.preparing():
            content = yield from self.uploads.lightened(order.content)
        with order.submitting():
            ticket = yield from self._submitted(endpoint, content, options)
        return ticket, order

    def _submitted(self, endpoint: str, content: Object, options: Options) -> Flow[Ticket]:
        request = self.requests.submit(endpoint, content, options)
        unsure = f"a submit to {endpoint} was under way: fal may have accepted the job"
        # Who limits the queue's length wants to be told at once that it is too long.
        final = _replies.is_error if options.max_queue_length else _replies.is_for_good
        with _mentioned(unsure):
            reply = yield from self._send(request, final=final)
        request_id, given = _replies.read_submit(request, reply)
        return self.requests.ticket(endpoint, request_id, given)

    def status(
        self,
        ticket: Ticket,
        *,
        logs: bool,
        deadline: Deadline | None = None,
        order: Order | None = None,
    ) -> Flow[Status]:
        """Ask once how far a job is."""
        if order is not None and order.hit is not None:
            return Completed(ticket.request_id)
        request = self.requests.status(ticket, logs=logs)
        reply = yield from self._send(request, deadline)
        return _replies.read_status(request, reply)

    def result(self, ticket: Ticket, order: Order | None = None) -> Flow[Result[JsonObject]]:
        """Ask once for the output; NotReady before the end."""
        if order is not None and order.hit is not None:
            return order.hit
        request = self.requests.result(ticket)
        with order.awaiting() if order else nullcontext():
            reply = yield from self._send(request, final=_replies.is_outcome)
            result = _replies.read_result(request, reply)
        return (yield from self.orders.taken(result, order))

    def cancel(self, ticket: Ticket, order: Order | None = None) -> Flow[bool]:
        """Ask that a job end."""
        if order is not None and order.hit is not None:
            return False
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
        order: Order | None = None,
    ) -> Flow[Completed]:
        """Report each change of a job up to its end; on timeout cancel it and raise TimedOut."""
        if order is not None and order.hit is not None:
            ended = Completed(ticket.request_id)
            yield Report(ended)
            return ended
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
        order: Order | None = None,
    ) -> Flow[Result[JsonObject]]:
        """Report each change of a job, then give its output."""
        with _mentioned(_still_there(ticket)):
            yield from self.watch(ticket, logs=logs, stream=stream, timeout=timeout, order=order)
            return (yield from self.result(ticket, order))

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
        ticket, order = yield from self.submit(endpoint, body, options)
        return (
            yield from self.wait(ticket, logs=logs, stream=stream, timeout=timeout, order=order)
        )

    def download(
        self, source: Result[Any] | str, path: PathLike[str] | str, progress: Progress | None
    ) -> Flow[SavedFile]:
        """Save a file of an output, from the cache's copy if there is one."""
        file, goal = target_of(source, path)
        kept = None if isinstance(source, str) else source.files.get(file.url)
        if kept is not None and (yield from do(kept.exists)):
            return (yield from self.orders.downloads.copy(file.url, kept, goal))
        return (yield from self.orders.downloads.file(file.url, goal, progress))

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
