"""Files of an input: where they are, whether fal could have them, and fetched or decoded."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urljoin, urlsplit

from falkit_mock.core.jobs import MediaValue
from falkit_mock.core.limits import FILE_MOST as MOST
from falkit_mock.service.checks import check_bytes, download_failed, rejected
from falkit_mock.service.containers import Found
from falkit_mock.service.data_uris import read_data_uri, unknown_label
from falkit_mock.service.urls import embedded, unreachable

if TYPE_CHECKING:
    import httpx

# Decoding takes long, and much memory: a few at a time, apart from all else that threads do.
_POOL = ThreadPoolExecutor(2, thread_name_prefix="falkit media")
_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_pool(work: Callable[_P, _T], *args: _P.args, **options: _P.kwargs) -> _T:
    """Have files looked at in a thread; what waits is left undone once its caller is cancelled."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_POOL, partial(work, *args, **options))


# For the whole of a download, redirects included.
SECONDS = 10.0
_REDIRECTS = 5


async def check_download(medium: MediaValue) -> Found | None:
    """Fetch a local URL and check what it answers; raise Rejected as fal's model would.

    Return what it is; None where that isn't looked at, or it wasn't fetched.
    """
    # Lazy: httpx takes longer to import than the server to answer its first request.
    import httpx

    url, wait = medium.value.strip(), min(medium.field.timeout or SECONDS, SECONDS)
    try:
        async with (
            asyncio.timeout(wait),
            httpx.AsyncClient(timeout=wait, trust_env=False) as client,
        ):
            data = await _fetch(client, medium, url)
    except TimeoutError:
        raise download_failed(medium, f"{url} took more than {wait:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise download_failed(medium, f"{url} can't be fetched ({error!r})") from None
    return None if data is None else await in_pool(check_bytes, medium, data)


async def _fetch(client: httpx.AsyncClient, medium: MediaValue, url: str) -> bytes | None:
    """Return the bytes; None where a redirect leads to the public net, taken on trust."""
    for _ in range(_REDIRECTS + 1):
        if (why_not := await _kept_from(url)) is not None:
            raise download_failed(medium, f"{url} {why_not}")
        async with client.stream("GET", url) as reply:
            if not reply.is_redirect:
                return await _read(reply, medium, url)
            url = urljoin(url, reply.headers.get("location", ""))
            if (why := unreachable(url)) is None:
                return None
            if not why.private:
                raise download_failed(medium, f"redirected to {url}: {why.text}")
    raise download_failed(medium, f"{medium.value} redirects more than {_REDIRECTS} times")


# Where two clouds tell their machines what they may know, beside link-local addresses.
_CLOUDS = [ipaddress.ip_address(each) for each in ("100.100.100.200", "fd00:ec2::254")]


async def _kept_from(url: str) -> str | None:
    """Return why a URL is not fetched, whatever is allowed; None where it may be."""
    host = urlsplit(url).hostname or ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        # Whoever fetches it says so.
        return None
    for *_, where in found:
        address = embedded(ipaddress.ip_address(str(where[0]).partition("%")[0]))
        if address.is_link_local or address.is_multicast or address in _CLOUDS:
            return f"leads to {address}, where clouds keep what machines may know: never fetched"
    return None


async def _read(reply: httpx.Response, medium: MediaValue, url: str) -> bytes:
    if reply.status_code != 200:
        raise download_failed(medium, f"{url} answered {reply.status_code}")
    data = bytearray()
    async for chunk in reply.aiter_bytes():
        data += chunk
        # One byte too many tells as much as all of them.
        if len(data) > (medium.field.max_bytes or MOST):
            break
    return bytes(data)


def check_data_uri(medium: MediaValue, *, labels: bool = False) -> Found | None:
    """Decode a data URI and look at its bytes; raise Rejected as fal's model would.

    `labels` has the media type checked as well. Return what it is, as `check_bytes` does.
    """
    if labels and (label := unknown_label(medium.value)):
        why = (
            f"no file extension is known for {label!r}; upload the file, or use a type that has "
            "one, such as audio/x-wav or audio/mpeg"
        )
        raise rejected(medium, "file_download_error", why, message="Unsupported data URL")
    try:
        data = read_data_uri(medium.value)
    except ValueError as error:
        raise download_failed(medium, f"the data URI can't be decoded ({error})") from None
    return check_bytes(medium, data)


def check_url(medium: MediaValue, *, allow_private: bool) -> bool:
    """Tell whether a URL must be fetched to be checked; raise Rejected if fal can't reach it.

    Public URLs are taken on trust: nothing leaves the machine. Those of this machine or
    network can't be reached by fal; `allow_private` has them fetched and checked instead.
    """
    why = unreachable(medium.value)
    if why is None:
        return False
    if allow_private and why.private:
        return True
    fix = "; upload it or send a data URI, or start falkit with --allow-private-inputs"
    raise download_failed(medium, why.text + (fix if why.private else ""))
