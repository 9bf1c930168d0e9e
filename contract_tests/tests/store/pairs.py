"""The stores of two workers with one state file, both in this process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from falkit_mock.app import MockApp

if sys.platform == "win32":
    pytest.skip("no process is copied there", allow_module_level=True)

import fcntl

from falkit_mock.store.durable import alone
from falkit_mock.store.link import Link
from falkit_mock.store.shared import SharedStore


@contextmanager
def two_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[tuple[SharedStore, SharedStore]]:
    """Open the stores of two workers."""
    # A lock of lockf is a process's, and both are in one; that of flock is an open file's.
    monkeypatch.setattr(fcntl, "lockf", fcntl.flock)
    state, memory = tmp_path / "falkit.state", memoryview(bytearray(64)).cast("q")
    ears, mouths = dict[int, int](), dict[int, int]()
    for number in (1, 2):
        ears[number], mouths[number] = os.pipe()
        os.set_blocking(ears[number], False)
        os.set_blocking(mouths[number], False)
    file = tmp_path / "lock"
    with alone(state), file.open("wb") as first, file.open("wb") as second:
        made = [
            SharedStore(
                str(state),
                Link(
                    number=n,
                    workers=2,
                    again=False,
                    lock=lock.fileno(),
                    ear=ears[n],
                    ears=mouths,
                    parent=0,
                    memory=memory,
                    spent=memory,
                    requests=100,
                ),
            )
            for n, lock in ((1, first), (2, second))
        ]
        yield made[0], made[1]
        for store in made:
            store.close()
    for descriptor in (*ears.values(), *mouths.values()):
        os.close(descriptor)


@contextmanager
def commit(store: SharedStore) -> Generator[None]:
    """Have one commit of the block, as the event loop does of a handler."""
    store.own.hold()
    yield
    store.own.release()


def synced(*stores: SharedStore) -> None:
    for store in stores:
        store.own.sync()


async def ended(
    clients: list[httpx.AsyncClient], apps: list[MockApp], stores: tuple[SharedStore, SharedStore]
) -> None:
    for client in clients:
        await client.aclose()
    for app in apps:
        app.service.close()
    for each in stores:
        # Or the loop ends while one has the turn that the other asks for.
        async with each.own.turns.turn():
            pass
        await asyncio.sleep(0)
