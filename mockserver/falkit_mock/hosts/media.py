"""v3b.fal.media and its siblings: the files, for players as well as programs (wire.md §7)."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from falkit_mock.edge import Address
from falkit_mock.errors import FileNotFound, MethodNotAllowed
from falkit_mock.platform.platform import Platform

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class MediaHost:
    """GET and HEAD /files/…, whole or in part; no key is asked for."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def __call__(self, request: Request, address: Address) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET", "HEAD")
        file = self._platform.media.file(address.path)
        if file is None:
            raise FileNotFound
        headers = {
            "accept-ranges": "bytes",
            "access-control-allow-origin": "*",
            "cache-control": "public, max-age=31536000, immutable",
            "etag": file.etag,
            "content-type": file.content_type,
        }
        if _matches(request.headers.get("if-none-match", ""), file.etag):
            return Response(status_code=304, headers=headers)
        size = len(file.data)
        part = _part(request, file.etag, size)
        if part is None:
            return Response(file.data, headers=headers)
        start, end = part
        if start >= end:
            return Response(
                status_code=416, headers={**headers, "content-range": f"bytes */{size}"}
            )
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        return Response(file.data[start:end], 206, headers)


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
