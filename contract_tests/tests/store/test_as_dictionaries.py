"""Whatever is done to a store, it has what plain dictionaries would have."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import falkit_mock.store
from falkit_fixtures.wanted import Wanted
from falkit_mock.core.jobs import NO_FAULTS, Job, Outcome, RequestOptions
from falkit_mock.store import FileRecord, Given, Store, shelf
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.packing import Packing
from falkit_mock.store.sqlite import SqliteStore
from nights import NIGHTLY
from store.items import FAULTS, OPTIONS

# With what no option of the oldest states is.
MARKED = replace(OPTIONS, tags=("a=b",), test='tests/test_a.py::test_b["ü"]')
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
OUTCOMES = st.builds(
    Outcome,
    st.sampled_from([200, 422, 500]),
    st.one_of(st.binary(max_size=60), st.just(b'{"url": "http://x/files/0.mp4"}')),
    st.dictionaries(st.sampled_from(["a", "b"]), TEXT, max_size=2),
    st.none() | TEXT,
    st.none() | TEXT,
)
T = TypeVar("T")
SECONDS = st.integers(0, 20).map(float)


def in_memory(path: Path) -> Store:
    return Store()


def on_sqlite(path: Path) -> Store:
    return SqliteStore()


class Machine(RuleBasedStateMachine):
    """A store beside dictionaries of what it was given, in an event loop of its own."""

    make: Callable[[Path], Store] = staticmethod(in_memory)

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.jobs: dict[str, Job] = {}
        self.inputs: dict[str, bytes] = {}
        self.files: dict[str, FileRecord] = {}
        self.now, self.made = 100.0, 0
        self.store = self.inside(self._made)

    def _made(self) -> Store:
        return type(self).make(Path(self.folder.name, "falkit.state"))

    def inside(self, act: Callable[[], T], turns: int = 0) -> T:
        """Do something in the event loop; what it leaves there goes on while others are done."""

        async def done() -> T:
            result = act()
            for _ in range(turns):
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(done())

    def teardown(self) -> None:
        self.inside(self.store.close)
        self.loop.close()
        self.folder.cleanup()

    def over(self) -> list[str]:
        return [id for id, job in self.jobs.items() if job.ends <= self.now]

    @rule(
        input=st.binary(max_size=60),
        outcome=st.none() | OUTCOMES,
        run=st.sampled_from([0.0, 0.0, 3.0, math.inf]),
        waits=st.sampled_from([0.0, 0.0, 2.0]),
        options=st.sampled_from([RequestOptions(), OPTIONS, MARKED]),
        faults=st.sampled_from([NO_FAULTS, FAULTS]),
        files=st.integers(0, 2),
        turns=st.integers(0, 3),
    )
    def add(
        self,
        input: bytes,
        outcome: Outcome | None,
        run: float,
        waits: float,
        options: RequestOptions,
        faults: object,
        files: int,
        turns: int,
    ) -> None:
        self.made += 1
        id = f"job-{self.made}"
        starts = self.now + waits
        times = (self.now, starts, starts + run, run, self.now)
        made = [
            FileRecord(f"/files/{self.made}-{n}.mp4", id, Wanted("mp4", "a/b", id, "d", n))
            for n in range(files)
        ]

        def act() -> None:
            for record in made:
                self.store.add_file(record)
            job = Job(id, self.store.next_seq(), "a/b/c", "a/b", "queue", "clock", *times, outcome)
            job.options, job.faults = options, faults  # type: ignore[assignment]
            self.jobs[id], self.inputs[id] = deepcopy(job), input
            self.store.add(job, input)

        self.inside(act, turns)
        self.files.update({record.path: record for record in made})

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), outcome=OUTCOMES, turns=st.integers(0, 3))
    def decide(self, data: st.DataObject, outcome: Outcome, turns: int) -> None:
        id = data.draw(st.sampled_from([*self.jobs]))
        self.jobs[id].outcome = deepcopy(outcome)
        self.inside(lambda: self.store.decide(id, outcome), turns)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), ends=SECONDS, turns=st.integers(0, 3))
    def update(self, data: st.DataObject, ends: float, turns: int) -> None:
        id = data.draw(st.sampled_from([*self.jobs]))

        def act() -> None:
            job = self.store.get(id)
            assert job is not None
            job.ends, job.cancelled = self.now + ends, True
            self.store.update(job)

        self.inside(act, turns)
        self.jobs[id].ends, self.jobs[id].cancelled = self.now + ends, True

    @rule(seconds=SECONDS, turns=st.integers(0, 3))
    def reschedule(self, seconds: float, turns: int) -> None:
        waiting = [job.id for job in self.store.queues.waiting(None, self.now)]
        planned = dict.fromkeys(waiting[:3], (self.now + seconds, self.now + seconds + 1))
        self.inside(lambda: self.store.reschedule(planned), turns)
        for id, (starts, ends) in planned.items():
            self.jobs[id].starts, self.jobs[id].ends = starts, ends

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), turns=st.integers(0, 3))
    def erase(self, data: st.DataObject, turns: int) -> None:
        id = data.draw(st.sampled_from([*self.jobs]))
        self.inside(lambda: self.store.erase(id), turns)
        if (outcome := self.jobs[id].outcome) is not None:
            self.jobs[id].outcome = replace(outcome, body=b"")
        self.inputs[id] = b""
        self.files = {path: file for path, file in self.files.items() if file.request_id != id}

    @precondition(lambda self: self.over())
    @rule(data=st.data(), turns=st.integers(0, 3))
    def drop(self, data: st.DataObject, turns: int) -> None:
        gone = data.draw(st.sets(st.sampled_from(self.over()), min_size=1, max_size=5))
        self.inside(lambda: self.store.drop({*gone, "none"}), turns)
        for id in gone:
            del self.jobs[id], self.inputs[id]
        self.files = {path: f for path, f in self.files.items() if f.request_id not in gone}

    @precondition(lambda self: self.files)
    @rule(data=st.data(), acl=TEXT)
    def change_file(self, data: st.DataObject, acl: str) -> None:
        path = data.draw(st.sampled_from([*self.files]))
        self.files[path] = replace(self.files[path], acl=acl)
        self.inside(lambda: self.store.add_file(self.files[path]))

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: len(self.jobs) > 9)
    @rule()
    def clear(self) -> None:
        self.inside(self.store.clear)
        self.jobs, self.inputs, self.files = {}, {}, {}

    @rule()
    def save(self) -> None:
        if (journal := self.store.journal) is not None:
            self.loop.run_until_complete(journal.saved())

    @rule()
    def open_again(self) -> None:
        if isinstance(self.store, DurableStore):
            self.inside(self.store.close)
            self.store = self.inside(self._made)

    @invariant()
    def has_the_same(self) -> None:
        store, jobs = self.store, [*self.jobs.values()]
        over = self.over()
        assert store.open(self.now) == [job for job in jobs if job.id not in over]
        assert store.jobs() == jobs
        assert [*map(repr, map(store.get, self.jobs))] == [*map(repr, jobs)]
        assert {id: store.input(id) for id in self.jobs} == self.inputs
        assert {path: store.file(path) for path in self.files} == self.files
        assert sorted(store.files(), key=repr) == sorted(self.files.values(), key=repr)
        assert (store.get("job-0"), store.input("job-0"), store.file("/none")) == (None, b"", None)
        assert store.count() == len(jobs)
        middle = jobs[len(jobs) // 2].seq if jobs else 0
        assert store.after(middle, 3) == [job for job in jobs if job.seq > middle][:3]
        assert store.before(middle, 3) == [job for job in jobs if job.seq < middle][::-1][:3]
        bodies = sum(len(job.outcome.body) for job in jobs if job.outcome is not None)
        assert store.kept == bodies + sum(map(len, self.inputs.values()))


class OnSqlite(Machine):
    make = staticmethod(on_sqlite)


class InAFile(Machine):
    make = staticmethod(DurableStore)


@pytest.mark.parametrize("machine", [Machine, OnSqlite, InAFile])
def test_a_store_has_what_dictionaries_would(
    machine: type[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few that most of what is over is packed, or has to be read.
    monkeypatch.setattr(falkit_mock.store, "_LOOSE", 2)
    monkeypatch.setattr(falkit_mock.store, "_PAGE", 3)
    monkeypatch.setattr(shelf, "_AT_HAND", 2)
    monkeypatch.setattr(shelf, "_LIGHT", 40)
    monkeypatch.setattr(shelf, "_STEP", 3)
    few = 12 if machine is InAFile else 40
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=1000 if NIGHTLY else few,
            stateful_step_count=30,
            derandomize=not NIGHTLY,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


NUMBERS = st.one_of(st.integers(0, 3), st.floats(0.0, allow_nan=False), st.just(math.inf))
WANTED = st.builds(
    Wanted,
    st.sampled_from(["mp4", "png"]),
    TEXT,
    st.sampled_from(["job-1", "other"]),
    TEXT,
    width=st.integers(0, 9),
    fps=NUMBERS,
    seconds=NUMBERS,
    sound=st.booleans(),
    picture=st.binary(max_size=9),
)
FILES = st.builds(
    FileRecord,
    st.one_of(TEXT, st.just("/files/0.mp4"), st.just("/files/\ud800")),
    st.just("job-1"),
    st.one_of(WANTED, st.builds(Given, TEXT, TEXT)),
    st.none() | NUMBERS,
    TEXT,
)
JOBS = st.builds(
    Job,
    st.just("job-1"),
    st.integers(1, 2**40),
    TEXT,
    TEXT,
    st.sampled_from(["queue", "run"]),
    st.sampled_from(["clock", "polls", "held"]),
    NUMBERS,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    OUTCOMES,
    st.booleans(),
    st.builds(
        RequestOptions,
        TEXT,
        start_within=NUMBERS,
        webhook=st.none() | TEXT,
        media_for=NUMBERS,
        tags=st.lists(TEXT, max_size=2).map(tuple),
    ),
    st.integers(1, 3),
    st.sampled_from([NO_FAULTS, FAULTS]),
)


@pytest.mark.parametrize("most", [0, 3, 1024])
def test_what_is_packed_is_had_again_to_the_last_type(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falkit_mock.store.packing._MOST", most)
    packing = Packing()

    @given(JOBS, st.binary(max_size=30), st.lists(FILES, max_size=3))
    @settings(max_examples=150, derandomize=not NIGHTLY, deadline=None)
    def check(job: Job, input: bytes, files: list[FileRecord]) -> None:
        data = packing.pack(job, input, files)
        if data is None:
            assert any("\ud800" in file.path for file in files)
            return
        found = (packing.job(job.id, data), packing.input(data), packing.files(job.id, data))
        assert repr(found) == repr((job, input, files))

    check()
