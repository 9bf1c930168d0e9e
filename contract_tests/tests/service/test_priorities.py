"""Who comes before whom in an endpoint's queue."""

from __future__ import annotations

import pytest

from serving import T2V, Mock, Serve

LOW = {"x-fal-queue-priority": "low"}


def positions(mock: Mock, jobs: list[dict[str, str]]) -> list[int]:
    return [mock.status(job)["queue_position"] for job in jobs]


def test_a_normal_job_overtakes_waiting_low_ones(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    low = [mock.submit(headers=LOW) for _ in range(2)]
    normal = mock.submit()
    assert normal["queue_position"] == 0
    assert positions(mock, [normal, *low]) == [0, 1, 2]
    started: list[str] = []
    for _ in range(3):
        mock.advance(10)
        running = [job for job in (*low, normal) if mock.status(job)["status"] == "IN_PROGRESS"]
        started += [job["request_id"] for job in running]
    assert started == [job["request_id"] for job in (normal, *low)]


def test_a_running_job_is_not_put_back(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    low = mock.submit(headers=LOW)
    normal = mock.submit()
    assert mock.status(low)["status"] == "IN_PROGRESS"
    assert mock.status(normal)["queue_position"] == 0


def test_a_queue_position_counts_its_own_endpoint_alone(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    mock.submit(headers=LOW)
    mock.submit()
    other = mock.submit(endpoint=f"{T2V}/fast", headers=LOW)
    assert other["queue_position"] == 0


def test_a_stream_reports_being_overtaken(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    low = mock.submit(headers=LOW)
    url = f"{low['status_url']}/stream"
    with mock.http.stream("GET", url) as stream:
        lines = (line for line in stream.iter_lines() if line)
        assert '"queue_position":0' in next(lines)
        mock.submit()
        assert '"queue_position":1' in next(lines)


@pytest.mark.parametrize("word", ["normal", ""])
def test_normal_comes_before_low_and_an_empty_header_is_none(timed: Serve, word: str) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    first = mock.submit(headers={"x-fal-queue-priority": word})
    mock.submit()
    assert mock.status(first)["queue_position"] == 0


@pytest.mark.parametrize("word", ["urgent", "NORMAL", "Low"])
def test_a_malformed_priority_is_refused(timed: Serve, word: str) -> None:
    mock = timed("instant")
    reply = mock.run({}, headers={"x-fal-queue-priority": word})
    assert reply.status_code == 400
    body = reply.json()
    assert body["error_type"] == reply.headers["x-fal-error-type"] == "bad_request"
    assert body["detail"] == f"X-Fal-Queue-Priority: '{word}' is neither normal nor low"
