"""Carries out flows over httpx, leaving the event loop free meanwhile."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import httpx

from falkit_client._replies import Reply
from falkit_client._requests import Request
from falkit_client._running import Running, as_httpx, as_reply, is_stream, no_answer
from falkit_client._steps import (
    Answer,
    Do,
    Doable,
    Fetch,
    Flow,
    Hear,
    Leave,
    Listen,
    Report,
    Send,
    Take,
    Together,
)
from falkit_client.results import Status

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
        opened.push_async_callback(self._leave)
        self._stream: tuple[Request, AsyncIterator[str]] | None = None
        self._file: tuple[Request, httpx.Response, AsyncIterator[bytes]] | None = None

    async def perform(self, step: Doable) -> Answer:
        match step:
            case Send():
                return await self._send(step.request)
            case Listen():
                return await self._listen(step.request)
            case Hear():
                return await self._hear()
            case Fetch():
                return await self._fetch(step.request)
            case Take():
                return await self._take()
            case Leave():
                await self._leave()
            case Do():
                await asyncio.to_thread(step.work)
            case Together():
                await self._together(step)
            case _:
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

    async def _fetch(self, request: Request) -> Reply:
        await self._leave()
        try:
            response = await self._http.send(
                as_httpx(self._http, request), stream=True, follow_redirects=True
            )
        except httpx.RequestError as error:
            raise no_answer(error, request) from error
        self._file = request, response, response.aiter_bytes()
        return as_reply(response, b"")

    async def _take(self) -> bytes | None:
        if self._file is None:
            raise RuntimeError("no file is open")
        request, _, pieces = self._file
        try:
            return await anext(pieces, None)
        except httpx.RequestError as error:
            raise no_answer(error, request) from error

    async def _together(self, step: Together) -> None:
        wire = AsyncWire(self._http, self._sleep)
        tasks = [asyncio.create_task(wire.finish(flow)) for flow in step.flows]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            step.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _leave(self) -> None:
        if self._file is not None:
            await self._file[1].aclose()
            self._file = None
