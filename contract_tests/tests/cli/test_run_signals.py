"""`falkit run` and its program: the signals that they get, and who ends whom."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from processes import FALKIT, started
from serving import PATIENCE

# Blocked, a signal is waited for whenever it comes; a handler may run just before the wait.
WAITS = """
import os, signal, sys
numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
os.write(1, b"ready\\n")
os.write(1, signal.sigwait(numbers).name.encode())
sys.exit(3)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH"])
def test_a_signal_to_falkit_reaches_the_program(environ: dict[str, str], name: str) -> None:
    command = [FALKIT, "run", "--quiet", "--", sys.executable, "-c", WAITS]
    with started(command, env=environ, start_new_session=True) as falkit:
        assert falkit.stdout is not None
        assert falkit.stdout.readline() == "ready\n"
        falkit.send_signal(signal.Signals[name])
        assert falkit.stdout.read() == name
    assert falkit.returncode == 3


COUNTS = """
import signal, sys, threading
interrupts = threading.Semaphore(0)
signal.signal(signal.SIGINT, lambda *_: interrupts.release())
print("ready", flush=True)
interrupts.acquire()
print("twice" if interrupts.acquire(timeout=0.5) else "once", flush=True)
"""


def test_ctrl_c_at_a_terminal_reaches_the_program_once(environ: dict[str, str]) -> None:
    """The terminal has told both already; a second one would cut a clean-up short."""
    if sys.platform == "win32":
        pytest.skip("a pseudo-terminal is POSIX's")
    child, terminal = pty.fork()
    if child == 0:
        os.execve(FALKIT, [FALKIT, "run", "--", sys.executable, "-c", COUNTS], environ)
    shown = _until(terminal, lambda text: "ready" in text)
    os.write(terminal, b"\x03")
    shown = _until(terminal, lambda text: "falkit: 0 requests" in text)
    assert "once" in shown
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0


def _until(terminal: int, enough: Callable[[str], bool]) -> str:
    text = ""
    while not enough(text):
        readable, _, _ = select.select([terminal], [], [], PATIENCE)
        assert readable, text
        text += os.read(terminal, 4096).decode()
    return text


def test_a_program_ignores_the_signals_falkit_was_started_to_ignore(
    environ: dict[str, str],
) -> None:
    show = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    script = f"trap '' HUP; exec {FALKIT} run --quiet -- {sys.executable} -c '{show}'"
    printed = subprocess.check_output(["sh", "-c", script], env=environ, timeout=60)
    assert printed == b"True\n"


@pytest.mark.parametrize("words", [["run", "--quiet", "--", "cat"], ["serve", "--port", "0"]])
def test_sigterm_ends_it_even_if_it_was_started_to_ignore_signals(
    environ: dict[str, str], words: list[str]
) -> None:
    shell = ["sh", "-c", "trap '' INT TERM HUP; exec \"$@\"", "sh", FALKIT, *words]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with started(shell, env=environ, start_new_session=True, **pipes) as falkit:
        assert falkit.stdin is not None
        assert falkit.stdout is not None
        # `cat` gives it back, the server prints its own.
        falkit.stdin.write("ready\n")
        falkit.stdin.flush()
        assert falkit.stdout.readline()
        falkit.terminate()
        assert falkit.wait(PATIENCE) in {0, 128 + signal.SIGTERM}


def test_a_killed_falkit_leaves_no_program_behind(environ: dict[str, str]) -> None:
    if sys.platform != "linux":
        pytest.skip("no other system tells a child of it")
    shows = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    command = [FALKIT, "run", "--quiet", "--", sys.executable, "-c", shows]
    with started(command, env=environ, start_new_session=True) as falkit:
        assert falkit.stdout is not None
        program = os.pidfd_open(int(falkit.stdout.readline()))
        falkit.kill()
        ended, _, _ = select.select([program], [], [], PATIENCE)
        os.close(program)
    assert ended, "the program runs on"
