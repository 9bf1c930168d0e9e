"""Your own worker, killed at each step of a job and started again: is anything paid twice, or lost?

One test is enough:

    import sys
    import pytest
    from falkit_contract.crashes import crash_steps

    @pytest.mark.parametrize("step", crash_steps)
    def test_a_crash_costs_nothing(step, tmp_path):
        clip = tmp_path / "clip.mp4"
        step.check([sys.executable, "worker.py", tmp_path], stored=clip.exists)
"""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Unpack
from unittest import SkipTest

from falkit.views import Job
from falkit_contract import BadArgument, ContractError, Finding
from falkit_contract.crashes._running import End, Run
from falkit_contract.crashes._watching import Due, Kind, Watched, kind_of
from falkit_mock.core.events import Event, JobChanged, RequestAnswered, RequestArrived
from falkit_mock.gateway import Policy
from falkit_mock.settings import MockSettings, Settings

__all__ = ["CrashFinding", "CrashStep", "crash_steps"]

# Seconds after which a program is killed that has begun to download, and those a file then takes.
_INTO_DOWNLOAD = 0.1
_SLOW_FILE = 600

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
    due: Due | None
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
        egress: Policy = "allow",
        **settings: Unpack[MockSettings],
    ) -> None:
        """Run a command around a mock, kill it with SIGKILL at this step, and start it again.

        `command` does one order and ends, or goes on: then `stored` says when the order is done. It
        has what `falkit run` gives a program, and `env`. `stored()` tells whether the result is
        there; without it the second run has to end with exit code 0, and the result has to
        have been read. `submits` are those that an order takes. `timeout` is in real seconds, for
        each of the two runs. What the program keeps must be of this test alone: `cwd` and `env` are
        there to say where. `settings` are the mock's; `timing` is "0.1,0.3" if none is given.

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
        made = Settings(timing="0.1,0.3").replace(**settings)
        # Those of the step come first.
        made = made.replace(faults=[*self.faults, *made.faults])
        with Watched(made, egress) as mock, ExitStack() as stack:
            output = stack.enter_context(tempfile.TemporaryFile())
            surroundings = {**os.environ, **mock.environ, **(env or {})}
            run = Run(words, cwd, surroundings, output, stored, timeout)
            first = self._first(mock, run)
            before = mock.go_on(len(self.faults))
            second = run.go(mock)
            self._judge(mock, first, second, before, submits, run)

    def _first(self, mock: Watched, run: Run) -> End:
        end = run.go(mock, self.due, self.after)
        if end.killed:
            return end
        if not mock.jobs() and not mock.seen("submit"):
            raise ContractError(f"the command submits nothing: it {end}{run.said()}")
        if end.timed_out:
            raise ContractError(f"the command {end}, and never came to its end{run.said()}")
        if self.due is None:
            return end
        raise SkipTest(f"the command never came to this step: {self.title}")

    def _judge(
        self, mock: Watched, first: End, second: End, before: int, submits: int, run: Run
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


def _is_paid(job: Job) -> bool:
    """Tell whether a job costs something, or will once it is done."""
    return not job.cancelled and (
        job.status_code is None or job.cost is not None or job.error is None
    )


def _told(job: Job) -> str:
    cost = "" if job.cost is None else f", ${job.cost}"
    return f"{job.request_id} {job.endpoint_id}: {job.status}{cost}"


def _arrives(kind: Kind) -> Due:
    return lambda event: isinstance(event, RequestArrived) and kind_of(event.record) == kind


def _is_answered(kind: Kind) -> Due:
    def due(event: Event) -> bool:
        if not isinstance(event, RequestAnswered):
            return False
        record = event.record
        return record.fal and record.status in (200, 206) and kind_of(record) == kind

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
