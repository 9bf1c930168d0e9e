"""Lets a client of the test's own process reach a mock by fal's names.

fal's Python client builds https URLs that no setting changes (wire.md §1.2), so the one thing
replaced is the way out of httpx: what is meant for fal goes to the mock, in the words of fal's
proxies.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeAlias

import httpx
import pytest

from serving import Mock

AsyncTransports: TypeAlias = list[httpx.AsyncHTTPTransport]


@contextmanager
def rerouted(
    mock: Mock, monkeypatch: pytest.MonkeyPatch, async_transports: AsyncTransports
) -> Generator[Mock]:
    """Put a mock in fal's place for the length of the block.

    The client leaves its connections open, which warns where warnings are errors: those that wait
    are closed at the end, the others are put into `async_transports` for the test to close.
    """
    origin = httpx.URL(mock.url)
    transports: list[httpx.HTTPTransport] = []
    send = httpx.HTTPTransport.handle_request
    send_async = httpx.AsyncHTTPTransport.handle_async_request

    def reroute(request: httpx.Request) -> httpx.Request:
        if request.url.host.endswith((".fal.media", "fal.run", "fal.ai")):
            request.headers["x-fal-target-url"] = str(request.url)
            request.headers["host"] = origin.netloc.decode()
            request.url = origin
        return request

    def handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        transports.append(self)
        return send(self, reroute(request))

    async def handle_async(
        self: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        async_transports.append(self)
        return await send_async(self, reroute(request))

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async)
    yield mock
    for transport in transports:
        transport.close()
