"""What each call does, step by step, for both clients; nothing in this module does I/O."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from falkit_client import _replies
from falkit_client._calls import Job, Preparer
from falkit_client._flow import (
    NEVER,
    Deadline,
    Flow,
    OutOfTime,
    Pause,
    Report,
    Send,
    Sender,
    ask,
    do,
    read,
)
from falkit_client._requests import Address, Requests, Ticket, resolve_key
from falkit_client.budget import Budget
from falkit_client.cache import Cache
from falkit_client.download import (
    OutputFile,
    Progress,
    SavedFile,
    copy_file,
    download_file,
    target_of,
    targets_of,
)
from falkit_client.errors import (
    FalkitError,
    InvalidInput,
    MissingKey,
    NoAnswer,
    Refused,
    ServerError,
    TimedOut,
    Unreachable,
)
from falkit_client.options import Options, Retries
from falkit_client.results import Completed, JsonObject, News, Result, Status
from falkit_client.uploads import Uploads
from falkit_spec.catalog import Catalog
from falkit_spec.errors import BadDocument
from falkit_spec.sources import named_places

_log = logging.getLogger("falkit_client")

# A stream may be silent for 15 s (wire.md §3.3), in which the deadline is not checked: when less
# than this is left of the caller's time, polling keeps the limit exactly.
SILENCE = 16.0


def catalog_of(catalog: Catalog | None, documents: Iterable[str | Path] | None) -> Catalog:
    """Return the documents that a client goes by; ValueError names a place that isn't there."""
    if catalog is not None:
        if documents is not None:
            raise ValueError("documents: they have no effect beside a catalog; give one of the two")
        return catalog
    if isinstance(documents, str | Path):
        raise ValueError(f"documents: {documents!r} is one place; give a list of them")
    try:
        catalog = Catalog.read(named_places(os.environ) if documents is None else documents)
    except BadDocument as error:
        raise ValueError(f"documents: {error}") from None
    for line in catalog.notes:
        _log.warning("%s", line)
    return catalog


class Core:
    """All calls as flows; the clock and the random numbers are passed in."""

    def __init__(
        self,
        key: str | None,
        base_url: str | None,
        catalog: Catalog,
        check: bool,
        retries: Retries | None,
        poll_interval: float,
        budget: Budget | None,
        cache: Cache | None,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """Take a client's arguments; the environment fills in what they leave open."""
        if not poll_interval > 0:
            raise ValueError(f"poll_interval is {poll_interval}: it must be more than 0 seconds")
        address = Address.resolve(base_url, os.environ)
        self.requests = Requests(address, resolve_key(key, os.environ))
        self.sender = Sender(retries or Retries(), random)
        self.uploads = Uploads(self.requests, self.sender)
        self.calls = Preparer(
            catalog,
            check,
            self.sender,
            self.uploads,
            address.base_url or "",
            budget,
            cache,
        )
        self.poll_interval = poll_interval
        self.clock = clock

    def run(
        self, endpoint: str, body: Mapping[str, object], options: Options
    ) -> Flow[Result[JsonObject]]:
        """Call synchronously; one request, one result."""
        call = yield from self.calls.prepared(endpoint, body, options)
        if call.hit is not None:
            return call.hit
        with call.settling(MissingKey, InvalidInput, Unreachable, Refused):
            request = self.requests.run(endpoint, call.content, options)
            with _noted(f"the run of {endpoint} was under way: it may finish and be billed"):
                reply = yield from self.sender.send(request)
            result = _replies.read_result(request, reply)
        return (yield from self.calls.accepted(result, call))

    def submit(self, endpoint: str, body: Mapping[str, object], options: Options) -> Flow[Job]:
        """Put a job into the queue; an output in the cache counts as a job that has ended."""
        call = yield from self.calls.prepared(endpoint, body, options)
        if call.hit is not None:
            return Job(self.requests.ticket(endpoint, call.hit.request_id or "cached"), call)
        # A caller who limits the queue's length wants to know at once that it is too long.
        at_once = bool(options.max_queue_length)
        with call.settling(MissingKey, InvalidInput, Unreachable, Refused):
            request = self.requests.submit(endpoint, call.content, options)
            with _noted(f"a submit to {endpoint} was under way: fal may have accepted the job"):
                reply = yield from self.sender.send(
                    request, final=lambda reply: at_once or _replies.is_for_good(reply)
                )
            request_id, urls = _replies.read_submit(request, reply)
            return Job(self.requests.ticket(endpoint, request_id, urls), call)

    def status(self, job: Job, *, logs: bool, deadline: Deadline = NEVER) -> Flow[Status]:
        """Ask once how far a job is."""
        if job.hit is not None:
            return Completed(job.ticket.request_id)
        request = self.requests.status(job.ticket, logs=logs)
        reply = yield from self.sender.send(request, deadline)
        return _replies.parse_status(request, _replies.accepted(request, reply))

    def result(self, job: Job) -> Flow[Result[JsonObject]]:
        """Ask once for the output; NotReady before the end."""
        if job.hit is not None:
            return job.hit
        request = self.requests.result(job.ticket)
        with job.call.settling(InvalidInput, ServerError):
            reply = yield from self.sender.send(request, final=_replies.is_outcome)
            result = _replies.read_result(request, reply)
        return (yield from self.calls.accepted(result, job.call))

    def cancel(self, job: Job) -> Flow[bool]:
        """Ask that a job end."""
        if job.hit is not None:
            return False
        request = self.requests.cancel(job.ticket)
        return _replies.read_cancel(request, (yield from self.sender.send(request)))

    def watch(
        self, job: Job, *, logs: bool, stream: bool, timeout: float | None
    ) -> Flow[Completed]:
        """Report each change of a job up to its end; on timeout cancel it and raise TimedOut."""
        if job.hit is not None:
            completed = Completed(job.ticket.request_id)
            yield Report(completed)
            return completed
        at = None if timeout is None else self.clock() + timeout
        news = News()
        with _noted(_not_cancelled(job.ticket)):
            try:
                return (yield from self._changes(job, logs, stream, Deadline(self.clock, at), news))
            except OutOfTime:
                yield from self._give_up(job, timeout or 0.0)
            # It ended at that very moment: its output is paid for, so it is fetched.
            return (yield from self._changes(job, logs, False, NEVER, news))

    def wait(
        self, job: Job, *, logs: bool, stream: bool, timeout: float | None
    ) -> Flow[Result[JsonObject]]:
        """Report each change of a job, then return its output."""
        yield from self.watch(job, logs=logs, stream=stream, timeout=timeout)
        with _noted(_not_cancelled(job.ticket)):
            return (yield from self.result(job))

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
        job = yield from self.submit(endpoint, body, options)
        return (yield from self.wait(job, logs=logs, stream=stream, timeout=timeout))

    def download(
        self, source: Result[Any] | str, path: PathLike[str] | str, progress: Progress | None
    ) -> Flow[SavedFile]:
        """Save a file of an output, from the cache's copy if there is one."""
        file, target = target_of(source, path)
        return (yield from self._save(source, file, target, progress))

    def download_all(
        self, source: Result[Any] | str, path: PathLike[str] | str, progress: Progress | None
    ) -> Flow[list[SavedFile]]:
        """Save all files of an output, one after the other."""
        targets = targets_of(source, path)
        if str(path).endswith(("/", os.sep)):
            yield from do(lambda: Path(path).mkdir(parents=True, exist_ok=True))
        saved: list[SavedFile] = []
        for file, target in targets:
            saved.append((yield from self._save(source, file, target, progress)))
        return saved

    def _save(
        self,
        source: Result[Any] | str,
        file: OutputFile,
        target: Path,
        progress: Progress | None,
    ) -> Flow[SavedFile]:
        copy = None if isinstance(source, str) else source.files.get(file.url)
        if copy is not None and (yield from do(copy.exists)):
            return (yield from copy_file(file.url, copy, target))
        return (yield from download_file(self.sender, file.url, target, progress))

    def _changes(
        self, job: Job, logs: bool, stream: bool, deadline: Deadline, news: News
    ) -> Flow[Completed]:
        if stream:
            completed = yield from self._streamed(job.ticket, logs, deadline, news)
            if completed is not None:
                return completed
        while True:
            status = yield from self.status(job, logs=logs, deadline=deadline)
            yield from _reported(news, status)
            if isinstance(status, Completed):
                return status
            yield Pause(deadline.limit(self.poll_interval))

    def _streamed(
        self, ticket: Ticket, logs: bool, deadline: Deadline, news: News
    ) -> Flow[Completed | None]:
        """The end as the stream reports it; None if polling has to find it."""
        request = self.requests.stream(ticket, logs=logs)
        if deadline.left() < SILENCE:
            return None
        try:
            reply = yield from ask(Send(deadline.bound(request), stream=True))
            if not reply.ok:
                return None
            reader = _replies.EventReader()
            while deadline.left() >= SILENCE and (piece := (yield from read())) is not None:
                for data in reader.feed(piece):
                    status = _replies.parse_status(request, data)
                    yield from _reported(news, status)
                    if isinstance(status, Completed):
                        return status
        except NoAnswer:
            return None
        return None

    def _give_up(self, job: Job, seconds: float) -> Flow[None]:
        """Cancel a job that took too long and raise TimedOut; return if it has ended after all."""
        ticket = job.ticket
        late = f"{ticket.endpoint} did not finish within {seconds:g} s"
        cause = None
        try:
            cancelled = yield from self.cancel(job)
            what = f"{late} and was cancelled; work already begun may still be billed"
        except FalkitError as error:
            cancelled, cause = False, error
            what = f"{late}, and could not be cancelled: it may run on and be billed"
        if cancelled or cause:
            raise TimedOut(
                what,
                seconds=seconds,
                cancelled=cancelled,
                endpoint=ticket.endpoint,
                request_id=ticket.request_id,
            ) from cause


def _reported(news: News, status: Status) -> Flow[None]:
    fresh = news.of(status)
    if fresh is not None:
        yield Report(fresh)


def _not_cancelled(ticket: Ticket) -> str:
    return (
        f"job {ticket.request_id} of {ticket.endpoint} was not cancelled: "
        "it may still be running and be billed"
    )


@contextmanager
def _noted(note: str) -> Generator[None]:
    """Add a note to what interrupts from outside, such as Ctrl-C; our own errors name the job."""
    try:
        yield
    except (FalkitError, OutOfTime, GeneratorExit):
        raise
    except BaseException as error:
        error.add_note(note)
        raise
