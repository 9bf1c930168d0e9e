"""The mock in the place of fal's hosts, for clients that go through httpx: no socket at all."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Unpack, cast

import httpx
import respx
from respx.models import Call

import falkit
from falkit_mock.core.clock import Clock
from falkit_mock.settings import MockSettings


def calls_of(router: respx.MockRouter) -> list[Call]:
    """Return what respx has noted, which it gives no types."""
    return cast("list[Call]", router.calls)


@dataclass(frozen=True)
class Fal:
    """What answers for fal, and the requests that it was sent, in order."""

    router: respx.MockRouter

    @property
    def requests(self) -> list[httpx.Request]:
        return [call.request for call in calls_of(self.router)]

    def sent(self, header: str) -> list[str | None]:
        """Return one header of each request."""
        return [request.headers.get(header) for request in self.requests]


@contextmanager
def in_process(*, clock: Clock | None = None, **settings: Unpack[MockSettings]) -> Generator[Fal]:
    """Answer for fal's hosts, whose one key is id:secret; other hosts stay unreachable."""
    settings = {"api_keys": ["id:secret"], **settings}
    with (
        respx.mock(assert_all_called=False) as router,
        falkit.InProcess(clock=clock, router=router, **settings),
    ):
        yield Fal(router)
