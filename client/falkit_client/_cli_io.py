"""What `falkit call` shows: its help, on stderr how far a job is, and its output.

Of the lines on stderr some stay, and one below them moves.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import click

from falkit_client._words import BadArgument, inputs_of
from falkit_client.download import SavedFile, files_of
from falkit_client.errors import printable
from falkit_client.results import InProgress, Queued, Result, Status
from falkit_spec.cli.options import read_catalog
from falkit_spec.cli.progress import Progress, amount
from falkit_spec.errors import UnknownEndpoint

_PERCENT = re.compile(r"(\d{1,3})%")
_ARGUMENTS = "falkit.arguments"


class Display:
    """Writes to a terminal, or, without the line that moves, to a file or pipe."""

    def __init__(
        self,
        out: TextIO,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        *,
        moves: bool = True,
        ticks: bool = True,
    ) -> None:
        """Start the clock; `moves` is whether a line may move, where the terminal can."""
        self._out = out
        self._line = Progress(out, wanted=moves, clock=clock, ticks=ticks)
        self._moves = self._line.moves
        self._sleep = sleep
        self._share: float | None = None
        self._last = ""

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._line.seconds

    def print(self, text: str = "") -> None:
        """Print a line that stays."""
        self._line.print(text)

    def status(self, status: Status) -> None:
        """Show the job's state, and its new log lines."""
        for line in status.logs:
            percent = _PERCENT.search(line.message)
            if percent:
                self._share = min(int(percent[1]), 100) / 100
            # A model's own progress bar is shown as this one; without a moving line it is printed.
            if not (percent and self._moves):
                self.print(f"  | {printable(line.message)}"[: self._width])
        match status:
            case Queued():
                ahead = "" if status.position is None else f", {status.position} ahead"
                self._show(f"waiting{ahead}")
            case InProgress():
                self._show("running")
            case _:
                self._share, self._last = None, ""
                self.clear()

    def sent(self, sent: int, total: int | None) -> None:
        """Show how many bytes of an input's file are at the storage."""
        self._line.show(f"uploading {amount(sent, total)}", sent / total if total else None)

    def saved(self, received: int, total: int | None) -> None:
        """Show how many bytes of a file are there."""
        self._line.show(f"saving {amount(received, total)}", received / total if total else None)

    def sleep(self, seconds: float) -> None:
        """Wait some seconds."""
        self._sleep(seconds)

    def clear(self) -> None:
        """Remove the line that moves."""
        self._line.clear()

    def _show(self, doing: str) -> None:
        if doing != self._last and not self._moves:
            self.print(f"  {self.seconds:5.1f} s  {doing}")
        self._last = doing
        self._line.show(doing, self._share)

    @property
    def _width(self) -> int:
        return shutil.get_terminal_size().columns - 1


def output_text(result: Result[Any], saved: list[SavedFile], as_json: bool) -> str:
    """The text for stdout: where the files are, else the output's own text, else all of it."""
    if as_json:
        files = [{"path": str(one.path), "bytes": one.size} for one in saved]
        report = {
            "endpoint": result.endpoint,
            "request_id": result.request_id,
            "cost": None if result.cost is None else str(result.cost),
            "cached": result.cached,
            "output": result.output,
            "saved": files[0] if files else None,
            "files": files,
        }
        return json.dumps(report, indent=2)
    if saved:
        return "\n".join(str(one.path) for one in saved)
    if found := files_of(result.output):
        return "\n".join(_address(file.url) for file in found)
    for name in ("text", "output"):
        text = result.output.get(name)
        if isinstance(text, str) and text:
            return _shown(text)
    return json.dumps(result.output, indent=2)


def _address(url: str) -> str:
    head, _, data = url.partition(",")
    if head[:5].lower() != "data:":
        return url
    return f"{head},… ({len(data):,} characters; --out saves it)"


def _shown(text: str) -> str:
    """A model's text as it is; at a terminal without what would steer that."""
    if not sys.stdout.isatty():
        return text
    return "\n".join(printable(line) for line in text.split("\n"))


class CallCommand(click.Command):
    """The command; its help has the inputs of the endpoint that is named beside --help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments for the help, which click answers before it reads them."""
        ctx.meta[_ARGUMENTS] = [*args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Put the endpoint's inputs before the options."""
        given = [one for one in ctx.meta.get(_ARGUMENTS, []) if one not in ("-h", "--help")]
        bare = self.make_context(ctx.info_name, given, resilient_parsing=True).params
        endpoint_id = bare.get("endpoint_id")
        if endpoint_id:
            catalog = read_catalog(bare["documents"] or (), bare["as_of"])
            try:
                found = catalog.get(endpoint_id)
            except UnknownEndpoint as error:
                raise BadArgument(str(error)) from None
            with formatter.section(f"Inputs of {found.id}"):
                formatter.write_dl(inputs_of(found) or [("any", "")])
        super().format_options(ctx, formatter)
