"""The state machine: the same sequences each time in `make test`, new and more ones by night."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from falkit_mock.store.sqlite import SqliteStore
from protocol.queue_machine import QueueMachine

NIGHTLY = os.environ.get("FALKIT_NIGHTLY") == "1"
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


class OnSqlite(QueueMachine):
    """The same over a store that gives copies of its jobs, and survives."""

    store_class = SqliteStore


def test_the_same_on_sqlite() -> None:
    fewer = settings(TestQueue.settings, max_examples=500 if NIGHTLY else 15)
    run_state_machine_as_test(OnSqlite, settings=fewer)
