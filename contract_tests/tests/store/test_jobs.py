"""Jobs and their files, in every store alike."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace

from falkit_mock.core.settings import Keep
from falkit_mock.store import Store
from falkit_mock.store.keeping import forget
from store.items import DONE, FAILED, FAULTS, OPTIONS, added, file, job


def test_a_job_is_had_as_it_was_added(store: Store) -> None:
    plain, odd = added(store), added(store, options=OPTIONS, faults=FAULTS, attempts=3)
    failed = added(store, outcome=FAILED, cancelled=True, progression="held", ends=math.inf)
    for each in (plain, odd, failed):
        assert store.get(each.id) == each
    assert store.jobs() == [plain, odd, failed]
    assert store.get("job-9") is None


def test_an_input_is_had_as_it_was_sent(store: Store) -> None:
    made = added(store, b"\x00\xff")
    assert store.input(made.id) == b"\x00\xff"
    assert store.input("job-9") == b""


def test_the_order_of_submission_goes_on(store: Store) -> None:
    assert store.last_seq == 0
    first = added(store)
    assert (first.seq, store.last_seq, store.next_seq()) == (1, 1, 2)


def test_an_update_stores_the_changes(store: Store) -> None:
    made = added(store)
    found = store.get(made.id)
    assert found is not None
    found.progression, found.ready, found.run = "held", 120.0, 0.0
    found.starts, found.ends, found.cancelled = math.inf, 125.0, True
    found.attempts, found.faults = 2, FAULTS
    store.update(found)
    assert store.get(made.id) == replace(found)
    assert store.queues.waiting(None, 100.0) == []
    assert store.queues.length("a/b/c", 124.0) == 1
    assert store.queues.length("a/b/c", 125.0) == 0


def test_an_update_of_an_unknown_job_stores_nothing(store: Store) -> None:
    unknown = job(store)
    store.update(unknown)
    store.decide(unknown.id, DONE)
    store.erase(unknown.id)
    assert (store.get(unknown.id), store.jobs()) == (None, [])
    assert store.queues.length("a/b/c", 100.0) == 0


def test_an_outcome_is_decided_once_or_again(store: Store) -> None:
    made = added(store)
    for outcome in (DONE, FAILED):
        store.decide(made.id, outcome)
        found = store.get(made.id)
        assert found is not None
        assert found.outcome == outcome


def test_an_erased_job_keeps_its_moments_and_no_payload(store: Store) -> None:
    made, other = added(store, outcome=DONE), added(store, outcome=DONE)
    store.add_file(file("/one.mp4", made.id))
    store.add_file(file("/other.mp4", other.id))
    starts = made.starts
    store.erase(made.id)
    found = store.get(made.id)
    assert found is not None
    assert found.outcome is not None
    assert (found.starts, found.outcome.status_code, found.outcome.body) == (starts, 200, b"")
    assert (store.input(made.id), store.file("/one.mp4")) == (b"", None)
    assert (store.input(other.id), store.file("/other.mp4")) == (
        b"{}",
        file("/other.mp4", other.id),
    )


def test_what_is_old_is_forgotten(store: Store) -> None:
    old, edge, open_ = added(store), added(store, starts=115.0), added(store, ends=math.inf)
    for each in (old, edge, open_):
        store.add_file(file(f"/{each.id}.mp4", each.id))
    forget(store, Keep.read("20s"), 140.0)
    assert [each.id for each in store.jobs()] == [edge.id, open_.id]
    assert (store.input(old.id), store.file(f"/{old.id}.mp4")) == (b"", None)
    assert [each.path for each in store.files()] == [f"/{edge.id}.mp4", f"/{open_.id}.mp4"]
    assert store.input(edge.id) == b"{}"


def test_a_file_takes_the_place_of_one_at_its_path(store: Store) -> None:
    made = added(store)
    store.add_file(file("/one.mp4", made.id))
    other = replace(file("/one.mp4", made.id), lifetime=None, acl="")
    store.add_file(other)
    assert (store.file("/one.mp4"), store.files()) == (other, [other])
    assert store.file("/other.mp4") is None


def test_what_a_store_takes_is_packed_as_what_it_is_given_is() -> None:
    given = Store()
    for n in range(3000):
        done = added(given, run=0.0, starts=100.0, outcome=DONE)
        given.add_file(file(f"/files/b/{n}", done.id))
    taken = Store()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        taken.take(given, {})
        size = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # Not packed it would be three times as much.
    assert size < 3000 * 600, size
    assert taken.jobs() == given.jobs()
    assert taken.files() == given.files()
