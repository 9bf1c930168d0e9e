"""Where at fal a request is meant to go: by its target header, its Host, or its path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from falkit_mock.core.errors import HostNotImitated, WireError, missing, no_fal_host, not_found
from falkit_mock.core.network import (
    API,
    DOMAINS,
    MEDIA,
    MEDIA_BASE,
    QUEUE,
    ROLES,
    ROUTED,
    RUN,
    WS,
    is_fal,
    is_router,
)
from falkit_mock.settings import MediaHost
from falkit_spec.streams import REALTIME

if TYPE_CHECKING:
    from starlette.types import Scope

# Where the official server proxy answers by default (wire.md §1.4); the header counts anywhere.
PROXY_ROUTE = "/api/fal/proxy"


class Address(NamedTuple):
    """Where at fal a request is meant to go, and what its replies' URLs begin with."""

    # One of ROLES' values, and the name that the caller used for it.
    role: str
    host: str
    # With a leading slash, and decoded, but for encoded slashes; without a slash at its end.
    path: str
    query: str
    # What a URL on the same host begins with, up to its path, and what one on the media
    # host does. They may differ, since players don't speak the proxy protocol.
    base: str
    media_base: str
    # Whether the path had a slash at its end, which few routes take (wire.md §3.7).
    slash: bool = False
    # Whether it came by Hugging Face's router, which takes tokens of its own.
    routed: bool = False


def find_address(
    scope: Scope, headers: Mapping[bytes, bytes], media_host: MediaHost = "auto"
) -> Address:
    """Find the fal host that a request names.

    Three ways to say it, one result: the `x-fal-target-url` header, the `Host` header, or the
    first segment of the path. `media_host="real"` names media by fal's host to everyone but those
    who put it into the path. Raise WireError 404, or HostNotImitated for a name of fal's without a
    role.
    """
    root: str = scope.get("root_path", "")
    path = _decoded(scope).removeprefix(root)
    authority = headers.get(b"host", b"").decode("latin-1") or "{}:{}".format(*scope["server"])
    origin = f"{scope['scheme']}://{authority}{root}"
    bare, colon, port = authority.partition(":")
    name = bare.lower().rstrip(".")
    target = headers.get(b"x-fal-target-url")
    if target is None and path.startswith(ROUTED) and is_router(name):
        return _routed(path, scope["query_string"].decode("latin-1"), _media(scope, media_host))
    if target is None and name not in ROLES and not (name.endswith(DOMAINS) and is_fal(name)):
        named, _, rest = path[1:].partition("/")
        role = ROLES.get(named)
        if role is None:
            raise _unknown(named, origin, path)
        query = scope["query_string"].decode("latin-1")
        path, slash = _without_slash(f"/{rest}")
        return Address(role, named, path, query, f"{origin}/{named}", f"{origin}/{MEDIA}", slash)
    media = f"{origin}/{MEDIA}"
    if name in ROLES:
        # A port in the Host header is where the caller finds every host, media's too.
        real = f"{scope['scheme']}://{MEDIA}{colon}{port}{root}"
        media = _media(scope, media_host, real)
    elif media_host == "real":
        media = f"https://{MEDIA}"
    if target is not None:
        return _target(target.decode("latin-1"), media, origin, path)
    if name not in ROLES:
        raise HostNotImitated(bare)
    query = scope["query_string"].decode("latin-1")
    path, slash = _without_slash(path)
    return Address(ROLES[name], name, path, query, origin, media, slash)


def _media(scope: Scope, media_host: MediaHost, real: str = f"https://{MEDIA}") -> str:
    """Return what media URLs begin with for a caller who came by a real name."""
    here: str = scope.get("state", {}).get(MEDIA_BASE, real)
    return here if media_host == "auto" else real


def _routed(path: str, query: str, media: str) -> Address:
    """Return where Hugging Face's router hands a request on: fal's reply comes back as it is."""
    parts = parse_qsl(query, keep_blank_values=True)
    subdomain = next((value for name, value in parts if name == "_subdomain"), "")
    host = f"{subdomain}.{RUN}" if subdomain else RUN
    if host not in ROLES:
        raise HostNotImitated(host)
    query = urlencode([(name, value) for name, value in parts if name != "_subdomain"])
    path, slash = _without_slash(f"/{path.removeprefix(ROUTED)}")
    base = f"https://{host}"
    return Address(ROLES[host], host, path, query, base, media, slash, routed=True)


def _target(url: str, media: str, origin: str, path: str) -> Address:
    """Return the address that `x-fal-target-url` names."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _unknown("", origin, path) from None
    named = parts.hostname or ""
    role = ROLES.get(named)
    if role is None:
        raise _unknown(named, origin, path)
    path, slash = _without_slash(unquote(_ENCODED_SLASH.sub("%25", parts.path)))
    return Address(role, named, path, parts.query, f"https://{named}", media, slash)


# An encoded slash is part of a segment and parts none (RFC 3986 §2.2): its percent sign.
_ENCODED_SLASH = re.compile("%(?=2[fF])")


def _decoded(scope: Scope) -> str:
    """Return a request's path, decoded but for slashes that are encoded in it."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2" not in raw:
        path: str = scope["path"]
        return path
    return unquote(_ENCODED_SLASH.sub("%25", raw.decode("latin-1")))


def speaks_websocket(address: Address) -> bool:
    """Tell whether a handshake may be taken at an address (wire.md §8)."""
    return address.role == WS or (address.role == RUN and address.path.endswith(f"/{REALTIME}"))


def check_slash(address: Address) -> None:
    """Raise WireError 404 for a slash at the end of a path that has none, and the reverse.

    Of what isn't a model's or a request's, /tokens/ alone has one (wire.md §8).
    """
    slash = address.path == "/tokens"
    if address.role in (RUN, QUEUE) or address.slash == slash:
        return
    hint = f"{address.path} is written {'with' if slash else 'without'} a slash at its end"
    raise missing("Resource not found", hint) if address.role == API else not_found(hint)


def _without_slash(path: str) -> tuple[str, bool]:
    """Return a path without the slash at its end, and whether it had one."""
    return (path[:-1], True) if len(path) > 1 and path.endswith("/") else (path, False)


def _unknown(host: str, origin: str, path: str) -> WireError:
    """Return the refusal of a host without a role, or of none at all."""
    if is_fal(host):
        return HostNotImitated(host)
    return no_fal_host(origin, 400 if path == PROXY_ROUTE else 404)


# Ids under these begin with a namespace, so that an app's name has three segments (wire.md §1.3).
_NAMESPACES = ("workflows", "comfy")


def split_app(path: str) -> tuple[str, list[str]]:
    """Split `/owner/alias/more` into the app and the rest, or raise WireError 404."""
    segments = path[1:].split("/")
    executes = segments[:2] == ["workflows", "execute"]
    size = 3 if segments[0] in _NAMESPACES and not executes else 2
    if len(segments) < size or not all(segments[:size]):
        raise not_found("a model's path is /owner/alias/…, such as /fal-ai/ltx-2/image-to-video")
    return "/".join(segments[:size]), segments[size:]
