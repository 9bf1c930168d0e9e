"""How long a jump of the clock waits for receivers: for those that hang, not for long."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable

import pytest

from falkit_mock.core.clock import ManualClock
from falkit_mock.webhooks.sender import Holds
from serving import Mock
from webhooks.following import deliveries, go, settled, submit
from webhooks.receiver import Received, Reply, receiving

HOUR = 3600.0


def test_two_hours_of_retries_to_a_receiver_that_hangs_are_over_soon(
    standing: Callable[..., Mock], monkeypatch: pytest.MonkeyPatch
) -> None:
    mock = standing()
    # Two seconds in earnest, which it takes once.
    monkeypatch.setattr(Holds, "patience", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for _ in range(3):
            submit(mock, url)
        began = time.perf_counter()
        go(mock, 2 * HOUR + 60)
        took = time.perf_counter() - began
        log = deliveries(mock)
    assert len(log) == 33
    assert took < 0.2 + 12 * Holds.impatience + 0.5


def test_one_that_hung_is_waited_for_again_once_it_answers(
    standing: Callable[..., Mock], monkeypatch: pytest.MonkeyPatch
) -> None:
    mock = standing()
    monkeypatch.setattr(Holds, "patience", 0.4)
    goes_on = threading.Event()
    came: list[str] = []

    def answer(request: Received) -> Reply:
        came.append(request.path)
        if len(came) == 1:
            goes_on.wait(10)
        elif len(came) > 2:
            threading.Event().wait(4 * Holds.impatience)
        return Reply()

    with receiving(answer) as receiver:
        submit(mock, receiver.url)
        go(mock, 14)
        goes_on.set()
        settled(mock)
        for _ in range(2):
            submit(mock, receiver.url)
            go(mock, HOUR)
        log = deliveries(mock)
    assert [one["status"] for one in log] == ["acknowledged"] * 3
    assert [one["seconds"] for one in log] == [14, 0, 0]


def test_a_receiver_that_hung_is_not_remembered_for_long() -> None:
    async def look() -> None:
        loop, passed = asyncio.get_running_loop(), 0.0
        began = loop.time()
        loop.time = lambda: began + passed  # type: ignore[method-assign]
        holds, waits = Holds(ManualClock()), list[float]()
        for pause in (0.0, 1.0, 6.0):
            passed += pause
            with holds.hold("http://a") as hold:
                waits.append(hold.seconds)
                passed += hold.seconds
                for _ in range(2):
                    await asyncio.sleep(0)
        assert waits == [Holds.patience, Holds.impatience, Holds.patience]

    asyncio.run(look())
