"""How many requests of one key run at once, at fal.run and from the queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from serving import KEY, PROMPT, T2V, Mock, Serve, WatchedClock

OTHER = {"authorization": "Key other:secret"}


def states(mock: Mock, jobs: list[dict[str, Any]]) -> list[str]:
    return [mock.status(job)["status"] for job in jobs]


def test_a_call_above_the_limit_is_429_and_says_which_limit(timed: Serve) -> None:
    mock = timed("0,10")
    mock.submit()
    mock.submit()
    reply = mock.run(PROMPT)
    assert reply.status_code == 429
    body = reply.json()
    assert body["error_type"] == reply.headers["x-fal-error-type"] == "concurrent_requests_limit"
    assert isinstance(body["detail"], str)
    assert reply.headers["x-fal-needs-retry"] == "1"
    assert "x-fal-request-id" in reply.headers
    hint = reply.headers["x-falkit-hint"]
    assert all(word in hint for word in ("2 requests", "'id'", "--concurrency"))


def test_a_refused_call_leaves_nothing_behind(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    assert mock.run(PROMPT).status_code == 429
    assert len(mock.jobs()) == 1


def test_the_hint_never_has_a_whole_key(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    all_secret = {"authorization": "Key a-key-without-a-colon"}
    mock.submit(headers=all_secret)
    hint = mock.run(PROMPT, headers=all_secret).headers["x-falkit-hint"]
    assert "key a-key-wi..." in hint
    assert "colon" not in hint


def test_every_key_has_places_of_its_own(timed: Serve, clock: WatchedClock) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(mock.run, PROMPT, headers=OTHER)
        clock.until_waited_for()
        assert mock.run(PROMPT, headers=KEY).status_code == 429
        mock.advance(10)
        assert call.result().status_code == 200
    assert mock.run({}, headers=KEY).status_code == 422, "the job has ended, and so has the call"


@pytest.mark.parametrize("ended", ["by time", "by a hang-up"])
def test_a_direct_call_takes_a_place_until_its_end(
    timed: Serve, clock: WatchedClock, ended: str
) -> None:
    mock = timed("0,10", concurrency=1)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(mock.run, PROMPT)
        clock.until_waited_for()
        job = mock.submit()
        assert mock.status(job)["status"] == "IN_QUEUE"
        if ended == "by time":
            mock.advance(10)
        else:
            mock.inside(lambda: mock.service.settle(mock.service.store.jobs()[0]))
        call.result()
    assert mock.status(job)["status"] == "IN_PROGRESS"


def test_the_queue_waits_for_a_place_across_endpoints(timed: Serve) -> None:
    mock = timed("0,10")
    jobs = [mock.submit(endpoint=endpoint) for endpoint in (T2V, f"{T2V}/fast", T2V)]
    jobs[1:1] = [mock.submit(headers=OTHER)]
    assert states(mock, jobs) == ["IN_PROGRESS"] * 3 + ["IN_QUEUE"]
    mock.advance(10)
    assert states(mock, jobs) == ["COMPLETED"] * 3 + ["IN_PROGRESS"]


def test_instant_jobs_take_no_place(timed: Serve) -> None:
    mock = timed("instant", concurrency=1)
    jobs = [mock.submit() for _ in range(4)]
    assert states(mock, jobs) == ["COMPLETED"] * 4
    assert mock.run(PROMPT).status_code == 200


def test_a_limit_of_0_lets_any_number_run(timed: Serve) -> None:
    mock = timed("0,10", concurrency=0, runners=5)
    jobs = [mock.submit() for _ in range(5)]
    assert states(mock, jobs) == ["IN_PROGRESS"] * 5


def test_a_direct_call_takes_its_place_from_waiting_jobs(timed: Serve, clock: WatchedClock) -> None:
    mock = timed("5,10", concurrency=1)
    job = mock.submit()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(mock.run, PROMPT)
        clock.until_waited_for()
        mock.advance(6)
        assert mock.status(job)["status"] == "IN_QUEUE", "it would have started after 5 s"
        mock.advance(4)
        assert call.result().status_code == 200
    assert mock.status(job)["status"] == "IN_PROGRESS"


def test_a_call_that_is_held_takes_a_place(timed: Serve) -> None:
    mock = timed("held", concurrency=1)
    job = mock.submit()
    mock.release(job, to="IN_PROGRESS")
    assert mock.run(PROMPT).status_code == 429
    mock.release(job)
    mock.cancel(mock.submit())
    assert mock.run({}).status_code == 422


def test_a_release_of_a_job_on_the_clock_moves_up_those_behind_it(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    jobs = [mock.submit() for _ in range(3)]
    mock.release(jobs[0])
    assert states(mock, jobs) == ["COMPLETED", "IN_PROGRESS", "IN_QUEUE"]
    mock.advance(10)
    assert states(mock, jobs) == ["COMPLETED", "COMPLETED", "IN_PROGRESS"]


def test_a_job_started_early_runs_as_long_as_others(timed: Serve) -> None:
    mock = timed("5,10")
    job = mock.submit()
    mock.release(job, to="IN_PROGRESS")
    mock.advance(9.5)
    assert mock.status(job)["status"] == "IN_PROGRESS"
    mock.advance(0.5)
    assert mock.status(job)["status"] == "COMPLETED"
