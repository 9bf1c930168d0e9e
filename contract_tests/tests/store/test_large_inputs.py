"""Inputs with pictures in them, beside what is read of a job at every look."""

from __future__ import annotations

import tracemalloc

from falkit_mock.core.jobs import Job
from falkit_mock.store.sqlite import SqliteStore

MiB = 1024 * 1024


def test_a_look_at_the_queue_reads_no_inputs() -> None:
    store = SqliteStore()
    for number in range(5):
        moments = (0.0, 1000.0 + number, 2000.0 + number, 10.0, 0.0)
        job = Job(f"job-{number}", number, "a/b/c", "a/b", "queue", "clock", *moments)
        store.add(job, b"x" * MiB)
    tracemalloc.start()
    try:
        assert len(store.queues.waiting("a/b/c", 500.0)) == 5
        assert len(store.jobs()) == 5
        assert store.get("job-4") is not None
        assert tracemalloc.get_traced_memory()[1] < MiB
    finally:
        tracemalloc.stop()
    assert store.input("job-4") == b"x" * MiB
    store.close()
