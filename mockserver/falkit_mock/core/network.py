"""Fal's host names, this machine's names, host patterns, and a listening socket."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from ipaddress import ip_address

RUN = "fal.run"
QUEUE = "queue.fal.run"
WS = "ws.fal.run"
MEDIA = "v3b.fal.media"
SITE = "fal.ai"
REST = "rest.fal.ai"
API = "api.fal.ai"
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
    "rest.fal.ai": REST,
    "rest.alpha.fal.ai": REST,
    "api.fal.ai": API,
    "ws.fal.run": WS,
    "auth.fal.ai": "auth.fal.ai",
    "kv.fal.media": "kv.fal.media",
    "wma.fal.run": "wma.fal.run",
}
# What the gateway adds to the state of its connections: the mock's plain-http media base, since
# whoever is outside the gateway can't follow a real name.
MEDIA_BASE = "falkit.media_base"
# The domains of wire.md §1.1's hosts, the backup domain included: fal's Python client goes
# there by itself, with the real key, when it can't connect to the others.
DOMAINS = ("fal.ai", "fal.run", "fal.media", "falrun.com")
_BELOW = tuple(f".{domain}" for domain in DOMAINS)
# Hugging Face's router, which hands on to fal what is below this path (wire.md §1.5).
ROUTER, ROUTED = "router.huggingface.co", "/fal-ai/"
# What the authority may sign for.
CERTIFIED = (*DOMAINS, ROUTER)


_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.I)


def host_name(header: str) -> str | None:
    """Return the name in a Host header, without its port; None for what is no host."""
    match = _HOST.fullmatch(header)
    return None if match is None else match[1] or match[2]


def is_fal(host: str) -> bool:
    """Tell whether a host name, however it is written, is one of fal's."""
    name = host.lower().rstrip(".")
    return name in DOMAINS or name.endswith(_BELOW)


def is_router(host: str) -> bool:
    """Tell whether a host name, however it is written, is that of Hugging Face's router."""
    return host.lower().rstrip(".") == ROUTER


# What the paths of the control API begin with; and the probes, which tell whether the mock is up.
CONTROL, PROBES = "/__falkit", ("/health", "/ready", "/metrics")
# Where a browser finds the page; its files are below the second.
PAGE, PAGE_FILES = "/", f"{CONTROL}/page"
OWN = frozenset((PAGE, *PROBES))


def is_control(path: str, headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request is for the control API, and not for a host of fal's."""
    if path != CONTROL and not path.startswith(f"{CONTROL}/"):
        return False
    host = headers.get(b"host", b"").decode("latin-1").partition(":")[0]
    return b"x-fal-target-url" not in headers and not is_fal(host)


def is_own(path: str, method: str, headers: Mapping[bytes, bytes], *, page: bool) -> bool:
    """Tell whether a request is for the mock itself: a probe, the control API, or the page.

    The page is for browsers, which ask for HTML; whoever else asks for `/` has named no host of
    fal's. `page` is whether there is one.
    """
    if path in PROBES:
        return True
    if path != PAGE:
        return is_control(path, headers)
    wants = page and method in ("GET", "HEAD") and b"text/html" in headers.get(b"accept", b"")
    return wants and is_control(CONTROL, headers)


def is_of_page(path: str, headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request for the mock itself is the page's, or for the page."""
    files = path == PAGE or path.startswith(f"{PAGE_FILES}/")
    return files or of_page(headers)


def of_page(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the page says that it calls, be it the control API or a model."""
    return headers.get(b"x-falkit-client") == b"page"


def is_file_of_page(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a browser asks for a file because the page shows it, and no program does.

    It says that it comes from `/` of this very origin, and brings no key.
    """
    if b"referer" not in headers or method not in ("GET", "HEAD") or b"authorization" in headers:
        return False
    page = headers[b"referer"].partition(b"://")[2]
    site = headers.get(b"sec-fetch-site", b"same-origin")
    return page == headers.get(b"host", b"") + b"/" and site == b"same-origin"


PORT = 4325
GATEWAY_PORT = 4326


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a listening socket, beside others of this user's if it is shared; raise OSError.

    Its protocol is named because asyncio switches Nagle's delay off only where it is.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # On Windows it would let two servers have the same port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared and sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def is_this_machine(host: str) -> bool:
    """Tell whether a host is the machine itself, which nothing leaves by calling it."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


# A socket that listens everywhere is reached at the loopback address.
_REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def reached(listener: socket.socket) -> str:
    """Return the URL by which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    shown = _REACHED_AS.get(host, str(host))
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def parse_host_pattern(word: str) -> tuple[str, int | None]:
    """Split `host`, `*.host`, `host:port` or `[v6]:port`; raise a ValueError."""
    text = word.strip().lower()
    if not text or "/" in text or "@" in text or " " in text:
        raise ValueError(
            f"{word!r} isn't a host; give a name or address such as *.example.com:8080"
        )
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") > 1:
        # An address of version 6 without its brackets can have no port.
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError(f"{word!r}: {port!r} isn't a port from 1 to 65535")
    return host.rstrip("."), int(port) if port else None
