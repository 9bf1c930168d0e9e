"""The clock: it runs, it is paused, and it jumps by way of all that is waited for."""

from __future__ import annotations

import asyncio
import math
import time
import tracemalloc
from functools import partial

import pytest

from falkit_mock.core.clock import ManualClock, SimulatedClock

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


def test_timers_set_on_the_way_of_a_jump_are_met() -> None:
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


def test_a_clock_that_was_paused_runs_on_from_there() -> None:
    clock = SimulatedClock()
    before = time.time()
    clock.pause()
    paused_at = clock.now()
    assert clock.now() == paused_at
    assert before <= paused_at <= time.time()
    clock.run()
    assert paused_at <= clock.now() <= time.time()


def test_timers_are_called_in_the_order_of_their_moments() -> None:
    async def check() -> tuple[list[str], int]:
        clock = SimulatedClock(0.0, running=False)
        called: list[str] = []

        def call(name: str) -> None:
            called.append(f"{name} at {clock.now():g}")

        for moment, name in ((20.0, "third"), (10.0, "first"), (10.0, "second"), (5000.0, "never")):
            clock.at(moment, partial(call, name))
        met = await clock.move_to(HOUR)
        return called, met

    assert asyncio.run(check()) == (["first at 10", "second at 10", "third at 20"], 2)


def test_a_cancelled_timer_is_neither_called_nor_met() -> None:
    async def check() -> None:
        clock = SimulatedClock(0.0, running=False)
        called: list[str] = []
        timer = clock.at(10.0, lambda: called.append("cancelled"))
        kept = clock.at(20.0, lambda: called.append("kept"))
        timer.cancel()
        assert await clock.move_to(HOUR) == 1
        assert called == ["kept"]
        kept.cancel()
        timer.cancel()

    asyncio.run(check())


def test_a_timer_that_is_cancelled_in_its_very_moment_is_not_called() -> None:
    async def check() -> list[str]:
        clock = ManualClock()
        called: list[str] = []
        timer = clock.at(clock.now() + 1, lambda: called.append("called"))
        clock.advance(1)
        timer.cancel()
        await asyncio.sleep(0)
        return called

    assert asyncio.run(check()) == []


def test_a_timer_for_the_past_is_called_soon_and_not_at_once() -> None:
    async def check() -> None:
        clock = ManualClock()
        called: list[str] = []
        clock.at(clock.now() - 1, lambda: called.append("past"))
        clock.at(clock.now(), lambda: called.append("now"))
        assert called == []
        await asyncio.sleep(0)
        assert called == ["past", "now"]

    asyncio.run(check())


def test_a_timer_for_never_is_not_called_and_delays_no_jump() -> None:
    async def check() -> None:
        clock = SimulatedClock(0.0, running=False)
        clock.at(math.inf, lambda: pytest.fail("it was called"))
        assert await clock.move_to(HOUR) == 0

    asyncio.run(check())


def test_timers_set_by_timers_are_met_on_the_way() -> None:
    async def check() -> list[float]:
        clock = SimulatedClock(0.0, running=False)
        seen: list[float] = []

        def again() -> None:
            seen.append(clock.now())
            clock.at(clock.now() * 4, again)

        clock.at(10.0, again)
        await clock.move_to(HOUR)
        return seen

    assert asyncio.run(check()) == [10.0, 40.0, 160.0, 640.0, 2560.0]


def test_a_running_clock_calls_its_timers_by_itself() -> None:
    async def check() -> None:
        clock = SimulatedClock()
        order: list[str] = []
        over = asyncio.Event()
        began = clock.now()
        clock.at(began + 0.004, over.set)
        # One that is due earlier, and one that is cancelled, though the clock waits for it.
        clock.at(began + 0.002, lambda: order.append("earlier"))
        clock.at(began + 0.001, lambda: order.append("cancelled")).cancel()
        async with asyncio.timeout(10):
            await over.wait()
        assert order == ["earlier"]
        assert clock.now() >= began + 0.004

    asyncio.run(check())


def test_a_paused_clock_calls_its_timers_once_it_runs_again() -> None:
    async def check() -> None:
        clock = SimulatedClock()
        over = asyncio.Event()
        clock.at(clock.now() + 0.002, over.set)
        clock.pause()
        await asyncio.sleep(0.01)
        assert not over.is_set()
        clock.run()
        async with asyncio.timeout(10):
            await over.wait()

    asyncio.run(check())


def test_an_event_loop_that_ended_leaves_no_later_one_waiting() -> None:
    clock = SimulatedClock()

    async def leave() -> None:
        clock.at(clock.now() + 0.001, lambda: None)

    async def check() -> None:
        async with asyncio.timeout(10):
            await clock.sleep_until(clock.now() + 0.002)

    asyncio.run(leave())
    asyncio.run(check())


def test_a_clock_that_is_restored_to_an_earlier_moment_calls_its_timers_later() -> None:
    async def check() -> None:
        clock = SimulatedClock(1000.0, running=False)
        called: list[float] = []
        clock.at(1010.0, lambda: called.append(clock.now()))
        clock.restore(500.0, running=False)
        assert await clock.move_to(1009.0) == 0
        assert await clock.move_to(1011.0) == 1
        assert called == [1010.0]

    asyncio.run(check())


def test_ten_thousand_waiters_are_not_woken_by_a_notifier() -> None:
    async def check() -> None:
        clock = ManualClock()
        woken: list[int] = []

        async def sleep(number: int) -> None:
            await clock.sleep_until(clock.now() + 1 + number)
            woken.append(number)

        tasks = [asyncio.create_task(sleep(number)) for number in range(10_000)]
        await asyncio.sleep(0)
        ran = len(woken)
        for _ in range(10):
            clock.notifier.ring()
            await asyncio.sleep(0)
        assert len(woken) == ran == 0
        clock.advance(3)
        for _ in range(3):
            await asyncio.sleep(0)
        assert woken == [0, 1, 2]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Who sleeps no longer is not met by a jump.
        assert await clock.move_by(HOUR) == 0

    asyncio.run(check())


def test_cancelled_timers_are_not_kept_until_their_moment() -> None:
    async def check() -> int:
        clock = ManualClock()
        tracemalloc.start()
        try:
            for number in range(20_000):
                clock.at(clock.now() + 1 + number, lambda: None).cancel()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    # All of them would take some three million bytes.
    assert asyncio.run(check()) < 500_000


def test_a_timeout_ends_its_block_at_a_moment_of_the_clock() -> None:
    async def check() -> list[str]:
        clock = SimulatedClock(0.0, running=False)
        ended: list[str] = []

        async def work(moment: float, done: asyncio.Event) -> None:
            try:
                async with clock.timeout_at(moment):
                    await done.wait()
                    ended.append("done")
            except TimeoutError:
                ended.append(f"timed out at {clock.now():g}")

        done = asyncio.Event()
        done.set()
        tasks = [
            asyncio.create_task(work(moment, event))
            for moment, event in ((30.0, asyncio.Event()), (20.0, done), (0.0, asyncio.Event()))
        ]
        await clock.move_to(HOUR)
        await asyncio.gather(*tasks)
        return ended

    assert asyncio.run(check()) == ["done", "timed out at 0", "timed out at 30"]


def test_time_never_goes_back() -> None:
    async def check() -> None:
        clock = SimulatedClock(1000.0, running=False)
        with pytest.raises(ValueError, match="1 s ago"):
            await clock.move_to(999.0)
        assert clock.now() == 1000.0

    asyncio.run(check())
