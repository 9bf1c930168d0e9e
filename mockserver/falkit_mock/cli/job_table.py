"""The table of `falkit jobs --watch`: a mock's newest jobs, as wide and as high as the terminal."""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

import click

from falkit_mock.cli.running import RunningMock
from falkit_mock.cli.watching import Heard, follow, short
from falkit_mock.core import iso, printable
from falkit_spec.cli.progress import bar, console_on

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

# Seconds between two readings of the list at least, and two drawings at most: ages go on.
_READ, _DRAWN = 0.25, 1.0
# Lines beside the jobs: a title, the headings, and the shell's prompt that comes after them.
_OTHER_LINES = 3
# Cells of two columns, the widths of a terminal from which on there are more of them, and that
# from which on ids of endpoints may be longer.
_STATUS, _PROGRESS = 13, 15
_PROMPTS, _BARS, _IDS, _WIDE = 76, 120, 160, 100
# Each state by a shape, in ASCII too, a word and a colour that any theme has.
_STATES = {
    "queued": ("○", "o", "Queued", "default"),
    "running": ("◐", ">", "Running", "cyan"),
    "held": ("⏸", "=", "Held", "yellow"),
    "done": ("✓", "+", "Done", "green"),
    "failed": ("✗", "x", "Failed", "red"),
    "cancelled": ("⊘", "-", "Cancelled", "dim"),
}


def show_table(mock: RunningMock, given: Mapping[str, str], limit: int | None) -> None:
    """Show a table that follows the jobs, until Ctrl-C, and leave it as it was last."""
    from rich.live import Live

    console = console_on(sys.stdout)
    # Its calls are many, and nobody's but its own.
    mock = replace(mock, client="page", note=_nothing)
    with mock.connected() as kept:
        watch = Watch(kept, given, limit, console)
        # What can't be read at the start is an error like any other command's.
        watch.read()
        heard = _in_thread(mock)
        with (
            _ended_by_signals(),
            # Lines of its own: a window that changes its width breaks none.
            Live(
                console=console,
                screen=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            ) as live,
            suppress(KeyboardInterrupt),
        ):
            watch.follow(heard, lambda: live.update(watch.drawn(), refresh=True))
    console.print(watch.drawn(last=True))


def _nothing(line: str) -> None:
    pass


def _in_thread(mock: RunningMock) -> queue.SimpleQueue[Heard]:
    """Hear a mock in a thread that ends with the process; return what comes."""
    heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()

    def hear() -> None:
        for one in follow(mock):
            heard.put(one)

    threading.Thread(target=hear, daemon=True).start()
    return heard


@contextmanager
def _ended_by_signals() -> Generator[None]:
    """Have what would end the process leave the terminal as it was."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), leave) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


@dataclass
class Watch:
    """What is known of a mock's newest jobs, and a table of it."""

    mock: RunningMock
    given: Mapping[str, str]
    limit: int | None
    console: Console
    clock: Callable[[], float] = time.monotonic
    jobs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    total: int = 0
    lost: str = ""
    _now: float = 0.0
    _runs: bool = False
    _read_at: float = 0.0

    def follow(self, heard: queue.SimpleQueue[Heard], draw: Callable[[], object]) -> None:
        """Draw at the start, at each change, though not too often, and as time goes by."""
        stale, until = False, self.clock()
        while True:
            try:
                while (left := until - self.clock()) > 0:
                    one = heard.get(timeout=left)
                    # Whatever happened meanwhile is in the list, too.
                    stale = stale or one.kind != "lost"
                    self.lost = one.data["why"] if one.kind == "lost" else ""
                    until = min(until, max(self.clock(), self._read_at + _READ))
            except queue.Empty:
                pass
            if stale and not self.lost:
                stale = not self._reread()
            draw()
            until = self.clock() + (_READ if self._moves else _DRAWN)

    def read(self) -> None:
        """Read the jobs that there is room for, and the clock; raise UsageError."""
        room = max(self.console.height - _OTHER_LINES, 1)
        limit = room if self.limit is None else min(self.limit, room)
        page = self.mock.get("/jobs", {**self.given, "limit": limit, "total": "true"})
        clock = self.mock.get("/clock")
        self.jobs, self.total = page["jobs"], page["total"]
        self._now, self._runs, self._read_at = clock["now"], clock["running"], self.clock()

    def _reread(self) -> bool:
        try:
            self.read()
        except click.UsageError as error:
            self.lost = short(error)
        return not self.lost

    @property
    def now(self) -> float:
        """The moment on the mock's clock."""
        return self._now + (self.clock() - self._read_at if self._runs and not self.lost else 0.0)

    @property
    def _moves(self) -> bool:
        """Whether a job is shown that goes on by the clock."""
        return self._runs and any(state_of(job, self.now) == "running" for job in self.jobs)

    def drawn(self, *, last: bool = False) -> RenderableType:
        """Return title and table, as wide as the terminal; `last` is what stays at the end."""
        from rich.console import Group
        from rich.text import Text

        table = self._table()
        title = self._title()
        if not last:
            title.append("  Ctrl-C ends", style="dim")
        if self.jobs:
            return Group(title, table)
        there = "no such jobs" if self.given else f"no jobs yet at {self.mock.url}"
        return Group(title, Text(there, style="dim", no_wrap=True, overflow="ellipsis"))

    def _title(self) -> Text:
        from rich.text import Text

        title = Text(no_wrap=True, overflow="ellipsis")
        if self.lost:
            title.append(
                f"{self._shape('failed')} {printable(self.lost)}; waiting for it", style="red"
            )
            return title
        shown = f"{len(self.jobs):,} of " if self.total > len(self.jobs) else ""
        title.append(f"{shown}{self.total:,} {'job' if self.total == 1 else 'jobs'}", style="bold")
        for name, value in self.given.items():
            title.append(f"  {name}={printable(value)}")
        if not self._runs:
            title.append(f"  clock paused at {iso(self.now)[11:19]}", style="yellow")
        return title

    def _table(self) -> Table:
        from rich.table import Table

        width = self.console.width
        table = Table(
            box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True, header_style="dim"
        )
        table.add_column("status", no_wrap=True, min_width=_STATUS)
        if width >= _BARS:
            table.add_column("progress", no_wrap=True, min_width=_PROGRESS)
        table.add_column("endpoint", no_wrap=True, ratio=None if width >= _PROMPTS else 1)
        if width >= _PROMPTS:
            table.add_column("prompt", no_wrap=True, ratio=1, overflow="ellipsis")
            table.add_column("key", no_wrap=True, max_width=12, overflow="ellipsis")
        table.add_column("age", no_wrap=True, justify="right", min_width=3)
        table.add_column("cost", no_wrap=True, justify="right", min_width=5)
        if width >= _IDS:
            table.add_column("id", no_wrap=True, style="dim", min_width=36)
        for job in self.jobs:
            table.add_row(*self._cells(job, width))
        return table

    def _cells(self, job: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
        from rich.text import Text

        from falkit_spec.facts import dollars

        state = state_of(job, self.now)
        _, _, word, style = _STATES[state]
        error = job["error"] if state == "failed" else None
        more = f"{job['status_code'] or ''}" if error else ""
        share = self._share(job) if state == "running" else None
        if width < _BARS and share is not None:
            more = f"{share:.0%}"
        yield Text(f"{self._shape(state)} {word} {more}".rstrip(), style=style)
        if width >= _BARS:
            yield self._progress(job, state, share)
        yield ending(printable(job["endpoint_id"]), _endpoint_width(width))
        if width >= _PROMPTS:
            yield _Prompt(printable(job["prompt"] or ""), printable(error or ""))
            yield printable(job["key"])
        yield age(self.now - job["created"])
        yield "" if job["cost"] is None else dollars(Decimal(job["cost"]))
        if width >= _IDS:
            yield job["request_id"]

    def _share(self, job: Mapping[str, Any]) -> float | None:
        """Return how much of a job's time is over; None where its end isn't known."""
        starts, ends = job["starts"], job["ends"]
        if starts is None or ends is None:
            return None
        share: float = (self.now - starts) / max(ends - starts, 1e-9)
        return min(max(share, 0.0), 1.0)

    def _progress(self, job: Mapping[str, Any], state: str, share: float | None) -> RenderableType:
        """Show how far a job is by the clock, or in how long it starts."""
        from rich.table import Table

        if state == "queued" and job["starts"] is not None and job["progression"] == "clock":
            left = job["starts"] - self.now
            # By a clock that is paused it never comes.
            return f"in {age(left) if left >= 1 else '<1s'}{'' if self._runs else ', paused'}"
        if share is None:
            return ""
        cell = Table.grid(padding=(0, 1))
        cell.add_row(bar(share, _PROGRESS - 5), f"{share:4.0%}")
        return cell

    def _shape(self, state: str) -> str:
        shape, plain, _, _ = _STATES[state]
        return plain if self.console.options.ascii_only else shape


def _endpoint_width(width: int) -> int:
    """Return how many cells of a terminal's the ids of endpoints may take."""
    if width < _PROMPTS:
        # What status, age and cost leave.
        return max(width - _STATUS - 16, 8)
    return max(width // 3, 24) if width >= _WIDE else 24


@dataclass
class _Prompt:
    """A prompt, and the error in what it leaves of the room: three fifths, if it needs them."""

    prompt: str
    error: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        line = Text(self.prompt, no_wrap=True, overflow="ellipsis")
        if self.error:
            error = Text(self.error, style="red")
            left = options.max_width - error.cell_len - 2
            line.truncate(max(left, options.max_width * 2 // 5), overflow="ellipsis")
            line = Text("  " if self.prompt else "").join((line, error))
            line.no_wrap, line.overflow = True, "ellipsis"
        yield line


def age(seconds: float) -> str:
    """Write how long ago something was: its largest unit, from a second to a day."""
    seconds = max(seconds, 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        # Two digits say more than one and a fraction.
        if seconds >= 2 * length:
            return f"{seconds // length:.0f}{unit}"
    return f"{seconds // 1:.0f}s"


def ending(endpoint_id: str, width: int) -> str:
    """Return an endpoint's id, or as many of its last segments as there is room for.

    >>> ending("fal-ai/ltx-2/image-to-video/fast", 24)
    '…/image-to-video/fast'
    """
    if len(endpoint_id) <= width:
        return endpoint_id
    cut = endpoint_id[1 - width :]
    return f"…{cut[max(cut.find('/'), 0) :]}"


def state_of(job: Mapping[str, Any], now: float) -> str:
    """Return what a job is by a moment, as the page has it; its own moments are known."""
    if job["status"] == "COMPLETED":
        return {"failed": "failed", "cancelled": "cancelled"}.get(job["result"], "done")
    if job["progression"] == "held":
        return "held"
    started = job["starts"] is not None and job["starts"] <= now
    by_clock = job["progression"] == "clock"
    return "running" if job["status"] == "IN_PROGRESS" or (started and by_clock) else "queued"
