"""Which fal host a request is for, and how the replies' URLs must name one.

Three ways to say it, one result (ARCHITECTURE.md): the `x-fal-target-url` header, the
`Host` header, or the first segment of the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import Scope

from falkit_mock.errors import NoFalHost

RUN = "fal.run"
QUEUE = "queue.fal.run"
MEDIA = "v3b.fal.media"
SITE = "fal.ai"

# Every host of wire.md §1.1 and the one that answers for it here.
ROLES = {
    "fal.run": RUN,
    "falrun.com": RUN,
    "queue.fal.run": QUEUE,
    "queue.falrun.com": QUEUE,
    "v3b.fal.media": MEDIA,
    "v3.fal.media": MEDIA,
    "fal.media": MEDIA,
    "fal.ai": SITE,
    "rest.fal.ai": "rest.fal.ai",
    "rest.alpha.fal.ai": "rest.fal.ai",
    "api.fal.ai": "api.fal.ai",
    "ws.fal.run": "ws.fal.run",
    "auth.fal.ai": "auth.fal.ai",
    "kv.fal.media": "kv.fal.media",
    "wma.fal.run": "wma.fal.run",
}
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
    # What stands where a real URL has its `https://`: that itself, or this mock's
    # origin and a slash. Media may differ, since players don't speak the proxy protocol.
    base: str
    media_base: str

    def url(self, path: str) -> str:
        """Return the URL of a path on the same host, as the caller can follow it."""
        return f"{self.base}{self.host}{path}"


def resolve(scope: Scope) -> Address:
    """Find the fal host that a request names; raise NoFalHost if it names none."""
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
    origin = f"{scope['scheme']}://{authority}{scope.get('root_path', '')}/"
    if target:
        try:
            parts = urlsplit(str(target, "latin-1"))
        except ValueError:
            raise NoFalHost(origin) from None
        named = parts.hostname or ""
        return _address(named, parts.path, parts.query, "https://", origin, origin)
    named = _HOST_HEADERS.get(host.partition(b":")[0].lower(), "")
    if named:
        base = f"{scope['scheme']}://"
        return _address(named, path, query, base, base, origin)
    path = path.removeprefix(scope.get("root_path", ""))
    named, _, rest = path[1:].partition("/")
    return _address(named, f"/{rest}", query, origin, origin, origin)


def _address(host: str, path: str, query: str, base: str, media_base: str, origin: str) -> Address:
    role = ROLES.get(host)
    if role is None:
        raise NoFalHost(origin)
    return Address(role, host, path.rstrip("/") or "/", query, base, media_base)
