"""The clock by the control API: paused, running, and set ahead past everything that is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest

from falkit import Settings
from falkit_mock.core.clock import Timer
from serving import Mock, WatchedClock, running


@pytest.fixture
def ticking() -> Generator[Mock]:
    with running(Settings(timing="10,20")) as served:
        yield served


def post(mock: Mock, action: str, **body: Any) -> Any:
    reply = mock.http.post(f"/__falkit/clock/{action}", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_advancing_the_clock_by_an_hour_ends_a_job_at_once(manual: Mock) -> None:
    job = manual.submit()
    assert post(manual, "advance", seconds=15)["now"] == 1.8e9 + 15
    assert manual.status(job)["status"] == "IN_PROGRESS"
    assert post(manual, "advance", seconds=3600)["iso"] == "2027-01-15T09:00:15.000Z"
    assert manual.status(job)["status"] == "COMPLETED"


def test_the_clock_is_set_to_unix_seconds_or_iso_8601(manual: Mock) -> None:
    assert post(manual, "set", now=1.8e9 + 1)["now"] == 1.8e9 + 1
    assert post(manual, "set", now="2027-01-15T09:00:00+00:30")["now"] == 1.8e9 + 1800
    # Without a zone it is UTC, wherever the mock runs.
    assert post(manual, "set", now="2027-01-15T10:00:00")["now"] == 1.8e9 + 7200


def test_an_advance_counts_the_due_events_on_the_way(manual: Mock) -> None:
    job = manual.submit()
    with manual.http.stream("GET", f"{job['status_url']}/stream") as stream:
        lines = stream.iter_lines()
        next(lines)
        met = post(manual, "advance", seconds=60)["events"]
        statuses = [line for line in lines if line.startswith("data: ")]
    # The stream waits for its keep-alive, the job's start and its end.
    assert met >= 2
    assert "IN_PROGRESS" in statuses[0]
    assert "COMPLETED" in statuses[-1]


def test_a_running_clock_is_paused_and_runs_again(ticking: Mock) -> None:
    assert ticking.http.get("/__falkit/clock").json()["running"] is True
    stood = post(ticking, "pause")
    assert stood["running"] is False
    assert ticking.http.get("/__falkit/clock").json()["now"] == stood["now"]
    assert post(ticking, "run")["running"] is True


def test_a_running_clock_is_advanced_and_goes_on_running(ticking: Mock) -> None:
    job = ticking.submit()
    before = ticking.http.get("/__falkit/clock").json()["now"]
    after = post(ticking, "advance", seconds=600)
    assert (after["running"], after["now"] >= before + 600) == (True, True)
    assert ticking.status(job)["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("advance", {"seconds": -1}, ["seconds: -1", "from 0"]),
        ("advance", {"seconds": "5"}, ["seconds: '5'"]),
        ("advance", {"seconds": 1e12}, ["seconds"]),
        ("advance", {}, ["seconds: missing"]),
        ("set", {"now": 1_000_000_000}, ["now: 1000000000", "never back"]),
        ("set", {"now": "soon"}, ["now: 'soon'", "ISO 8601"]),
        ("set", {"now": "9999-01-01T00:00:00Z"}, ["ten years"]),
        ("run", {"now": 5}, ["'now'"]),
    ],
)
def test_an_invalid_time_is_refused_and_the_clock_stays(
    manual: Mock, action: str, body: dict[str, Any], words: list[str]
) -> None:
    reply = manual.http.post(f"/__falkit/clock/{action}", json=body)
    assert reply.status_code == 422
    assert all(word in reply.json()["detail"] for word in words), reply.text
    assert manual.http.get("/__falkit/clock").json()["now"] == 1.8e9


def test_a_body_that_is_not_json_is_refused_with_the_character(manual: Mock) -> None:
    reply = manual.http.post("/__falkit/clock/advance", content=b'{"seconds": }')
    assert reply.status_code == 422
    assert "body: '{\"seconds\": }' is not JSON" in reply.json()["detail"]
    assert "at character 12" in reply.json()["detail"]


def test_the_clock_is_not_advanced_past_the_year_9998(manual: Mock) -> None:
    clock = manual.clock
    assert isinstance(clock, WatchedClock)
    manual.inside(lambda: clock.restore(253_370_000_000.0, running=False))
    reply = manual.http.post("/__falkit/clock/advance", json={"seconds": 3e6})
    assert (reply.status_code, "9998" in reply.json()["detail"]) == (422, True)


class Borrowed:
    """A program's own clock, which only tells the time."""

    def __init__(self) -> None:
        self._clock = WatchedClock()
        self.notifier = self._clock.notifier

    def now(self) -> float:
        return self._clock.now()

    async def wait(self, until: float, waiter: asyncio.Event) -> None:
        await self._clock.wait(until, waiter)

    def at(self, moment: float, callback: Callable[[], object]) -> Timer:
        return self._clock.at(moment, callback)

    async def sleep_until(self, moment: float) -> None:
        await self._clock.sleep_until(moment)

    def timeout_at(self, moment: float) -> AbstractAsyncContextManager[None]:
        return self._clock.timeout_at(moment)

    def busy(self) -> AbstractContextManager[None]:
        return self._clock.busy()


def test_a_clock_that_a_program_brought_is_shown_and_never_moved() -> None:
    with running(clock=Borrowed()) as mock:
        assert mock.http.get("/__falkit/clock").json()["running"] is True
        reply = mock.http.post("/__falkit/clock/pause")
        assert (reply.status_code, "belongs" in reply.json()["detail"]) == (409, True)
