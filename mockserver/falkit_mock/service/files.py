"""Output files and uploads."""

from __future__ import annotations

import asyncio
import math
import mimetypes
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import unquote

from falkit_fixtures import making
from falkit_fixtures.wanted import Wanted
from falkit_mock.core.clock import Clock
from falkit_mock.core.errors import WireError, bad_parts, storage_full, upload_not_found
from falkit_mock.core.identity import Identity
from falkit_mock.outputs.kinds import MEDIA_TYPES
from falkit_mock.service import USUAL_LIFECYCLE, Acl, Lifecycle
from falkit_mock.service.given import GivenFile, given_bytes
from falkit_mock.store import FileRecord, Given, Store, Upload, UploadStore
from falkit_mock.store.blobs import Blobs, Piece

# Seconds after which an upload that nobody finished is given up.
PATIENCE = 86_400.0
# Bytes gathered before a thread writes them, and read at a time.
_BATCH = 1 << 20
_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,16}")
_CONTENT_TYPE = re.compile(r"[\w!#$&^.+-]{1,120}/[\w!#$&^.+-]{1,120}(\s*;[ -~]{0,200})?", re.A)
_BINARY = "application/octet-stream"


class StoredFile(NamedTuple):
    """A finished upload as it is served."""

    upload: Upload
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    @property
    def etag(self) -> str:
        if len(self.pieces) == 1:
            return f'"{self.pieces[0].etag}"'
        digest = sha256("".join(piece.etag for piece in self.pieces).encode()).hexdigest()
        return f'"{digest[:32]}-{len(self.pieces)}"'


class Uploads:
    """The uploads of one mock. Bytes go to the disk as they come, in a thread."""

    def __init__(self, store: UploadStore, clock: Clock, identity: Identity) -> None:
        self._store = store
        self._clock = clock
        self._identity = identity
        # What an upload gets that says nothing of its own (PUT /storage/settings, wire.md §10).
        self.defaults = USUAL_LIFECYCLE
        self.turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext

    def open(self, file_name: str, content_type: str, lifecycle: Lifecycle) -> Upload:
        """Make room for a file; it can be read once it is finished."""
        now = self._clock.now()
        for expired in self._store.due(now):
            self._store.remove(expired)
        upload_id = self._identity.upload_id()
        while self._store.get(upload_id) is not None:
            # Of a store that was kept: its ids begin again, its uploads are still there.
            upload_id = self._identity.upload_id()
        content_type = content_type.strip()
        if not _CONTENT_TYPE.fullmatch(content_type):
            # It becomes a header of every reply with the file, so it must be able to.
            content_type = _BINARY
        upload = Upload(
            id=upload_id,
            path=self._identity.file_path(upload_id, _plain_name(file_name, content_type)),
            content_type=content_type,
            created=now,
            expires=now + PATIENCE,
            lifetime=lifecycle.seconds,
            acl=lifecycle.acl.text(),
            done=False,
        )
        self._store.add(upload)
        return upload

    def get(self, upload_id: str) -> Upload:
        """Return an upload, finished or not; raise WireError 404 if it isn't there any more."""
        upload = self._store.get(upload_id)
        if upload is None or upload.expires <= self._clock.now():
            raise upload_not_found(upload_id)
        return upload

    async def receive(
        self, upload: Upload, number: int, chunks: AsyncIterator[bytes], *, again: bool = False
    ) -> Piece:
        """Store one part; a part sent again takes the place of the one before.

        What breaks off leaves nothing behind. Raise WireError 507 if the disk takes no more, and
        404 if the upload was given up meanwhile or, unless it may be sent `again`,
        finished.
        """
        piece = await _written(self._store.blobs, chunks)
        try:
            async with self.turn():
                # A part that comes too late must not change the file that others read already.
                if self.get(upload.id).done and not again:
                    raise upload_not_found(upload.id)
                self._store.put_piece(upload.id, number, piece)
        except WireError:
            self._store.blobs.remove([piece])
            raise
        return piece

    def finish(self, upload: Upload, named: Sequence[tuple[int, str]] | None = None) -> Upload:
        """Put the named parts (number and ETag) together, or all; raise WireError 400.

        Their order does not matter; parts that were sent and are not named are dropped.
        """
        if named is not None:
            _check_parts(named, self._store.pieces(upload.id))
            if upload.done:
                # A client asks again when the first answer was lost on the way.
                return upload
            self._store.keep_pieces(upload.id, {number for number, _ in named})
        lifetime = math.inf if upload.lifetime is None else upload.lifetime
        done = replace(upload, done=True, expires=self._clock.now() + lifetime)
        self._store.update(done)
        return done

    def discard(self, upload: Upload) -> None:
        self._store.remove(upload.id)

    def file(self, path: str) -> StoredFile | None:
        """Return the finished upload at a path, or None if there is none (any more)."""
        upload = self._store.at(path)
        if upload is None or not upload.done or upload.expires <= self._clock.now():
            return None
        return StoredFile(upload, tuple(self._store.pieces(upload.id).values()))

    def set_acl(self, upload: Upload, acl: Acl) -> None:
        self._store.update(replace(upload, acl=acl.text()))

    async def read(self, file: StoredFile, start: int, end: int) -> AsyncGenerator[bytes]:
        """Yield the bytes [start, end), a piece of a piece at a time."""
        steps = self._store.blobs.read(file.pieces, start, end, _BATCH)
        try:
            while data := await asyncio.to_thread(next, steps, b""):
                yield data
        finally:
            # Where a thread still reads, the file is closed when that is done.
            with suppress(ValueError):
                steps.close()

    def read_now(self, file: StoredFile, start: int, end: int) -> bytes:
        """Return the bytes [start, end), as far as there are any; blocks."""
        return b"".join(self._store.blobs.read(file.pieces, start, end, _BATCH))


async def _written(blobs: Blobs, chunks: AsyncIterator[bytes]) -> Piece:
    try:
        sink = blobs.sink()
        try:
            batch: list[bytes] = []
            size = written = 0
            async for chunk in chunks:
                batch.append(chunk)
                size += len(chunk)
                blobs.check_room(written + size)
                if size >= _BATCH:
                    await asyncio.to_thread(sink.write, b"".join(batch))
                    batch, size, written = [], 0, written + size
            return await asyncio.to_thread(sink.keep, b"".join(batch))
        except BaseException:
            sink.drop()
            raise
    except OSError as error:
        raise storage_full(error) from None


def _check_parts(named: Sequence[tuple[int, str]], pieces: dict[int, Piece]) -> None:
    count = Counter(number for number, _ in named)
    if not count:
        raise bad_parts("no part is named; give parts: [{partNumber, etag}, …]")
    if twice := sorted(number for number in count if count[number] > 1):
        raise bad_parts(f"part {_listed(twice)} is named more than once")
    if missing := sorted(count.keys() - pieces.keys()):
        raise bad_parts(f"part {_listed(missing)} was never uploaded")
    if gaps := sorted(set(range(1, max(count))) - count.keys()):
        raise bad_parts(f"part {_listed(gaps)} is not named, though a later one is")
    wrong = [number for number, etag in named if pieces[number].etag != etag]
    if wrong:
        first = wrong[0]
        raise bad_parts(
            f"part {_listed(sorted(wrong))} has another ETag; that of part {first} is "
            f'"{pieces[first].etag}"'
        )


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:10])
    return f"{shown}, …" if len(numbers) > 10 else shown


def _plain_name(name: str, content_type: str) -> str:
    """Return a file name that needs no escaping in a URL and can't lead out of its folder.

    It keeps the extension whatever the letters before it, since readers go by that.
    """
    # Headers can't hold all letters, so some clients percent-encode a name.
    last = unquote(name).replace("\\", "/").rpartition("/")[2].rstrip("._ ")
    before, dot, after = last.rpartition(".")
    if dot and _EXTENSION.fullmatch(after):
        stem, extension = before, dot + after
    else:
        stem, extension = last, ""
    plain = _ODD.sub("_", stem).strip("._")[-100 + len(extension) :].lstrip("._")
    if plain or extension:
        return f"{plain or 'upload'}{extension}"
    extension = mimetypes.guess_extension(content_type.partition(";")[0].strip()) or ".bin"
    return f"upload{extension}"


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
