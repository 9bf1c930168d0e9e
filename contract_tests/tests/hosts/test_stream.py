"""The status stream: server-sent events until the end (wire.md §3.3)."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from serving import Mock, Serve, WatchedClock


@contextmanager
def _streamed(mock: Mock, job: dict[str, Any], query: str = "") -> Generator[Iterator[str]]:
    """Yield the stream's blocks as they come, each without its empty line."""
    with mock.http.stream("GET", f"{job['status_url']}/stream{query}") as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["x-fal-request-id"] == job["request_id"]
        yield (line for line in reply.iter_lines() if line)


def _event(line: str) -> dict[str, Any]:
    assert line.startswith("data: ")
    event: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return event


def test_events_are_the_statuses_in_order_and_the_stream_ends(
    slow: Mock, clock: WatchedClock
) -> None:
    job = slow.submit()
    with _streamed(slow, job) as lines:
        events = [_event(next(lines))]
        for seconds in (1, 10):
            clock.until_waited_for()
            slow.advance(seconds)
            events.append(_event(next(lines)))
        assert next(lines, "the end") == "the end"
    assert [event["status"] for event in events] == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert events[0] == {name: value for name, value in job.items() if name != "status"} | {
        "status": "IN_QUEUE"
    }
    assert events[-1] == slow.status(job)


def test_a_comment_comes_after_15_silent_seconds(held: Mock, clock: WatchedClock) -> None:
    job = held.submit()
    with _streamed(held, job) as lines:
        assert _event(next(lines))["status"] == "IN_QUEUE"
        for seconds in (14.9, 0.1, 15):
            clock.until_waited_for()
            held.advance(seconds)
        assert [next(lines), next(lines)] == [": keep-alive"] * 2
        held.release(job)
        assert _event(next(lines))["status"] == "COMPLETED"


def test_a_held_jobs_stream_follows_its_releases(held: Mock, clock: WatchedClock) -> None:
    job = held.submit()
    with _streamed(held, job, "?logs=1") as lines:
        assert _event(next(lines))["logs"] is None
        clock.until_waited_for()
        held.release(job, to="IN_PROGRESS")
        running = _event(next(lines))
        assert (running["status"], type(running["logs"])) == ("IN_PROGRESS", list)
        clock.until_waited_for()
        held.release(job)
        assert _event(next(lines))["status"] == "COMPLETED"
        assert next(lines, None) is None


def _messages(event: dict[str, Any]) -> list[str]:
    return [line["message"] for line in event["logs"]]


def test_log_lines_arrive_as_they_are_printed_and_once_only(
    slow: Mock, clock: WatchedClock
) -> None:
    job = slow.submit()
    slow.advance(1)
    with _streamed(slow, job, "?logs=true") as lines:
        seen = [_messages(_event(next(lines)))]
        for seconds in (0.5, 9.5):
            clock.until_waited_for()
            slow.advance(seconds)
            seen.append(_messages(_event(next(lines))))
    assert seen[:2] == [["Preparing the request"], ["Reading the inputs"]]
    assert len(seen[2]) == 10
    assert seen[2][-1] == "Uploading the result"


def test_stream_events_can_have_the_whole_log_window(timed: Serve, clock: WatchedClock) -> None:
    assumed = ("stream-logs=window",)
    mock = timed("0,10", assumptions=assumed)
    with _streamed(mock, mock.submit(), "?logs=1") as lines:
        next(lines)
        clock.until_waited_for()
        mock.advance(0.5)
        expected = ["Preparing the request", "Reading the inputs"]
        assert _messages(_event(next(lines))) == expected


def test_a_queue_that_moves_up_is_an_event(slow: Mock, clock: WatchedClock) -> None:
    *others, job = [slow.submit() for _ in range(3)]
    with _streamed(slow, job) as lines:
        positions = [_event(next(lines))["queue_position"]]
        for other in others:
            clock.until_waited_for()
            slow.cancel(other)
            positions.append(_event(next(lines))["queue_position"])
    assert positions == [2, 1, 0]


def test_a_finished_job_streams_one_event(mock: Mock) -> None:
    job = mock.submit()
    with _streamed(mock, job) as lines:
        assert [_event(line)["status"] for line in lines] == ["COMPLETED"]


def test_polls_timing_walks_through_all_statuses(serve: Serve) -> None:
    mock = serve("polls")
    with _streamed(mock, mock.submit()) as lines:
        statuses = [_event(line)["status"] for line in lines]
    assert statuses == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]


def test_a_failed_job_ends_its_stream_with_the_error(slow: Mock, clock: WatchedClock) -> None:
    job = slow.submit({"prompt": ""})
    with _streamed(slow, job) as lines:
        next(lines)
        clock.until_waited_for()
        slow.advance(1)
        last = _event(next(lines))
        assert (last["status"], last["error"]) == ("COMPLETED", "Invalid status code: 422")
        assert next(lines, None) is None
