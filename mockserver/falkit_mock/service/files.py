"""The media host's files: outputs, which are made when they are first read, and uploads."""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import NamedTuple

from falkit_fixtures import making
from falkit_fixtures.wanted import Wanted
from falkit_mock.core.clock import Clock
from falkit_mock.outputs.kinds import MEDIA_TYPES
from falkit_mock.service import Acl
from falkit_mock.service.given import GivenFile, given_bytes
from falkit_mock.service.uploads import Uploads
from falkit_mock.store import FileRecord, Given, Store

# An output URL in any of its spellings: the real one, or one below some origin.
_OUTPUT = re.compile(
    r"https?://(?P<origin>[^/?#]+/(?:[^?#]*/)?)?v3b?\.fal\.media(?::\d+)?(?P<path>/[^?#]*)", re.I
)


def path_of(url: str) -> str | None:
    """Return the path on the media host that a URL in any of its spellings leads to."""
    match = _OUTPUT.match(url.strip())
    return match["path"] if match else None


class MediaFile(NamedTuple):
    """Bytes as they are served."""

    data: bytes
    content_type: str
    etag: str
    # When it is gone, unix seconds; and who may read it, as JSON, or nothing (wire.md §3.1).
    expires: float = math.inf
    acl: str = ""


# Making a large picture takes a second, and some hundred megabytes: a few at a time, apart from all
# else that threads do.
_MAKERS = ThreadPoolExecutor(2, thread_name_prefix="falkit files")
# Bytes of files that are kept once they were made.
_KEPT = 64 * 1024 * 1024


class _Cache:
    """Files that were made lately, so that a reader of ranges has them made once."""

    def __init__(self) -> None:
        self._made: OrderedDict[Wanted, bytes] = OrderedDict()
        self._size = 0
        # Files are made in threads, too.
        self._lock = threading.Lock()

    def get(self, wanted: Wanted) -> bytes | None:
        with self._lock:
            if (found := self._made.get(wanted)) is not None:
                self._made.move_to_end(wanted)
            return found

    def put(self, wanted: Wanted, data: bytes) -> None:
        if len(data) > _KEPT // 2:
            return
        with self._lock:
            if wanted not in self._made:
                self._size += len(data)
            self._made[wanted] = data
            while self._size > _KEPT:
                _, oldest = self._made.popitem(last=False)
                self._size -= len(oldest)


_cache = _Cache()


def bytes_of(wanted: Wanted | Given) -> bytes:
    """Return the file that is described or there; may block for some tens of milliseconds."""
    if isinstance(wanted, Given):
        return given_bytes(wanted)
    data = _cache.get(wanted)
    if data is None:
        data = making.make(wanted)
        _cache.put(wanted, data)
    return data


def make(record: FileRecord, kept: bytes | None = None) -> MediaFile:
    """Return the file of a record, but for its end: always the same, of which `kept` are bytes."""
    wanted = record.wanted
    if isinstance(wanted, Given):
        etag = f'"{record.request_id}"'
        return MediaFile(bytes_of(wanted), wanted.content_type, etag, acl=record.acl)
    # Everything in the file follows from the record, and the request id is unique.
    etag = f'"{record.request_id}-{wanted.digest[:16]}-{wanted.index}"'
    data = bytes_of(wanted) if kept is None else kept
    return MediaFile(data, MEDIA_TYPES[wanted.format], etag, math.inf, record.acl)


class _Missing(Enum):
    MISSING = "missing"


# What a URL on the mock's own media host answers where it names no file there.
MISSING = _Missing.MISSING


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file of the mock's that comes back as an input."""

    # None for an output, whose bytes have yet to be made.
    size: int | None
    # Returns the bytes from one place to another; may block.
    read: Callable[[int, int], bytes]


class Media:
    """The media host's files."""

    def __init__(
        self, store: Store, uploads: Uploads, clock: Clock, given: Collection[str] = ()
    ) -> None:
        self._given = given
        self._store = store
        self._uploads = uploads
        self._clock = clock
        # Finds a file of the media host that isn't this mock's.
        self.elsewhere: Callable[[str], OwnFile | None] = lambda path: None

    def record(self, path: str) -> tuple[FileRecord, float] | None:
        """Return the output at a path, `/files/b/…`, and when it is gone; None if it is."""
        record = self._store.file(path)
        if record is not None and isinstance(record.wanted, Given):
            # No file of this machine that no rule of this mock has named.
            record = record if record.wanted.path in self._given else None
        if record is None or record.lifetime is None:
            return None if record is None else (record, math.inf)
        # By its job's end as it stands: a cancellation ahead may have brought that forward.
        job = self._store.get(record.request_id)
        ends = math.inf if job is None else job.ends
        expires = ends + record.lifetime
        return (record, expires) if expires > self._clock.now() else None

    async def file(self, record: FileRecord, expires: float) -> MediaFile:
        """Return an output that is there until a moment; in a thread, unless it was made lately."""
        wanted = record.wanted
        kept = None if isinstance(wanted, Given) else _cache.get(wanted)
        if kept is None:
            made = await asyncio.get_running_loop().run_in_executor(_MAKERS, make, record)
        else:
            made = make(record, kept)
        return made if expires == math.inf else made._replace(expires=expires)

    def set_acl(self, path: str, acl: Acl) -> None:
        """Change who may read an output."""
        record = self._store.file(path)
        if record is not None:
            self._store.add_file(replace(record, acl=acl.text()))

    def own_file(self, url: str, media_base: str) -> OwnFile | _Missing | None:
        """Return the output or upload that comes back as an input; None where a URL isn't one.

        At fal those are public URLs; here they may name this machine, by whichever of its names.
        Files of the real host that are not here are left to trust.
        """
        match = _OUTPUT.match(url.strip())
        if match is None:
            return None
        if found := self.at(match["path"]) or self.elsewhere(match["path"]):
            return found
        return MISSING if match["origin"] and url.startswith(f"{media_base}/") else None

    def at(self, path: str) -> OwnFile | None:
        """Return the output or upload at a path, as an input has it."""
        if found := self.record(path):
            wanted = found[0].wanted
            if isinstance(wanted, Given):
                given = GivenFile.of(wanted)
                return OwnFile(given.size, given.read_now) if given else None
            return OwnFile(None, lambda start, end: bytes_of(wanted)[start:end])
        stored = self._uploads.file(path)
        return OwnFile(stored.size, partial(self._uploads.read_now, stored)) if stored else None
