"""Uploads to fal's storage: in one request, or in parts sent side by side (wire.md §7.2)."""

from __future__ import annotations

import json
import mimetypes
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypedDict, cast
from urllib.parse import urlsplit

from falkit_client._flow import Flow, Sender, Together, do
from falkit_client._replies import accepted, read_fields
from falkit_client._requests import Request, Requests
from falkit_client.cache import decoded
from falkit_client.download import Progress, on_the_web
from falkit_client.errors import BadReply
from falkit_client.media import sniff
from falkit_spec.types import JSON, Object

MiB = 1024 * 1024
# Bytes that one request takes at most, bytes of a part of larger files, and parts sent at once.
WHOLE = 32 * MiB
PART = 10 * MiB
AT_ONCE = 4
# Embedded files of an input that are larger than this, in characters, are uploaded instead.
EMBEDDED = 4 * MiB
_QUERY = "storage_type=fal-cdn-v3"


class Stream(Protocol):
    """An open file, or whatever else can be read piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Give up to `size` bytes; none at the end."""
        ...


Source: TypeAlias = os.PathLike[str] | bytes | bytearray | memoryview | Stream
Access: TypeAlias = Literal["allow", "forbid", "hide"]


class UploadOptions(TypedDict, total=False):
    """Options of `upload`."""

    file_name: str
    """The file's name in its URL; by default its own."""
    content_type: str
    """Its MIME type; by default what its bytes or else its name show."""
    expires_in: timedelta | float
    """How long fal keeps it, in seconds if a number; by default the account's setting."""
    access: Access
    """Who else may read it: all (`allow`) or nobody; `hide` denies that it exists, too."""
    progress: Progress
    """Called with the bytes sent so far and in total (None where unknown)."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """Uploads as flows, tried again as retries allow."""

    requests: Requests
    sender: Sender

    def file(self, source: Source, options: UploadOptions) -> Flow[str]:
        """Send a file; return the URL that it can be read at. OSError if it can't be read."""
        headers = _lifecycle(options)
        file = yield from do(lambda: _File.opened(source, options.get("progress")))
        try:
            whole = file.size is not None and file.size <= WHOLE
            first = yield from do(lambda: file.fill(WHOLE if whole else PART))
            found = sniff(first)
            guess = found.mime if found else mimetypes.guess_type(file.name)[0]
            kind = options.get("content_type") or guess or "application/octet-stream"
            about: Object = {
                "file_name": options.get("file_name") or file.name or "upload",
                "content_type": kind,
            }
            if not whole and len(first) == PART:
                file.first = first
                return (yield from self._parts(file, about, headers))
            upload_url, file_url = yield from self._initiate("initiate", about, headers)
            yield from self._send("PUT", upload_url, first, kind)
            file.report(len(first))
            return file_url
        finally:
            file.close()

    def upload_embedded(self, content: Object, progress: Progress | None = None) -> Flow[Object]:
        """A copy of an input with URLs of uploads for large embedded files."""
        copy: Object = {}
        for name, value in content.items():
            copy[name] = yield from self._upload_value(value, progress)
        return copy

    def _upload_value(self, value: JSON, progress: Progress | None) -> Flow[JSON]:
        if isinstance(value, list):
            items: list[JSON] = []
            for item in value:
                items.append((yield from self._upload_value(item, progress)))
            return items
        if isinstance(value, dict):
            return (yield from self.upload_embedded(value, progress))
        if not isinstance(value, str) or len(value) <= EMBEDDED or value[:5].lower() != "data:":
            return value
        data = yield from do(lambda: decoded(value))
        if data is None:
            return value
        kind = value[5:].partition(",")[0].partition(";")[0]
        options: UploadOptions = {"content_type": kind} if kind else {}
        if progress is not None:
            # It may take its time, and a small one is sent in one piece.
            progress(0, len(data))
            options["progress"] = progress
        return (yield from self.file(data, options))

    def _parts(self, file: _File, about: Object, headers: Mapping[str, str]) -> Flow[str]:
        upload_url, file_url = yield from self._initiate("initiate-multipart", about, headers)
        sent: dict[int, str] = {}
        flows = [self._worker(file, upload_url, sent) for _ in range(AT_ONCE)]
        yield Together(flows, file.stop)
        parts = [{"partNumber": number, "etag": sent[number]} for number in sorted(sent)]
        body = json.dumps({"parts": parts}).encode()
        yield from self._send("POST", _part_url(upload_url, "complete"), body, "application/json")
        return file_url

    def _worker(self, file: _File, upload_url: str, sent: dict[int, str]) -> Flow[None]:
        """Send part after part until none is left."""
        while (part := (yield from do(file.part))) is not None:
            number, data = part
            request = Request("PUT", _part_url(upload_url, str(number)), "storage", content=data)
            reply = yield from self.sender.send(request)
            accepted(request, reply)
            # In the header for the Python client, in the body for the JavaScript one.
            etag = reply.headers.get("etag") or read_fields(request, reply, "etag")["etag"]
            sent[number] = etag
            file.report(len(data))

    def _initiate(
        self, how: str, about: Object, headers: Mapping[str, str]
    ) -> Flow[tuple[str, str]]:
        request = self.requests.storage(f"storage/upload/{how}?{_QUERY}", about, headers)
        reply = yield from self.sender.send(request)
        fields = read_fields(request, reply, "upload_url", "file_url")
        for name, url in fields.items():
            if not on_the_web(url):
                raise BadReply(f"{name}: {url!r} isn't an http URL", reply.body)
        return fields["upload_url"], fields["file_url"]

    def _send(self, method: str, url: str, content: bytes, kind: str) -> Flow[None]:
        headers = {"Content-Type": kind}
        request = Request(method, url, "storage", headers=headers, content=content)
        accepted(request, (yield from self.sender.send(request)))


@dataclass(slots=True)
class _File:
    """The file to send; its parts are taken in turn, by several workers."""

    name: str
    size: int | None
    stream: Stream
    progress: Progress | None
    own: BufferedIOBase | None = None
    """The file that was opened here, and is to be closed here."""
    first: bytes | None = None
    _number: int = 0
    _sent: int = 0
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def opened(cls, source: Source, progress: Progress | None) -> _File:
        if isinstance(source, os.PathLike):
            path = Path(source)
            size = path.stat().st_size
            opened = path.open("rb")
            return cls(path.name, size, opened, progress, opened)
        if isinstance(source, bytes | bytearray | memoryview):
            data = bytes(source)
            return cls("", len(data), BytesIO(data), progress)
        if not callable(getattr(source, "read", None)):
            raise TypeError(
                f"source is a {type(source).__name__}: give a pathlib.Path, bytes, "
                "or a file opened for reading bytes"
            )
        named = getattr(source, "name", "")
        name = Path(named).name if isinstance(named, str) else ""
        return cls(name, None, source, progress)

    def fill(self, size: int) -> bytes:
        """Read `size` bytes, fewer only at the end: a pipe may give less at a time."""
        pieces: list[bytes] = []
        while size > 0:
            piece = cast("object", self.stream.read(size))
            if not isinstance(piece, bytes):
                raise TypeError("source gives text: open the file with mode 'rb'")
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def part(self) -> tuple[int, bytes] | None:
        """Take the next part and its number, from 1; None at the end, or once stopped."""
        with self._lock:
            if self._stopped:
                return None
            data, self.first = self.first or self.fill(PART), None
            if not data:
                self._stopped = True
                return None
            self._number += 1
            return self._number, data

    def stop(self) -> None:
        self._stopped = True

    def report(self, size: int) -> None:
        with self._lock:
            self._sent += size
            if self.progress is not None:
                self.progress(self._sent, self.size)

    def close(self) -> None:
        if self.own is not None:
            self.own.close()


def _part_url(upload_url: str, last: str) -> str:
    """The URL of a part: its number goes before the query, which holds the permission."""
    at = urlsplit(upload_url)
    return at._replace(path=f"{at.path}/{last}").geturl()


def _lifecycle(options: UploadOptions) -> dict[str, str]:
    wanted: dict[str, object] = {}
    expires = options.get("expires_in")
    if expires is not None:
        seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
        if not seconds > 0:
            raise ValueError(f"expires_in is {expires}: give more than 0 seconds, or leave it out")
        wanted["expiration_duration_seconds"] = seconds
    access = options.get("access")
    if access is not None:
        if access not in ("allow", "forbid", "hide"):
            raise ValueError(f"access is {access!r}: it is 'allow', 'forbid' or 'hide'")
        wanted["initial_acl"] = {"default": access}
    return {"X-Fal-Object-Lifecycle": json.dumps(wanted)} if wanted else {}
