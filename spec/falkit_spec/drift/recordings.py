"""Read recorded calls: inputs and outputs as programs, browsers and falkit write them down."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from falkit_spec.types import JSON, dig, is_array, is_object

MOST_BYTES = 128 * 2**20
MOST_CALLS = 100_000
# What names the standard input.
STDIN = Path("-")
_DIRECT, _QUEUE = "fal.run", "queue.fal.run"
_PAIR = {"input", "output"}


@dataclass
class Call:
    """One recorded call, as far as it was recorded."""

    where: str
    """The file and the place in it."""
    endpoint: str
    """The endpoint's id, or the path that was posted to."""
    input: JSON = None
    output: JSON = None
    has_input: bool = False
    has_output: bool = False
    refused: bool = False
    """Whether fal refused the input when it was recorded."""


@dataclass
class Recordings:
    """The calls of some files; `problems` name what can't be read, a line each."""

    calls: list[Call] = field(default_factory=list[Call])
    problems: list[str] = field(default_factory=list[str])


def read_recordings(
    files: Iterable[Path], endpoint: str | None = None, *, outputs: bool = False
) -> Recordings:
    """Read the calls in JSON files, files of a JSON value a line, and HAR files; `-` is stdin.

    `endpoint` is that of what names none: a bare input, or with `outputs` a bare output.
    """
    found = Recordings()
    for path in files:
        before = len(found.calls), len(found.problems)
        name = "stdin" if path == STDIN else str(path)
        reader = _Reader(name, endpoint, outputs, found)
        try:
            reader.read(path)
        except OSError as error:
            found.problems.append(f"{name}: cannot be read ({error.strerror or error})")
        except ValueError as error:
            found.problems.append(f"{name}: {error}")
        if (len(found.calls), len(found.problems)) == before:
            found.problems.append(f"{name}: holds no input and no output")
    return found


class _Reader:
    """Reads one file."""

    def __init__(self, name: str, endpoint: str | None, outputs: bool, found: Recordings) -> None:
        self._name = name
        self._endpoint = endpoint
        self._outputs = outputs
        self._found = found

    def read(self, path: Path) -> None:
        """Read the file; OSError, ValueError."""
        if path.is_dir():
            raise ValueError("is a folder; name its files")
        if path == STDIN:
            raw = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with path.open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise ValueError(f"has more than {MOST_BYTES:,} bytes")
        try:
            data: JSON = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            self._lines(raw, error)
            return
        entries = dig(data, "log", "entries")
        if is_array(entries):
            self._har(entries)
            return
        # As `falkit jobs --json` lists them.
        listed = data.get("jobs") if is_object(data) else None
        for place, item in _placed(listed if is_array(listed) else data):
            self._item(place, item)

    def _lines(self, raw: bytes, why: orjson.JSONDecodeError) -> None:
        lines = [(at, line) for at, line in enumerate(raw.splitlines(), 1) if line.strip()]
        for at, line in lines:
            try:
                item: JSON = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if at == lines[0][0]:
                    raise ValueError(f"not JSON ({why})") from None
                self._found.problems.append(f"{self._name}: line {at}: not JSON ({error})")
            else:
                self._item(f"line {at}", item)

    def _item(self, place: str, item: JSON) -> None:
        where = f"{self._name}: {place}" if place else self._name
        if not is_object(item):
            self._found.problems.append(f"{where}: not an object")
            return
        named = item.get("endpoint_id", item.get("endpoint"))
        if not isinstance(named, str):
            if self._endpoint is None:
                self._found.problems.append(f"{where}: names no endpoint; --endpoint ID does")
            elif item.keys() <= _PAIR and item:
                self._add(_pair(Call(where, self._endpoint), item))
            elif self._outputs:
                self._add(Call(where, self._endpoint, output=item, has_output=True))
            else:
                self._add(Call(where, self._endpoint, input=item, has_input=True))
            return
        call = _pair(Call(where, named), item)
        outcome = item.get("outcome")
        if is_object(outcome):
            # As `falkit jobs ID` shows a job.
            call.refused = outcome.get("status_code") == 422
            if outcome.get("status_code") == 200:
                call.output, call.has_output = outcome.get("body"), True
        if call.has_input or call.has_output:
            self._add(call)
        else:
            self._found.problems.append(f"{where}: has neither input nor output")

    def _har(self, entries: list[JSON]) -> None:
        jobs: dict[str, Call] = {}
        for at, entry in enumerate(entries):
            host, path = _fals(dig(entry, "request"))
            status = dig(entry, "response", "status")
            reply = _json(dig(entry, "response", "content"))
            if dig(entry, "request", "method") == "POST":
                self._posted(f"entries[{at}]", host, path, entry, jobs)
                continue
            app, found, rest = path.partition("/requests/")
            request_id, _, what = rest.partition("/")
            if host != _QUEUE or not found or what not in ("", "response"):
                continue
            call = jobs.get(request_id)
            if call is None and status == 200:
                job = f"the result of a job of {app} whose start isn't in the file"
                self._found.problems.append(f"{self._name}: entries[{at}]: {job}")
            elif call is not None and status == 200 and is_object(reply):
                call.output, call.has_output = reply, True
            elif call is not None and status == 422:
                call.refused = True

    def _posted(self, place: str, host: str, path: str, entry: JSON, jobs: dict[str, Call]) -> None:
        if not host or not path:
            return
        call = Call(f"{self._name}: {place}", path)
        body, reply = dig(entry, "request", "postData"), dig(entry, "response", "content")
        call.input, answer = _json(body), _json(reply)
        call.has_input = call.input is not None
        if not call.has_input:
            self._found.problems.append(f"{call.where}: {path}: the body isn't recorded as JSON")
            return
        status = dig(entry, "response", "status")
        call.refused = status == 422
        request_id = dig(answer, "request_id")
        if host == _QUEUE and isinstance(request_id, str):
            jobs[request_id] = call
        elif host == _DIRECT and status == 200 and is_object(answer):
            call.output, call.has_output = answer, True
        self._add(call)

    def _add(self, call: Call) -> None:
        if len(self._found.calls) >= MOST_CALLS:
            raise ValueError(f"beyond {MOST_CALLS:,} calls nothing more is read")
        self._found.calls.append(call)


def _pair(call: Call, item: Mapping[str, JSON]) -> Call:
    call.has_input, call.has_output = "input" in item, "output" in item
    call.input, call.output = item.get("input"), item.get("output")
    return call


def _placed(data: JSON) -> Iterable[tuple[str, JSON]]:
    return [(f"[{at}]", item) for at, item in enumerate(data)] if is_array(data) else [("", data)]


def _fals(request: JSON) -> tuple[str, str]:
    """Return fal's host and the path there that a request is for; empty if it is for no model.

    It is named by `x-fal-target-url`, as proxies have it, by the URL, or by the first segment of
    the path, as falkit has it.
    """
    headers = dig(request, "headers")
    named = [
        header.get("value")
        for header in (headers if is_array(headers) else ())
        if is_object(header) and str(header.get("name")).lower() == "x-fal-target-url"
    ]
    url = named[0] if named else dig(request, "url")
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host = (parts.hostname or "").lower()
    except ValueError:
        return "", ""
    path = parts.path.strip("/")
    if host not in (_DIRECT, _QUEUE):
        host, _, path = path.partition("/")
    return (host, path) if host in (_DIRECT, _QUEUE) else ("", "")


def _json(content: JSON) -> JSON:
    """Return a body as a HAR file has it, read as JSON; None if it is none."""
    text = dig(content, "text")
    if not isinstance(text, str):
        return None
    try:
        encoded = dig(content, "encoding") == "base64"
        return _loaded(base64.b64decode(text) if encoded else text.encode())
    except (orjson.JSONDecodeError, binascii.Error, UnicodeEncodeError):
        return None


def _loaded(raw: bytes) -> JSON:
    found: JSON = orjson.loads(raw)
    return found
