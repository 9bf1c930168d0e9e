"""What a client hands out: a submitted job, and an endpoint with its options bound.

A bound endpoint knows its client by the four calls that it makes, so that nothing here imports a
client.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from decimal import Decimal
from typing import Generic, Protocol, TypeVar, Unpack, cast

from falkit_client._calls import Job
from falkit_client._core import Core
from falkit_client._transport import AsyncTransport, OnUpdate, Transport
from falkit_client.options import BoundOptions, RunOptions, SubmitOptions
from falkit_client.results import JsonObject, Result, Status

Output = TypeVar("Output")
Carrier = TypeVar("Carrier", bound=Transport | AsyncTransport)


class _Submitted(Generic[Output, Carrier]):
    """What both kinds of handle share."""

    def __init__(self, core: Core, transport: Carrier, job: Job) -> None:
        """Made by `submit` and `handle` of a client."""
        self._core = core
        self._transport = transport
        self._job = job
        self.ticket = job.ticket

    def __repr__(self) -> str:
        """The job, without its URLs."""
        return f"{type(self).__name__}({self.ticket.endpoint!r}, {self.ticket.request_id!r})"

    @property
    def request_id(self) -> str:
        """Fal's name of the job."""
        return self.ticket.request_id


class Handle(_Submitted[Output, Transport]):
    """One submitted job: what can be asked of it, and its `ticket`, which is plain to store."""

    def status(self, *, logs: bool = False) -> Status:
        """Ask once how far the job is; `logs` brings the window of its newest lines."""
        return self._transport.finish(self._core.status(self._job, logs=logs))

    def iter_events(
        self, *, logs: bool = False, stream: bool = False, timeout: float | None = None
    ) -> Iterator[Status]:
        """Each change of the job, the last of them Completed; options as in `subscribe`."""
        flow = self._core.watch(self._job, logs=logs, stream=stream, timeout=timeout)
        return self._transport.events(flow)

    def wait(
        self,
        *,
        on_update: OnUpdate | None = None,
        logs: bool = False,
        stream: bool = False,
        timeout: float | None = None,
    ) -> Result[Output]:
        """Follow the job and return its output; options as in `subscribe`."""
        flow = self._core.wait(self._job, logs=logs, stream=stream, timeout=timeout)
        return cast("Result[Output]", self._transport.finish(flow, on_update))

    def result(self) -> Result[Output]:
        """Ask once for the output: NotReady before the end, the job's own error if it failed."""
        return cast("Result[Output]", self._transport.finish(self._core.result(self._job)))

    def cancel(self) -> bool:
        """Ask that the job end: True if fal accepts it, False if it has ended; else NotFound."""
        return self._transport.finish(self._core.cancel(self._job))


class AsyncHandle(_Submitted[Output, AsyncTransport]):
    """One submitted job: what can be asked of it, and its `ticket`, which is plain to store."""

    async def status(self, *, logs: bool = False) -> Status:
        """Ask once how far the job is; `logs` brings the window of its newest lines."""
        return await self._transport.finish(self._core.status(self._job, logs=logs))

    def iter_events(
        self, *, logs: bool = False, stream: bool = False, timeout: float | None = None
    ) -> AsyncGenerator[Status]:
        """Each change of the job, the last of them Completed; options as in `subscribe`."""
        flow = self._core.watch(self._job, logs=logs, stream=stream, timeout=timeout)
        return self._transport.events(flow)

    async def wait(
        self,
        *,
        on_update: OnUpdate | None = None,
        logs: bool = False,
        stream: bool = False,
        timeout: float | None = None,
    ) -> Result[Output]:
        """Follow the job and return its output; options as in `subscribe`."""
        flow = self._core.wait(self._job, logs=logs, stream=stream, timeout=timeout)
        return cast("Result[Output]", await self._transport.finish(flow, on_update))

    async def result(self) -> Result[Output]:
        """Ask once for the output: NotReady before the end, the job's own error if it failed."""
        return cast("Result[Output]", await self._transport.finish(self._core.result(self._job)))

    async def cancel(self) -> bool:
        """Ask that the job end: True if fal accepts it, False if it has ended; else NotFound."""
        return await self._transport.finish(self._core.cancel(self._job))


class Calls(Protocol):
    """The calls of Client that a bound endpoint makes."""

    def run(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[RunOptions]
    ) -> Result[JsonObject]: ...

    def submit(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[SubmitOptions]
    ) -> Handle[JsonObject]: ...

    def subscribe(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[BoundOptions]
    ) -> Result[JsonObject]: ...

    def price(self, endpoint: str, input: Mapping[str, object]) -> Decimal | None: ...


class AsyncCalls(Protocol):
    """The calls of AsyncClient that a bound endpoint makes."""

    async def run(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[RunOptions]
    ) -> Result[JsonObject]: ...

    async def submit(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[SubmitOptions]
    ) -> AsyncHandle[JsonObject]: ...

    async def subscribe(
        self, endpoint: str, input: Mapping[str, object], **options: Unpack[BoundOptions]
    ) -> Result[JsonObject]: ...

    def price(self, endpoint: str, input: Mapping[str, object]) -> Decimal | None: ...


Caller = TypeVar("Caller", bound="Calls | AsyncCalls")


class _BoundEndpoint(Generic[Caller]):
    """What both kinds of bound endpoint share."""

    def __init__(self, client: Caller, endpoint: str, options: BoundOptions) -> None:
        """Made by `endpoint` of a client."""
        self._client = client
        self._options = options
        self.id = endpoint

    def __repr__(self) -> str:
        """The endpoint."""
        return f"{type(self).__name__}({self.id!r})"

    def price(self, /, **input: object) -> Decimal | None:
        """As Client.price."""
        return self._client.price(self.id, input)


class Bound(_BoundEndpoint[Calls]):
    """What Client.endpoint returns."""

    def run(self, /, **input: object) -> Result[JsonObject]:
        """As Client.run."""
        return self._client.run(self.id, input, **of_run(self._options))

    def submit(self, /, **input: object) -> Handle[JsonObject]:
        """As Client.submit."""
        return self._client.submit(self.id, input, **of_submit(self._options))

    def subscribe(self, /, **input: object) -> Result[JsonObject]:
        """As Client.subscribe."""
        return self._client.subscribe(self.id, input, **self._options)


class AsyncBound(_BoundEndpoint[AsyncCalls]):
    """What AsyncClient.endpoint returns."""

    async def run(self, /, **input: object) -> Result[JsonObject]:
        """As AsyncClient.run."""
        return await self._client.run(self.id, input, **of_run(self._options))

    async def submit(self, /, **input: object) -> AsyncHandle[JsonObject]:
        """As AsyncClient.submit."""
        return await self._client.submit(self.id, input, **of_submit(self._options))

    async def subscribe(self, /, **input: object) -> Result[JsonObject]:
        """As AsyncClient.subscribe."""
        return await self._client.subscribe(self.id, input, **self._options)


def of_run(options: BoundOptions) -> RunOptions:
    """The options that `run` has."""
    return cast("RunOptions", _only(options, RunOptions))


def of_submit(options: BoundOptions) -> SubmitOptions:
    """The options that `submit` has."""
    return cast("SubmitOptions", _only(options, SubmitOptions))


def _only(options: BoundOptions, kind: type) -> dict[str, object]:
    return {name: value for name, value in options.items() if name in kind.__annotations__}
