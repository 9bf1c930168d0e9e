"""The plan of who runs when, held to a simulation that is too simple to be wrong."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from falkit import Settings
from falkit_mock.core.clock import ManualClock
from falkit_mock.core.jobs import Entry, Job, RequestOptions, moments
from falkit_mock.service.queueing import Planner
from falkit_mock.store import Store
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.sqlite import SqliteStore


@dataclass(frozen=True)
class Submit:
    """A job into the queue, or a direct call."""

    path: str = "a/b/c"
    key: str = "k"
    low: bool = False
    queue: float = 0.0
    run: float = 2.0
    start_within: float = math.inf
    entry: Entry = "queue"


@dataclass(frozen=True)
class Cancel:
    """The cancellation of the job with this number, if it is there and open."""

    number: int


@dataclass(frozen=True)
class Pass:
    """Time passes, seconds."""

    seconds: float


Act = Submit | Cancel | Pass
MakeStore = Callable[[], Store]
ON_BOTH_STORES = pytest.mark.parametrize("make", [Store, SqliteStore])
SECONDS = st.integers(0, 6).map(lambda half: half / 2)
SUBMITS = st.builds(
    Submit,
    path=st.sampled_from(["a/b/c", "a/b/d", "e/f/g"]),
    key=st.sampled_from(["k", "l"]),
    low=st.booleans(),
    queue=SECONDS,
    run=SECONDS,
    start_within=st.one_of(st.just(math.inf), SECONDS.map(lambda half: half + 0.25)),
    entry=st.sampled_from(["queue", "queue", "queue", "run"]),
)
# What nothing but its turn keeps back: the common case, with a plan that only grows at its end.
ALIKE = st.builds(Submit, run=st.integers(1, 6).map(float), queue=st.just(0.5))
OTHERS = st.one_of(st.builds(Cancel, st.integers(0, 12)), st.builds(Pass, SECONDS))
# Two direct calls that end one after the other.
CALLS = [Submit(run=run, entry="run") for run in (1.5, 1.0)]


@dataclass
class World:
    """A planner on a store of its own, and what was done to it."""

    runners: int
    concurrency: int
    clock: ManualClock = field(default_factory=ManualClock)
    store: Store = field(default_factory=Store)
    ids: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        settings = Settings(runners=self.runners, concurrency=self.concurrency)
        self.planner = Planner(settings, self.clock, self.store)

    @property
    def now(self) -> float:
        return self.clock.now()

    @property
    def places(self) -> float:
        return self.concurrency or math.inf

    def jobs(self) -> list[Job]:
        return self.store.jobs()

    def act(self, act: Act) -> None:
        match act:
            case Submit():
                self.submit(act)
            case Cancel(number):
                self.cancel(number)
            case Pass(seconds):
                self.clock.advance(seconds)

    def submit(self, wish: Submit) -> Job | None:
        """Take a job as the platform does; a direct call above the limit is not taken."""
        if wish.entry == "run" and self.planner.in_progress(wish.key) >= self.places:
            return None
        ready = self.now + (wish.queue if wish.entry == "queue" else 0.0)
        options = RequestOptions(
            key=wish.key,
            priority="low" if wish.low else "normal",
            start_within=wish.start_within,
        )
        seq = self.store.next_seq()
        times = (self.now, ready, ready + wish.run, wish.run, ready)
        job = Job(f"job-{seq}", seq, wish.path, "a/b", wish.entry, "clock", *times, options=options)
        if wish.entry == "queue":
            self.planner.enter(job)
        self.store.add(job, b"")
        if wish.entry == "run" and wish.run:
            self.planner.replan(job)
        self.ids.append(job.id)
        return job

    def cancel(self, number: int) -> None:
        job = self.store.get(self.ids[number]) if number < len(self.ids) else None
        if job is None or job.status(self.now) == "COMPLETED":
            return
        if job.status(self.now) == "IN_QUEUE":
            job.run = 0.0
        job.cancelled = True
        job.starts, job.ends = min(job.starts, self.now), min(job.ends, self.now)
        self.store.update(job)
        self.planner.replan(job)


def naive(world: World) -> dict[str, tuple[float, float]]:
    """Plan those who wait anew by going through everyone at every moment at which things change."""
    now, jobs = world.now, world.jobs()
    waits = [job for job in jobs if job.status(now) == "IN_QUEUE"]
    waits.sort(key=lambda job: (job.options.priority == "low", job.seq))
    running = [job for job in jobs if job.status(now) == "IN_PROGRESS" and job.run > 0]
    busy = [
        (job.path if job.entry == "queue" else "", job.options.key, job.ends) for job in running
    ]
    found: dict[str, tuple[float, float]] = {}
    at = now
    while waits:
        busy = [each for each in busy if each[2] > at]
        for job in [*waits]:
            if job.start_by < at:
                found[job.id] = (math.inf, job.start_by)
                waits.remove(job)
                continue
            on_path = sum(path == job.path for path, _, _ in busy)
            of_key = sum(key == job.options.key for _, key, _ in busy)
            if job.ready <= at and on_path < world.runners and of_key < world.places:
                found[job.id] = (at, at + job.run)
                waits.remove(job)
                if job.run > 0:
                    busy.append((job.path, job.options.key, at + job.run))
        later = [*(end for _, _, end in busy), *(job.ready for job in waits)]
        later += [job.start_by + 1e-6 for job in waits if job.start_by < math.inf]
        at = min((moment for moment in later if moment > at), default=math.inf)
        if at == math.inf:
            break
    return found


def planned(world: World) -> dict[str, tuple[float, float]]:
    waits = [job for job in world.jobs() if job.status(world.now) == "IN_QUEUE"]
    return {job.id: (job.starts, job.ends) for job in waits}


def hold_to_limits(world: World) -> None:
    """See that no moment of the whole course has more running than may."""
    ran = [job for job in world.jobs() if job.run > 0 and not job.given_up]
    for at in {job.starts for job in ran}:
        on = [job for job in ran if job.starts <= at < job.ends]
        for path in {job.path for job in on}:
            assert sum(job.path == path and job.entry == "queue" for job in on) <= world.runners
        for key in {job.options.key for job in on}:
            assert sum(job.options.key == key for job in on) <= world.places


@ON_BOTH_STORES
@given(
    st.integers(1, 3), st.integers(0, 3), st.lists(st.one_of(SUBMITS, SUBMITS, OTHERS), max_size=14)
)
# A job with a runner free before the others' key has a place again.
@example(1, 1, [Submit(run=10.0), Submit("e/f/g", run=1.0), Submit("e/f/g", "l", run=20.0)])
# A later one that is ready sooner.
@example(1, 0, [Submit(queue=3.0), Submit(queue=0.5, run=6.0), Submit(queue=1.0)])
# One that takes no time, but needs a free runner; and two that wait for the same place.
@example(1, 0, [Submit(queue=0.5, run=0.0), Submit(run=1.0)])
@example(1, 2, [*CALLS[:1], *[Submit(queue=0.5, run=0.0)] * 2, *CALLS[1:]])
# One that is given up before its key has a place, which is then the next one's.
@example(2, 1, [Submit(), Submit(start_within=1.25), Submit(), Submit(low=True), Cancel(3)])
@example(2, 1, [Submit("e/f/g", low=True), Submit(), Submit(start_within=1.25), Submit()])
def test_the_stored_plan_is_what_a_simulation_from_scratch_answers(
    make: MakeStore, runners: int, concurrency: int, acts: list[Act]
) -> None:
    world = World(runners, concurrency, store=make())
    for act in acts:
        world.act(act)
        assert planned(world) == naive(world), act
    hold_to_limits(world)
    world.store.close()


@ON_BOTH_STORES
@given(st.integers(1, 3), st.integers(0, 3), st.lists(st.one_of(ALIKE, OTHERS), max_size=14))
def test_among_jobs_that_are_alike_none_overtakes_and_none_is_put_back(
    make: MakeStore, runners: int, concurrency: int, acts: list[Act]
) -> None:
    world = World(runners, concurrency, store=make())
    before: dict[str, tuple[float, float]] = {}
    for act in acts:
        world.act(act)
        plan = planned(world)
        starts = [starts for starts, _ in plan.values()]
        assert starts == sorted(starts)
        for id, (start, _) in plan.items():
            assert start <= before.get(id, (math.inf, 0.0))[0], f"{id} was put back"
        before = plan
    hold_to_limits(world)
    world.store.close()


@ON_BOTH_STORES
@given(st.integers(1, 3), st.integers(0, 3), st.lists(SUBMITS, max_size=12))
def test_a_place_in_the_queue_counts_who_comes_before(
    make: MakeStore, runners: int, concurrency: int, acts: Iterable[Act]
) -> None:
    world = World(runners, concurrency, store=make())
    for act in acts:
        world.act(act)
    jobs = [job for job in world.jobs() if job.status(world.now) == "IN_QUEUE"]
    for path in {job.path for job in jobs}:
        line = [job for job in jobs if job.path == path]
        line.sort(key=lambda job: (job.options.priority == "low", job.seq))
        assert [world.store.queues.ahead(job, world.now) for job in line] == [*range(len(line))]
        assert world.store.queues.length(path, world.now) == len(line)
        leaves = [min(job.starts, job.ends) for job in line]
        assert world.store.queues.next_start(path, world.now) == min(leaves)
    world.store.close()


def test_a_store_that_is_opened_again_knows_who_waits(tmp_path: Path) -> None:
    file = str(tmp_path / "jobs.db")
    world = World(1, 2, store=DurableStore(file))
    for _ in range(3):
        world.submit(Submit())
    world.submit(Submit(key="l", entry="run"))
    world.store.close()
    again = DurableStore(file)
    for store in (world.store, again):
        waiting = store.queues.waiting(None, world.now)
        starts = {job.id: job.starts - world.now for job in waiting}
        assert starts == {"job-2": 2.0, "job-3": 4.0}
        assert {job.id for job in store.queues.running(world.now)} == {"job-1", "job-4"}
    again.close()
    world.store.close()


@ON_BOTH_STORES
def test_a_store_that_was_emptied_is_planned_from_the_start(make: MakeStore) -> None:
    world = World(1, 0, store=make())
    for _ in range(3):
        world.submit(Submit())
    world.store.clear()
    world.planner.restart()
    job = world.submit(Submit(queue=0.5))
    assert job is not None
    assert job.starts == world.now + 0.5
    world.store.close()


@ON_BOTH_STORES
@pytest.mark.parametrize(("paths", "keys"), [(1, 1), (5, 50)])
def test_a_submit_behind_ten_thousand_costs_no_more_than_two_milliseconds(
    make: MakeStore, paths: int, keys: int
) -> None:
    world = World(2, 2, store=make())
    spent: list[float] = []
    job: Job | None = None
    for number in range(10_100):
        key = f"k{number * 7 % keys}"
        began = time.process_time()
        job = world.submit(Submit(f"a/b/{number % paths}", key, queue=0.5, run=2.0))
        spent.append(time.process_time() - began)
    assert statistics.median(spent[-100:]) < 0.002
    assert job is not None
    began = time.process_time()
    places = [world.store.queues.ahead(job, world.now) for _ in range(100)]
    assert (time.process_time() - began) / 100 < 0.0002
    assert places[0] == 10_100 // paths - 1
    world.store.close()


def test_moments_of_one_that_starts_too_late_are_its_end_only() -> None:
    assert moments(5.0, 2.0, 4.9) == (math.inf, 4.9)
    assert moments(5.0, 2.0, 5.0) == (5.0, 7.0)
