"""The clock: it runs, it stands, and it jumps by way of all that is waited for."""

from __future__ import annotations

import asyncio
import time

import pytest

from falkit_mock.core.clock import SimulatedClock

HOUR = 3600.0


def test_a_jump_visits_every_awaited_moment_in_order() -> None:
    async def check() -> list[float]:
        clock = SimulatedClock(1000.0, running=False)
        seen: list[float] = []

        async def waiter(until: float) -> None:
            while clock.now() < until:
                await clock.wait(until, clock.notifier.waiter())
            seen.append(clock.now())

        tasks = [asyncio.create_task(waiter(until)) for until in (1030.0, 1010.0, 5000.0)]
        await asyncio.sleep(0)
        await clock.move_to(1000.0 + HOUR)
        assert not tasks[2].done()
        tasks[2].cancel()
        assert clock.now() == 1000.0 + HOUR
        return seen

    assert asyncio.run(check()) == [1010.0, 1030.0]


def test_what_is_begun_on_the_way_is_met_on_the_way() -> None:
    async def check() -> list[float]:
        clock = SimulatedClock(0.0, running=False)
        seen: list[float] = []

        async def again_and_again() -> None:
            due = 10.0
            while due < 5000:
                await clock.wait(due, clock.notifier.waiter())
                if clock.now() >= due:
                    seen.append(clock.now())
                    due *= 4

        task = asyncio.create_task(again_and_again())
        await asyncio.sleep(0)
        await clock.move_to(HOUR)
        task.cancel()
        return seen

    assert asyncio.run(check()) == [10.0, 40.0, 160.0, 640.0, 2560.0]


def test_a_jump_waits_for_what_is_going_on_at_a_moment() -> None:
    async def check() -> list[str]:
        clock = SimulatedClock(0.0, running=False)
        order: list[str] = []
        release = asyncio.Event()

        async def work() -> None:
            with clock.busy():
                await clock.wait(10.0, clock.notifier.waiter())
                await release.wait()
                order.append(f"work done at {clock.now():g}")

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.01, release.set)
        await clock.move_to(HOUR)
        order.append("arrived")
        await task
        return order

    assert asyncio.run(check()) == ["work done at 10", "arrived"]


def test_a_jump_does_not_wait_for_ever() -> None:
    async def check() -> float:
        clock = SimulatedClock(0.0, running=False)
        clock.patience = 0.01
        with clock.busy():
            await clock.move_to(HOUR)
        return clock.now()

    assert asyncio.run(check()) == HOUR


def test_a_running_clock_jumps_ahead_and_runs_on() -> None:
    async def check() -> None:
        clock = SimulatedClock()
        before = time.time()
        await clock.move_to(clock.now() + HOUR)
        first = clock.now()
        assert before + HOUR <= first <= time.time() + HOUR
        await clock.wait(first + 0.002, clock.notifier.waiter())
        assert clock.now() >= first + 0.002

    asyncio.run(check())


def test_a_clock_that_stood_runs_on_from_there() -> None:
    clock = SimulatedClock()
    before = time.time()
    clock.stand()
    stood = clock.now()
    assert clock.now() == stood
    assert before <= stood <= time.time()
    clock.run()
    assert stood <= clock.now() <= time.time()


def test_time_never_goes_back() -> None:
    async def check() -> None:
        clock = SimulatedClock(1000.0, running=False)
        with pytest.raises(ValueError, match="1 s ago"):
            await clock.move_to(999.0)
        assert clock.now() == 1000.0

    asyncio.run(check())
