"""The output files: made when they are asked for, from what the store says of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache, partial
from typing import TypeAlias

from falkit_fixtures import mp4
from falkit_mock.platform.clock import Clock
from falkit_mock.platform.lifecycle import Acl
from falkit_mock.platform.uploads import Uploads
from falkit_mock.store import FileRecord, Store

# An output URL in any of its spellings: the real one, or one below some origin.
_OUTPUT = re.compile(
    r"https?://(?P<origin>[^/?#]+/(?:[^?#]*/)?)?v3b?\.fal\.media(?::\d+)?(?P<path>/[^?#]*)", re.I
)


def path_of(url: str) -> str | None:
    """Return the path on the media host that a URL in any of its spellings leads to."""
    match = _OUTPUT.match(url.strip())
    return match["path"] if match else None


@dataclass(frozen=True, slots=True)
class MediaFile:
    """Bytes as they are served."""

    data: bytes
    content_type: str
    etag: str
    # When it is gone, unix seconds; and who may read it, as JSON, or nothing (wire.md §3.1).
    expires: float = math.inf
    acl: str = ""


@lru_cache(maxsize=64)
def make(record: FileRecord) -> MediaFile:
    """Return the file of a record, but for its end: the same bytes for the same record, always."""
    clip = mp4.Clip(
        width=record.width,
        height=record.height,
        fps=record.fps,
        frames=record.frames,
        audio=record.audio,
        request_id=record.request_id,
        endpoint=record.endpoint,
        input_digest=record.input_digest,
    )
    # Everything in the file follows from the record, and the request id is unique.
    etag = f'"{record.request_id}-{record.input_digest[:16]}"'
    return MediaFile(mp4.render(clip), "video/mp4", etag, acl=record.acl)


class _Missing(Enum):
    MISSING = "missing"


# What a URL on the mock's own media host answers where it names no file there.
MISSING = _Missing.MISSING


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file of the mock's that comes back as an input."""

    size: int
    # Returns the first so many bytes; may block.
    read: Callable[[int], bytes]


# Finds a URL's file: MISSING if there is none, None for a URL that is not the mock's to answer.
FindFile: TypeAlias = Callable[[str], "OwnFile | _Missing | None"]


class Media:
    """The media host's files."""

    def __init__(self, store: Store, uploads: Uploads, clock: Clock) -> None:
        self._store = store
        self._uploads = uploads
        self._clock = clock

    def file(self, path: str) -> MediaFile | None:
        """Return the file at a path such as `/files/b/…`, or None if there is none (any more)."""
        record = self._store.file(path)
        if record is None:
            return None
        if record.lifetime is None:
            return make(record)
        # By its job's end as it stands: a cancellation ahead may have brought that forward.
        job = self._store.get(record.request_id)
        ends = math.inf if job is None else job.ends
        expires = ends + record.lifetime
        return replace(make(record), expires=expires) if expires > self._clock.now() else None

    def set_acl(self, path: str, acl: Acl) -> None:
        """Change who may read an output."""
        record = self._store.file(path)
        if record is not None:
            self._store.add_file(replace(record, acl=acl.text()))

    def reader(self, media_base: str) -> FindFile:
        """Return a finder of outputs and uploads that come back as inputs.

        At fal those are public URLs; here they may name this machine, which is no reason to
        refuse them, by whichever of its names. Files of the real host that are not here are
        left to trust.
        """
        own = f"{media_base}/"

        def find(url: str) -> OwnFile | _Missing | None:
            match = _OUTPUT.match(url.strip())
            if match is None:
                return None
            found = self._own(match["path"])
            if found is not None:
                return found
            return MISSING if match["origin"] and url.startswith(own) else None

        return find

    def _own(self, path: str) -> OwnFile | None:
        if file := self.file(path):
            return OwnFile(len(file.data), lambda most: file.data[:most])
        if stored := self._uploads.file(path):
            return OwnFile(stored.size, partial(self._uploads.read_now, stored))
        return None
