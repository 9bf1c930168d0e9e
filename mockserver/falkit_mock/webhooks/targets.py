"""Where webhooks may go: this machine always, others if they are allowed by name."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from falkit_mock.core.network import parse_host_pattern
from falkit_mock.webhooks import TargetRefused

_PORTS = {"http": 80, "https": 443}
_LOCALHOST = ("127.0.0.1", "::1")
# What a path and a query may have unescaped; the percent sign, for what is escaped already.
_PLAIN = "/%:@!$&'()*+,;=~-._?[]"


class Target(NamedTuple):
    """A receiver that may be called."""

    url: str
    scheme: str
    host: str
    port: int
    # Path and query, as they are in the request.
    path: str
    # Where to connect, to the first that answers; none where the name has to be resolved.
    addresses: tuple[str, ...]
    # The value of an Authorization header, where the URL has a user in it.
    authorization: str | None

    @property
    def origin(self) -> str:
        """The receiver as limits count it: scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        return bool(self.addresses) and all(map(_is_loopback, self.addresses))


class Targets:
    """Decides from a URL whether a webhook may go there. Asks no name server."""

    def __init__(self, allowed: Iterable[str] = (), hosts_file: Path | None = None) -> None:
        self.allowed = tuple(allowed)
        self._patterns = [parse_host_pattern(word) for word in self.allowed]
        self._hosts_file = hosts_file or _system_hosts_file()
        self._names: dict[str, list[str]] | None = None
        # What the URLs of receivers in this process begin with.
        self.inside: list[str] = []

    def find(self, url: str) -> Target:
        """Return where a URL leads; raise TargetRefused."""
        parts, host, port = _split(url)
        addresses = self._addresses(host)
        here = bool(addresses) and all(map(_is_loopback, addresses))
        if not here and not self.allows(host, port) and self.inside_at(url) is None:
            shown = f"'[{host}]'" if ":" in host else host
            raise TargetRefused(
                url,
                f"webhooks go to this machine and to hosts that --webhook-allow names; {host} is "
                f"neither, so nothing is sent (--webhook-allow {shown} lets it)",
            )
        path = quote(parts.path or "/", safe=_PLAIN)
        query = f"?{quote(parts.query, safe=_PLAIN)}" if parts.query else ""
        where = addresses if here or _address(host) else ()
        user = _basic(parts)
        return Target(url, parts.scheme, host, port, path + query, tuple(where), user)

    def inside_at(self, url: str) -> str | None:
        """Return what a URL begins with if its receiver is in this process, else None."""
        whole = f"{url.strip()}/"
        bases = (base for base in self.inside if whole.startswith((f"{base}/", f"{base}?")))
        return max(bases, key=len, default=None)

    def _addresses(self, host: str) -> tuple[str, ...]:
        """Return a host's addresses as far as this machine itself knows them."""
        if _address(host):
            return (host,)
        if host == "localhost" or host.endswith(".localhost"):
            return _LOCALHOST
        if self._names is None:
            self._names = _read_hosts(self._hosts_file)
        return tuple(self._names.get(host, ()))

    def allows(self, host: str, port: int) -> bool:
        """Tell whether the settings name a host."""
        return any(
            fnmatchcase(host, name) and wanted in (None, port) for name, wanted in self._patterns
        )


def _split(url: str) -> tuple[SplitResult, str, int]:
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").rstrip(".")
        port = parts.port
        if not host.isascii():
            host = host.encode("idna").decode()
    except ValueError as error:
        raise TargetRefused(
            url, f"it can't be read as a URL ({error}), so nothing is sent"
        ) from None
    if parts.scheme not in _PORTS or not host:
        raise TargetRefused(
            url, "a webhook's URL begins with http:// or https:// and a host, so nothing is sent"
        )
    plain = all(letter.isalnum() or letter in "-._" for letter in host)
    if not plain and not _address(host):
        raise TargetRefused(url, f"{host!r} isn't a host, so nothing is sent")
    return parts, host, _PORTS[parts.scheme] if port is None else port


@lru_cache(maxsize=1024)
def _address(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    found = ip_address(address)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def _basic(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _system_hosts_file() -> Path:
    if sys.platform == "win32":
        root = os.environ.get("SYSTEMROOT", r"C:\Windows")
        return Path(root, "System32", "drivers", "etc", "hosts")
    return Path("/etc/hosts")


def _read_hosts(file: Path) -> dict[str, list[str]]:
    """Return the addresses of the names in a hosts file; none if it can't be read."""
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        if _address(address):
            for name in names:
                found.setdefault(name.lower(), []).append(address)
    return found
