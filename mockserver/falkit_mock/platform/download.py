"""Fetching an input from this machine or network, where the settings allow it."""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin

from falkit_mock.platform.inputs import Medium, check_bytes, download_failed, unreachable

_SECONDS = 10.0
_REDIRECTS = 5
# What is read of a file whose document sets no limit, in bytes.
_MOST = 256 * 1024 * 1024


async def check_download(medium: Medium) -> None:
    """Fetch a local URL and judge what it answers; raise Rejected as fal's model would."""
    # Lazy: httpx takes longer to import than the server to answer its first request.
    import httpx

    limit = medium.max_bytes or _MOST
    url = medium.value.strip()
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
            for _ in range(_REDIRECTS + 1):
                async with client.stream("GET", url) as reply:
                    if reply.is_redirect:
                        url = urljoin(url, reply.headers.get("location", ""))
                        if (why := unreachable(url)) is None:
                            return  # it leads to a public address, which is taken on trust
                        if not why.private:
                            raise download_failed(medium, f"redirected to {url}: {why.text}")
                        continue
                    if reply.status_code != 200:
                        raise download_failed(medium, f"{url} answered {reply.status_code}")
                    data = bytearray()
                    async for chunk in reply.aiter_bytes():
                        data += chunk
                        if len(data) > limit:
                            break
                    await asyncio.to_thread(check_bytes, medium, bytes(data))
                    return
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise download_failed(medium, f"{url} can't be fetched ({error!r})") from None
    raise download_failed(medium, f"{medium.value} redirects more than {_REDIRECTS} times")
