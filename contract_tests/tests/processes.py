"""Programs that tests start: signals reach them, and none outlives its test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

# The command as it is installed.
FALKIT = str(Path(sys.executable).with_name("falkit"))
# Seconds that a program has to end once it is told to.
GRACE = 10.0
_SENT_TO_END = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


@contextmanager
def started(command: Sequence[str], **options: Any) -> Generator[subprocess.Popen[Any]]:
    """Run a program for the length of the block; yield it, its stdout a pipe of text.

    It is told to end with the block, and killed if it does not: a test that fails or reaches its
    time limit must not go on to wait for its program.
    """
    arguments: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, **options}
    with subprocess.Popen(command, **arguments) as process:
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """Tell a program to end, unless it has; kill it if it takes longer than GRACE."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()


def let_programs_heed_signals() -> None:
    """Have the programs that this process starts heed signals that it was started to ignore.

    `nohup` and a shell's background jobs ignore SIGHUP and SIGINT. A program inherits what is
    ignored, but no handler: so one that does nothing keeps this process as it was, and leaves its
    programs with the signal's usual effect.
    """
    for name in _SENT_TO_END:
        number = signal.Signals.__members__.get(name)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


def found(*names: str, package: str) -> str:
    """Find a program by the first of its names, or fail the test with what installs it."""
    paths = [path for name in names if (path := shutil.which(name))]
    if not paths:
        pytest.fail(f"{names[0]} is not installed; fix: apt-get install {package}")
    return paths[0]


def chromium() -> str:
    """Find Chromium: the one that CHROMIUM names, or the smallest there is.

    Without a window the shell does the same in half the processor time.
    """
    shell = "chromium-headless-shell"
    names = (os.environ.get("CHROMIUM") or shell, shell, "chromium", "chromium-browser")
    return found(*names, package=shell)
