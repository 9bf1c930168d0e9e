"""Carries out flows over httpx: Transport waits for each step, AsyncTransport frees the loop."""

from __future__ import annotations

import asyncio
import inspect
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import aclosing, closing, contextmanager
from functools import cache
from typing import TypeAlias, TypeVar

import httpx

from falkit_client._flow import (
    Action,
    Answer,
    Do,
    Flow,
    Pause,
    Read,
    Report,
    Running,
    Send,
    Together,
)
from falkit_client._replies import Reply
from falkit_client._requests import Request
from falkit_client.errors import AnswerLost, Unreachable
from falkit_client.results import Status

T = TypeVar("T")

OnUpdate: TypeAlias = Callable[[Status], object]
"""Called with each status; AsyncClient awaits what it returns where that can be awaited."""
AsyncSleep: TypeAlias = Callable[[float], Awaitable[object]]

_CONNECT_TIMEOUT = 10.0
_USER_AGENT = "falkit-client"

# Raised before a byte of the request is on its way.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Transport:
    """Carries out the flows of the client that waits."""

    def __init__(self, http: httpx.Client, sleep: Callable[[float], object]) -> None:
        """Use these; the owner closes `http`."""
        self.http = http
        self.sleep = sleep

    def finish(self, flow: Flow[T], on_update: OnUpdate | None = None) -> T:
        """Carry out a flow to its end; `on_update` is called with each status it reports."""
        running = Running(flow)
        for _ in self._carry_out(running, on_update):
            pass
        return running.value

    def events(self, flow: Flow[object]) -> Generator[Status]:
        """Carry out a flow as fast as its statuses are read."""
        return self._carry_out(Running(flow))

    def _carry_out(
        self, running: Running[T], on_update: OnUpdate | None = None
    ) -> Generator[Status]:
        with closing(_Actions(self)) as actions:
            while (step := running.step) is not None:
                answer: Answer = None
                try:
                    if isinstance(step, Report):
                        if on_update is not None:
                            on_update(step.status)
                        yield step.status
                    else:
                        answer = actions.perform(step)
                except BaseException as error:
                    running.throw(error)
                else:
                    running.answer(answer)


class _Actions:
    """The actions of one flow, which has at most one response open at a time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._opened: tuple[Request, httpx.Response, Iterator[bytes]] | None = None

    def perform(self, action: Action) -> Answer:
        match action:
            case Send():
                return self._send(action)
            case Read():
                return self._read()
            case Do(work):
                work()
            case Together():
                self._together(action)
            case Pause(seconds):
                self._transport.sleep(seconds)
        return None

    def _send(self, action: Send) -> Reply:
        self.close()
        with _no_answer(action.request):
            response = self._transport.http.send(
                as_httpx(self._transport.http, action.request),
                stream=action.stream,
                follow_redirects=action.follow_redirects,
            )
        if action.stream:
            self._opened = action.request, response, response.iter_bytes()
        return as_reply(response, b"" if action.stream else response.content)

    def _read(self) -> bytes | None:
        if self._opened is None:
            raise RuntimeError("no response is open")
        request, _, pieces = self._opened
        with _no_answer(request):
            return next(pieces, None)

    def _together(self, action: Together) -> None:
        with ThreadPoolExecutor(len(action.flows)) as pool:
            ends = [pool.submit(self._transport.finish, flow) for flow in action.flows]
            try:
                for end in as_completed(ends):
                    end.result()
            except BaseException:
                action.stop()
                raise

    def close(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None


class AsyncTransport:
    """Carries out the flows of the asynchronous client."""

    def __init__(self, http: httpx.AsyncClient, sleep: AsyncSleep) -> None:
        """Use these; the owner closes `http`."""
        self.http = http
        self.sleep = sleep

    async def finish(self, flow: Flow[T], on_update: OnUpdate | None = None) -> T:
        """Carry out a flow to its end; `on_update` may be a coroutine function."""
        running = Running(flow)
        async for _ in self._carry_out(running, on_update):
            pass
        return running.value

    def events(self, flow: Flow[object]) -> AsyncGenerator[Status]:
        """Carry out a flow as fast as its statuses are read."""
        return self._carry_out(Running(flow))

    async def _carry_out(
        self, running: Running[T], on_update: OnUpdate | None = None
    ) -> AsyncGenerator[Status]:
        async with aclosing(_AsyncActions(self)) as actions:
            while (step := running.step) is not None:
                answer: Answer = None
                try:
                    if isinstance(step, Report):
                        if on_update is not None:
                            updated = on_update(step.status)
                            if inspect.isawaitable(updated):
                                await updated
                        yield step.status
                    else:
                        answer = await actions.perform(step)
                except BaseException as error:
                    running.throw(error)
                else:
                    running.answer(answer)


class _AsyncActions:
    """The actions of one flow, which has at most one response open at a time."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._opened: tuple[Request, httpx.Response, AsyncIterator[bytes]] | None = None

    async def perform(self, action: Action) -> Answer:
        match action:
            case Send():
                return await self._send(action)
            case Read():
                return await self._read()
            case Do(work):
                await asyncio.to_thread(work)
            case Together():
                await self._together(action)
            case Pause(seconds):
                await self._transport.sleep(seconds)
        return None

    async def _send(self, action: Send) -> Reply:
        await self.aclose()
        with _no_answer(action.request):
            response = await self._transport.http.send(
                as_httpx(self._transport.http, action.request),
                stream=action.stream,
                follow_redirects=action.follow_redirects,
            )
        if action.stream:
            self._opened = action.request, response, response.aiter_bytes()
        return as_reply(response, b"" if action.stream else response.content)

    async def _read(self) -> bytes | None:
        if self._opened is None:
            raise RuntimeError("no response is open")
        request, _, pieces = self._opened
        with _no_answer(request):
            return await anext(pieces, None)

    async def _together(self, action: Together) -> None:
        tasks = [asyncio.create_task(self._transport.finish(flow)) for flow in action.flows]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            action.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened[1].aclose()
            self._opened = None


def as_httpx(http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    """The request in httpx's form."""
    timeout = request.timeout
    connect = _CONNECT_TIMEOUT if timeout is None else min(_CONNECT_TIMEOUT, timeout)
    return http.build_request(
        request.method,
        request.url,
        headers={"User-Agent": _USER_AGENT, **request.headers},
        content=request.content or None,
        timeout=httpx.Timeout(timeout, connect=connect, pool=connect),
    )


def as_reply(response: httpx.Response, body: bytes = b"") -> Reply:
    """The answer in the core's form."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, body)


@contextmanager
def _no_answer(request: Request) -> Generator[None]:
    """Raise the NoAnswer that an error of httpx means."""
    try:
        yield
    except httpx.RequestError as error:
        kind = Unreachable if isinstance(error, _UNSENT) else AnswerLost
        why = str(error) or type(error).__name__
        message = f"{request.method} {request.url}: no answer ({why})"
        if kind is AnswerLost and not request.safe:
            message += "; fal may have accepted the job"
        raise kind(message, endpoint=request.endpoint, request_id=request.request_id) from error


def tls() -> ssl.SSLContext:
    """The TLS context of the environment's certificates, made once: it takes tens of milliseconds.

    SSL_CERT_FILE and SSL_CERT_DIR lead to a stand-in's own certificate (wire.md §1.2).
    """
    return _tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _tls(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()
