"""The state machine, as long as `make test` has time for."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from protocol.queue_machine import QueueMachine

TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
