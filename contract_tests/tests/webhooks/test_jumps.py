"""How long a jump of the clock waits for receivers: for those that hang, not for long."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from falkit_mock.webhooks.sender import Receivers
from following import deliveries, go, settled, submit
from receiver import Received, Reply, receiving
from serving import Serve, WatchedClock

HOUR = 3600.0


def test_a_receiver_that_hangs_is_waited_for_once_in_two_hours_of_retries(
    standing: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock = standing()
    # Two seconds in earnest.
    monkeypatch.setattr(Receivers, "patience", 0.2)
    waits: list[float] = []
    hold = Receivers.hold

    @contextmanager
    def noted(self: Receivers, origin: str) -> Generator[float]:
        with hold(self, origin) as seconds:
            waits.append(seconds)
            yield seconds

    monkeypatch.setattr(Receivers, "hold", noted)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for _ in range(3):
            submit(mock, url)
        go(mock, 2 * HOUR + 60)
        log = deliveries(mock)
    assert len(log) == 33
    # At the first moment alone: each of the three for its place there, and for the answer.
    assert waits == [0.2] * 6 + [Receivers.impatience] * 30


def test_a_receiver_that_hung_is_waited_for_again_once_it_answers(
    standing: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock = standing()
    monkeypatch.setattr(Receivers, "patience", 0.4)
    goes_on = threading.Event()
    came: list[str] = []

    def answer(request: Received) -> Reply:
        came.append(request.path)
        if len(came) == 1:
            goes_on.wait(10)
        elif len(came) > 2:
            threading.Event().wait(4 * Receivers.impatience)
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
    first = log[0]["sent"]
    assert [one["sent"] - first for one in log] == [0, 14, 14 + HOUR]


def test_a_receiver_that_hung_is_not_remembered_for_long() -> None:
    async def look() -> None:
        loop, passed = asyncio.get_running_loop(), 0.0
        began = loop.time()
        loop.time = lambda: began + passed  # type: ignore[method-assign]
        receivers, waits = Receivers(WatchedClock()), list[float]()
        for pause in (0.0, 1.0, 6.0):
            passed += pause
            with receivers.hold("http://a") as seconds:
                waits.append(seconds)
                passed += seconds
                for _ in range(2):
                    await asyncio.sleep(0)
        assert waits == [Receivers.patience, Receivers.impatience, Receivers.patience]

    asyncio.run(look())
