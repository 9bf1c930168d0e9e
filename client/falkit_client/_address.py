"""Where requests go: fal's hosts over https, or the same URLs behind a stand-in's base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from falkit_client.errors import UnknownEndpoint

RUN = "fal.run"
QUEUE = "queue.fal.run"
REST = "rest.fal.ai"

# Ids in these namespaces keep a third segment in their request URLs (wire.md §1.3).
_NAMESPACES = ("workflows", "comfy")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Turns hosts and paths into URLs; `base_url` None means the real hosts.

    >>> Address().url(QUEUE, "fal-ai/ltx-2")
    'https://queue.fal.run/fal-ai/ltx-2'
    >>> Address("http://127.0.0.1:4325").url(QUEUE, "fal-ai/ltx-2")
    'http://127.0.0.1:4325/queue.fal.run/fal-ai/ltx-2'
    """

    base_url: str | None = None

    @classmethod
    def chosen(cls, base_url: str | None, environ: Mapping[str, str]) -> Address:
        """The argument, else FALKIT_BASE_URL, else the real hosts; ValueError if it is no base."""
        base = base_url or environ.get("FALKIT_BASE_URL") or None
        if base is None:
            return cls()
        if origin(base) is None:
            raise ValueError(
                f"base_url is {base!r}: give an http or https URL such as http://127.0.0.1:4325"
            )
        return cls(base.rstrip("/"))

    def url(self, host: str, path: str) -> str:
        """The URL of a path on one of fal's hosts."""
        root = "https://" if self.base_url is None else f"{self.base_url}/"
        return f"{root}{host}/{path}"


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a plain http(s) URL; None for anything else.

    Read by the parser that the request will be sent with, or the two could differ over the host;
    a URL with a name and password in it would replace the Authorization header.
    """
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    if parts.scheme not in _PORTS or not parts.host or parts.userinfo:
        return None
    if parts.query or parts.fragment:
        return None
    return parts.scheme, parts.host, parts.port or _PORTS[parts.scheme]


def endpoint_path(endpoint: str) -> str:
    """The id as a URL path; UnknownEndpoint if it cannot be one."""
    segments = endpoint.split("/")
    if len(segments) < 2 or any(segment in ("", ".", "..") for segment in segments):
        raise UnknownEndpoint(
            f"{endpoint!r} is no endpoint id: it needs an owner and a name, "
            "such as fal-ai/ltx-2/image-to-video/fast",
            endpoint=endpoint,
        )
    return quote(endpoint, safe="/")


def app_path(endpoint: str) -> str:
    """The part of the id that request URLs use, without the rest (wire.md §3.1).

    >>> app_path("fal-ai/ltx-2/image-to-video/fast")
    'fal-ai/ltx-2'
    """
    segments = endpoint_path(endpoint).split("/")
    return "/".join(segments[: 3 if segments[0] in _NAMESPACES else 2])
