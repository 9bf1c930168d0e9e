"""A reply whose body comes in pieces; apart, since it imports Starlette, which no submit needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from starlette.types import Send


class Stream(StreamingResponse):
    """What the pieces are read from is closed at its end.

    Starlette leaves that to the garbage collector where the caller has gone.
    """

    async def stream_response(self, send: Send) -> None:
        # All that is streamed here is generated, and can be closed.
        async with aclosing(cast("AsyncGenerator[bytes]", self.body_iterator)):
            await super().stream_response(send)
