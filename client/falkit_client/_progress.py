"""What a person sees on stderr while a job runs: lines that stay, and below them one that moves."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from typing import TextIO

from falkit_client.results import InProgress, Queued, Status

_PERCENT = re.compile(r"(\d{1,3})%")
_SPINNER = "|/-\\"
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
        self._frame = 0
        self._last = ""

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    def print(self, text: str = "") -> None:
        """Print a line that stays."""
        self._write(f"{text}\n")

    def status(self, status: Status) -> None:
        """Show the job's state, and its new log lines."""
        for line in status.logs:
            percent = _PERCENT.search(line.message)
            if percent:
                self._share = min(int(percent[1]), 100) / 100
            # A model's own progress bar is shown as this one; without a moving line it is printed.
            if not (percent and self._moves):
                self.print(f"  | {line.message}"[: self._width])
        match status:
            case Queued():
                ahead = "" if status.position is None else f", {status.position} ahead"
                self._show(f"waiting{ahead}")
            case InProgress():
                self._show("running")
            case _:
                self._share = None
                self._show("")

    def bytes(self, received: int, total: int | None) -> None:
        """Show how many bytes of a file are there."""
        self._share = received / total if total else None
        self._doing = f"saving {received:,}" + (f" of {total:,} bytes" if total else " bytes")
        self._draw()

    def sleep(self, seconds: float) -> None:
        """Wait some seconds, and show that time goes on."""
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0:
            self._draw()
            self._sleep(min(left, _TICK) if self._moves else left)

    def clear(self) -> None:
        """Remove the line that moves."""
        self._doing = ""
        self._write("")

    def _show(self, doing: str) -> None:
        if doing and doing != self._last and not self._moves:
            self.print(f"  {self.seconds:5.1f} s  {doing}")
        self._doing = self._last = doing
        self._draw()

    def _draw(self) -> None:
        if not self._moves or not self._doing:
            return
        self._frame += 1
        spinner = _SPINNER[self._frame % len(_SPINNER)]
        line = f"  {self.seconds:5.1f} s  {spinner} {self._doing}"
        if self._share is not None:
            room = max(min(self._width - len(line) - 9, 30), 0)
            full = int(room * self._share)
            line += f"  [{'#' * full}{'.' * (room - full)}] {self._share:4.0%}"
        self._write(line[: self._width])

    def _write(self, text: str) -> None:
        """Write in place of the line that moves."""
        self._out.write(f"\r\x1b[K{text}" if self._moves else text)
        self._out.flush()

    @property
    def _width(self) -> int:
        return shutil.get_terminal_size().columns - 1
