"""v3b.fal.media and its siblings: the files, for players as well as programs (wire.md §7)."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from falkit_mock.edge import Address
from falkit_mock.errors import FileNotFound, MethodNotAllowed
from falkit_mock.hosts.faulty import Faulty
from falkit_mock.hosts.spoilt_media import pause_of, slowly, spoilt
from falkit_mock.hosts.uploads import UploadDoor, check_reader
from falkit_mock.platform.media import MediaFile
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.rules.rulebook import Chosen

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class MediaHost:
    """GET and HEAD /files/…, whole or in part, and uploads."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._door = UploadDoor(platform)
        self._faulty = Faulty(platform)

    async def __call__(self, request: Request, address: Address) -> Response:
        answer = await self._door(request, address)
        if answer is not None:
            return answer
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET", "HEAD")
        file = self._platform.media.file(address.path)
        if file is not None:
            check_reader(self._platform, request, address, file.acl)
            chosen = self._faulty.of_media(request, address)
            return self._output(request, spoilt(file, chosen), chosen)
        stored = self._platform.uploads.file(address.path)
        if stored is None:
            raise FileNotFound
        check_reader(self._platform, request, address, stored.upload.acl)
        return _serve(
            request,
            stored.etag,
            stored.upload.content_type,
            stored.size,
            lambda a, b: _streamed(self._platform.uploads.read(stored, a, b)),
            self._cache(stored.upload.expires, stored.upload.acl),
        )

    def _output(self, request: Request, file: MediaFile, chosen: Chosen | None) -> Response:
        data, pause = file.data, pause_of(chosen)

        async def wait(seconds: float) -> None:
            await self._faulty.wait(request, self._platform.clock.now() + seconds)

        def body(start: int, end: int) -> Response:
            part = data[start:end]
            return _streamed(slowly(part, pause, wait)) if pause else Response(part)

        # A rule may hold for the next request no more.
        cache = "no-store" if chosen else self._cache(file.expires, file.acl)
        return _serve(request, file.etag, file.content_type, len(data), body, cache)

    def _cache(self, expires: float, acl: str) -> str:
        """Return how long others may keep a file: not past its end, nor its access rules."""
        if acl:
            return "private, no-store"
        if expires == math.inf:
            return _FOR_EVER
        return f"public, max-age={int(expires - self._platform.clock.now())}"


# Makes the reply of the bytes [start, end); the status code and the headers follow.
Body: TypeAlias = Callable[[int, int], Response]


_FOR_EVER = "public, max-age=31536000, immutable"


def _serve(
    request: Request,
    etag: str,
    content_type: str,
    size: int,
    body: Body,
    cache: str = _FOR_EVER,
) -> Response:
    headers = {
        "accept-ranges": "bytes",
        "access-control-allow-origin": "*",
        "cache-control": cache,
        "etag": etag,
        "content-type": content_type,
    }
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    code, start, end = 200, 0, size
    if part := _part(request, etag, size):
        code, (start, end) = 206, part
        if start >= end:
            headers["content-range"] = f"bytes */{size}"
            return Response(status_code=416, headers=headers)
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    headers["content-length"] = str(end - start)
    reply = Response() if request.method == "HEAD" else body(start, end)
    reply.status_code = code
    reply.init_headers(headers)
    return reply


def _streamed(data: AsyncGenerator[bytes]) -> Response:
    return StreamingResponse(data)


def _matches(header: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return etag in tags or "*" in tags


def _part(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """Return the bytes asked for as [start, end), or None for the whole file.

    RFC 9110 §14.2 lets a server ignore a Range that it doesn't understand, several ranges
    at once among them, and requires it where If-Range names another version. Only GET has
    ranges at all.
    """
    if request.method != "GET":
        return None
    match = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if first:
        return int(first), min(int(last) + 1, size) if last else size
    if last:
        return max(size - int(last), 0), size
    return None
