"""Who waits and who runs, in every store alike."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given, strategies as st

from falkit_mock.core.jobs import Job, RequestOptions
from falkit_mock.store import Store
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.sqlite import SqliteStore
from store.items import added

LOW = RequestOptions(priority="low")


def test_time_alone_moves_jobs_through(store: Store) -> None:
    first, second = added(store), added(store, starts=115.0)
    queues, path = store.queues, "a/b/c"
    seen = [
        (
            queues.length(path, now),
            queues.next_start(path, now),
            [job.id for job in queues.waiting(path, now)],
            [job.id for job in queues.running(now)],
        )
        for now in (100.0, 110.0, 115.0, 120.0)
    ]
    assert seen == [
        (2, 110.0, [first.id, second.id], []),
        (1, 115.0, [second.id], [first.id]),
        (0, math.inf, [], [second.id]),
        (0, math.inf, [], []),
    ]


def test_low_priority_jobs_are_last_and_each_endpoint_has_its_queue(store: Store) -> None:
    low, normal = added(store, options=LOW), added(store)
    other = added(store, path="a/b/d")
    held = added(store, progression="held", starts=math.inf)
    ahead = [store.queues.ahead(job, 100.0) for job in (low, normal, other, held)]
    assert ahead == [2, 0, 0, 1]
    assert store.queues.waiting("a/b/c", 100.0) == [normal, low]


def test_a_direct_call_waits_in_no_queue_and_takes_a_place(store: Store) -> None:
    direct = added(store, entry="run", starts=100.0)
    assert (store.queues.length("a/b/c", 100.0), store.queues.ahead(direct, 100.0)) == (0, 0)
    assert [job.id for job in store.queues.running(100.0)] == [direct.id]
    assert store.queues.in_progress("", 100.0) == 1
    assert store.queues.in_progress("k", 100.0) == 0
    assert store.queues.in_progress("", 105.0) == 0


def test_jobs_are_planned_otherwise(store: Store) -> None:
    first, second = added(store), added(store, starts=115.0)
    assert store.queues.next_start("a/b/c", 100.0) == 110.0
    store.reschedule({first.id: (112.0, 117.0), second.id: (111.0, 116.0)})
    found = [(job.starts, job.ends) for job in store.jobs()]
    assert found == [(112.0, 117.0), (111.0, 116.0)]
    assert store.queues.next_start("a/b/c", 110.5) == 111.0
    assert store.queues.length("a/b/c", 110.5) == 2


def test_a_job_that_is_given_up_leaves_without_a_start(store: Store) -> None:
    given_up = added(store, starts=math.inf, ends=103.0)
    assert store.queues.next_start("a/b/c", 100.0) == 103.0
    assert store.queues.length("a/b/c", 103.0) == 0
    assert store.queues.running(103.0) == []
    assert given_up.given_up


def test_replanned_jobs_leave_no_old_entries(store: Store) -> None:
    jobs = [added(store, starts=1000.0 + number) for number in range(50)]
    for turn in range(200):
        store.reschedule({job.id: (2000.0 + turn, 3000.0 + turn) for job in jobs})
    pending = store.queues._changes  # pyright: ignore[reportPrivateUsage]  # it is what may pile up
    assert len(pending) < 300
    assert store.queues.next_start("a/b/c", 100.0) == 2199.0


def test_a_file_that_is_opened_again_knows_who_waits(tmp_path: Path) -> None:
    file = str(tmp_path / "jobs.sqlite")
    store = DurableStore(file)
    waits, runs = added(store), added(store, starts=101.0)
    store.close()
    again = DurableStore(file)
    assert [job.id for job in again.queues.waiting(None, 102.0)] == [waits.id]
    assert [job.id for job in again.queues.running(102.0)] == [runs.id]
    assert again.next_seq() == 3
    again.close()


MOMENTS = st.integers(0, 20).map(float)


@given(st.lists(st.tuples(MOMENTS, MOMENTS, st.booleans(), MOMENTS), max_size=12), MOMENTS)
def test_both_stores_agree_with_the_jobs(
    acts: list[tuple[float, float, bool, float]], now: float
) -> None:
    for store in (Store(), SqliteStore()):
        for starts, run, low, later in acts:
            options = LOW if low else RequestOptions()
            made = added(store, at=0.0, starts=starts, run=run, options=options)
            if later > starts:
                made.starts, made.ends = later, later + run
                store.update(made)
        hold(store, now)
        store.close()


def hold(store: Store, now: float) -> None:
    """See that the index says what a look at every job says."""
    waiting = [job for job in store.jobs() if job.status(now) == "IN_QUEUE"]
    waiting.sort(key=lambda job: job.order)
    running = [job for job in store.jobs() if job.status(now) == "IN_PROGRESS"]

    def ids(jobs: list[Job]) -> set[str]:
        return {job.id for job in jobs}

    assert store.queues.waiting("a/b/c", now) == waiting
    assert ids(store.queues.running(now)) == ids(running)
    assert [store.queues.ahead(job, now) for job in waiting] == [*range(len(waiting))]
    leaves = [min(job.starts, job.ends) for job in waiting]
    assert store.queues.next_start("a/b/c", now) == min(leaves, default=math.inf)
