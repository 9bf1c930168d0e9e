"""Reset, export and import of all that the mock keeps."""

from __future__ import annotations

import asyncio
import errno
import io
import sys
import tarfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import cast

from falkit_mock.core import NotJson, dumps, loads
from falkit_mock.service import USUAL_LIFECYCLE
from falkit_mock.service.facts import (
    BadFacts,
    Facts,
    KeepsFacts,
    check_facts,
    counts_in,
    facts_of,
    take_facts,
    take_jobs,
)
from falkit_mock.service.service import Service
from falkit_mock.store import BadCopy, Store, all_pieces
from falkit_mock.store.blobs import Blobs, Piece
from falkit_spec import JSON
from falkit_spec.validation import describe_errors

# Of an export; the tables in it have a version of their own (store/sqlite.py). Those from 2 on are
# read.
FORMAT, _OLDEST = 3, 2

META, STORE, BLOBS = "meta.json", "store.sqlite", "blobs/"
_BLOCK = 512
_END = bytes(2 * _BLOCK)
# What a state file begins with, which is often taken for an export.
_DATABASE = b"SQLite format 3\0"
# Bytes that are copied at a time, and the most that `meta.json` may have.
_STEP, _META_MOST = 1 << 20, 64 << 20


class BadArchive(ValueError):
    """A file that isn't an export, or a damaged one; the message says why."""


class Meta(Facts):
    """Everything that is in no table."""

    format: int
    # The version of falkit that wrote it, and the digest of the database beside it.
    falkit: str
    store: str


_SCHEMA: dict[str, JSON] = {
    "required": ["falkit", "store"],
    "properties": {"falkit": {"type": "string"}, "store": {"type": "string"}},
}


def _read_meta(data: bytes) -> Meta:
    """Read what an export wrote; raise BadArchive, with what is wrong, for anything else."""
    try:
        value = loads(data)
    except NotJson as error:
        raise BadArchive(f"{META} isn't JSON: {error.message}") from None
    if not isinstance(value, dict) or "format" not in value:
        raise BadArchive(f"{META} names no format: it isn't an export of falkit")
    if value["format"] not in range(_OLDEST, FORMAT + 1):
        made_by = value.get("falkit")
        raise BadArchive(
            f"{META} has format {value['format']!r}, written by falkit {made_by}; this is "
            f"falkit {version('falkit')}, which reads formats {_OLDEST} to {FORMAT}: import it "
            f"with falkit {made_by}, or set the state up again and export it with this one"
        )
    if errors := describe_errors(_SCHEMA, value):
        raise BadArchive(f"{META} can't be used: {errors[0]}")
    return cast(Meta, value)


def archive_size(meta: bytes, store: bytes, pieces: Iterable[Piece]) -> int:
    """Return how many bytes `archive_bytes` yields."""
    sizes = (len(meta), len(store), *(piece.size for piece in pieces))
    return sum(_BLOCK + size + _padding(size) for size in sizes) + len(_END)


async def archive_bytes(
    meta: bytes, store: bytes, pieces: Sequence[Piece], blobs: Blobs
) -> AsyncGenerator[bytes]:
    """Yield nothing, once blobs are not removed any more before the end, and then an archive."""
    with blobs.held(pieces) as held:
        yield b""
        for name, data in ((META, meta), (STORE, store)):
            yield _head(name, len(data)) + data + bytes(_padding(len(data)))
        for piece, kept in zip(pieces, held, strict=True):
            yield _head(f"{BLOBS}{piece.blob}", piece.size)
            steps = blobs.read([kept], 0, piece.size, _STEP)
            while data := await asyncio.to_thread(next, steps, b""):
                yield data
            yield bytes(_padding(piece.size))
        yield _END


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive holds; the blobs are in their folder already, under new names."""

    meta: bytes
    store: bytes
    # By the name that each had.
    blobs: dict[str, Piece]


class _Bounded(io.BufferedReader):
    """Reads no more at once than there is, and allocates no more: heads announce any size."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None else min(size, self._size))


def read_archive(path: Path, blobs: Blobs) -> Contents:
    """Read an archive; blocks. Raise BadArchive, and leave nothing behind then."""
    parts: dict[str, bytes] = {}
    found: dict[str, Piece] = {}
    try:
        with _Bounded(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if not member.isfile() or member.issparse():
                    raise BadArchive(f"has {member.name!r}, which isn't a plain file")
                _take_member(tar, member, parts, found, blobs)
        for name in (META, STORE):
            if name not in parts:
                raise BadArchive(f"has no {name}")
    except (tarfile.TarError, EOFError) as error:
        blobs.remove([*found.values()])
        with path.open("rb") as start:
            is_state = start.read(len(_DATABASE)) == _DATABASE
        why = "it is a state file; begin with it by --state" if is_state else error
        raise BadArchive(f"isn't an export of falkit: {why}") from None
    except BaseException:
        blobs.remove([*found.values()])
        raise
    return Contents(parts[META], parts[STORE], found)


def check_archive(contents: Contents, pieces: Iterable[Piece]) -> None:
    """Raise BadArchive unless the blobs are those that the store names, byte for byte."""
    named = {piece.blob: piece for piece in pieces}
    if strange := sorted(contents.blobs.keys() - named.keys()):
        raise BadArchive(f"has a blob {strange[0]!r} that belongs to no upload")
    for blob, piece in named.items():
        found = contents.blobs.get(blob)
        if found is None:
            raise BadArchive(f"lacks {BLOBS}{blob}")
        if (found.size, found.etag) != (piece.size, piece.etag):
            raise BadArchive(f"is damaged: {BLOBS}{blob} is not what was uploaded")


def _take_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    parts: dict[str, bytes],
    found: dict[str, Piece],
    blobs: Blobs,
) -> None:
    file = tar.extractfile(member)
    assert file is not None, "it is a file"
    name = member.name
    if name in parts or name.removeprefix(BLOBS) in found:
        raise BadArchive(f"has {name!r} twice")
    if name == STORE or (name == META and member.size <= _META_MOST):
        parts[name] = file.read()
        if len(parts[name]) != member.size:
            raise BadArchive("breaks off")
    elif name.startswith(BLOBS):
        sink = blobs.sink()
        try:
            while data := file.read(_STEP):
                sink.write(data)
        except BaseException:
            sink.drop()
            raise
        found[name.removeprefix(BLOBS)] = sink.keep()
    else:
        raise BadArchive(f"has {name!r}, which no export has")


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % _BLOCK


RULES = "rules"


async def interrupt(service: Service, *, gone: bool = False) -> None:
    """Let go of everyone who waits, as close() does, and go on; webhooks are left alone.

    With `gone` the files of jobs that there still are go on being looked at.
    """
    service.closing = True
    service.outcomes.close(gone=gone)
    service.clock.notifier.ring()
    # Each turn lets a task that was woken take one step: look, and answer its caller.
    for _ in range(20):
        await asyncio.sleep(0)
    service.closing = False


async def reset_state(service: Service, *, keep_rules: bool) -> None:
    """Be as at the start, but for the time and the keys of webhooks; later ids are those again.

    Who still waits for a job is let go of, since it is no more.
    """
    for act in service.hooks.leaving:
        await act()
    await interrupt(service)
    old = all_pieces(service.store)
    service.store.clear()
    service.store.uploads.blobs.remove(old)
    service.identity.restart()
    for restart in service.restarted:
        restart()
    service.uploads.defaults = USUAL_LIFECYCLE
    for name, part in service.parts.items():
        if not (keep_rules and name == RULES):
            part.reset()
    service.clock.notifier.ring()
    for play in service.hooks.replayed:
        await play()
    _give_back_memory()


def _give_back_memory() -> None:
    """Have the C library return what it keeps for later; glibc's alone can."""
    if sys.platform == "linux":
        # Lazy: it takes as long to import as a reset takes otherwise.
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True, slots=True)
class Export:
    """A file that is still to be written."""

    # Bytes.
    size: int
    chunks: AsyncGenerator[bytes]


async def export_state(service: Service) -> Export:
    """Return the state as one file, once every input that is looked at has been.

    Raise FileNotFoundError where somebody else has deleted bytes of an upload.
    """
    from falkit_mock.store.sqlite import write_image

    await service.outcomes.settled()
    counts = Counter[str]()
    if service.store.sharing is not None:
        # Ids go on behind those of all replicas.
        await service.store.sharing.hear_all()
        counts = counts_in(cast(KeepsFacts, service.store).facts)
    facts = facts_of(service)
    facts["identity"]["counts"] = {**(counts | Counter(facts["identity"]["counts"]))}
    store, pieces = write_image(service.store), all_pieces(service.store)
    meta: Meta = {
        "format": FORMAT,
        "falkit": version("falkit"),
        "store": sha256(store).hexdigest(),
        **facts,
    }
    data = dumps(meta)
    size = archive_size(data, store, pieces)
    chunks = archive_bytes(data, store, pieces, service.store.uploads.blobs)
    await anext(chunks)
    uploads = service.store.uploads
    for upload in uploads.all():
        whole = [*uploads.pieces(upload.id).values()]
        if not await asyncio.to_thread(uploads.blobs.are_whole, whole):
            await chunks.aclose()
            raise FileNotFoundError(errno.ENOENT, f"bytes of {upload.path} were deleted")
    return Export(size, chunks)


async def restore_state(service: Service, path: Path) -> None:
    """Have the state that a file holds, in place of this one; BadArchive if it can't be had.

    Nothing has changed then.
    """
    blobs = service.store.uploads.blobs
    contents = await asyncio.to_thread(read_archive, path, blobs)
    try:
        meta = _read_meta(contents.meta)
        copy = await asyncio.to_thread(_copied, contents, meta)
        try:
            check_facts(service, meta)
        except BadFacts as error:
            raise BadArchive(f"{META} {error}") from None
        for act in service.hooks.leaving:
            await act()
        await interrupt(service)
        old = all_pieces(service.store)
        service.store.take(copy, {name: piece.blob for name, piece in contents.blobs.items()})
    except BaseException as error:
        blobs.remove([*contents.blobs.values()])
        if isinstance(error, BadCopy):
            raise BadArchive(f"{STORE} {error}") from None
        raise
    blobs.remove(old)
    take_facts(service, meta)
    take_jobs(service, meta["parts"])


def copied_from(path: Path, blobs: Blobs) -> tuple[Meta, Store]:
    """Return what a file holds, its blobs in their place; blocks. Raise BadArchive."""
    contents = read_archive(path, blobs)
    meta = _read_meta(contents.meta)
    try:
        return meta, _copied(contents, meta)
    except BadCopy as error:
        raise BadArchive(f"{STORE} {error}") from None


def _copied(contents: Contents, meta: Meta) -> Store:
    from falkit_mock.store.sqlite import read_image

    if sha256(contents.store).hexdigest() != meta["store"]:
        raise BadArchive(f"is damaged: {STORE} is not the one that {META} is for")
    copy = read_image(contents.store)
    check_archive(contents, all_pieces(copy))
    return copy
