"""The contract between a flow and what carries it out."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from falkit_client._async_wire import AsyncWire
from falkit_client._replies import Reply
from falkit_client._requests import Request
from falkit_client._running import Running
from falkit_client._steps import Flow, Leave, Send, ask, do, hear, take
from falkit_client._wire import Wire

REQUEST = Request("GET", "https://queue.fal.run/o/a", "o/a")


def test_a_send_is_answered_by_a_reply_and_nothing_else() -> None:
    running = Running(ask(Send(REQUEST)))
    with pytest.raises(TypeError, match="was answered by None"):
        running.answer(None)


def test_a_stream_is_heard_as_text_and_nothing_else() -> None:
    running = Running(hear())
    with pytest.raises(TypeError, match="a piece of a stream"):
        running.answer(Reply(200, {}))


def test_a_flow_has_no_value_before_its_end() -> None:
    running = Running(hear())
    with pytest.raises(RuntimeError, match="waits at Hear"):
        _ = running.value
    running.answer("a")
    assert running.step is None
    assert running.value == "a"


def test_nothing_is_heard_before_a_stream_is_open() -> None:
    with httpx.Client() as http, pytest.raises(RuntimeError, match="no stream is open"):
        Wire(http, lambda seconds: None).finish(hear())


def test_nothing_is_heard_asynchronously_before_a_stream_is_open() -> None:
    async def scenario() -> None:
        async with httpx.AsyncClient() as http:
            await AsyncWire(http, asyncio.sleep).finish(hear())

    with pytest.raises(RuntimeError, match="no stream is open"):
        asyncio.run(scenario())


def test_a_file_is_taken_as_bytes_and_nothing_else() -> None:
    running = Running(take())
    with pytest.raises(TypeError, match="a piece of a file"):
        running.answer("text")


def test_nothing_is_taken_before_a_file_is_open() -> None:
    with httpx.Client() as http, pytest.raises(RuntimeError, match="no file is open"):
        Wire(http, lambda seconds: None).finish(take())


def test_nothing_is_taken_asynchronously_before_a_file_is_open() -> None:
    async def scenario() -> None:
        async with httpx.AsyncClient() as http:
            await AsyncWire(http, asyncio.sleep).finish(take())

    with pytest.raises(RuntimeError, match="no file is open"):
        asyncio.run(scenario())


def test_leaving_what_is_not_open_is_nothing() -> None:
    def flow() -> Flow[int]:
        yield Leave()
        return (yield from do(lambda: 7))

    with httpx.Client() as http:
        assert Wire(http, lambda seconds: None).finish(flow()) == 7


def test_work_that_fails_fails_in_the_flow() -> None:
    def flow() -> Flow[str]:
        try:
            yield from do(lambda: 1 // 0)
        except ZeroDivisionError:
            return "caught"
        return "missed"

    async def scenario() -> str:
        async with httpx.AsyncClient() as http:
            return await AsyncWire(http, asyncio.sleep).finish(flow())

    assert asyncio.run(scenario()) == "caught"
