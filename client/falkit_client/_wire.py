"""Carries out flows over httpx, waiting for each step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
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


class Wire:
    """The world of the waiting client: its connections and its sleep."""

    def __init__(self, http: httpx.Client, sleep: Callable[[float], object]) -> None:
        """Use these; the owner closes `http`."""
        self._http = http
        self._sleep = sleep

    def finish(self, flow: Flow[T], on_update: OnUpdate | None = None) -> T:
        """Carry out a flow to its end; `on_update` is called with each status it reports."""
        running = Running(flow)
        for _ in self._carried_out(running, on_update):
            pass
        return running.value

    def events(self, flow: Flow[object]) -> Generator[Status]:
        """Carry out a flow as fast as its statuses are taken."""
        return self._carried_out(Running(flow))

    def _carried_out(
        self, running: Running[T], on_update: OnUpdate | None = None
    ) -> Generator[Status]:
        with ExitStack() as opened:
            line = _Line(self._http, self._sleep, opened)
            while (step := running.step) is not None:
                answer: Answer = None
                try:
                    if isinstance(step, Report):
                        if on_update is not None:
                            on_update(step.status)
                        yield step.status
                    else:
                        answer = line.perform(step)
                except BaseException as error:
                    running.throw(error)
                else:
                    running.answer(answer)


class _Line:
    """The steps of one flow; what it opens is closed with the flow."""

    def __init__(
        self, http: httpx.Client, sleep: Callable[[float], object], opened: ExitStack
    ) -> None:
        self._http = http
        self._sleep = sleep
        self._opened = opened
        opened.callback(self._leave)
        self._stream: tuple[Request, Iterator[str]] | None = None
        self._file: tuple[Request, httpx.Response, Iterator[bytes]] | None = None

    def perform(self, step: Doable) -> Answer:
        match step:
            case Send():
                return self._send(step.request)
            case Listen():
                return self._listen(step.request)
            case Hear():
                return self._hear()
            case Fetch():
                return self._fetch(step.request)
            case Take():
                return self._take()
            case Leave():
                self._leave()
            case Do():
                step.work()
            case Together():
                self._together(step)
            case _:
                self._sleep(step.seconds)
        return None

    def _send(self, request: Request) -> Reply:
        try:
            response = self._http.send(as_httpx(self._http, request))
        except httpx.RequestError as error:
            raise no_answer(error, request) from error
        return as_reply(response, response.content)

    def _listen(self, request: Request) -> Reply:
        try:
            response = self._http.send(as_httpx(self._http, request), stream=True)
            self._opened.callback(response.close)
            body = b"" if is_stream(response) else response.read()
        except httpx.RequestError as error:
            raise no_answer(error, request) from error
        self._stream = request, response.iter_text()
        return as_reply(response, body)

    def _hear(self) -> str | None:
        if self._stream is None:
            raise RuntimeError("no stream is open")
        request, pieces = self._stream
        try:
            return next(pieces, None)
        except httpx.RequestError as error:
            raise no_answer(error, request) from error

    def _fetch(self, request: Request) -> Reply:
        self._leave()
        try:
            response = self._http.send(
                as_httpx(self._http, request), stream=True, follow_redirects=True
            )
        except httpx.RequestError as error:
            raise no_answer(error, request) from error
        self._file = request, response, response.iter_bytes()
        return as_reply(response, b"")

    def _take(self) -> bytes | None:
        if self._file is None:
            raise RuntimeError("no file is open")
        request, _, pieces = self._file
        try:
            return next(pieces, None)
        except httpx.RequestError as error:
            raise no_answer(error, request) from error

    def _together(self, step: Together) -> None:
        wire = Wire(self._http, self._sleep)
        with ThreadPoolExecutor(len(step.flows)) as pool:
            ends = [pool.submit(wire.finish, flow) for flow in step.flows]
            try:
                for end in ends:
                    end.result()
            except BaseException:
                step.stop()
                raise

    def _leave(self) -> None:
        if self._file is not None:
            self._file[1].close()
            self._file = None
