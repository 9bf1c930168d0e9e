"""Fetches files of outputs: whole or not at all, and from where it broke off."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import httpx

from falkit_client._flow import Close, Flow, Open, Pause, Sender, ask, do, read
from falkit_client._replies import Reply, refusal
from falkit_client._requests import Request
from falkit_client.cache import decoded
from falkit_client.errors import AnswerLost, DownloadFailed, NoAnswer
from falkit_client.results import Result

Progress = Callable[[int, int | None], object]
"""Called with the bytes that are there, and how many there will be (None where unknown)."""

# Seconds without a byte after which a connection counts as broken.
_PATIENCE = 30.0
_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that was fetched: where it is, its size in bytes, and what the host called it."""

    path: Path
    size: int
    url: str
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that an output names."""

    url: str
    name: str


def files_of(output: object) -> list[OutputFile]:
    """The files that an output names: every object in it that has a `url`.

    >>> files_of({"video": {"url": "https://v3b.fal.media/files/b/0/clip.mp4"}})[0].name
    'clip.mp4'
    """
    if isinstance(output, list):
        return [file for item in cast("list[object]", output) for file in files_of(item)]
    if not isinstance(output, dict):
        return []
    fields = cast("dict[str, object]", output)
    url, name = fields.get("url"), fields.get("file_name")
    if not isinstance(url, str) or not (_on_the_web(url) or decoded(url) is not None):
        return [file for item in fields.values() for file in files_of(item)]
    from_url = unquote(urlsplit(url).path).rpartition("/")[2] if _on_the_web(url) else ""
    return [OutputFile(url, name if isinstance(name, str) and name else from_url or "file")]


def target_of(source: Result[Any] | str, path: str | os.PathLike[str]) -> tuple[OutputFile, Path]:
    """Which file is meant and where it goes; ValueError if that is not clear."""
    goal = Path(path)
    found = files_of({"url": source} if isinstance(source, str) else source.output)
    if not found:
        what = repr(source[:80]) if isinstance(source, str) else f"the output of {source.endpoint}"
        raise ValueError(f"{what} is no URL of a file and names none")
    if len(found) > 1:
        urls = ", ".join(file.url for file in found)
        raise ValueError(f"the output names {len(found)} files; give the URL of one: {urls}")
    if goal.is_dir():
        goal /= Path(found[0].name.replace("\\", "/")).name or "file"
    return found[0], goal


@dataclass(frozen=True, slots=True)
class Downloads:
    """Downloads as flows, tried again as retries allow; each goes on where the last one ended."""

    sender: Sender

    def file(self, url: str, path: Path, progress: Progress | None = None) -> Flow[SavedFile]:
        """Fetch one file; DownloadFailed if it doesn't come whole."""
        data = decoded(url)
        if data is not None:
            yield from do(lambda: _write_whole(path, data))
            return SavedFile(path, len(data), url)
        part, waits = _Part(url, path), self.sender.waits()
        tell = progress or _silent
        while True:
            wait = next(waits, None)
            try:
                return (yield from self._attempt(part, tell))
            except NoAnswer as error:
                if wait is None:
                    raise part.failed(f"the connection to {_host(url)} broke off") from error
            except _Again as error:
                if wait is None:
                    raise part.failed(error.why) from error
            yield Pause(wait)

    def copy(self, url: str, kept: Path, path: Path) -> Flow[SavedFile]:
        """Take a file from the cache's copy of it."""
        size = yield from do(lambda: _copy_whole(kept, path))
        return SavedFile(path, size, url)

    def _attempt(self, part: _Part, tell: Progress) -> Flow[SavedFile]:
        part.received, part.validator = yield from do(part.kept)
        request = part.request()
        reply = yield from ask(Open(request, follow_redirects=True))
        if reply.status == 416 and _range(reply) == (None, part.received):
            part.total = part.received
        elif reply.status in (200, 206):
            yield from self._body(part, reply, tell)
        elif reply.status == 416:
            yield from do(part.forget)
            raise _Again(f"{_host(part.url)} no longer has the part that is missing")
        elif self.sender.retries.after_reply(reply.status, safe=True):
            raise _Again(f"{_host(part.url)} answered {reply.status}")
        else:
            error = refusal(request, reply)
            raise part.failed(f"{_host(part.url)} answered {error.status}") from error
        yield Close()
        yield from do(part.finish)
        return SavedFile(part.path, part.received, part.url, reply.headers.get("content-type"))

    def _body(self, part: _Part, reply: Reply, tell: Progress) -> Flow[None]:
        start, total = _range(reply) if reply.status == 206 else (0, _length(reply))
        if reply.status == 206 and start != part.received:
            yield from do(part.forget)
            raise _Again(f"{_host(part.url)} sent another part than was asked for")
        part.received = start or 0
        part.total = total
        part.validator = _validator(reply)
        yield from do(part.begin)
        tell(part.received, total)
        gathered = bytearray()

        def write() -> None:
            part.write(gathered)

        try:
            while (piece := (yield from read())) is not None:
                gathered += piece
                if len(gathered) >= _PIECE:
                    yield from do(write)
                    tell(part.received, total)
        except NoAnswer:
            yield from do(write)
            raise
        yield from do(write)
        tell(part.received, total)
        if total is not None and part.received != total:
            raise AnswerLost(f"{part.received} of {total} bytes came")


class _Again(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Part:
    """The bytes that came so far, beside their goal: `<name>.part`, and its facts in `….json`."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.path = path
        self.partial = path.with_name(f"{path.name}.part")
        self.facts = path.with_name(f"{path.name}.part.json")
        self.received = 0
        self.total: int | None = None
        self.validator: str | None = None

    def request(self) -> Request:
        # Whole bytes, not compressed ones: lengths and ranges count those.
        headers = {"Accept-Encoding": "identity"}
        if self.received and self.validator:
            headers |= {"Range": f"bytes={self.received}-", "If-Range": self.validator}
        return Request("GET", self.url, _host(self.url), headers=headers, timeout=_PATIENCE)

    def kept(self) -> tuple[int, str | None]:
        """How many bytes are there from before, and of which version; 0 if they are of no use."""
        try:
            facts: object = json.loads(self.facts.read_bytes())
            size = self.partial.stat().st_size
        except (OSError, ValueError):
            return 0, None
        known = cast("dict[str, object]", facts) if isinstance(facts, dict) else {}
        validator = known.get("validator")
        if known.get("url") != self.url or not isinstance(validator, str):
            return 0, None
        return size, validator

    def begin(self) -> None:
        with self._trouble():
            if not self.received:
                # The facts go first: bytes of one version must never meet those of another.
                self.facts.unlink(missing_ok=True)
                self.partial.write_bytes(b"")
            if self.validator:
                said = {"url": self.url, "validator": self.validator}
                self.facts.write_text(json.dumps(said), encoding="utf-8")

    def write(self, gathered: bytearray) -> None:
        with self._trouble(), self.partial.open("ab") as file:
            file.write(gathered)
        self.received += len(gathered)
        gathered.clear()

    def finish(self) -> None:
        with self._trouble():
            with self.partial.open("rb+") as file:
                os.fsync(file.fileno())
            self.partial.replace(self.path)
            self.facts.unlink(missing_ok=True)

    def forget(self) -> None:
        with self._trouble():
            self.facts.unlink(missing_ok=True)

    def failed(self, why: str) -> DownloadFailed:
        of = f" of {self.total:,}" if self.total is not None else ""
        resumable = self.facts.exists()
        there = f"; {self.received:,}{of} bytes are in {self.partial}" if resumable else ""
        return DownloadFailed(
            f"{self.url} did not come whole: {why}{there}",
            url=self.url,
            path=self.path,
            partial=self.partial if resumable else None,
            received=self.received,
            total=self.total,
        )

    @contextmanager
    def _trouble(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise self.failed(f"{error.filename} cannot be written ({error.strerror})") from error


def _range(reply: Reply) -> tuple[int | None, int | None]:
    """Where the part begins, and how long the whole is."""
    match = _RANGE.fullmatch(reply.headers.get("content-range", ""))
    if match is None:
        return None, None
    start, total = match.groups()
    return int(start) if start else None, None if total == "*" else int(total)


def _length(reply: Reply) -> int | None:
    length = reply.headers.get("content-length", "")
    plain = reply.headers.get("content-encoding", "identity") == "identity"
    return int(length) if plain and length.isdecimal() else None


def _validator(reply: Reply) -> str | None:
    """What names this version of the file beyond doubt; without it nothing can be resumed."""
    if reply.headers.get("content-encoding", "identity") != "identity":
        return None
    etag = reply.headers.get("etag", "")
    return etag if etag.startswith('"') else None


def _silent(_received: int, _total: int | None) -> None:
    pass


def _on_the_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname and httpx.URL(url).host)
    except (ValueError, httpx.InvalidURL):
        return False


def _host(url: str) -> str:
    return httpx.URL(url).host


def _write_whole(path: Path, data: bytes) -> None:
    part = _Part("data:", path)
    part.begin()
    part.write(bytearray(data))
    part.finish()


def _copy_whole(kept: Path, path: Path) -> int:
    partial = path.with_name(f"{path.name}.part")
    try:
        shutil.copyfile(kept, partial)
        partial.replace(path)
    except OSError as error:
        raise DownloadFailed(
            f"{path} cannot be written ({error})", url=kept.as_uri(), path=path
        ) from error
    return path.stat().st_size
