"""The program under `falkit run`: its signals, and how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

# Those that somebody sends to falkit and means for the program.
_PASSED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGWINCH", "SIGUSR1", "SIGUSR2")
# Those that a terminal sends to everything in its foreground, so the program has them already.
_BY_TERMINAL = ("SIGINT", "SIGQUIT", "SIGWINCH")


class Child:
    """Starts a program with this process's own streams, and waits for its end."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._command = command
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def run(self) -> int:
        """Return the exit code as a shell counts it: 128 and the number for a signal.

        Raise OSError if the program can't be started. Call it from the main thread.
        """
        before = {number: signal.getsignal(number) for number in _numbers(_PASSED)}
        # What falkit was started to ignore, as nohup has it, the program shall ignore too; but
        # SIGTERM ends both, always.
        heeded = [
            number
            for number, how in before.items()
            if how is not signal.SIG_IGN or number == signal.SIGTERM
        ]
        for number in heeded:
            signal.signal(number, self._pass_on)
        try:
            self._process = subprocess.Popen(self._command, env=self._environ)
            for early in self._early:
                self._process.send_signal(early)
            code = self._process.wait()
        finally:
            for number in heeded:
                signal.signal(number, before[number])
        return 128 - code if code < 0 else code

    def stop(self) -> None:
        """Tell the program to end; may be called from another thread."""
        if self._process is not None:
            self._process.terminate()
        else:
            self._early.append(signal.SIGTERM)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if number in _numbers(_BY_TERMINAL) and _in_foreground():
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)


def _numbers(names: Sequence[str]) -> list[signal.Signals]:
    known = signal.Signals.__members__
    return [known[name] for name in names if name in known]


def _in_foreground() -> bool:
    """Tell whether a terminal sends its signals to this process's group."""
    if sys.platform == "win32":
        # A console sends Ctrl-C to all that share it, and there is no other SIGINT.
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
