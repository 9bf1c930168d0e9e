"""Reset, export and import of all that the mock keeps."""

from __future__ import annotations

import asyncio
import math
import tarfile
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import cast

from falkit_mock.core import NotJson, dumps, loads
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.service import USUAL_LIFECYCLE, BadLifecycle, Lifecycle
from falkit_mock.service.service import Service
from falkit_mock.store import BadCopy, Store, all_pieces
from falkit_mock.store.blobs import Blobs, Piece
from falkit_spec import JSON

FORMAT = 2


@dataclass(frozen=True, slots=True)
class Meta:
    """Everything that is in no table."""

    # The version of falkit that wrote it, and the digest of the database beside it.
    made_by: str
    store: str
    # The clock: unix seconds, and whether time passes by itself.
    now: float
    running: bool
    # What signs tokens and URLs.
    tokens: bytes
    # As Identity and Lifecycle write themselves.
    identity: dict[str, JSON]
    uploads: dict[str, JSON]
    parts: dict[str, JSON]

    @property
    def seeds(self) -> list[tuple[int, int]]:
        """From which job on which seed counts."""
        return [(after, seed) for after, seed in cast("list[list[int]]", self.identity["seeds"])]

    @property
    def counts(self) -> dict[str, int]:
        """How many ids there were of each kind."""
        return cast("dict[str, int]", self.identity["counts"])

    @property
    def lifecycle(self) -> Lifecycle:
        """What uploads get that say nothing of their own."""
        return Lifecycle.read(self.uploads, Lifecycle())

    def written(self) -> bytes:
        """Return it as JSON."""
        return dumps(
            {
                "format": FORMAT,
                "falkit": self.made_by,
                "store": self.store,
                "clock": {"now": self.now, "running": self.running},
                "tokens": self.tokens.hex(),
                "identity": self.identity,
                "uploads": self.uploads,
                "parts": self.parts,
            }
        )

    @classmethod
    def read(cls, data: bytes) -> Meta:
        """Read what `written` gave; raise BadArchive, with what is wrong, for anything else."""
        try:
            value = loads(data)
        except NotJson as error:
            raise BadArchive(f"{META} is no JSON: {error.message}") from None
        if not isinstance(value, dict) or "format" not in value:
            raise BadArchive(f"{META} names no format: it is no export of falkit")
        if value["format"] != FORMAT:
            made_by = value.get("falkit")
            raise BadArchive(
                f"{META} has format {value['format']!r}, written by falkit {made_by}; this is "
                f"falkit {version('falkit')}, which reads format {FORMAT}: import it with falkit "
                f"{made_by}, or set the state up again and export it with this one"
            )
        try:
            return cls._of(value)
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            if isinstance(error, BadArchive):
                raise
            raise BadArchive(f"{META} lacks something, or has it wrong: {error!r}") from None

    @classmethod
    def _of(cls, value: dict[str, JSON]) -> Meta:
        clock, identity = _object(value, "clock"), _object(value, "identity")
        seeds = identity["seeds"]
        if not isinstance(seeds, list) or not seeds or not all(map(_is_era, seeds)):
            raise BadArchive(f"{META} has no seeds")
        counts = _object(identity, "counts")
        if not all(isinstance(count, int) and count >= 0 for count in counts.values()):
            raise BadArchive(f"{META} has counts that are none")
        now, running = clock["now"], clock["running"]
        if not isinstance(now, int | float) or not math.isfinite(now):
            raise BadArchive(f"{META} tells no moment")
        uploads = _object(value, "uploads")
        try:
            Lifecycle.read(uploads, Lifecycle())
        except BadLifecycle as error:
            raise BadArchive(f"{META} has uploads.{error}") from None
        return cls(
            made_by=str(value["falkit"]),
            store=str(value["store"]),
            now=now,
            running=running is True,
            tokens=bytes.fromhex(str(value["tokens"])),
            identity=identity,
            uploads=uploads,
            parts=_object(value, "parts"),
        )


def _object(value: dict[str, JSON], name: str) -> dict[str, JSON]:
    found = value[name]
    if not isinstance(found, dict):
        raise BadArchive(f"{META} has no {name}")
    return found


def _is_era(value: JSON) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(number, int) and not isinstance(number, bool) for number in value)
    )


META, STORE, BLOBS = "meta.json", "store.sqlite", "blobs/"
_BLOCK = 512
_END = bytes(2 * _BLOCK)
# Bytes that are copied at a time, and the most that `meta.json` may have.
_STEP, _META_MOST = 1 << 20, 64 << 20


class BadArchive(ValueError):
    """A file that is no export, or a damaged one; the message says why."""


def archive_size(meta: bytes, store: bytes, pieces: Iterable[Piece]) -> int:
    """Return how many bytes `written` yields."""
    sizes = (len(meta), len(store), *(piece.size for piece in pieces))
    return sum(_BLOCK + archive_size + _padding(archive_size) for archive_size in sizes) + len(_END)


async def archive_bytes(
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


def read_archive(path: Path, blobs: Blobs) -> Contents:
    """Read an archive; blocks. Raise BadArchive, and leave nothing behind then."""
    parts: dict[str, bytes] = {}
    found: dict[str, Piece] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    raise BadArchive(f"has {member.name!r}, which is no file")
                _take_member(tar, member, parts, found, blobs)
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


def digest(data: bytes) -> str:
    """Return what `meta.json` says of the store, so that one goes with the other."""
    return sha256(data).hexdigest()


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % _BLOCK


RULES = "rules"


async def reset_state(service: Service, *, keep_rules: bool) -> None:
    """Be as at the start, but for the time and the keys of webhooks; later ids are those again.

    Who still waits for a job is let go of, since it is no more.
    """
    await service.interrupt()
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


@dataclass(frozen=True, slots=True)
class Export:
    """A file that is still to be written."""

    # Bytes.
    size: int
    chunks: AsyncGenerator[bytes]


async def export_state(service: Service) -> Export:
    """Return the state as one file, once every input that is looked at has been."""
    from falkit_mock.store.sqlite import write_image

    await service.settled()
    clock = service.clock
    store, pieces = write_image(service.store), all_pieces(service.store)
    meta = Meta(
        made_by=version("falkit"),
        store=digest(store),
        now=clock.now(),
        running=clock.running if isinstance(clock, SimulatedClock) else True,
        tokens=service.tokens.key,
        identity=service.identity.dump(),
        uploads=service.uploads.defaults.as_json(),
        parts={name: part.dump() for name, part in service.parts.items()},
    ).written()
    size = archive_size(meta, store, pieces)
    return Export(size, archive_bytes(meta, store, pieces, service.store.uploads.blobs))


async def restore_state(service: Service, path: Path) -> None:
    """Have the state that a file holds, in place of this one; BadArchive if it can't be had.

    Nothing has changed then.
    """
    blobs = service.store.uploads.blobs
    contents = await asyncio.to_thread(read_archive, path, blobs)
    try:
        meta = Meta.read(contents.meta)
        copy = await asyncio.to_thread(_copied, contents, meta)
        _check_parts(service, meta)
        await service.interrupt()
        old = all_pieces(service.store)
        service.store.take(copy, {name: piece.blob for name, piece in contents.blobs.items()})
    except BaseException as error:
        blobs.remove([*contents.blobs.values()])
        if isinstance(error, BadCopy):
            raise BadArchive(f"{STORE} {error}") from None
        raise
    blobs.remove(old)
    _take_tables(service, meta)


def _copied(contents: Contents, meta: Meta) -> Store:
    from falkit_mock.store.sqlite import read_image

    if digest(contents.store) != meta.store:
        raise BadArchive(f"is damaged: {STORE} is not the one that {META} is for")
    copy = read_image(contents.store)
    check_archive(contents, all_pieces(copy))
    return copy


def _check_parts(service: Service, meta: Meta) -> None:
    if unknown := sorted(meta.parts.keys() - service.parts.keys()):
        raise BadArchive(f"{META} has {unknown[0]!r}, which this version doesn't know")
    for name, value in meta.parts.items():
        try:
            service.parts[name].check(value)
        except ValueError as error:
            raise BadArchive(f"{META} can't be used: {error}") from None


def _take_tables(service: Service, meta: Meta) -> None:
    clock = service.clock
    if isinstance(clock, SimulatedClock):
        clock.restore(meta.now, running=meta.running)
    service.tokens.key = meta.tokens
    service.identity.load(meta.seeds, meta.counts)
    service.identity.skip(service.store.last_seq)
    service.uploads.defaults = meta.lifecycle
    for restart in service.restarted:
        restart()
    for name, part in service.parts.items():
        value: JSON = meta.parts.get(name)
        if name in meta.parts:
            part.load(value)
        else:
            part.reset()
    clock.notifier.ring()
