"""The two clients, side by side: the same calls, waiting for each answer or awaited."""

from __future__ import annotations

import asyncio
import random as chance
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx

from falkit_client._calls import Job
from falkit_client._core import Core, catalog_of
from falkit_client._files import AsyncFileCalls, FileCalls
from falkit_client._handles import AsyncBound, AsyncHandle, Bound, Handle
from falkit_client._transport import AsyncSleep, AsyncTransport, OnUpdate, Transport, tls
from falkit_client._typed import AsyncTypedEndpoints, TypedEndpoints
from falkit_client.budget import Budget
from falkit_client.cache import Cache
from falkit_client.options import BoundOptions, Options, Retries, RunOptions, SubmitOptions
from falkit_client.results import JsonObject, Result, Status
from falkit_spec.catalog import Catalog


class Client(TypedEndpoints, FileCalls):
    """Calls fal, or a stand-in of it, and waits for each answer; AsyncClient is its twin.

    An input is checked against the endpoint's document before anything is sent, the output when
    it comes. All errors are FalkitError. A client may be used by several threads at once.
    """

    def __init__(
        self,
        key: str | None = None,
        base_url: str | None = None,
        *,
        catalog: Catalog | None = None,
        documents: Iterable[str | Path] | None = None,
        check: bool = True,
        retries: Retries | None = None,
        poll_interval: float = 0.5,
        budget: Budget | None = None,
        cache: Cache | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Set up a client; nothing is sent.

        `key`: `<id>:<secret>`; else FAL_KEY, else FAL_KEY_ID with FAL_KEY_SECRET.
        `base_url`: a stand-in such as http://127.0.0.1:4325, before which fal's host becomes the
        first part of the path; else FALKIT_BASE_URL, else fal's own hosts over https.
        `documents`: files and folders with documents that count before those that come with
        falkit; else the environment's FALKIT_DOCUMENTS. They are read when the client is made.
        `catalog`: all documents, read already; in place of `documents`.
        `check`: whether inputs and outputs are checked where a call doesn't set it.
        `poll_interval`: seconds between two requests for a status.
        `budget`: the money that calls may cost; unlimited without one.
        `cache`: the folder of outputs that need not be paid for again.
        `transport`, `clock`, `sleep`, `random`: replaced in tests.
        """
        catalog = catalog_of(catalog, documents)
        self._core = Core(
            key, base_url, catalog, check, retries, poll_interval, budget, cache, clock, random
        )
        self._http = httpx.Client(transport=transport, verify=tls())
        self._transport = Transport(self._http, sleep)

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; jobs go on without them."""
        self._http.close()

    def price(self, endpoint: str, input: Mapping[str, object]) -> Decimal | None:
        """US dollars that this input will cost; None where no price is known. Nothing is sent."""
        return self._core.calls.price(endpoint, input)

    def check(self, endpoint: str, input: Mapping[str, object], *, preflight: bool = False) -> None:
        """Raise InvalidInput with all that is wrong with an input; nothing is sent to fal.

        `preflight` asks whether the URLs of images and videos answer 200 with such a file.
        """
        options = Options(check=True, preflight=preflight)
        self._transport.finish(self._core.calls.checked(endpoint, input, options))

    def cached(
        self, endpoint: str, input: Mapping[str, object], *, check: bool | None = None
    ) -> Result[JsonObject] | None:
        """The output that a call with this input would take from the cache; None if it has none."""
        flow = self._core.calls.found(endpoint, input, Options(check=check))
        return self._transport.finish(flow).hit

    def run(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[RunOptions]
    ) -> Result[JsonObject]:
        """Call the endpoint synchronously; one connection stays open until the output is there.

        Raises InvalidInput or UnknownEndpoint before anything is sent, else any FalkitError.
        """
        return self._transport.finish(self._core.run(endpoint, input, Options(**options)))

    def submit(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[SubmitOptions]
    ) -> Handle[JsonObject]:
        """Put a job into the queue and return at once (wire.md §3.1).

        Raises InvalidInput or UnknownEndpoint before anything is sent; AnswerLost when fal may
        have accepted the job without saying so.
        """
        flow = self._core.submit(endpoint, input, Options(**options))
        return Handle(self._core, self._transport, self._transport.finish(flow))

    def subscribe(
        self,
        endpoint: str,
        input: Mapping[str, object],
        *,
        on_update: OnUpdate | None = None,
        logs: bool = False,
        stream: bool = False,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Result[JsonObject]:
        """Submit, follow the job, and return its output.

        `on_update` is called with each change; with `logs` it gets every log line once.
        `stream` listens to fal's event stream in place of polling, and polls if it breaks.
        After `timeout` seconds from acceptance the job is cancelled and TimedOut raised.
        An exception that interrupts the wait, Ctrl-C too, gets a note that names the job.
        """
        flow = self._core.subscribe(
            endpoint, input, Options(**options), logs=logs, stream=stream, timeout=timeout
        )
        return self._transport.finish(flow, on_update)

    def handle(self, endpoint: str, request_id: str) -> Handle[JsonObject]:
        """The handle of a job submitted before, by this program or another; nothing is sent."""
        job = Job(self._core.requests.ticket(endpoint, request_id))
        return Handle(self._core, self._transport, job)

    def status(self, endpoint: str, request_id: str, *, logs: bool = False) -> Status:
        """Ask once how far a job is; `logs` brings the window of its newest lines."""
        return self.handle(endpoint, request_id).status(logs=logs)

    def iter_events(
        self,
        endpoint: str,
        request_id: str,
        *,
        logs: bool = False,
        stream: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Status]:
        """Each change of a job, the last of them Completed; options as in `subscribe`."""
        return self.handle(endpoint, request_id).iter_events(
            logs=logs, stream=stream, timeout=timeout
        )

    def result(self, endpoint: str, request_id: str) -> Result[JsonObject]:
        """Ask once for the output: NotReady before the end, the job's own error if it failed."""
        return self.handle(endpoint, request_id).result()

    def cancel(self, endpoint: str, request_id: str) -> bool:
        """Ask that a job end: True if fal accepts it, False if the job has ended; else NotFound."""
        return self.handle(endpoint, request_id).cancel()

    def _bound(self, endpoint: str, options: BoundOptions) -> Bound:
        return Bound(self._core, self._transport, endpoint, options)


class AsyncClient(AsyncTypedEndpoints, AsyncFileCalls):
    """Calls fal, or a stand-in of it, as Client does, name by name, with awaits.

    An input is checked against the endpoint's document before anything is sent, the output when
    it comes. All errors are FalkitError. A client belongs to one event loop, for many tasks.
    """

    def __init__(
        self,
        key: str | None = None,
        base_url: str | None = None,
        *,
        catalog: Catalog | None = None,
        documents: Iterable[str | Path] | None = None,
        check: bool = True,
        retries: Retries | None = None,
        poll_interval: float = 0.5,
        budget: Budget | None = None,
        cache: Cache | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: AsyncSleep = asyncio.sleep,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Set up a client, with the arguments of Client; nothing is sent."""
        catalog = catalog_of(catalog, documents)
        self._core = Core(
            key, base_url, catalog, check, retries, poll_interval, budget, cache, clock, random
        )
        self._http = httpx.AsyncClient(transport=transport, verify=tls())
        self._transport = AsyncTransport(self._http, sleep)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections; jobs go on without them."""
        await self._http.aclose()

    def price(self, endpoint: str, input: Mapping[str, object]) -> Decimal | None:
        """US dollars that this input will cost; None where no price is known. Nothing is sent."""
        return self._core.calls.price(endpoint, input)

    async def check(
        self, endpoint: str, input: Mapping[str, object], *, preflight: bool = False
    ) -> None:
        """Raise InvalidInput with all that is wrong with an input; nothing is sent to fal.

        `preflight` asks whether the URLs of images and videos answer 200 with such a file.
        """
        options = Options(check=True, preflight=preflight)
        await self._transport.finish(self._core.calls.checked(endpoint, input, options))

    async def cached(
        self, endpoint: str, input: Mapping[str, object], *, check: bool | None = None
    ) -> Result[JsonObject] | None:
        """The output that a call with this input would take from the cache; None if it has none."""
        flow = self._core.calls.found(endpoint, input, Options(check=check))
        return (await self._transport.finish(flow)).hit

    async def run(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[RunOptions]
    ) -> Result[JsonObject]:
        """Call the endpoint synchronously; one connection stays open until the output is there.

        Raises InvalidInput or UnknownEndpoint before anything is sent, else any FalkitError.
        """
        return await self._transport.finish(self._core.run(endpoint, input, Options(**options)))

    async def submit(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[SubmitOptions]
    ) -> AsyncHandle[JsonObject]:
        """Put a job into the queue and return at once (wire.md §3.1).

        Raises InvalidInput or UnknownEndpoint before anything is sent; AnswerLost when fal may
        have accepted the job without saying so.
        """
        flow = self._core.submit(endpoint, input, Options(**options))
        return AsyncHandle(self._core, self._transport, await self._transport.finish(flow))

    async def subscribe(
        self,
        endpoint: str,
        input: Mapping[str, object],
        *,
        on_update: OnUpdate | None = None,
        logs: bool = False,
        stream: bool = False,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Result[JsonObject]:
        """Submit, follow the job, and return its output.

        `on_update` is called with each change, and awaited if it is a coroutine function; with
        `logs` it gets every log line once.
        `stream` listens to fal's event stream in place of polling, and polls if it breaks.
        After `timeout` seconds from acceptance the job is cancelled and TimedOut raised.
        An exception that interrupts the wait, a cancelled task's too, gets a note that names the
        job.
        """
        flow = self._core.subscribe(
            endpoint, input, Options(**options), logs=logs, stream=stream, timeout=timeout
        )
        return await self._transport.finish(flow, on_update)

    def handle(self, endpoint: str, request_id: str) -> AsyncHandle[JsonObject]:
        """The handle of a job submitted before, by this program or another; nothing is sent."""
        job = Job(self._core.requests.ticket(endpoint, request_id))
        return AsyncHandle(self._core, self._transport, job)

    async def status(self, endpoint: str, request_id: str, *, logs: bool = False) -> Status:
        """Ask once how far a job is; `logs` brings the window of its newest lines."""
        return await self.handle(endpoint, request_id).status(logs=logs)

    def iter_events(
        self,
        endpoint: str,
        request_id: str,
        *,
        logs: bool = False,
        stream: bool = False,
        timeout: float | None = None,
    ) -> AsyncGenerator[Status]:
        """Each change of a job, the last of them Completed; options as in `subscribe`."""
        return self.handle(endpoint, request_id).iter_events(
            logs=logs, stream=stream, timeout=timeout
        )

    async def result(self, endpoint: str, request_id: str) -> Result[JsonObject]:
        """Ask once for the output: NotReady before the end, the job's own error if it failed."""
        return await self.handle(endpoint, request_id).result()

    async def cancel(self, endpoint: str, request_id: str) -> bool:
        """Ask that a job end: True if fal accepts it, False if the job has ended; else NotFound."""
        return await self.handle(endpoint, request_id).cancel()

    def _bound(self, endpoint: str, options: BoundOptions) -> AsyncBound:
        return AsyncBound(self._core, self._transport, endpoint, options)
