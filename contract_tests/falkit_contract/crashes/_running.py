"""A command that is run, killed at a moment, and run again."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from falkit_contract import ContractError
from falkit_contract.crashes._watching import Due, Watched
from falkit_mock.core.events import Event

# Seconds between two looks at the program and at what it has stored.
_BETWEEN_LOOKS = 0.02
# Seconds that a program has to end once it is told to.
_GRACE = 2.0
_LINES = 5


@dataclass(frozen=True, slots=True)
class End:
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
class Run:
    """A command, and how it is run."""

    words: list[str]
    cwd: str | os.PathLike[str] | None
    env: dict[str, str]
    output: IO[bytes]
    stored: Callable[[], object] | None
    timeout: float

    def go(self, mock: Watched, due: Due | None = None, after: float = 0.0) -> End:
        """Run it to its end, to its result, or until it is killed, seconds after an event."""
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
            mock.hear = kill = _Kill(process, due, after)
            try:
                return self._waited(process, kill)
            finally:
                kill.due = None
                _end(process)

    def _waited(self, process: subprocess.Popen[bytes], kill: _Kill) -> End:
        end, done = time.monotonic() + self.timeout, False
        while process.poll() is None:
            if not done and self._is_stored():
                # What has its result meets no further event; one that was just met takes effect.
                done, end = True, time.monotonic() + (_GRACE if kill.wanted else 0.0)
            if time.monotonic() >= end:
                return End(timed_out=not done, stored=done)
            time.sleep(_BETWEEN_LOOKS)
        return End(process.returncode, killed=kill.done, stored=self._is_stored())

    def _is_stored(self) -> bool:
        return self.stored is not None and bool(self.stored())

    def said(self) -> str:
        """Return the last lines of what it wrote, each on a line of its own."""
        self.output.seek(0)
        lines = self.output.read().decode("utf-8", "replace").splitlines()[-_LINES:]
        return "".join(f"\n{line}" for line in lines)


class _Kill:
    """Kills a program, and all that it started, at an event."""

    def __init__(self, process: subprocess.Popen[bytes], due: Due | None, after: float) -> None:
        self._process = process
        self._after = after
        self.wanted = due is not None
        # None once it was met, or the program is over.
        self.due = due
        self.done = False

    def __call__(self, event: Event) -> None:
        """Look whether it is this event; on the mock's event loop, before that goes on."""
        if self.due is None or not self.due(event):
            return
        self.due = None
        if self._after:
            asyncio.get_running_loop().call_later(self._after, self._now)
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
