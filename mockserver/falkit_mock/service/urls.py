"""URLs of an input's files: whether fal's servers could fetch them."""

from __future__ import annotations

import ipaddress
import socket
import unicodedata
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from falkit_mock.core.limits import HOST_LENGTH, URL_LENGTH

_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


class Unreachable(NamedTuple):
    """Why fal's servers could not fetch a URL, and whether this machine perhaps could."""

    text: str
    private: bool


def unreachable(url: str) -> Unreachable | None:
    """Return why fal could not fetch a URL, or None if it may."""
    # Most programs send the same few again and again.
    return _remembered(url) if len(url) < _SHORT else _unreachable(url)


# Characters of a URL whose verdict is remembered.
_SHORT = 256


def _unreachable(url: str) -> Unreachable | None:
    # Before anything that takes longer the longer it is, or keeps what it was given.
    if len(url) > URL_LENGTH:
        return Unreachable(f"the URL is longer than {URL_LENGTH} characters", private=False)
    try:
        parts = urlsplit(url.strip())
        named = parts.hostname or ""
        if len(named) > HOST_LENGTH:
            raise ValueError(f"its host is longer than {HOST_LENGTH} characters")
        # Browsers and fetchers read full-width letters as plain ones.
        host = unicodedata.normalize("NFKC", named).rstrip(".").lower()
        _ = parts.port
    except ValueError as error:
        return Unreachable(f"the URL is malformed ({error})", private=False)
    if parts.scheme not in ("http", "https"):
        text = "a file is given as a URL that begins with http: or https:, or as a data URI"
        return Unreachable(text, private=False)
    text = url.strip()
    # Before a backslash some readers see the host's end and others a user's name.
    if not host or " " in text or not text.isprintable() or "\\" in parts.netloc:
        why = "no host, or white space, a control character or a backslash in it"
        return Unreachable(f"the URL is malformed ({why})", private=False)
    if _is_private(host):
        return Unreachable(f"fal can't reach {host}, which is on your machine or network", True)
    return None


_remembered = lru_cache(maxsize=1024)(_unreachable)


@lru_cache(maxsize=256)
def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(_LOCAL_SUFFIXES):
        return True
    address = _address(host)
    if address is None:
        # A name without a dot resolves on a local network, if anywhere.
        return "." not in host
    return not embedded(address).is_global


_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
# Addresses of version 4 written as such of version 6: by translation, and in an older form.
_CARRIERS = [ipaddress.IPv6Network(net) for net in ("64:ff9b::/96", "::/96")]


def embedded(address: _Address) -> _Address:
    """Return the address of version 4 that one of version 6 stands for; else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in net for net in _CARRIERS) and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # The older spellings that resolvers still take: 127.1, 0x7f.1, 2130706433.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
