"""The contract between a flow and what carries it out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from falkit_client._flow import Flow, Running, Send, ask, do, read
from falkit_client._replies import Reply
from falkit_client._requests import Request
from falkit_client._transport import AsyncTransport, Transport

REQUEST = Request("GET", "https://queue.fal.run/o/a", "o/a")


def test_a_send_is_answered_by_a_reply_and_nothing_else() -> None:
    running = Running(ask(Send(REQUEST)))
    with pytest.raises(TypeError, match="was answered by None"):
        running.answer(None)


def test_a_body_is_read_as_bytes_and_nothing_else() -> None:
    running = Running(read())
    with pytest.raises(TypeError, match="some bytes of a body"):
        running.answer(Reply(200, {}))


def test_a_flow_has_no_value_before_its_end() -> None:
    running = Running(read())
    with pytest.raises(RuntimeError, match="waits at Read"):
        _ = running.value
    running.answer(b"a")
    assert running.step is None
    assert running.value == b"a"


def test_steps_read_no_body_before_a_response_is_open() -> None:
    with httpx.Client() as http, pytest.raises(RuntimeError, match="no response is open"):
        Transport(http, lambda seconds: None).finish(read())


def test_async_steps_read_no_body_before_a_response_is_open() -> None:
    async def scenario() -> None:
        async with httpx.AsyncClient() as http:
            await AsyncTransport(http, asyncio.sleep).finish(read())

    with pytest.raises(RuntimeError, match="no response is open"):
        asyncio.run(scenario())


class Body(httpx.SyncByteStream):
    """A body that knows whether it was closed."""

    closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    def close(self) -> None:
        self.closed = True


def test_an_open_response_is_closed_by_the_next_send_and_at_the_end() -> None:
    bodies: list[Body] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        bodies.append(Body())
        return httpx.Response(200, stream=bodies[-1])

    def flow() -> Flow[list[bool]]:
        yield from ask(Send(REQUEST, stream=True))
        assert (yield from read()) == b"a"
        assert not bodies[0].closed
        yield from ask(Send(REQUEST, stream=True))
        return [body.closed for body in bodies]

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        assert Transport(http, lambda seconds: None).finish(flow()) == [True, False]
    assert bodies[1].closed


def test_work_that_fails_fails_in_the_flow() -> None:
    def flow() -> Flow[str]:
        try:
            yield from do(lambda: 1 // 0)
        except ZeroDivisionError:
            return "caught"
        return "missed"

    async def scenario() -> str:
        async with httpx.AsyncClient() as http:
            return await AsyncTransport(http, asyncio.sleep).finish(flow())

    assert asyncio.run(scenario()) == "caught"
