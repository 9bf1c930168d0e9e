"""The server that is tried: how each of fal's hosts is addressed there, and what it answered."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, TypeAlias, cast
from urllib.parse import SplitResult, urlsplit

import httpx

from falkit_contract import BadArgument
from falkit_spec.types import JSON

By: TypeAlias = Literal["path", "header", "host", "root", "fal"]
KEY = "falkit:conform"
QUEUE, RUN, REST, CDN = "queue.fal.run", "fal.run", "rest.fal.ai", "v3.fal.media"
# wire.md §1.1, the backup domain included.
_DOMAINS = ("fal.run", "fal.ai", "fal.media", "falrun.com")
# What fal's outputs and uploads may also be at (wire.md §1.1, §7.1).
_STORAGE = "storage.googleapis.com"
_MOST_BYTES = 64 * 1024 * 1024
_LONGEST_BODY = 2_000


class Unreachable(Exception):
    """No answer, or none that could be read; the message says why."""


class Elsewhere(Exception):
    """A URL that leads to a server which isn't the one that is tried; it wasn't called."""


def is_fal(host: str) -> bool:
    """Tell whether a host name is one of fal's."""
    name = f".{host.lower().rstrip('.')}"
    return name.endswith(tuple(f".{domain}" for domain in _DOMAINS))


def split(url: str) -> SplitResult:
    """Return a URL's parts, all empty if it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


@dataclass(frozen=True)
class Exchange:
    """A request and what was answered."""

    method: str
    url: str
    sent: Mapping[str, str]
    content: bytes
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        """The answer's body, to be shown."""
        return self.body.decode(errors="replace")

    def json(self) -> JSON:
        """Return the answer's body, read; None if it isn't JSON."""
        try:
            return cast("JSON", json.loads(self.body))
        except (ValueError, RecursionError):
            return None

    def fields(self) -> dict[str, JSON]:
        """Return the answer's body if it is an object, else an empty one."""
        read = self.json()
        return read if isinstance(read, dict) else {}

    def curl(self, key: str, *, secret: bool) -> str:
        """Return the command that sends the same once more; a secret key is named `$FAL_KEY`."""
        words = ["curl", "-i", "-X", self.method, self.url]
        if self.method == "HEAD":
            # With -X it would wait for a body.
            words[1:4] = ["-I"]
        for name, text in self.sent.items():
            words += ["-H", f"{name}: {text}"]
        if self.content:
            try:
                shown = self.content.decode() if len(self.content) <= _LONGEST_BODY else "@body"
            except UnicodeDecodeError:
                shown = "@body"
            words += ["--data-binary", shown]
        if not secret:
            return shlex.join(words)
        # In double quotes, so that the shell fills it in.
        return " ".join(
            f'"{word.replace(key, "$FAL_KEY")}"' if key in word else shlex.quote(word)
            for word in words
        )


@dataclass(frozen=True)
class Target:
    """Where the server is, and by what a request says which of fal's hosts it is for.

    `by`: `path`, `{url}/queue.fal.run/…`; `header`, `x-fal-target-url`; `host`, the header Host;
    `root`, nothing: all is at the URL itself; `fal`, fal's own names. `headers` are sent with each
    request to it, `{host}` in them replaced by fal's host.
    """

    url: str
    by: By = "path"
    key: str = KEY
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            found = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            found, parts = False, urlsplit("")
        if not found or parts.query or parts.fragment or parts.username:
            fix = "give a server's URL, such as http://127.0.0.1:4325"
            raise BadArgument("target", self.url, fix)
        if self.by != "fal" and is_fal(parts.hostname or ""):
            fix = "that is fal itself, which takes money: give --live with a --budget in its place"
            raise BadArgument("target", self.url, fix)
        object.__setattr__(self, "url", self.url.rstrip("/"))

    @property
    def live(self) -> bool:
        """Whether it is fal itself."""
        return self.by == "fal"

    @property
    def here(self) -> bool:
        """Whether it is on this machine, and so reaches a receiver of webhooks here."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def origin(self, host: str) -> str:
        """Return what a URL begins with that is handed out in answer to a request to a host."""
        if self.by == "path":
            return f"{self.url}/{host}"
        return self.url if self.by == "root" else f"//{host}"

    def address(self, url: str) -> tuple[str, dict[str, str]]:
        """Return where to ask for a URL, fal's own or one handed out, and the headers for that.

        Raise Elsewhere for one that isn't at the target.
        """
        parts = split(url)
        host = parts.hostname or ""
        if not self.live and (url == self.url or url.startswith(f"{self.url}/")):
            return url, self._own(QUEUE)
        if self.live and parts.scheme == "https" and (is_fal(host) or host == _STORAGE):
            return url, {}
        if not is_fal(host) or self.live:
            raise Elsewhere(f"{url!r} doesn't lead to {self.url}, and wasn't called")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        own = self._own(host)
        if self.by == "path":
            return f"{self.url}/{host}{path}", own
        if self.by == "header":
            return self.url, {**own, "x-fal-target-url": f"https://{host}{path}"}
        return f"{self.url}{path}", {**own, "host": host} if self.by == "host" else own

    def _own(self, host: str) -> dict[str, str]:
        return {name: text.replace("{host}", host) for name, text in self.headers.items()}


class Asking:
    """Sends requests to a target, each bounded in time and size."""

    def __init__(self, target: Target, timeout: float) -> None:
        self.target = target
        self._timeout = timeout
        self._http = httpx.Client(
            timeout=min(timeout, 30.0),
            follow_redirects=False,
            # A proxy is for what is elsewhere.
            trust_env=not target.here,
            # Without TLS no roots are to be read, which takes longest here.
            verify=target.live or not target.url.startswith("http:"),
            headers={"user-agent": "falkit-conform", "accept-encoding": "identity"},
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Exchange:
        """Send a request; raise Elsewhere or Unreachable."""
        place, own = self.target.address(url)
        sent = {**own, **headers}
        until = time.monotonic() + self._timeout
        body = bytearray()
        try:
            with self._http.stream(method, place, headers=sent, content=content) as reply:
                # As it came: a length or a range is one of these bytes.
                for part in reply.iter_raw():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise Unreachable(f"{place} answers more than {_MOST_BYTES:,} bytes")
                    if time.monotonic() > until:
                        raise Unreachable(f"{place} didn't end within {self._timeout:g} s")
        except httpx.HTTPError as error:
            raise Unreachable(f"{method} {place}: {type(error).__name__}: {error}") from None
        except (httpx.InvalidURL, ValueError) as error:
            raise Elsewhere(f"{url!r} can't be called: {error}") from None
        encoding = reply.headers.get("content-encoding", "")
        content_read = bytes(body)
        if encoding not in ("", "identity"):
            raise Unreachable(f"{place} answers in {encoding}, which nobody asked for")
        return Exchange(
            method, place, sent, content, reply.status_code, reply.headers, content_read
        )
