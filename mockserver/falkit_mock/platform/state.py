"""The whole state of a mock: emptied, written down as one file, and read back from one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from falkit_mock.platform import archive
from falkit_mock.platform.archive import BadArchive, Contents
from falkit_mock.platform.clock import SimulatedClock
from falkit_mock.platform.lifecycle import Lifecycle
from falkit_mock.platform.meta import Meta
from falkit_mock.platform.platform import Platform
from falkit_mock.store.state import BadCopy, StateCopy
from falkit_spec import JSON

RULES = "rules"


async def reset(platform: Platform, *, keep_rules: bool) -> None:
    """Be as at the start, but for the time and the keys of webhooks; later ids are those again.

    Who still waits for a job is let go of, since it is no more.
    """
    await platform.interrupt()
    old = platform.store.state.pieces()
    platform.store.state.clear()
    platform.store.uploads.blobs.remove(old)
    platform.identity.restart()
    platform.journal.restart()
    platform.uploads.defaults = Lifecycle()
    for name, part in platform.parts.items():
        if not (keep_rules and name == RULES):
            part.reset()
    platform.clock.bell.ring()


@dataclass(frozen=True, slots=True)
class Export:
    """A file that is still to be written."""

    # Bytes.
    size: int
    chunks: AsyncGenerator[bytes]


async def export(platform: Platform) -> Export:
    """Return the state as one file, once every input that is looked at has been."""
    await platform.settled()
    state, clock = platform.store.state, platform.clock
    store, pieces = state.dump(), state.pieces()
    meta = Meta(
        made_by=version("falkit"),
        store=archive.digest(store),
        now=clock.now(),
        running=clock.running if isinstance(clock, SimulatedClock) else True,
        tokens=platform.tokens.key,
        identity=platform.identity.dump(),
        uploads=platform.uploads.defaults.as_json(),
        parts={name: part.dump() for name, part in platform.parts.items()},
    ).written()
    size = archive.size(meta, store, pieces)
    return Export(size, archive.written(meta, store, pieces, platform.store.uploads.blobs))


async def restore(platform: Platform, path: Path) -> None:
    """Have the state that a file holds, in place of this one; BadArchive if it can't be had.

    Nothing has changed then.
    """
    blobs, state = platform.store.uploads.blobs, platform.store.state
    contents = await asyncio.to_thread(archive.read, path, blobs)
    copy: StateCopy | None = None
    try:
        meta = Meta.read(contents.meta)
        copy = await asyncio.to_thread(_copied, platform, contents, meta)
        _check_parts(platform, meta)
        await platform.interrupt()
        old = state.pieces()
        copy.take()
    except BaseException as error:
        blobs.remove([*contents.blobs.values()])
        if isinstance(error, BadCopy):
            raise BadArchive(f"{archive.STORE} {error}") from None
        raise
    finally:
        if copy is not None:
            copy.close()
    blobs.remove(old)
    _take(platform, meta)


def _copied(platform: Platform, contents: Contents, meta: Meta) -> StateCopy:
    if archive.digest(contents.store) != meta.store:
        raise BadArchive(f"is damaged: {archive.STORE} is not the one that {archive.META} is for")
    copy = platform.store.state.read(contents.store)
    try:
        archive.check(contents, copy.pieces())
        for blob, piece in contents.blobs.items():
            copy.rename(blob, piece.blob)
    except BaseException:
        copy.close()
        raise
    return copy


def _check_parts(platform: Platform, meta: Meta) -> None:
    if unknown := sorted(meta.parts.keys() - platform.parts.keys()):
        raise BadArchive(f"{archive.META} has {unknown[0]!r}, which this version doesn't know")
    for name, value in meta.parts.items():
        try:
            platform.parts[name].check(value)
        except ValueError as error:
            raise BadArchive(f"{archive.META} can't be used: {error}") from None


def _take(platform: Platform, meta: Meta) -> None:
    clock = platform.clock
    if isinstance(clock, SimulatedClock):
        clock.restore(meta.now, running=meta.running)
    platform.tokens.key = meta.tokens
    platform.identity.load(meta.seeds, meta.counts)
    platform.identity.skip(platform.store.state.jobs)
    platform.uploads.defaults = meta.lifecycle
    platform.journal.restart()
    for name, part in platform.parts.items():
        value: JSON = meta.parts.get(name)
        if name in meta.parts:
            part.load(value)
        else:
            part.reset()
    clock.bell.ring()
