"""What `make soak` calls growth, and that its callers leave nothing behind."""

from __future__ import annotations

import asyncio
import math

import httpx
import pytest
from benchmarks import curves
from benchmarks.mixed import Load, Receiver
from benchmarks.soak import LIMITS, MEMORY, Run, grown

from falkit.views import wait_until
from serving import PATIENCE, Serve

COUNT = 300


def busy(turn: int) -> float:
    """Return what callers who come and go add."""
    return 20 + 15 * math.sin(turn * 2.4) + turn % 7


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_left_at_each_call_is_growth_and_what_comes_and_goes_is_none(name: str) -> None:
    warming = [min(turn, 100) * 2.0 for turn in range(COUNT)]
    flat = [warm + busy(turn) for turn, warm in enumerate(warming)]
    assert grown(name, flat) == ""
    left = {MEMORY: 0.3, "jobs kept": 3.0, "timers": 1.5}.get(name, 0.8)
    leaking = [one + left * turn for turn, one in enumerate(flat)]
    assert grown(name, leaking).startswith(f"{name}: ")


def test_all_that_is_seen_is_drawn() -> None:
    run = Run("a run & more", "s")
    for turn in range(COUNT):
        run.look(turn, dict.fromkeys(LIMITS, busy(turn)))
    drawn = curves.drawn([run, run])
    assert drawn.count("stroke-width") == 2 * len(LIMITS)
    assert "a run &amp; more" in drawn
    assert run.judge() == []


def test_callers_of_every_kind_leave_nothing_behind(serve: Serve) -> None:
    mock = serve("0,0.02", runners=20, concurrency=20)

    async def call() -> Load:
        async with (
            Receiver() as receiver,
            httpx.AsyncClient(base_url=mock.url, timeout=PATIENCE, trust_env=False) as client,
        ):
            load = Load(client, receiver.url, 3)
            for _ in range(3):
                await asyncio.gather(*(load.one() for _ in range(20)))
            return load

    load = asyncio.run(call())
    assert not load.failed, load.failed
    assert len(load.done) >= 9

    def told() -> str:
        return mock.http.get("/metrics").text

    # The mock hears of those who hung up a little later.
    wait_until(lambda: "falkit_event_listeners 0\n" in told(), PATIENCE, told)
