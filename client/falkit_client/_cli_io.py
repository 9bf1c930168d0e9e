"""What `falkit call` reads from its arguments, and what it shows on stderr while a job runs.

`duration=8` is a number where the endpoint's document has one. Of the lines on stderr some stay,
and one below them moves.
"""

from __future__ import annotations

import difflib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TextIO

import click

from falkit_client.errors import printable
from falkit_client.results import InProgress, Queued, Status
from falkit_spec.catalog import dropped_inputs
from falkit_spec.endpoint import Endpoint
from falkit_spec.media import MediaKind
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import JSON, Object, is_array

_PERCENT = re.compile(r"(\d{1,3})%")
_SPINNER = "|/-\\"
_TICK = 0.1
_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
}


class BadArgument(click.ClickException):
    """The command as written can't be sent; the message has the reason and a fix."""

    exit_code = 2


def read_args(
    endpoint: Endpoint, words: Iterable[str], files: Mapping[MediaKind, Path | None]
) -> dict[str, object]:
    """The input that the arguments give: `name=value`, or `name:=json`; files by their kind.

    What cannot be read as the type that the document asks for stays text, so that validation
    reports it together with all other faults.
    """
    fields = ordered(endpoint.input_schema)
    found: dict[str, object] = {}
    for word in words:
        left, equals, text = word.partition("=")
        name = left.removesuffix(":")
        if not equals or not name:
            raise BadArgument(f"{word!r} isn't an input: give name=value, or name:=json")
        _check_name(endpoint, name, fields, found)
        is_json = left.endswith(":")
        found[name] = _json(name, text) if is_json else _value(text, fields[name], endpoint)
    for kind, path in files.items():
        if path is not None:
            name = _field(endpoint, kind, fields)
            _check_name(endpoint, name, fields, found)
            found[name] = path
    return found


def _check_name(
    endpoint: Endpoint, name: str, fields: Mapping[str, JSON], found: Mapping[str, object]
) -> None:
    if name in found:
        raise BadArgument(f"{name} is given twice")
    if name not in fields:
        near = difflib.get_close_matches(name, fields, 1)
        advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(fields)}"
        if last := dropped_inputs(endpoint).get(name):
            advice = f"fal had it until {last}: leave it out, or go by --as-of {last}"
        raise BadArgument(f"{endpoint.id} has no input {name!r}; {advice}")


def _field(endpoint: Endpoint, kind: MediaKind, fields: Mapping[str, JSON]) -> str:
    known = [medium.field for medium in endpoint.media_inputs if medium.kind == kind]
    # Without an overlay the field is named as in most documents.
    for name in known or [f"{kind}_url"]:
        if name in fields:
            return name
    raise BadArgument(f"--{kind}: {endpoint.id} takes no {kind}")


def _json(name: str, text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise BadArgument(f"{name}:={text} isn't JSON ({error})") from None
    return value


def _value(text: str, node: JSON, endpoint: Endpoint) -> JSON:
    types = _types(resolve(node, endpoint.input_schema), endpoint.input_schema)
    if types <= {"string"}:
        return text
    try:
        value: JSON = json.loads(text)
    except ValueError:
        return text
    kind = _type(value)
    fits = kind in types or (kind == "integer" and "number" in types)
    # `"6"` in quotes is text to the document as well, and has to be refused as such.
    return value if fits or "string" not in types else text


def _types(schema: Object, root: Object) -> set[str]:
    values, branches, named = schema.get("enum"), schema.get("anyOf"), schema.get("type")
    if is_array(values):
        return {_type(value) for value in values}
    if is_array(branches):
        return {kind for one in branches for kind in _types(resolve(one, root), root)}
    return {named} if isinstance(named, str) else set()


def _type(value: JSON) -> str:
    return _TYPES.get(type(value), "object")


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
                self.print(f"  | {printable(line.message)}"[: self._width])
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
