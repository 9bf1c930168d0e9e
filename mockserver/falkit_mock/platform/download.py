"""Fetching an input from this machine or network, where the settings allow it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from falkit_mock.platform.inputs import Medium, check_bytes, download_failed, unreachable

if TYPE_CHECKING:
    import httpx

# For the whole of a download, redirects included.
SECONDS = 10.0
_REDIRECTS = 5
# What is read of a file whose document sets no limit, in bytes.
_MOST = 256 * 1024 * 1024


async def check_download(medium: Medium) -> None:
    """Fetch a local URL and judge what it answers; raise Rejected as fal's model would."""
    # Lazy: httpx takes longer to import than the server to answer its first request.
    import httpx

    url = medium.value.strip()
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client,
        ):
            data = await _fetch(client, medium, url)
    except TimeoutError:
        raise download_failed(medium, f"{url} took more than {SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise download_failed(medium, f"{url} can't be fetched ({error!r})") from None
    if data is not None:
        await asyncio.to_thread(check_bytes, medium, data)


async def _fetch(client: httpx.AsyncClient, medium: Medium, url: str) -> bytes | None:
    """Return the bytes; None where a redirect leads to the public net, taken on trust."""
    for _ in range(_REDIRECTS + 1):
        async with client.stream("GET", url) as reply:
            if not reply.is_redirect:
                return await _read(reply, medium, url)
            url = urljoin(url, reply.headers.get("location", ""))
            if (why := unreachable(url)) is None:
                return None
            if not why.private:
                raise download_failed(medium, f"redirected to {url}: {why.text}")
    raise download_failed(medium, f"{medium.value} redirects more than {_REDIRECTS} times")


async def _read(reply: httpx.Response, medium: Medium, url: str) -> bytes:
    if reply.status_code != 200:
        raise download_failed(medium, f"{url} answered {reply.status_code}")
    data = bytearray()
    async for chunk in reply.aiter_bytes():
        data += chunk
        # One byte too many tells as much as all of them.
        if len(data) > (medium.max_bytes or _MOST):
            break
    return bytes(data)
