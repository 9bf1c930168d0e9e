"""What a client hands out: a submitted job, and an endpoint with its options bound."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from decimal import Decimal
from typing import Generic, TypeVar, cast

from falkit_client._calls import Job
from falkit_client._core import Core
from falkit_client._flow import Flow
from falkit_client._transport import AsyncTransport, OnUpdate, Transport
from falkit_client.options import BoundOptions, Options, RunOptions, SubmitOptions
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


class _BoundEndpoint(Generic[Carrier]):
    """What both kinds of bound endpoint share."""

    def __init__(
        self, core: Core, transport: Carrier, endpoint: str, options: BoundOptions
    ) -> None:
        """Made by `endpoint` of a client."""
        self._core = core
        self._transport = transport
        self._options = options
        self.id = endpoint

    def __repr__(self) -> str:
        """The endpoint."""
        return f"{type(self).__name__}({self.id!r})"

    def price(self, /, **input: object) -> Decimal | None:
        """As Client.price."""
        return self._core.calls.price(self.id, input)

    def _run(self, input: dict[str, object]) -> Flow[Result[JsonObject]]:
        return self._core.run(self.id, input, self._own_options(RunOptions))

    def _submit(self, input: dict[str, object]) -> Flow[Job]:
        return self._core.submit(self.id, input, self._own_options(SubmitOptions))

    def _subscribe(self, input: dict[str, object]) -> Flow[Result[JsonObject]]:
        return self._core.subscribe(
            self.id,
            input,
            self._own_options(SubmitOptions),
            logs=self._options.get("logs", False),
            stream=self._options.get("stream", False),
            timeout=self._options.get("timeout"),
        )

    def _own_options(self, kind: type) -> Options:
        """The options that one call knows: `run` knows no queue."""
        own = {k: value for k, value in self._options.items() if k in kind.__annotations__}
        return Options(**cast("SubmitOptions", own))


class Bound(_BoundEndpoint[Transport]):
    """What Client.endpoint returns."""

    def run(self, /, **input: object) -> Result[JsonObject]:
        """As Client.run."""
        return self._transport.finish(self._run(input))

    def submit(self, /, **input: object) -> Handle[JsonObject]:
        """As Client.submit."""
        job = self._transport.finish(self._submit(input))
        return Handle(self._core, self._transport, job)

    def subscribe(self, /, **input: object) -> Result[JsonObject]:
        """As Client.subscribe."""
        return self._transport.finish(self._subscribe(input), self._options.get("on_update"))


class AsyncBound(_BoundEndpoint[AsyncTransport]):
    """What AsyncClient.endpoint returns."""

    async def run(self, /, **input: object) -> Result[JsonObject]:
        """As AsyncClient.run."""
        return await self._transport.finish(self._run(input))

    async def submit(self, /, **input: object) -> AsyncHandle[JsonObject]:
        """As AsyncClient.submit."""
        job = await self._transport.finish(self._submit(input))
        return AsyncHandle(self._core, self._transport, job)

    async def subscribe(self, /, **input: object) -> Result[JsonObject]:
        """As AsyncClient.subscribe."""
        flow = self._subscribe(input)
        return await self._transport.finish(flow, self._options.get("on_update"))
