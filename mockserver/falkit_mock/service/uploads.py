"""Uploads: opened, received in parts, finished, read."""

from __future__ import annotations

import asyncio
import logging
import math
import mimetypes
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import unquote

from falkit_mock.core.clock import Clock
from falkit_mock.core.errors import (
    WireError,
    bad_parts,
    bytes_gone,
    maybe_elsewhere,
    storage_full,
    upload_not_found,
)
from falkit_mock.core.identity import Identity
from falkit_mock.service import USUAL_LIFECYCLE, Acl, Lifecycle
from falkit_mock.store import Upload, UploadStore
from falkit_mock.store.blobs import Blobs, Piece

_log = logging.getLogger("falkit_mock")
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
        if upload is None:
            raise maybe_elsewhere(upload_not_found(upload_id))
        if upload.expires <= self._clock.now():
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

    async def check(self, file: StoredFile) -> None:
        """Raise WireError 500 where bytes of a file are gone: somebody else has deleted them."""
        if not await asyncio.to_thread(self._store.blobs.are_whole, file.pieces):
            error = bytes_gone(file.upload.path)
            _log.error("state: %s", error.hint)
            raise error

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
