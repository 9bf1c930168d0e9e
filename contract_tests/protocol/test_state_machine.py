"""The state machine, as long as `make test` has time for; `make nightly` takes longer."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from protocol.queue_machine import QueueMachine

TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(
    max_examples=2000 if os.environ.get("FALKIT_NIGHTLY") else 100,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
