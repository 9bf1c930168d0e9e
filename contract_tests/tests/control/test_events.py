"""GET /__falkit/events on a real socket: order, resuming, gaps, filters, several followers."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from falkit import Settings
from falkit_mock.control import records
from falkit_mock.core.events import RequestAnswered, RequestRecord
from serving import PATIENCE, PROMPT, T2V, Mock, running

EVENTS = "/__falkit/events"


@dataclass(frozen=True)
class Event:
    """One event as a follower reads it."""

    id: int
    kind: str
    data: dict[str, Any]


class Follower:
    """Reads a stream of events from its socket."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()
        # The stream begins with a comment, so that a follower knows that it is there.
        assert next(self._lines).startswith(":")

    def comment(self) -> str:
        """Return the next comment."""
        return next(line for line in self._lines if line.startswith(":"))

    def __iter__(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                fields = {}

    def take(self, count: int) -> list[Event]:
        """Return the next events, as many as `count`."""
        every = iter(self)
        return [next(every) for _ in range(count)]


@contextmanager
def following(mock: Mock, query: str = "", **headers: str) -> Generator[Follower]:
    with (
        httpx.Client(base_url=mock.url, trust_env=False, timeout=PATIENCE) as client,
        client.stream("GET", EVENTS + query, headers=headers) as response,
    ):
        assert response.status_code == 200
        yield Follower(response)


@pytest.fixture
def mock() -> Generator[Mock]:
    """A mock of the test's own, since numbers go on across resets."""
    with running(Settings(timing="instant", seed=1)) as served:
        yield served


def emit(mock: Mock, count: int, path: str = "/") -> None:
    """Have so many requests been answered, all at once."""

    def answered() -> None:
        for _ in range(count):
            record = RequestRecord(1.8e9, "GET", "fal.run", path, "id", fal=True)
            mock.service.events.emit(RequestAnswered(record))

    mock.inside(answered)


def test_each_request_is_an_event_with_id_kind_and_json(mock: Mock) -> None:
    with following(mock) as follower:
        reply = mock.run(PROMPT)
        first = next(event for event in follower if event.kind == "request_answered")
    assert follower.response.headers["content-type"].startswith("text/event-stream")
    assert follower.response.headers["x-fal-request-id"]
    assert (first.data["method"], first.data["path"], first.data["status"]) == (
        "POST",
        f"/{T2V}",
        200,
    )
    assert first.data["request_id"] == reply.headers["x-fal-request-id"]


def test_a_job_is_accepted_starts_and_ends_before_its_reply(mock: Mock) -> None:
    with following(mock) as follower:
        reply = mock.run(PROMPT)
        events = follower.take(4)
    request_id = reply.headers["x-fal-request-id"]
    assert {event.data["request_id"] for event in events} == {request_id}
    assert [event.data.get("change", event.kind) for event in events] == [
        "accepted",
        "started",
        "ended",
        "request_answered",
    ]


def test_events_come_in_order_and_are_numbered_without_holes(mock: Mock) -> None:
    with following(mock) as follower:
        for _ in range(5):
            mock.run(PROMPT)
        events = follower.take(5)
    assert [event.id for event in events] == [*range(events[0].id, events[0].id + 5)]


def test_without_a_number_the_stream_begins_with_the_next_event(mock: Mock) -> None:
    mock.run(PROMPT)
    with following(mock) as follower:
        mock.run({}, headers={"authorization": ""})
        (event,) = follower.take(1)
    assert event.data["status"] == 401


def test_since_0_begins_with_the_oldest_event(mock: Mock) -> None:
    mock.run(PROMPT)
    with following(mock, "?since=0") as follower:
        assert follower.take(1)[0].id == 1


def test_a_follower_resumes_after_the_last_event_that_it_received(mock: Mock) -> None:
    for _ in range(4):
        mock.run(PROMPT)
    # Whoever reconnects calls the URL of its first call, and adds the header.
    with following(mock, "?since=0", **{"last-event-id": "2"}) as follower:
        assert [event.id for event in follower.take(2)] == [3, 4]
    with following(mock, "?since=3") as follower:
        assert follower.take(1)[0].id == 4


def test_a_number_of_an_earlier_mock_begins_with_the_oldest_event(mock: Mock) -> None:
    mock.run(PROMPT)
    with following(mock, **{"last-event-id": "5000"}) as follower:
        assert follower.take(1)[0].id == 1


def test_only_events_of_a_kind_are_sent_with_a_filter(mock: Mock) -> None:
    hook = {"fal_webhook": "http://example.com/"}
    mock.submit(params=hook)
    mock.run(PROMPT)
    with following(mock, "?since=0&kind=delivery_attempted") as follower:
        (event,) = follower.take(1)
    assert (event.kind, event.data["status"]) == ("delivery_attempted", "refused")
    assert (event.data["endpoint_id"], event.data["prompt"]) == (T2V, PROMPT["prompt"])
    (listed,) = mock.http.get("/__falkit/deliveries").json()["deliveries"]
    assert event.data["seconds"] == listed["seconds"]
    reply = mock.http.get(EVENTS, params={"kind": "request"})
    assert (reply.status_code, "kind: 'request' is not " in reply.text) == (422, True)


def test_a_password_of_a_receiver_is_not_in_an_event(mock: Mock) -> None:
    mock.submit(params={"fal_webhook": "http://me:secret@example.com/"})
    with following(mock, "?since=0&kind=delivery_attempted") as follower:
        (event,) = follower.take(1)
    assert event.data["url"] == "http://me:***@example.com/"


def test_requests_to_the_control_api_are_not_events(mock: Mock) -> None:
    with following(mock) as follower:
        mock.http.get("/__falkit/health")
        mock.http.get("/nowhere")
        reply = mock.run(PROMPT)
        events = follower.take(1)
    assert events[0].data["request_id"] == reply.headers["x-fal-request-id"]


def test_a_gap_says_how_many_events_are_missing(mock: Mock) -> None:
    emit(mock, 1010)
    with following(mock, "?since=4&kind=call_left") as follower:
        (gap,) = follower.take(1)
    assert (gap.kind, gap.data) == ("gap", {"missing": 6})
    with following(mock, "?since=4") as follower:
        assert [event.id for event in follower.take(3)] == [10, 11, 12]
    # A follower that resumes after the gap misses nothing more.
    with following(mock, **{"last-event-id": str(gap.id)}) as follower:
        assert (follower.take(1)[0].kind, gap.id) == ("request_answered", 10)


def test_several_followers_get_the_same_events(mock: Mock) -> None:
    with following(mock) as first, following(mock) as second, following(mock) as third:
        for _ in range(3):
            mock.run(PROMPT)
        every = [follower.take(3) for follower in (first, second, third)]
    assert every[0] == every[1] == every[2]


def test_a_follower_that_does_not_read_holds_nobody_up(mock: Mock) -> None:
    address = mock.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as slow:
        slow.sendall(f"GET {EVENTS}?since=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        # More than the buffers of a connection take.
        for _ in range(300):
            emit(mock, 1, "x" * 100_000)
        emit(mock, 1200)
        with following(mock, "?since=1400") as quick:
            assert len(quick.take(100)) == 100
        assert mock.run(PROMPT).status_code == 200
        slow.settimeout(PATIENCE)
        read = bytearray()
        while not read.endswith(b"\n\n\r\n") or b"id: 1501\n" not in read[-2000:]:
            read += slow.recv(1 << 20)
    # What it was too slow for is missing, which it is told; it has the rest once.
    numbers = [int(found) for found in re.findall(rb"id: (\d+)\nevent: request_answered", read)]
    (missing,) = [int(found) for found in re.findall(rb'data: \{"missing":(\d+)\}', read)]
    assert len(numbers) + missing == 1501
    assert numbers == sorted(set(numbers))


def under_way(mock: Mock) -> int:
    """Return how many requests the mock is answering."""
    found: list[int] = []

    def count() -> None:
        running = (str(task.get_coro()) for task in asyncio.all_tasks())
        found.append(sum("run_asgi" in coroutine for coroutine in running))

    mock.inside(count)
    return found[0]


def test_a_follower_that_hangs_up_leaves_nothing_behind(mock: Mock) -> None:
    with following(mock) as first, following(mock) as second:
        assert (under_way(mock), first.response.is_closed, second.response.is_closed) == (
            2,
            False,
            False,
        )
    deadline = time.monotonic() + PATIENCE
    while under_way(mock):
        assert time.monotonic() < deadline, "the mock still answers followers that are gone"


def test_a_comment_keeps_a_silent_stream_open(mock: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert records.KEEP_ALIVE == 15
    monkeypatch.setattr(records, "KEEP_ALIVE", 0.01)
    with following(mock) as follower:
        assert follower.comment() == ": keep-alive"
        emit(mock, 1)
        assert follower.take(1)[0].kind == "request_answered"


def test_a_reset_does_not_end_the_stream_and_numbers_go_on(mock: Mock) -> None:
    with following(mock) as follower:
        emit(mock, 1)
        (before,) = follower.take(1)
        mock.http.post("/__falkit/reset")
        emit(mock, 1)
        (after,) = follower.take(1)
    assert after.id == before.id + 1


def test_the_stream_ends_with_the_mock(mock: Mock) -> None:
    with following(mock) as follower:
        mock.inside(mock.service.close)
        assert [*follower] == []


def test_head_is_answered_without_a_stream(mock: Mock) -> None:
    reply = mock.http.head(EVENTS)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/event-stream")


def test_what_is_steered_is_told_to_who_follows(manual: Mock) -> None:
    log = manual.server.wait().event_log
    before = log.last
    rule = manual.http.post("/__falkit/rules", json={"rule": "hang"}).json()["id"]
    manual.http.post("/__falkit/clock/advance", json={"seconds": 1})
    manual.http.delete(f"/__falkit/rules/{rule}")
    assert manual.http.post("/__falkit/clock/advance", json={"seconds": -1}).status_code == 422
    manual.http.post("/__falkit/reset")
    kinds = [event.kind for _, event in log.after(before)]
    assert kinds == ["rules_changed", "clock_changed", "rules_changed", "reset"]
