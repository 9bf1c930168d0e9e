"""What a person sees on stderr while a job runs: lines that stay, and below them one that moves."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from typing import TextIO

from falkit_client.results import InProgress, Queued, Status

_PERCENT = re.compile(r"(\d{1,3})%")
_TURN = "|/-\\"
_TICK = 0.1


class Display:
    """Writes to a terminal, or, without the line that moves, to a file or pipe."""

    def __init__(
        self,
        out: TextIO,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Start the clock."""
        self._out = out
        self._moves = out.isatty()
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._doing = ""
        self._share: float | None = None
        self._turns = 0
        self._last = ""

    @property
    def seconds(self) -> float:
        """How long this has taken so far."""
        return self._clock() - self._began

    def say(self, text: str = "") -> None:
        """A line that stays."""
        self._wipe()
        self._out.write(f"{text}\n")
        self._out.flush()

    def status(self, status: Status) -> None:
        """Show how far the job is, and its new log lines."""
        for line in status.logs:
            percent = _PERCENT.search(line.message)
            if percent:
                self._share = min(int(percent[1]), 100) / 100
            # A model's own progress bar becomes this one; where nothing moves, it is a line.
            if not (percent and self._moves):
                self.say(f"  | {line.message}"[: self._width])
        match status:
            case Queued():
                ahead = "" if status.position is None else f", {status.position} ahead"
                self._now(f"waiting{ahead}")
            case InProgress():
                self._now("running")
            case _:
                self._share = None
                self._now("")

    def bytes(self, received: int, total: int | None) -> None:
        """Show how much of a file is there."""
        self._share = received / total if total else None
        self._doing = f"saving {received:,}" + (f" of {total:,} bytes" if total else " bytes")
        self._draw()

    def sleep(self, seconds: float) -> None:
        """Let time go by, and show that it does."""
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0:
            self._draw()
            self._sleep(min(left, _TICK) if self._moves else left)

    def clear(self) -> None:
        """Take away the line that moves."""
        self._doing = ""
        self._wipe()

    def _now(self, doing: str) -> None:
        if doing and doing != self._last and not self._moves:
            self.say(f"  {self.seconds:5.1f} s  {doing}")
        self._doing = self._last = doing
        self._draw()

    def _draw(self) -> None:
        if not self._moves or not self._doing:
            return
        self._turns += 1
        turn = _TURN[self._turns % len(_TURN)]
        line = f"  {self.seconds:5.1f} s  {turn} {self._doing}"
        if self._share is not None:
            room = max(min(self._width - len(line) - 9, 30), 0)
            full = int(room * self._share)
            line += f"  [{'#' * full}{'.' * (room - full)}] {self._share:4.0%}"
        self._out.write(f"\r\x1b[K{line[: self._width]}")
        self._out.flush()

    def _wipe(self) -> None:
        if self._moves:
            self._out.write("\r\x1b[K")
            self._out.flush()

    @property
    def _width(self) -> int:
        return shutil.get_terminal_size().columns - 1
