"""Files that rules have spoilt: gone, cut short, a page in their place, or slow to come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from falkit_mock.errors import FileNotFound
from falkit_mock.platform.media import MediaFile
from falkit_mock.platform.rules.rulebook import Chosen

# Pieces that a slow file comes in.
_PIECES = 10
_PAGE = b"<!DOCTYPE html>\n<title>Not the file</title>\n<p>This is a page, and no media file.</p>\n"
Wait = Callable[[float], Awaitable[None]]


def spoilt(file: MediaFile, chosen: Chosen | None) -> MediaFile:
    """Return a file as a fault leaves it; raise FileNotFound if it takes it away.

    What is changed has another ETag, so that nobody puts the two together from parts.
    """
    if chosen is None:
        return file
    said, etag = chosen.parameters(), f'{file.etag[:-1]}-{chosen.name}"'
    match chosen.name:
        case "media_missing":
            error = FileNotFound()
            error.hint = chosen.hint
            raise error
        case "media_truncated":
            share = float(str(said["share"]))
            return replace(file, data=file.data[: int(len(file.data) * share)], etag=etag)
        case "media_wrong_type":
            return MediaFile(_PAGE, str(said["content_type"]), etag)
        case _:
            return file


def pause_of(chosen: Chosen | None) -> float:
    """Return the seconds between the pieces of a slow file; 0 for others."""
    if chosen is None or chosen.name != "media_slow":
        return 0.0
    return float(str(chosen.parameters()["seconds"])) / _PIECES


async def slowly(data: bytes, pause: float, wait: Wait) -> AsyncGenerator[bytes]:
    """Yield data in pieces with a pause before each."""
    size = max(1, -(-len(data) // _PIECES))
    for start in range(0, len(data), size):
        await wait(pause)
        yield data[start : start + size]
