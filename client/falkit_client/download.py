"""Downloads of output files: whole or not at all, continued where the last try broke off."""

from __future__ import annotations

import json
import mimetypes
import os
import re
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import httpx

from falkit_client._flow import Flow, Pause, Send, Sender, ask, do, read
from falkit_client._replies import Reply, refusal
from falkit_client._requests import Request
from falkit_client.cache import decoded
from falkit_client.errors import AnswerLost, DownloadFailed, NoAnswer
from falkit_client.results import Result

Progress = Callable[[int, int | None], object]
"""Called with the bytes received so far and in total (None where unknown)."""

# Seconds without a byte after which a connection counts as broken.
_TIMEOUT = 30.0
_PIECE = 256 * 1024
_LONGEST = 100
# Names that mean a device on Windows, whatever their ending.
_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{n}" for port in ("COM", "LPT") for n in "123456789"),
}
# Types that Python's own list lacks, has by another name, or means nothing by.
_SUFFIXES = {
    "application/octet-stream": "",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "model/gltf-binary": ".glb",
}
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A downloaded file: where it is, its size in bytes, and the type that the host gave it."""

    path: Path
    size: int
    url: str
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that an output names."""

    url: str
    name: str


def files_of(output: object, field: str = "file") -> list[OutputFile]:
    """The files that an output names: every object in it that has a `url`.

    Without a name of its own a file is called as in its URL, or by its field and type.

    >>> files_of({"video": {"url": "https://v3b.fal.media/files/b/0/clip.mp4"}})[0].name
    'clip.mp4'
    >>> files_of({"images": [{"url": "data:image/png;base64,iVBORw=="}]})[0].name
    'images.png'
    """
    if isinstance(output, list):
        return [file for item in cast("list[object]", output) for file in files_of(item, field)]
    if not isinstance(output, dict):
        return []
    fields = cast("dict[str, object]", output)
    url, name = fields.get("url"), fields.get("file_name")
    if not isinstance(url, str) or not (on_the_web(url) or decoded(url) is not None):
        return [file for key, item in fields.items() for file in files_of(item, key)]
    if not isinstance(name, str) or not name:
        from_url = unquote(urlsplit(url).path).rpartition("/")[2] if on_the_web(url) else ""
        name = from_url or field
        name += "" if "." in name else _suffix(url, fields.get("content_type"))
    return [OutputFile(url, name)]


def _suffix(url: str, content_type: object) -> str:
    """What the name of a file of this type ends in; empty where it isn't known."""
    head = url[:100].partition(",")[0]
    told = head[5:].partition(";")[0] if head[:5].lower() == "data:" else content_type
    kind = str(told).strip().lower()
    known = _SUFFIXES.get(kind)
    return (mimetypes.guess_extension(kind, strict=False) or "") if known is None else known


def safe_name(name: str) -> str:
    """A file's name that stays in its folder, is seen there, and can be on any machine.

    >>> safe_name("../../.ssh/config"), safe_name(".."), safe_name("nul.txt"), safe_name("b:c")
    ('config', 'file', '_nul.txt', 'b_c')
    """
    bare = Path(name.replace("\\", "/").replace("\0", "")).name
    kept = "".join(one if one.isprintable() and one not in '<>:"|?*' else "_" for one in bare)
    stem, dot, suffix = kept.strip(" .").rpartition(".")
    if not dot:
        stem, suffix = suffix, ""
    # Names of devices, whatever follows the dot.
    if stem.partition(".")[0].upper() in _DEVICES:
        stem = f"_{stem}"
    return f"{stem[:_LONGEST] or 'file'}{dot}{suffix[:20]}"


def target_of(source: Result[Any] | str, path: str | os.PathLike[str]) -> tuple[OutputFile, Path]:
    """Which file is meant and where it is to be saved; ValueError if that is not clear."""
    target = Path(path)
    found = _named_by(source)
    if len(found) > 1:
        urls = ", ".join(file.url[:200] for file in found)
        raise ValueError(
            f"the output names {len(found)} files; save them by download_all, or give the URL of "
            f"one: {urls}"
        )
    return found[0], target / safe_name(found[0].name) if target.is_dir() else target


def targets_of(
    source: Result[Any] | str, path: str | os.PathLike[str]
) -> list[tuple[OutputFile, Path]]:
    """Where each file is to be saved: in a folder, the path of which exists or ends in a slash.

    Else the first file gets the path, and the others get numbers. In a folder a number also keeps
    apart what is there already. ValueError where no file is named.
    """
    found, target = _named_by(source), Path(path)
    in_folder = target.is_dir() or str(path).endswith(("/", os.sep))
    targets: list[tuple[OutputFile, Path]] = []
    taken: set[str] = set()
    for file in found:
        wanted = target / safe_name(file.name) if in_folder else target
        if not in_folder and targets:
            own = Path(safe_name(file.name)).suffix
            wanted = target.with_suffix(own or target.suffix)
        free, number = wanted, 1
        # Some file systems take upper and lower case for the same.
        while str(free).lower() in taken or (in_folder and free.exists()):
            number += 1
            free = wanted.with_stem(f"{wanted.stem}-{number}")
        taken.add(str(free).lower())
        targets.append((file, free))
    return targets


def _named_by(source: Result[Any] | str) -> list[OutputFile]:
    found = files_of({"url": source} if isinstance(source, str) else source.output)
    if not found:
        what = repr(source[:80]) if isinstance(source, str) else f"the output of {source.endpoint}"
        raise ValueError(f"{what} is not the URL of a file and names none")
    return found


def download_file(
    sender: Sender, url: str, path: Path, progress: Progress | None = None
) -> Flow[SavedFile]:
    """Download one file, again as retries allow; each attempt continues where the last one ended.

    Raises DownloadFailed if the file doesn't come whole.
    """
    data = decoded(url)
    if data is not None:
        yield from do(lambda: _Part("data:", path).save(data))
        return SavedFile(path, len(data), url)
    part, waits = _Part(url, path), sender.waits()
    while True:
        try:
            return (yield from _attempt(part, sender, progress or _silent))
        except (NoAnswer, _TryAgain) as error:
            wait = next(waits, None)
            if wait is None:
                lost = isinstance(error, NoAnswer)
                why = f"the connection to {_host(url)} broke off" if lost else str(error)
                raise part.failed(why) from error
        yield Pause(wait)


def copy_file(url: str, kept: Path, path: Path) -> Flow[SavedFile]:
    """Copy a file from the cache."""
    size = yield from do(lambda: _Part(kept.absolute().as_uri(), path).copy(kept))
    return SavedFile(path, size, url)


def _attempt(part: _Part, sender: Sender, progress: Progress) -> Flow[SavedFile]:
    yield from do(part.resume)
    request = part.request()
    reply = yield from ask(Send(request, stream=True, follow_redirects=True))
    host = _host(part.url)
    if reply.status == 416 and _range(reply) == (None, part.received):
        part.total = part.received
    elif reply.status in (200, 206):
        yield from _body(part, reply, progress)
    elif reply.status == 416:
        yield from do(part.forget)
        raise _TryAgain(f"{host} no longer has the part that is missing")
    elif sender.retries.after_reply(reply.status, safe=True):
        raise _TryAgain(f"{host} answered {reply.status}")
    else:
        raise part.failed(f"{host} answered {reply.status}") from refusal(request, reply)
    yield from do(part.finish)
    return SavedFile(part.path, part.received, part.url, reply.headers.get("content-type"))


def _body(part: _Part, reply: Reply, progress: Progress) -> Flow[None]:
    length, validator = _version(reply)
    start, total = _range(reply) if reply.status == 206 else (0, length)
    if reply.status == 206 and start != part.received:
        yield from do(part.forget)
        raise _TryAgain(f"{_host(part.url)} sent another part than the missing one")
    part.received, part.total, part.validator = start or 0, total, validator
    yield from do(part.begin)
    progress(part.received, total)
    gathered = bytearray()
    write = partial(part.write, gathered)
    try:
        while (piece := (yield from read())) is not None:
            gathered += piece
            if len(gathered) >= _PIECE:
                yield from do(write)
                progress(part.received, total)
    except NoAnswer:
        yield from do(write)
        raise
    yield from do(write)
    progress(part.received, total)
    if total is not None and part.received != total:
        raise AnswerLost(f"{part.received} of {total} bytes came")


class _TryAgain(Exception):
    """An attempt failed in a way that another may not; the message says why."""


class _Part:
    """The bytes that came so far: `<name>.part` beside the target, and its facts in `….json`."""

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
        return Request("GET", self.url, _host(self.url), headers=headers, timeout=_TIMEOUT)

    def resume(self) -> None:
        """Take up the bytes that an earlier try left, if it is known of which version they are."""
        self.received, self.validator = 0, None
        with suppress(OSError, ValueError, LookupError, TypeError):
            facts: Any = json.loads(self.facts.read_bytes())
            size = self.partial.stat().st_size
            if facts["url"] == self.url and isinstance(facts["validator"], str):
                self.received, self.validator = size, facts["validator"]

    def begin(self) -> None:
        with self._failing():
            if not self.received:
                # The facts go first: bytes of one version must never meet those of another.
                self.facts.unlink(missing_ok=True)
                self.partial.write_bytes(b"")
            if self.validator:
                facts = {"url": self.url, "validator": self.validator}
                self.facts.write_text(json.dumps(facts), encoding="utf-8")

    def write(self, gathered: bytearray) -> None:
        with self._failing(), self.partial.open("ab") as file:
            file.write(gathered)
        self.received += len(gathered)
        gathered.clear()

    def finish(self) -> None:
        with self._failing():
            with self.partial.open("rb+") as file:
                os.fsync(file.fileno())
            self.partial.replace(self.path)
            self.facts.unlink(missing_ok=True)

    def save(self, data: bytes) -> None:
        self.begin()
        self.write(bytearray(data))
        self.finish()

    def copy(self, kept: Path) -> int:
        with self._failing():
            shutil.copyfile(kept, self.partial)
        self.finish()
        return self.path.stat().st_size

    def forget(self) -> None:
        with self._failing():
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
    def _failing(self) -> Generator[None]:
        """Raise DownloadFailed for what this machine's disk refuses."""
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


def _version(reply: Reply) -> tuple[int | None, str | None]:
    """Return the length in bytes and the strong ETag; without the latter nothing can be resumed.

    Both are None for a compressed body, whose bytes are not the file's.
    """
    if reply.headers.get("content-encoding", "identity") != "identity":
        return None, None
    length, etag = reply.headers.get("content-length", ""), reply.headers.get("etag", "")
    return int(length) if length.isdecimal() else None, etag if etag.startswith('"') else None


def _silent(_received: int, _total: int | None) -> None:
    pass


def on_the_web(url: str) -> bool:
    """Whether a text is an http or https URL with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname and httpx.URL(url).host)
    except (ValueError, httpx.InvalidURL):
        return False


def _host(url: str) -> str:
    return httpx.URL(url).host
