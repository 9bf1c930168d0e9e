"""Passes deliveries on to the receiver that they are for, and brings its answers back."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

# What belongs to one connection (RFC 9110 §7.6.1), and what is written anew for the next one.
_OWN = frozenset(
    {
        b"connection",
        b"content-length",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# As long as fal ever waits (wire.md §5.3).
_PATIENCE = httpx.Timeout(120.0, connect=10.0)

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Passed:
    """What became of a delivery at the receiver `url`, in `seconds`; `failure` where no answer."""

    url: str
    seconds: float
    status: int
    headers: RawHeaders
    body: bytes
    failure: str | None = None


class Forwarding:
    """The way to one receiver. Bodies go byte for byte; redirects are answers like others."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`url` is the receiver's; paths and queries of deliveries are added to it."""
        self.url = url
        # A proxy of the environment is for what is far away.
        self._http = httpx.AsyncClient(transport=transport, timeout=_PATIENCE, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def target(self, path: str, query: str) -> str:
        """Where a delivery to this path and query goes; both as they stood on the wire.

        >>> Forwarding("http://localhost:8000/fal").target("/", "order=7")
        'http://localhost:8000/fal?order=7'
        """
        base, _, own = self.url.partition("?")
        whole = base if path in ("", "/") else base.rstrip("/") + path
        queries = "&".join(part for part in (own, query) if part)
        return f"{whole}?{queries}" if queries else whole

    async def post(self, path: str, query: str, headers: RawHeaders, body: bytes) -> Passed:
        """Pass one delivery on; 502 or 504 is the answer where the receiver gives none."""
        url = self.target(path, query)
        began = time.perf_counter()
        try:
            # Made without the client, which would add headers of its own.
            request = httpx.Request("POST", url, headers=_kept(headers), content=body)
            request.extensions = {"timeout": _PATIENCE.as_dict()}
            response = await self._http.send(request, stream=True)
            try:
                answer = b"".join([piece async for piece in response.aiter_raw()])
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _unanswered(url, error, time.perf_counter() - began)
        took = time.perf_counter() - began
        return Passed(url, took, response.status_code, _kept(response.headers.raw), answer)


def _kept(headers: RawHeaders) -> RawHeaders:
    return [(name, value) for name, value in headers if name.lower() not in _OWN]


def _unanswered(url: str, error: Exception, seconds: float) -> Passed:
    late = isinstance(error, httpx.ReadTimeout)
    why = f"no answer within {_PATIENCE.read:g} s" if late else str(error) or type(error).__name__
    said = f"falkit listen: {url} can't be reached: {why}\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    return Passed(url, seconds, 504 if late else 502, headers, said.encode(), why)
