"""The state machine: the same sequences each time in `make test`, new and more ones by night."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from falkit_mock.core.jobs import Job
from falkit_mock.store import Store
from falkit_mock.store.sqlite import SqliteStore, read_image
from nights import NIGHTLY
from protocol.queue_machine import QueueMachine

# A planted fault has to be met whatever was changed about the machine since it was planted.
PLANTED = "FALKIT_PLANTED" in os.environ

TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(
    max_examples=3000 if NIGHTLY else 300 if PLANTED else 150,
    stateful_step_count=40,
    derandomize=not NIGHTLY,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)


class CopyingStore(SqliteStore):
    """Gives copies of its jobs, so that a change counts only once `update` is called."""

    def get(self, request_id: str) -> Job | None:
        found = super().get(request_id)
        return None if found is None else replace(found)

    def walk(self) -> Iterator[Job]:
        return map(replace, super().walk())


class OnSqlite(QueueMachine):
    """The same over a store that gives copies of its jobs, and survives."""

    store_class = CopyingStore

    def teardown(self) -> None:
        if self._driver is not None:
            store = self._driver.service.store
            assert isinstance(store, SqliteStore)
            assert survives(read_image(store.image())) == survives(store)
        super().teardown()


def survives(store: Store) -> list[object]:
    """Return what a store has that is written down."""
    jobs = [(job, store.input(job.id)) for job in store.jobs()]
    return [jobs, store.files(), store.deliveries.select(), store.deliveries.keys()]


def test_the_same_on_sqlite() -> None:
    fewer = settings(TestQueue.settings, max_examples=500 if NIGHTLY else 15)
    run_state_machine_as_test(OnSqlite, settings=fewer)
