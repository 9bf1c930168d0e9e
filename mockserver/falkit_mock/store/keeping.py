"""Forgetting what is old, or too much."""

from __future__ import annotations

from falkit_mock.core.settings import Keep
from falkit_mock.store import Store

# How far below the most bytes it is gone at once, so that not every submit has to.
_BELOW = 0.9


def forget(store: Store, limits: Keep, now: float) -> None:
    """Forget ended jobs and finished uploads beyond the limits at a moment, the oldest first."""
    before = now - limits.age
    store.purge(before)
    for upload in store.uploads.all():
        if upload.done and upload.created < before:
            store.uploads.remove(upload.id)
    total = store.kept + uploaded(store)
    if total <= limits.size:
        return
    oldest = [(job.ends, job.id, True) for job in store.jobs() if job.ends <= now]
    oldest += [(one.created, one.id, False) for one in store.uploads.all() if one.done]
    jobs: set[str] = set()
    for _, id, is_job in sorted(oldest):
        if total <= limits.size * _BELOW:
            break
        if is_job:
            job = store.get(id)
            body = b"" if job is None or job.outcome is None else job.outcome.body
            total -= len(store.input(id)) + len(body)
            jobs.add(id)
        else:
            total -= _size(store, id)
            store.uploads.remove(id)
    store.drop(jobs)


def uploaded(store: Store) -> int:
    """Return the bytes of all uploads, done or not."""
    return sum(_size(store, upload.id) for upload in store.uploads.all())


def _size(store: Store, upload_id: str) -> int:
    return sum(piece.size for piece in store.uploads.pieces(upload_id).values())
