"""Files of the user's that outputs have URLs of: what they are, and their bytes, read in place."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from collections.abc import AsyncGenerator, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from falkit_mock.core.limits import FILE_MOST as MOST
from falkit_mock.outputs.kinds import MEDIA_TYPES, extension
from falkit_mock.outputs.measures import whole
from falkit_mock.store import Given
from falkit_spec import JSON

if TYPE_CHECKING:
    from falkit_mock.service.containers import Found

# Bytes that are read at a time.
_STEP = 1 << 20


class GivenFile(NamedTuple):
    """A file that is there, as it is served."""

    path: str
    content_type: str
    size: int
    etag: str

    @classmethod
    def of(cls, given: Given) -> GivenFile | None:
        """Return the file as it is now; None if it is there no more.

        Nor is it where a link has come to stand in its path, which was free of them.
        """
        try:
            found = os.stat(given.path)
            moved = os.path.realpath(given.path) != given.path
        except (OSError, ValueError):
            return None
        if moved:
            return None
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST:
            return None
        etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        return cls(given.path, given.content_type, found.st_size, etag)

    def read_now(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end), as far as there are any; blocks."""
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read(max(min(end, self.size) - start, 0))

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """Yield the bytes [start, end), a piece at a time."""
        while start < end:
            data = await asyncio.to_thread(self.read_now, start, min(start + _STEP, end))
            if not data:
                return
            start += len(data)
            yield data


def given_bytes(given: Given) -> bytes:
    """Return all bytes of a file; blocks. Raise FileNotFoundError if it is there no more."""
    file = GivenFile.of(given)
    if file is None:
        raise FileNotFoundError(given.path)
    return file.read_now(0, file.size)


@cache
def _types() -> mimetypes.MimeTypes:
    """Return what names say, without the machine's own list, so that all machines know the same."""
    return mimetypes.MimeTypes(filenames=())


def content_type_of(name: str) -> str:
    """Return the media type that a file's name says."""
    known = MEDIA_TYPES.get(extension(name) or "")
    return known or _types().guess_type(name)[0] or "application/octet-stream"


def facts_of(file: GivenFile, name: str) -> Mapping[str, JSON]:
    """Return what can be told of a file, by the fields that outputs have for it; blocks."""
    facts: dict[str, JSON] = {
        "content_type": file.content_type,
        "file_name": name,
        "file_size": file.size,
    }
    found = _found(file)
    if found is None:
        return facts
    more: dict[str, JSON] = {"width": found.width, "height": found.height}
    if found.fps is not None:
        more["fps"] = more["frame_rate"] = whole(found.fps)
    if found.seconds is not None:
        more["duration"] = whole(found.seconds)
        if found.fps is not None:
            more["num_frames"] = round(found.fps * found.seconds)
    return facts | {name: value for name, value in more.items() if value is not None}


def _found(file: GivenFile) -> Found | None:
    # Lazy: most mocks have no such file.
    from falkit_mock.service.checks import identify
    from falkit_mock.service.containers import PICTURES, Source, Unreadable
    from falkit_mock.service.images import TooManyPixels, read_image

    try:
        try:
            found = identify(Source(file.size, file.read_now))
            if found.format not in PICTURES:
                return found
        except Unreadable:
            pass
        return read_image(file.read_now(0, file.size), ())
    except (OSError, EOFError, Unreadable, TooManyPixels):
        return None
