"""`falkit serve --workers N`: processes that answer on one address, with one state file."""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from typing import Any, NoReturn

import click

from falkit_mock.cli.config import in_file
from falkit_mock.cli.options import note, refusing
from falkit_mock.core.network import listen
from falkit_mock.settings import Settings
from falkit_mock.store.link import Link

# How many workers may die within so many seconds before it is given up.
_MOST_DEATHS, _WITHIN = 30, 60.0
# How often one may end while it starts.
_TRIES = 3
# Seconds for a worker to end that was told to.
_PATIENCE = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# What a worker does, until it is told to end: its number's socket, what it has of the others, and
# what it calls once it answers.
Serve = Callable[[socket.socket, Link, Callable[[dict[str, Any]], None]], None]


def check_workers(settings: Settings, chosen: Mapping[str, Any]) -> None:
    """Raise a UsageError for what several workers can't do."""
    why = ""
    if settings.state is None:
        why = "workers: they need a state that they share; add --state FILE"
    elif settings.tenants:
        why = "tenants: they are of one process; leave it out, or leave out --workers"
    elif chosen["with_gateway"]:
        why = "gateway: it is of one process; leave it out, or leave out --workers"
    elif chosen["target"] is not None:
        why = "export-on-exit: the state file has all that workers leave; leave it out"
    elif chosen["reports"]:
        why = "report: each process knows its own calls alone; leave it out, or leave out --workers"
    if why:
        raise click.UsageError(in_file(why))


def listening_too(listener: socket.socket, count: int) -> list[socket.socket]:
    """Return sockets on the address of one that listens, itself among them, one for each worker.

    The kernel deals out connections to them; where it can't, all have the same one.
    """
    if count == 1 or sys.platform != "linux":
        return [listener] * count
    # Nobody else got in between: until now the address was this socket's alone.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    host, port = listener.getsockname()[:2]
    return [listener, *(listen(host, port, shared=True) for _ in range(count - 1))]


class Workers:
    """Starts workers, one for each socket, and another in the place of one that dies."""

    def __init__(self, settings: Settings, listeners: list[socket.socket], serve: Serve) -> None:
        self._settings = settings
        self._listeners = listeners
        self._serve = serve
        # By process id.
        self._numbers: dict[int, int] = {}
        self._deaths: deque[float] = deque(maxlen=_MOST_DEATHS)
        # Which signals waited before there were workers.
        self._mask: set[signal.Signals | int] = set()
        self._stack = ExitStack()
        # Ends of pipes: by which workers notice that this process is gone, and by which each
        # hears of the others, by number.
        self._life, self._ears, self._mouths = (0, 0), dict[int, int](), dict[int, int]()
        self._lock = 0
        # Memory that all share, of some whole numbers.
        self._memory = memoryview(mmap.mmap(-1, 64)).cast("q")
        self.spent = memoryview(mmap.mmap(-1, 8 * (len(listeners) + 1))).cast("q")

    def run(self, started: Callable[[dict[str, Any]], None]) -> int:
        """Have workers serve until a signal ends them; return the exit code.

        `started` is called once all answer, with what the first one says.
        """
        if sys.platform == "win32":
            raise NotImplementedError
        # Lazy: it imports what a store needs.
        from falkit_mock.core.settings import is_url
        from falkit_mock.store.durable import alone

        state = self._settings.state or ""
        with refusing(), self._stack, nullcontext() if is_url(state) else alone(state):
            self._open()
            signal.signal(signal.SIGCHLD, _noticed)
            self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_SIGNALS, signal.SIGCHLD))
            try:
                # The first one alone, since it may fill the state.
                facts = [self._start(number) for number in range(1, len(self._listeners) + 1)]
                if facts[0] is None or None in facts:
                    raise click.UsageError("workers: one ended while it started; start it again")
                started(facts[0])
                return self._watch()
            finally:
                self._stop()
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _open(self) -> None:
        if sys.platform == "win32":
            raise NotImplementedError
        self._life = os.pipe()
        file = tempfile.TemporaryFile()  # noqa: SIM115
        self._lock = self._stack.enter_context(file).fileno()
        for number in range(1, len(self._listeners) + 1):
            self._ears[number], self._mouths[number] = os.pipe()
            os.set_blocking(self._ears[number], False)
            os.set_blocking(self._mouths[number], False)

    def _watch(self) -> int:
        """Replace workers that die until somebody ends this; return the exit code."""
        if sys.platform == "win32":
            raise NotImplementedError
        while True:
            if signal.sigwait((*_SIGNALS, signal.SIGCHLD)) in _SIGNALS:
                return 0
            for number, how in self._ended():
                if not self._replace(number, how):
                    return 1

    def _replace(self, number: int, how: str) -> bool:
        """Start a worker in the place of one that has ended; False if too many have."""
        for _ in range(_TRIES):
            self._deaths.append(time.monotonic())
            if len(self._deaths) == _MOST_DEATHS and self._lately():
                break
            note(f"worker {number} {how}; another takes its place", "warning", always=True)
            if self._start(number, again=True) is not None:
                return True
            how = "ended while it started"
        note(f"worker {number} {how}, and others did before; giving up", "error")
        return False

    def _lately(self) -> bool:
        return self._deaths[-1] - self._deaths[0] < _WITHIN

    def _ended(self) -> list[tuple[int, str]]:
        """Return the numbers of workers that have ended, and how each did."""
        if sys.platform == "win32":
            raise NotImplementedError
        found: list[tuple[int, str]] = []
        while self._numbers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            code = os.waitstatus_to_exitcode(status)
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended ({code})"
            if (number := self._numbers.pop(pid, None)) is not None:
                found.append((number, how))
        return found

    def _start(self, number: int, *, again: bool = False) -> dict[str, Any] | None:
        """Start a worker; return what it says once it answers, None if it ends before that.

        Raise a UsageError with what it finds wrong.
        """
        if sys.platform == "win32":
            raise NotImplementedError
        ready, told = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            os.close(ready)
            self._work(number, told, again=again)
        os.close(told)
        self._numbers[pid] = number
        with open(ready, "rb") as pipe:
            said = pipe.read()
        if not said:
            os.waitpid(pid, 0)
            del self._numbers[pid]
            return None
        facts: dict[str, Any] = json.loads(said)
        if "error" in facts:
            raise click.UsageError(facts["error"])
        return facts

    def _work(self, number: int, told: int, *, again: bool) -> NoReturn:
        """Be a worker."""
        if sys.platform == "win32":
            raise NotImplementedError
        code = 1
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            os.close(self._life[1])

            def tell(facts: dict[str, Any]) -> None:
                nonlocal told
                if told:
                    os.write(told, json.dumps(facts).encode())
                    os.close(told)
                    told = 0

            link = Link(
                number=number,
                workers=len(self._listeners),
                again=again,
                lock=self._lock,
                ear=self._ears[number],
                ears=self._mouths,
                parent=self._life[0],
                memory=self._memory,
                spent=self.spent,
                requests=self._settings.request_log,
            )
            try:
                self._serve(self._listeners[number - 1], link, tell)
                code = 0
            except click.ClickException as error:
                tell({"error": error.format_message()})
                code = error.exit_code
        except KeyboardInterrupt:
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _stop(self) -> None:
        """End all workers."""
        if sys.platform == "win32":
            raise NotImplementedError
        until = time.monotonic() + _PATIENCE
        for pid in self._numbers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        while self._numbers:
            self._ended()
            if time.monotonic() > until:
                for pid in self._numbers:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                until = float("inf")
            time.sleep(0.01)
        for descriptor in (*self._life, *self._ears.values(), *self._mouths.values()):
            with suppress(OSError):
                os.close(descriptor)


def _noticed(number: int, frame: object) -> None:
    """Have the signal wait for whoever asks, and not be dropped."""
