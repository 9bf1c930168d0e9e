"""Whatever a program does that is as fal has it, no error is found of it."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from falkit_contract.strategies import inputs
from findings.conftest import Own
from findings.conversing import found
from serving import I2V_FAST, T2V, Mock

# What may be asked of a job before it is over, in any order and as often as one likes.
MEANWHILE = ("status", "status with logs", "result", "held status", "release")
STEPS = st.lists(st.sampled_from(MEANWHILE), max_size=6)
ENDS = st.sampled_from(("result", "stream, result", "status, result", "cancel", "cancel, result"))
CALLS = st.sampled_from((T2V, I2V_FAST)).flatmap(
    lambda id: st.tuples(st.just(id), inputs(id) | st.just({"prompt": 7}), STEPS, ENDS)
)


def step(mock: Mock, job: dict[str, Any], name: str) -> None:
    match name:
        case "status":
            mock.status(job)
        case "status with logs":
            mock.status(job, logs=1)
        case "result":
            mock.result(job)
        case "release":
            mock.release(job, "IN_PROGRESS")
        case "held status":
            mock.job(job)
        case "stream":
            assert "COMPLETED" in mock.http.get(job["status_url"] + "/stream").text
        case _:
            mock.cancel(job)


@given(calls=st.lists(CALLS, max_size=4), mixed=st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_error_is_found_of_what_is_legal(own: Own, calls: list[Any], mixed: Any) -> None:
    mock = own("held", max_tenants=1_000)
    jobs = [mock.submit(input, endpoint) for endpoint, input, _, _ in calls]
    # Jobs are asked for in turn, as a program with several does.
    todo = [(job, name) for job, call in zip(jobs, calls, strict=True) for name in call[2]]
    mixed.shuffle(todo)
    for job, name in todo:
        step(mock, job, name)
    for job, call in zip(jobs, calls, strict=True):
        first, _, more = call[3].partition(", ")
        if first != "cancel":
            mock.release(job)
        step(mock, job, first)
        if more:
            step(mock, job, more)
    assert [one for one in found(mock) if one.severity == "error"] == []
