"""Which fal host a request is for, and how the replies' URLs must name one.

Three ways to say it, one result (ARCHITECTURE.md): the `x-fal-target-url` header, the
`Host` header, or the first segment of the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.types import Scope

from falkit_mock.errors import HostNotImitated, InvalidProxyRequest, NoFalHost
from falkit_mock.names import (
    API as API,
    MEDIA as MEDIA,
    MEDIA_BASE as MEDIA_BASE,
    QUEUE as QUEUE,
    REST as REST,
    ROLES as ROLES,
    RUN as RUN,
    SITE as SITE,
    is_fal,
)
from falkit_mock.settings import MediaHost

# Where the official server proxy answers by default (wire.md §1.4); the header counts anywhere.
PROXY_ROUTE = "/api/fal/proxy"
_HOST_HEADERS = {name.encode(): name for name in ROLES}


@dataclass(frozen=True, slots=True)
class Address:
    """Where at fal a request is meant to go, and what its replies' URLs begin with."""

    # One of ROLES' values, and the name that the caller used for it.
    role: str
    host: str
    # With a leading slash, decoded, without trailing slashes; the SDK adds those (wire.md §12).
    path: str
    query: str
    # What a URL on the same host begins with, up to its path, and what one on the media
    # host does. They may differ, since players don't speak the proxy protocol.
    base: str
    media_base: str

    def url(self, path: str) -> str:
        """Return the URL of a path on the same host, as the caller can follow it."""
        return f"{self.base}{path}"


def resolve(scope: Scope, media_host: MediaHost = "auto") -> Address:
    """Find the fal host that a request names.

    `media_host="real"` names media by fal's host to everyone but those who put it into
    the path. Raise NoFalHost, or HostNotImitated for a name of fal's without a role.
    """
    path: str = scope["path"]
    query: str = scope["query_string"].decode("latin-1")
    host: bytes = b""
    target: bytes = b""
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"x-fal-target-url":
            target = value
    authority = host.decode("latin-1") or "{}:{}".format(*scope["server"])
    root = scope.get("root_path", "")
    path = path.removeprefix(root)
    origin = f"{scope['scheme']}://{authority}{root}"
    bare, colon, port = host.partition(b":")
    here = _HOST_HEADERS.get(bare.lower().rstrip(b"."), "")
    # A port in the Host header is where the caller finds every host, media's too.
    tail = f"{(colon + port).decode('latin-1')}{root}"
    media = f"{scope['scheme']}://{MEDIA}{tail}" if here else f"{origin}/{MEDIA}"
    if here and media_host == "auto":
        media = scope.get("state", {}).get(MEDIA_BASE, media)
    elif target and not here and media_host == "real":
        media = f"https://{MEDIA}"
    if target:
        try:
            parts = urlsplit(str(target, "latin-1"))
        except ValueError:
            raise _nobody(origin, path) from None
        named = parts.hostname or ""
        role = _role(named, origin, scope["path"])
        base, path, query = f"https://{named}", unquote(parts.path), parts.query
        return Address(role, named, _trimmed(path), query, base, media)
    if here:
        return Address(ROLES[here], here, _trimmed(path), query, origin, media)
    if is_fal(name := bare.decode("latin-1")):
        raise HostNotImitated(name)
    named, _, rest = path[1:].partition("/")
    role = _role(named, origin, scope["path"])
    base = f"{origin}/{named}"
    return Address(role, named, _trimmed(f"/{rest}"), query, base, media)


def _role(host: str, origin: str, path: str) -> str:
    role = ROLES.get(host)
    if role is None:
        raise HostNotImitated(host) if is_fal(host) else _nobody(origin, path)
    return role


def _nobody(origin: str, path: str) -> NoFalHost:
    return InvalidProxyRequest(origin) if path == PROXY_ROUTE else NoFalHost(origin)


def _trimmed(path: str) -> str:
    return path.rstrip("/") or "/"
