"""Your own worker, killed at each step of a job and started again: is anything paid twice, or lost?

import sys
import pytest
from falkit_contract.crashes import crash_steps

@pytest.mark.parametrize("step", crash_steps)
def test_a_crash_costs_nothing(step, tmp_path):
    clip = tmp_path / "clip.mp4"
    step.check([sys.executable, "worker.py", str(clip)], stored=clip.exists)
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import IO, Literal
from unittest import SkipTest

from falkit.views import Job, read_jobs
from falkit_contract import BadArgument, ContractError, Finding
from falkit_mock.app import MockApp
from falkit_mock.core.events import (
    Event,
    JobChanged,
    RequestAnswered,
    RequestArrived,
    RequestRecord,
)
from falkit_mock.core.network import listen, reached
from falkit_mock.gateway import Egress, Policy
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.environment import KEY, KEYS, variables
from falkit_mock.gateway.gateway import Gateway
from falkit_mock.mock import ServerThread
from falkit_mock.settings import Settings

__all__ = ["CrashFinding", "CrashStep", "crash_steps"]

# Seconds between two looks at the program and at what it has stored.
_BETWEEN_LOOKS = 0.02
# Seconds after which a program is killed that has begun to download, and those a file then takes.
_INTO_DOWNLOAD = 0.1
_SLOW_FILE = 600
# Seconds that a program has to end once it is told to.
_GRACE = 2.0
_LINES = 5
_Kind = Literal["submit", "status", "result", "media", "other"]

_REMEMBER = (
    "write the request id down as soon as the submit has returned; on the start go on with what\n"
    "has an id and no result: ask for its status, and don't submit"
)
_LOOK_FOR = (
    "note the order before the submit; on the start look for what is noted without an id before\n"
    "you submit it again: among your requests (GET https://api.fal.ai/v1/models/requests/\n"
    "by-endpoint?endpoint_id=…&expand=payloads), or by a webhook whose URL has the order's id\n"
    "(docs/crash-tests.md)"
)


class CrashFinding(Finding):
    """A worker that was killed pays twice, or loses what it has paid for.

    `step` is the step's id, `problem` what is wrong in one line.
    """

    def __init__(self, step: str, problem: str, lines: Mapping[str, str]) -> None:
        self.step = step
        super().__init__(step, problem, lines)


@dataclass(frozen=True, slots=True)
class CrashStep:
    """A moment in a job's life at which the worker is killed; `title` says which."""

    id: str
    title: str
    # Tells the moment by an event in the mock; None for a worker that ends by itself.
    due: Callable[[Event], bool] | None
    mend: str = _REMEMBER
    faults: tuple[str, ...] = ()
    # Seconds from the event on.
    after: float = 0.0

    @property
    def __name__(self) -> str:
        """The name by which pytest shows it."""
        return self.id

    def check(
        self,
        command: Sequence[str | os.PathLike[str]] | str,
        *,
        stored: Callable[[], object] | None = None,
        submits: int = 1,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        timing: str = "0.1,0.3",
        egress: Policy = "allow",
    ) -> None:
        """Run a command around a mock, kill it with SIGKILL at this step, and start it again.

        `command` does one order and ends, or goes on: then `stored` says when the order is done. It
        has what `falkit run` gives a program, and `env`. `stored()` tells whether the result is
        there; without it the second run has to end with exit code 0, and the result has to
        have been read. `submits` are those that an order takes. `timeout` is in real seconds, for
        each of the two runs. What the program keeps must be of this test alone: `cwd` and `env` are
        there to say where.

        Raise CrashFinding, an AssertionError; SkipTest if the command never comes to the step;
        ContractError if it can't be tried.
        """
        __tracebackhide__ = True
        given = shlex.split(command) if isinstance(command, str) else command
        words = [os.fspath(word) for word in given]
        if not words:
            raise BadArgument("command", command, "give the words of a command")
        if not hasattr(signal, "SIGKILL"):
            raise SkipTest("a program is killed by SIGKILL, which this system doesn't have")
        settings = Settings(timing=timing, faults=list(self.faults))
        with _Watched(settings, egress) as mock, ExitStack() as stack:
            output = stack.enter_context(tempfile.TemporaryFile())
            surroundings = {**os.environ, **mock.environ, **(env or {})}
            run = _Run(words, cwd, surroundings, output, stored, timeout)
            first = self._first(mock, run)
            before = mock.go_on()
            second = run.go(mock, None)
            self._judge(mock, first, second, before, submits, run)

    def _first(self, mock: _Watched, run: _Run) -> _End:
        end = run.go(mock, self)
        if self.due is None or end.killed:
            return end
        if not mock.jobs() and not mock.seen("submit"):
            raise ContractError(f"the command submits nothing: it {end}{run.said()}")
        if end.timed_out:
            raise ContractError(f"the command {end}, and never came to {self.title}{run.said()}")
        raise SkipTest(f"the command never came to this step: {self.title}")

    def _judge(
        self, mock: _Watched, first: _End, second: _End, before: int, submits: int, run: _Run
    ) -> None:
        paid = [job for job in mock.jobs() if _is_paid(job)]
        lines = {
            "killed": f"{self.title}; it {first}" if self.due is None else self.title,
            "then": mock.told(before) or "no request",
            "and": f"it {second}",
            "jobs": "\n".join(map(_told, mock.jobs())) or "none",
            "wanted": f"{submits} paid submit{'s' * (submits != 1)} in all, and the result",
            "at fal": "a submit has no idempotency key: sent twice, it is two jobs (wire.md §3.1)",
            "mend": self.mend,
        }
        if said := run.said().strip():
            lines["it said"] = said
        if len(paid) > submits:
            cost = sum(job.cost or 0 for job in paid)
            problem = f"paid twice: {len(paid)} submits where {submits} would do, ${cost} in all"
            raise CrashFinding(self.id, problem, lines)
        if second.timed_out:
            raise CrashFinding(self.id, "it doesn't come to its end after the restart", lines)
        if run.stored is not None and not second.stored:
            raise CrashFinding(self.id, "the result is lost: it is never stored", lines)
        if run.stored is None and (second.code or not mock.seen("result", 200)):
            raise CrashFinding(self.id, "the result is lost: it was never read", lines)


@dataclass(frozen=True, slots=True)
class _End:
    """How a run ended."""

    code: int | None = None
    killed: bool = False
    timed_out: bool = False
    stored: bool = False

    def __str__(self) -> str:
        if self.killed:
            return "was killed"
        if self.timed_out:
            return "did not end in time"
        return "had its result" if self.code is None else f"ended with exit code {self.code}"


@dataclass(frozen=True, slots=True)
class _Run:
    """A command, and how it is run."""

    words: list[str]
    cwd: str | os.PathLike[str] | None
    env: dict[str, str]
    output: IO[bytes]
    stored: Callable[[], object] | None
    timeout: float

    def go(self, mock: _Watched, step: CrashStep | None) -> _End:
        """Run it to its end, to its result, or until it is killed at a step."""
        try:
            # A session of its own, so that what it starts is killed with it.
            process = subprocess.Popen(
                self.words,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ContractError(f"{shlex.join(self.words)} can't be started: {error}") from None
        with process:
            mock.kill = _Kill(process, step)
            try:
                return self._waited(process, mock.kill)
            finally:
                mock.kill.off = True
                _end(process)

    def _waited(self, process: subprocess.Popen[bytes], kill: _Kill) -> _End:
        end, done = time.monotonic() + self.timeout, False
        while process.poll() is None:
            if not done and self._is_stored():
                # What has its result comes to no further step; one that was just met takes effect.
                done, end = True, time.monotonic() + (_GRACE if kill.wanted else 0.0)
            if time.monotonic() >= end:
                return _End(timed_out=not done, stored=done)
            time.sleep(_BETWEEN_LOOKS)
        return _End(process.returncode, killed=kill.done, stored=self._is_stored())

    def _is_stored(self) -> bool:
        return self.stored is not None and bool(self.stored())

    def said(self) -> str:
        """Return the last lines of what it wrote, each on a line of its own."""
        self.output.seek(0)
        lines = self.output.read().decode("utf-8", "replace").splitlines()[-_LINES:]
        return "".join(f"\n{line}" for line in lines)


class _Kill:
    """Kills a program, and all that it started, at a step."""

    def __init__(self, process: subprocess.Popen[bytes], step: CrashStep | None) -> None:
        self._process = process
        self._step = step
        self.wanted = step is not None and step.due is not None
        self.done = False
        self.off = False

    def __call__(self, event: Event) -> None:
        """Look whether the step is there; on the mock's event loop, before it goes on."""
        if self.off or self._step is None or self._step.due is None or not self._step.due(event):
            return
        self.off = True
        if self._step.after:
            asyncio.get_running_loop().call_later(self._step.after, self._now)
        else:
            self._now()

    def _now(self) -> None:
        if self._process.returncode is None:
            self.done = True
            _signal(self._process, "SIGKILL")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program that goes on, and whatever it has started."""
    if process.poll() is None:
        _signal(process, "SIGTERM")
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    _signal(process, "SIGKILL")


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    if sys.platform != "win32":
        # Unless nothing of it is left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, getattr(signal, name))


class _Watched:
    """A mock with a gateway, and what came to it."""

    def __init__(self, settings: Settings, egress: Policy) -> None:
        self._settings = settings
        self._egress: Policy = egress
        self._answered: list[RequestRecord] = []
        self._open = ExitStack()
        # What is told of each event first.
        self.kill: _Kill | None = None
        self.environ: dict[str, str] = {}

    def __enter__(self) -> _Watched:
        with ExitStack() as stack:
            listener = stack.enter_context(listen("127.0.0.1", 0))
            url, authority = reached(listener), Authority.open()
            gateway = Gateway(listen("127.0.0.1", 0), url, Egress(self._egress), authority)
            around = {name: text for name, text in os.environ.items() if name not in _OF_KEYS}
            self.environ = variables(gateway.url, authority, self._egress, around, KEY, url)
            self._server = stack.enter_context(
                ServerThread(self._settings, listener, gateway, self._prepare)
            )
            self._app = self._server.wait()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def _prepare(self, app: MockApp) -> None:
        app.service.events.listeners.insert(0, self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, RequestAnswered) and event.record.fal:
            self._answered.append(event.record)
        if self.kill is not None:
            self.kill(event)

    def jobs(self) -> list[Job]:
        """Return the jobs as they are."""
        return self._server.call(lambda: read_jobs(self._app.service, self._app.catalog))

    def go_on(self) -> int:
        """Have nothing go wrong any longer; return how many requests were answered so far."""
        self._server.inside(self._app.service.rules.clear)
        return len(self._answered)

    def seen(self, kind: _Kind, status: int | None = None) -> bool:
        """Tell whether a request of a kind was answered, with a status."""
        return any(_kind(one) == kind and status in (None, one.status) for one in [*self._answered])

    def told(self, since: int) -> str:
        """Return the requests from one on, alike ones in a row once."""
        lines: list[str] = []
        for one in [*self._answered][since:]:
            line = f"{one.method} {one.host}{one.path} {one.status}"
            if line not in lines[-1:]:
                lines.append(line)
        return "\n".join(lines[:8] + ["…"] * (len(lines) > 8))


_OF_KEYS = {*KEYS, "FAL_KEY_ID", "FAL_KEY_SECRET"}


def _kind(record: RequestRecord) -> _Kind:
    """Return what a request is for."""
    if record.host.endswith("fal.media"):
        return "media"
    if record.host not in ("queue.fal.run", "fal.run"):
        return "other"
    _, found, tail = record.path.partition("/requests/")
    if not found:
        return "submit" if record.method == "POST" else "other"
    if "/" in tail.strip("/"):
        return "status" if "/status" in tail else "other"
    return "result" if record.method == "GET" else "other"


def _is_paid(job: Job) -> bool:
    """Tell whether a job costs something, or will once it is done."""
    return not job.cancelled and (
        job.status_code is None or job.cost is not None or job.error is None
    )


def _told(job: Job) -> str:
    cost = "" if job.cost is None else f", ${job.cost}"
    return f"{job.request_id} {job.endpoint_id}: {job.status}{cost}"


def _arrives(kind: _Kind) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, RequestArrived) and _kind(event.record) == kind


def _is_answered(kind: _Kind) -> Callable[[Event], bool]:
    def due(event: Event) -> bool:
        if not isinstance(event, RequestAnswered):
            return False
        return event.record.fal and event.record.status == 200 and _kind(event.record) == kind

    return due


def _is_taken(event: Event) -> bool:
    return isinstance(event, JobChanged) and event.change == "accepted"


crash_steps: list[CrashStep] = [
    CrashStep(
        "before-submit",
        "before fal had the submit",
        _arrives("submit"),
        "what is noted without an id, and fal has no request of, is submitted on the next start",
        ("hang",),
    ),
    CrashStep("submitted", "after fal took the submit, before its reply", _is_taken, _LOOK_FOR),
    CrashStep("replied", "after the submit's reply was sent", _is_answered("submit"), _LOOK_FOR),
    CrashStep("polling", "when it first asked for the status", _arrives("status")),
    CrashStep("completed", "after the job's end, before its result was read", _arrives("result")),
    CrashStep("result-read", "after the result was sent", _is_answered("result")),
    CrashStep(
        "downloading",
        "in the middle of the file",
        _arrives("media"),
        f"{_REMEMBER};\nwrite a file under another name, and rename it once it is whole",
        (f"media_slow seconds={_SLOW_FILE}",),
        _INTO_DOWNLOAD,
    ),
    CrashStep("downloaded", "after the file was sent", _is_answered("media")),
    CrashStep(
        "finished",
        "not killed: it did all of it, and is started again",
        None,
        "note that an order is done, and look at that on the start",
    ),
]
"""All steps, for `pytest.mark.parametrize`; leave some out by their `id`."""
