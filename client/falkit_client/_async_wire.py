"""Carries out flows over httpx, leaving the event loop free meanwhile."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import httpx

from falkit_client._replies import Reply
from falkit_client._requests import Request
from falkit_client._running import Running, as_httpx, as_reply, is_stream, no_answer
from falkit_client._steps import Answer, Flow, Hear, Listen, Pause, Report, Send
from falkit_client.queue import Status

T = TypeVar("T")

OnUpdate = Callable[[Status], object]
Sleep = Callable[[float], Awaitable[object]]


class AsyncWire:
    """The world of the asynchronous client: its connections and its sleep."""

    def __init__(self, http: httpx.AsyncClient, sleep: Sleep) -> None:
        """Use these; the owner closes `http`."""
        self._http = http
        self._sleep = sleep

    async def finish(self, flow: Flow[T], on_update: OnUpdate | None = None) -> T:
        """Carry out a flow to its end; `on_update` may be a coroutine function."""
        running = Running(flow)
        async for _ in self._carried_out(running, on_update):
            pass
        return running.value

    def events(self, flow: Flow[object]) -> AsyncGenerator[Status]:
        """Carry out a flow as fast as its statuses are taken."""
        return self._carried_out(Running(flow))

    async def _carried_out(
        self, running: Running[T], on_update: OnUpdate | None = None
    ) -> AsyncGenerator[Status]:
        async with AsyncExitStack() as opened:
            line = _Line(self._http, self._sleep, opened)
            while (step := running.step) is not None:
                answer: Answer = None
                try:
                    if isinstance(step, Report):
                        if on_update is not None:
                            told = on_update(step.status)
                            if inspect.isawaitable(told):
                                await told
                        yield step.status
                    else:
                        answer = await line.perform(step)
                except BaseException as error:
                    running.throw(error)
                else:
                    running.answer(answer)


class _Line:
    """The steps of one flow; what it opens is closed with the flow."""

    def __init__(self, http: httpx.AsyncClient, sleep: Sleep, opened: AsyncExitStack) -> None:
        self._http = http
        self._sleep = sleep
        self._opened = opened
        self._stream: tuple[Request, AsyncIterator[str]] | None = None

    async def perform(self, step: Send | Listen | Hear | Pause) -> Answer:
        if isinstance(step, Send):
            return await self._send(step.request)
        if isinstance(step, Listen):
            return await self._listen(step.request)
        if isinstance(step, Hear):
            return await self._hear()
        await self._sleep(step.seconds)
        return None

    async def _send(self, request: Request) -> Reply:
        try:
            response = await self._http.send(as_httpx(self._http, request))
        except httpx.RequestError as error:
            raise no_answer(error, request) from error
        return as_reply(response, response.content)

    async def _listen(self, request: Request) -> Reply:
        try:
            response = await self._http.send(as_httpx(self._http, request), stream=True)
            self._opened.push_async_callback(response.aclose)
            body = b"" if is_stream(response) else await response.aread()
        except httpx.RequestError as error:
            raise no_answer(error, request) from error
        self._stream = request, response.aiter_text()
        return as_reply(response, body)

    async def _hear(self) -> str | None:
        if self._stream is None:
            raise RuntimeError("no stream is open")
        request, pieces = self._stream
        try:
            return await anext(pieces, None)
        except httpx.RequestError as error:
            raise no_answer(error, request) from error
