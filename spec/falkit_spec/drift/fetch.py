"""Fetch documents by HTTP: only ever because a user asked for it."""

from __future__ import annotations

import os
import re
import time
import zlib
from typing import TYPE_CHECKING

from falkit_spec.errors import SpecError
from falkit_spec.sources import MOST_BYTES

if TYPE_CHECKING:
    import httpx

ADDRESS = "https://fal.ai/api/openapi/queue/openapi.json"
"""fal's keyless address of documents; the id is its query `endpoint_id`."""
_IDLE_SECONDS, _SECONDS = 20.0, 120.0
_FALS = re.compile(r"https?://([\w-]+\.)*fal\.(ai|run)([:/?#]|$)", re.IGNORECASE)


class FetchFailed(SpecError):
    """A document can't be fetched."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(f"{url}: {reason}")


def address_of(endpoint_id: str, base: str = "") -> str:
    """Return where an endpoint's document is; `base` names a mirror, with `{id}` in it or not."""
    base = base or ADDRESS
    if "{id}" in base:
        return base.replace("{id}", endpoint_id)
    return f"{base}{'&' if '?' in base else '?'}endpoint_id={endpoint_id}"


class Fetcher:
    """Fetches documents over one client; a host that can't be reached is tried once."""

    def __init__(self) -> None:
        self._client: httpx.Client | None = None
        self._unreachable: dict[str, str] = {}

    def fetch(self, url: str) -> bytes:
        """Return the bytes at an address; FetchFailed.

        Proxies and roots are those of the environment. Within `falkit run`, which answers for
        fal.ai itself, nothing of fal's is fetched.
        """
        if _FALS.match(url) and os.environ.get("FALKIT_GATEWAY"):
            raise FetchFailed(
                url,
                "falkit itself answers for fal.ai here (falkit run, falkit env), and would give "
                "its own document; run this in a shell without, or name a mirror by --from",
            )
        # Lazy: nothing else here needs it.
        import httpx

        host = url.split("/")[2] if url.count("/") > 1 else url
        if host in self._unreachable:
            raise FetchFailed(url, self._unreachable[host])
        try:
            if self._client is None:
                self._client = httpx.Client(
                    timeout=_IDLE_SECONDS, follow_redirects=True, max_redirects=5
                )
            return self._read(self._client, url)
        # Beside httpx's own: a proxy that can't be used, roots that can't be read, no such scheme.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
            why = str(error) or type(error).__name__
            fix = "name a file that you have (add FILE, diff --against FILE), or a mirror by --from"
            if not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)):
                raise FetchFailed(url, f"can't be fetched ({why}); {fix}") from error
            self._unreachable[host] = f"can't be reached ({why}); {fix}"
            raise FetchFailed(url, self._unreachable[host]) from error

    def _read(self, client: httpx.Client, url: str) -> bytes:
        ends = time.monotonic() + _SECONDS
        raw = bytearray()
        headers = {"accept": "application/json", "accept-encoding": "gzip"}
        with client.stream("GET", url, headers=headers) as reply:
            if reply.status_code in (404, 410):
                raise FetchFailed(url, f"there is no such document ({reply.status_code})")
            if reply.status_code != 200:
                raise FetchFailed(url, f"answered {reply.status_code}, not a document")
            # Unpacked below, since httpx would unpack whatever a few bytes unfold to.
            for chunk in reply.iter_raw():
                raw += chunk
                if len(raw) > MOST_BYTES:
                    raise FetchFailed(url, f"has more than {MOST_BYTES:,} bytes")
                if time.monotonic() > ends:
                    raise FetchFailed(url, f"takes longer than {_SECONDS:g} s")
        encoding = reply.headers.get("content-encoding", "identity")
        return bytes(raw) if encoding == "identity" else _unpacked(url, bytes(raw), encoding)


def _unpacked(url: str, raw: bytes, encoding: str) -> bytes:
    if encoding.lower() != "gzip":
        raise FetchFailed(url, f"came as {encoding[:40]!r}, though only gzip was asked for")
    try:
        data = zlib.decompressobj(wbits=31).decompress(raw, MOST_BYTES + 1)
    except zlib.error as error:
        raise FetchFailed(url, f"isn't the gzip that it says it is ({error})") from error
    if len(data) > MOST_BYTES:
        raise FetchFailed(url, f"has more than {MOST_BYTES:,} bytes")
    return data
