"""The file of an export: a tar of `meta.json`, `store.sqlite` and the uploads' bytes in `blobs/`.

It is written and read as a stream, so that uploads of any size never are in memory at once.
"""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from falkit_mock.store.blobs import Blobs, Piece

META, STORE, BLOBS = "meta.json", "store.sqlite", "blobs/"
_BLOCK = 512
_END = bytes(2 * _BLOCK)
# Bytes that are copied at a time, and the most that `meta.json` may have.
_STEP, _META_MOST = 1 << 20, 64 << 20


class BadArchive(ValueError):
    """A file that is no export, or a damaged one; the message says why."""


def size(meta: bytes, store: bytes, pieces: Iterable[Piece]) -> int:
    """Return how many bytes `written` yields."""
    sizes = (len(meta), len(store), *(piece.size for piece in pieces))
    return sum(_BLOCK + size + _padding(size) for size in sizes) + len(_END)


async def written(
    meta: bytes, store: bytes, pieces: Iterable[Piece], blobs: Blobs
) -> AsyncGenerator[bytes]:
    """Yield an archive; blobs are not removed before its end."""
    with blobs.held():
        for name, data in ((META, meta), (STORE, store)):
            yield _head(name, len(data)) + data + bytes(_padding(len(data)))
        for piece in pieces:
            yield _head(f"{BLOBS}{piece.blob}", piece.size)
            steps = blobs.read([piece], 0, piece.size, _STEP)
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


def read(path: Path, blobs: Blobs) -> Contents:
    """Read an archive; blocks. Raise BadArchive, and leave nothing behind then."""
    parts: dict[str, bytes] = {}
    found: dict[str, Piece] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    raise BadArchive(f"has {member.name!r}, which is no file")
                _take(tar, member, parts, found, blobs)
        for name in (META, STORE):
            if name not in parts:
                raise BadArchive(f"has no {name}")
    except (tarfile.TarError, EOFError) as error:
        blobs.remove([*found.values()])
        raise BadArchive(f"is no export of falkit: {error}") from None
    except BaseException:
        blobs.remove([*found.values()])
        raise
    return Contents(parts[META], parts[STORE], found)


def check(contents: Contents, pieces: Iterable[Piece]) -> None:
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


def _take(
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


def digest(data: bytes) -> str:
    """Return what `meta.json` says of the store, so that one goes with the other."""
    return sha256(data).hexdigest()


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % _BLOCK
