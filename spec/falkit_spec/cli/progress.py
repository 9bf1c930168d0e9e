"""What a command is at: one line on stderr that moves, where that is a terminal.

It is drawn by rich, which comes with the extra `terminal` and is imported when there is something
to draw. Without it, in a file or a pipe, and on a terminal that can't move its cursor, nothing is.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.spinner import Spinner

# Cells of the seconds, the percentage, and all that stands beside words and bar.
_SECONDS, _PERCENT, _BESIDE = 9, 4, 32
# Cells of the bar, and seconds before a guess at what is left is worth showing.
_BAR, _GUESSED = 24, 2.0
# Times a second at which it is drawn, for the time that goes by.
_RATE = 8


def has_rich() -> bool:
    """Tell whether rich is installed."""
    return find_spec("rich") is not None


def can_move(out: TextIO) -> bool:
    """Tell whether a stream is a terminal that can move its cursor."""
    return out.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def console_on(out: TextIO) -> Console:
    """Return rich's console on a terminal; it heeds NO_COLOR, COLUMNS and LINES.

    It leaves the cursor visible: a command that is killed or stopped then leaves nothing to repair.
    """
    # Lazy: most commands draw nothing.
    from rich.console import Console

    class Plain(Console):
        def show_cursor(self, show: bool = True) -> bool:
            return False

    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None:
        # Where an encoding lacks the shapes; rich draws bars in ASCII there.
        reconfigure(errors="replace")
    return Plain(
        file=out,
        force_terminal=True,
        force_jupyter=False,
        highlight=False,
        markup=False,
        emoji=False,
    )


def bar(share: float, width: int) -> ProgressBar:
    """Return a bar in colours that any terminal's theme has; without colours its rest is empty."""
    from rich.progress_bar import ProgressBar

    return ProgressBar(
        total=1,
        completed=share,
        width=width,
        style="dim",
        complete_style="cyan",
        finished_style="green",
    )


def amount(done: int, total: int | None) -> str:
    """Write how many bytes are done, of how many."""
    return f"{done:,} of {total:,} bytes" if total else f"{done:,} bytes"


class Progress:
    """The line that moves; `moves` tells whether there is one.

    Whatever else is printed meanwhile goes through `print`, or comes after `clear`.
    """

    def __init__(
        self,
        out: TextIO | None = None,
        *,
        wanted: bool = True,
        clock: Callable[[], float] = time.monotonic,
        after: float = 0.0,
        ticks: bool = True,
    ) -> None:
        """Begin; nothing is drawn before `after` seconds have gone by.

        `wanted` is false where JSON was asked for; without `ticks` it is drawn by `show` alone.
        """
        self._out = sys.stderr if out is None else out
        self.moves = wanted and can_move(self._out) and has_rich()
        self._clock = clock
        self._began = self._since = clock()
        self._after = after
        self._ticks = ticks
        self._doing = ""
        self._share: float | None = None
        self._live: Live | None = None
        self._console: Console | None = None
        self._spinner: Spinner | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._began

    def show(self, doing: str, share: float | None = None) -> None:
        """Draw what is done, and how much of it, from 0 to 1, where that is known."""
        if not self.moves:
            return
        if share is None or self._share is None or share < self._share:
            # Something else, of which nothing is known yet.
            self._since = self._clock()
        self._doing, self._share = doing, share
        if self.seconds < self._after:
            return
        if self._live is None:
            self._live = self._opened()
        elif not self._ticks:
            self._live.refresh()

    def print(self, text: str) -> None:
        """Print a line that stays, in place of the one that moves."""
        self.clear()
        self._out.write(f"{text}\n")
        self._out.flush()

    def clear(self) -> None:
        """Remove the line that moves, until there is more to show."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _opened(self) -> Live:
        from rich.live import Live
        from rich.spinner import Spinner

        self._spinner = self._spinner or Spinner("line")
        self._console = self._console or console_on(self._out)
        live = Live(
            console=self._console,
            get_renderable=self._line,
            auto_refresh=self._ticks,
            refresh_per_second=_RATE,
            transient=True,
            # What others print to stdout is to stay there.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start(refresh=True)
        return live

    def _line(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        line = Table.grid(padding=(0, 1))
        for least in (_SECONDS, 1):
            line.add_column(no_wrap=True, min_width=least)
        line.add_column(no_wrap=True, overflow="ellipsis")
        cells: list[RenderableType] = [
            Text(f"  {self.seconds:5.1f} s", style="dim"),
            self._spinner or "",
            Text(self._doing),
        ]
        if self._share is not None:
            for least in (0, _PERCENT):
                line.add_column(no_wrap=True, min_width=least)
            room = self._console.width if self._console else 0
            width = min(_BAR, max(room - len(self._doing) - _BESIDE, 0))
            cells += [
                bar(self._share, width) if width > 4 else "",
                Text(f"{self._share:4.0%}{self._left(self._share)}"),
            ]
        line.add_row(*cells)
        return line

    def _left(self, share: float) -> str:
        went = self._clock() - self._since
        if went < _GUESSED or not 0 < share < 1:
            return ""
        return f", {went * (1 - share) / share:.0f} s left"
