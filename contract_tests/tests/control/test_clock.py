"""The clock by the control API: it stands, runs and jumps by way of all that is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest

from falkit_mock.core.clock import ManualClock, Timer
from falkit_mock.core.settings import parse_timing
from falkit_mock.settings import Settings
from serving import Mock, running


@pytest.fixture
def ticking() -> Generator[Mock]:
    with running(Settings(timing=parse_timing("10,20"))) as served:
        yield served


def post(mock: Mock, action: str, **body: Any) -> Any:
    reply = mock.http.post(f"/__falkit/clock/{action}", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_an_hour_passes_at_once(manual: Mock) -> None:
    job = manual.submit()
    assert post(manual, "advance", seconds=15)["now"] == 1.8e9 + 15
    assert manual.status(job)["status"] == "IN_PROGRESS"
    assert post(manual, "advance", seconds=3600)["iso"] == "2027-01-15T09:00:15.000Z"
    assert manual.status(job)["status"] == "COMPLETED"


def test_a_moment_is_set_as_unix_seconds_or_iso(manual: Mock) -> None:
    assert post(manual, "set", now=1.8e9 + 1)["now"] == 1.8e9 + 1
    assert post(manual, "set", now="2027-01-15T09:00:00+00:30")["now"] == 1.8e9 + 1800
    # Without a zone it is UTC, wherever the mock runs.
    assert post(manual, "set", now="2027-01-15T10:00:00")["now"] == 1.8e9 + 7200


def test_a_jump_tells_how_many_moments_it_met(manual: Mock) -> None:
    job = manual.submit()
    with manual.http.stream("GET", f"{job['status_url']}/stream") as stream:
        lines = stream.iter_lines()
        next(lines)
        met = post(manual, "advance", seconds=60)["moments"]
        statuses = [line for line in lines if line.startswith("data: ")]
    # The stream waits for its keep-alive, the job's start and its end.
    assert met >= 2
    assert "IN_PROGRESS" in statuses[0]
    assert "COMPLETED" in statuses[-1]


def test_a_clock_that_runs_stands_and_runs_again(ticking: Mock) -> None:
    assert ticking.http.get("/__falkit/clock").json()["running"] is True
    stood = post(ticking, "stand")
    assert stood["running"] is False
    assert ticking.http.get("/__falkit/clock").json()["now"] == stood["now"]
    assert post(ticking, "run")["running"] is True


def test_a_running_clock_jumps_ahead(ticking: Mock) -> None:
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
def test_a_time_that_cannot_be_is_refused(
    manual: Mock, action: str, body: dict[str, Any], words: list[str]
) -> None:
    reply = manual.http.post(f"/__falkit/clock/{action}", json=body)
    assert reply.status_code == 422
    assert all(word in reply.json()["detail"] for word in words), reply.text
    assert manual.http.get("/__falkit/clock").json()["now"] == 1.8e9


def test_a_body_that_is_no_json_is_refused_with_the_place(manual: Mock) -> None:
    reply = manual.http.post("/__falkit/clock/advance", content=b'{"seconds": }')
    assert reply.status_code == 422
    assert "body: '{\"seconds\": }' is no JSON" in reply.json()["detail"]
    assert "at character 12" in reply.json()["detail"]


def test_the_calendar_has_an_end(manual: Mock) -> None:
    clock = manual.clock
    assert isinstance(clock, ManualClock)
    manual.inside(lambda: clock.restore(253_370_000_000.0, running=False))
    reply = manual.http.post("/__falkit/clock/advance", json={"seconds": 3e6})
    assert (reply.status_code, "9998" in reply.json()["detail"]) == (422, True)


class Borrowed:
    """A clock of somebody's own, which tells the time and no more."""

    def __init__(self) -> None:
        self._clock = ManualClock()
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


def test_a_clock_of_somebodys_own_is_told_and_never_moved() -> None:
    with running(clock=Borrowed()) as mock:
        assert mock.http.get("/__falkit/clock").json()["running"] is True
        reply = mock.http.post("/__falkit/clock/stand")
        assert (reply.status_code, "belongs" in reply.json()["detail"]) == (409, True)
