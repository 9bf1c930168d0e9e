"""falkit jobs --watch: what a mock tells of its jobs, for a table, or as a line for each change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import click

from falkit_mock.cli.running import RunningMock
from falkit_mock.core import iso, printable

# Events that change what a list of jobs shows; "gap" stands for some that nobody has any more.
_CHANGES = frozenset(("job_changed", "reset", "clock_changed", "gap"))
# Seconds without a byte after which a mock is gone, which sends a comment every 15.
_SILENCE = 40.0
# Seconds before it is looked for again, the first time and the last.
_FIRST, _LAST = 0.25, 2.0
_CHANGED = {"accepted": "IN_QUEUE", "started": "IN_PROGRESS", "ended": "COMPLETED"}


class Heard(NamedTuple):
    """An event, or, of the kinds `connected` and `lost`, what became of the stream."""

    kind: str
    data: Mapping[str, Any] = {}


def follow(
    mock: RunningMock, sleep: Callable[[float], object] = time.sleep
) -> Generator[Heard, None, None]:
    """Yield what a mock tells, from now on and for ever, and when it is lost and there again."""
    last, wait = "", _FIRST
    while True:
        query = {"since": last} if last else None
        try:
            with mock.open("GET", "/events", query=query, silence=_SILENCE) as reply:
                yield Heard("connected")
                wait = _FIRST
                for number, heard in _events(reply.iter_lines()):
                    last = number
                    yield heard
            why = f"the mock at {mock.url} has ended"
        except click.UsageError as error:
            why = short(error)
        yield Heard("lost", {"why": why})
        sleep(wait)
        wait = min(wait * 2, _LAST)


def short(error: click.UsageError) -> str:
    """Return what is wrong, without the option and the fix: it was right at the start."""
    return error.message.removeprefix("base-url: ").partition("; ")[0]


def _events(lines: Iterable[str]) -> Iterator[tuple[str, Heard]]:
    """Yield the events of a stream that matter here, with their numbers."""
    number = kind = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            number = value
        elif name == "event":
            kind = value
        elif name == "data" and kind in _CHANGES:
            yield number, Heard(kind, json.loads(value))


def print_changes(mock: RunningMock, given: Mapping[str, str], *, as_json: bool) -> None:
    """Print a line for each change of a job that filters let through, until Ctrl-C."""
    lost = False
    try:
        for heard in follow(mock):
            if heard.kind == "lost":
                if not lost:
                    click.echo(f"falkit: {heard.data['why']}; waiting for it", err=True)
                lost = True
            elif heard.kind == "connected" and lost:
                lost = False
                click.echo(f"falkit: {mock.url} answers again", err=True)
            elif heard.kind == "gap":
                missing = heard.data["missing"]
                click.echo(f"falkit: {missing} events came too fast, or in a break", err=True)
            elif heard.kind == "job_changed" and _wanted(heard.data, given):
                click.echo(json.dumps(heard.data) if as_json else _line(heard.data))
    except KeyboardInterrupt:
        return


def _wanted(change: Mapping[str, Any], given: Mapping[str, str]) -> bool:
    result = None
    if change["change"] == "ended":
        result = "cancelled" if change["cancelled"] else "failed" if change["error"] else "ok"
    return (
        fnmatchcase(change["endpoint_id"], given.get("endpoint", "*"))
        and given.get("key", change["key"]) == change["key"]
        and given.get("status", _CHANGED[change["change"]]) == _CHANGED[change["change"]]
        and given.get("result", result) == result
    )


def _line(change: Mapping[str, Any]) -> str:
    error = change.get("error")
    what = "cancelled" if change.get("cancelled") else "failed" if error else change["change"]
    at = iso(change["time"])[11:23]
    line = f"{at}  {change['request_id']}  {what:<9}  {change['endpoint_id']}  {change['key']}"
    if error:
        where = f"{error['field']}: " if error["field"] else ""
        line += f"  {error['status_code']} {where}{error['message']}"
    return printable(line)
