"""One endpoint with its options bound, whose calls take the inputs as keywords."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, cast

from falkit_client.options import BoundOptions, RunOptions, SubmitOptions
from falkit_client.result import JsonObject, Result

if TYPE_CHECKING:
    from falkit_client._async import AsyncClient, AsyncHandle
    from falkit_client._client import Client, Handle


class Bound:
    """What Client.endpoint gives."""

    def __init__(self, client: Client, endpoint: str, options: BoundOptions) -> None:
        """Made by Client.endpoint."""
        self._client = client
        self._options = options
        self.id = endpoint

    def __repr__(self) -> str:
        """The endpoint."""
        return f"Bound({self.id!r})"

    def run(self, /, **input: object) -> Result[JsonObject]:
        """As Client.run."""
        return self._client.run(self.id, input, **of_run(self._options))

    def submit(self, /, **input: object) -> Handle[JsonObject]:
        """As Client.submit."""
        return self._client.submit(self.id, input, **of_submit(self._options))

    def subscribe(self, /, **input: object) -> Result[JsonObject]:
        """As Client.subscribe."""
        return self._client.subscribe(self.id, input, **self._options)

    def price(self, /, **input: object) -> Decimal | None:
        """As Client.price."""
        return self._client.price(self.id, input)


class AsyncBound:
    """What AsyncClient.endpoint gives."""

    def __init__(self, client: AsyncClient, endpoint: str, options: BoundOptions) -> None:
        """Made by AsyncClient.endpoint."""
        self._client = client
        self._options = options
        self.id = endpoint

    def __repr__(self) -> str:
        """The endpoint."""
        return f"AsyncBound({self.id!r})"

    async def run(self, /, **input: object) -> Result[JsonObject]:
        """As AsyncClient.run."""
        return await self._client.run(self.id, input, **of_run(self._options))

    async def submit(self, /, **input: object) -> AsyncHandle[JsonObject]:
        """As AsyncClient.submit."""
        return await self._client.submit(self.id, input, **of_submit(self._options))

    async def subscribe(self, /, **input: object) -> Result[JsonObject]:
        """As AsyncClient.subscribe."""
        return await self._client.subscribe(self.id, input, **self._options)

    def price(self, /, **input: object) -> Decimal | None:
        """As AsyncClient.price."""
        return self._client.price(self.id, input)


def of_run(options: BoundOptions) -> RunOptions:
    """Those options that `run` takes."""
    return cast("RunOptions", _only(options, RunOptions))


def of_submit(options: BoundOptions) -> SubmitOptions:
    """Those options that `submit` takes."""
    return cast("SubmitOptions", _only(options, SubmitOptions))


def _only(options: BoundOptions, kind: type) -> dict[str, object]:
    return {name: value for name, value in options.items() if name in kind.__annotations__}
