"""Terminals: one in memory, and a real one that a program is started in, with what it shows."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from processes import started

_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What a program writes to have a screen of its own, to begin it again, and to leave it.
HOME, LEAVES = "\x1b[H", "\x1b[?1049l"


def plain(text: str) -> str:
    """Return what a terminal was sent without what steers it."""
    return _STEERING.sub("", text)


def left_on_screen(text: str) -> list[str]:
    """Return the lines that a terminal shows at the end of what it was sent."""
    lines, row, column = [""], 0, 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part.endswith("A") and part.startswith("\x1b"):
            row = max(row - int(part[2:-1]), 0)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines]


class FakeTerminal(io.StringIO):
    """A terminal in memory."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Return each state of each line."""
        return [line.rstrip() for line in re.split("[\r\n]", plain(self.getvalue()))]


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, process: subprocess.Popen[str], end: int) -> None:
        self.process = process
        self._end = end
        self.sent = ""

    def until(self, *words: str, ends: int = 0) -> str:
        """Read until the newest screen has all words, and so many lines' ends; return it."""
        while not all(word in self.screen for word in words) or self.screen.count("\n") < ends:
            if not self._more():
                raise AssertionError(f"ended without {words}: {plain(self.sent)}")
        return self.screen

    def press(self, keys: str) -> None:
        """Type keys; "\\x03" is Ctrl-C."""
        os.write(self._end, keys.encode())

    def rest(self) -> tuple[int, str]:
        """Read to the end; return the exit code, and what is left on the terminal."""
        while self._more():
            pass
        return self.process.wait(), plain(self.sent.rpartition(LEAVES)[2]).replace("\r", "")

    @property
    def screen(self) -> str:
        """What it shows now, on a screen of its own."""
        return plain(self.sent.rpartition(HOME)[2]).replace("\r", "")

    def _more(self) -> bool:
        try:
            data = os.read(self._end, 65_536)
        except OSError:
            # So ends a terminal that nobody is in, on Linux.
            return False
        self.sent += data.decode(errors="replace")
        return bool(data)


@contextmanager
def in_terminal(
    command: Sequence[str], environ: dict[str, str], cwd: Path, size: tuple[int, int] = (24, 80)
) -> Generator[Terminal]:
    """Start a program in a terminal of so many lines and columns, and yield it."""
    if sys.platform == "win32":
        raise NotImplementedError("it has no such terminals")
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    try:
        with started(
            command,
            **streams,
            env={**environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
            cwd=cwd,
            start_new_session=True,
            # Ctrl-C reaches those whose terminal it is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        ) as process:
            os.close(theirs)
            yield Terminal(process, ours)
    finally:
        os.close(ours)
