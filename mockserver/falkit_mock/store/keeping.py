"""Forgetting what is old, or too much, a little at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

from falkit_mock.core import loads
from falkit_mock.core.jobs import Job
from falkit_mock.core.settings import LAST_MOMENT, Keep
from falkit_mock.store import Store

# How far below the most bytes it is gone at once, so that not every submit has to.
_BELOW = 0.9
# How many jobs are looked at at a time: some milliseconds' worth.
_STEP = 100


def now_in(facts: Mapping[str, bytes]) -> float:
    """Return what the time is by the facts of a state file, unix seconds."""
    if "clock" not in facts:
        return time.time()
    clock = cast("dict[str, Any]", loads(facts["clock"]))
    now: float = clock["now"]
    if clock["running"]:
        # It went on while nobody looked, and never goes back.
        now += max(time.time() - cast(float, loads(facts["machine"])), 0.0)
    return min(now, LAST_MOMENT)


def forget(store: Store, limits: Keep, now: float) -> None:
    """Forget ended jobs and finished uploads beyond the limits at a moment, the oldest first."""
    for _ in forgetting(store, limits, now):
        pass


def forgetting(store: Store, limits: Keep, now: float) -> Iterator[None]:
    """Forget as `forget` does, in steps; others may change the store between them."""
    before = now - limits.age
    for upload in store.uploads.all():
        if upload.done and upload.created < before:
            store.uploads.remove(upload.id)
    for jobs in _steps(store):
        if jobs[0].created >= before:
            # Nor have those behind ended before.
            break
        store.drop([job.id for job in jobs if job.ends < before])
        yield
    if (total := _total(store)) > limits.size:
        yield from _shrinking(store, limits.size * _BELOW, total, now)


def _shrinking(store: Store, size: float, total: int, now: float) -> Iterator[None]:
    """Forget the oldest until no more bytes are kept."""
    uploads = sorted((one.created, one.id) for one in store.uploads.all() if one.done)[::-1]
    for jobs in _steps(store):
        gone: list[str] = []
        for job in jobs:
            while uploads and uploads[-1][0] < job.created and total > size:
                total -= _remove(store, uploads.pop()[1])
            if total > size and job.ends <= now:
                body = b"" if job.outcome is None else job.outcome.body
                total -= len(store.input(job.id)) + len(body)
                gone.append(job.id)
        store.drop(gone)
        yield
        if total <= size:
            return
    while uploads and total > size:
        total -= _remove(store, uploads.pop()[1])


def _steps(store: Store) -> Iterator[list[Job]]:
    last = -1
    while jobs := store.after(last, _STEP):
        last = jobs[-1].seq
        yield jobs


def _remove(store: Store, upload_id: str) -> int:
    size = store.uploads.size([upload_id])
    store.uploads.remove(upload_id)
    return size


def _total(store: Store) -> int:
    return store.kept + store.uploads.kept
