"""Every request to fal, its address and its key; nothing in this module does I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

import httpx

from falkit_client.errors import MissingKey, UnknownEndpoint
from falkit_client.options import Options
from falkit_spec.types import Object

RUN = "fal.run"
QUEUE = "queue.fal.run"
REST = "rest.fal.ai"

# Ids in these namespaces keep a third segment in their request URLs (wire.md §1.3).
_NAMESPACES = ("workflows", "comfy")
_PORTS = {"http": 80, "https": 443}

# Seconds without a byte after which a request has failed. A synchronous run may be silent for as
# long as the model works; a stream sends something every 15 s (wire.md §3.3).
TIMEOUT = 60.0
STREAM_TIMEOUT = 40.0


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
    def resolve(cls, base_url: str | None, environ: Mapping[str, str]) -> Address:
        """The argument, else FALKIT_BASE_URL, else the real hosts; ValueError if it isn't a URL."""
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
    more = parts.userinfo or parts.query or parts.fragment
    if parts.scheme not in _PORTS or not parts.host or more:
        return None
    return parts.scheme, parts.host, parts.port or _PORTS[parts.scheme]


def endpoint_path(endpoint: str) -> str:
    """The id as a URL path; UnknownEndpoint if it cannot be one."""
    segments = endpoint.split("/")
    if len(segments) < 2 or any(segment in ("", ".", "..") for segment in segments):
        raise UnknownEndpoint(
            f"{endpoint!r} isn't an endpoint id: it needs an owner and a name, "
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


def resolve_key(key: str | None, environ: Mapping[str, str]) -> str | None:
    """The argument, else FAL_KEY, else FAL_KEY_ID with FAL_KEY_SECRET, else None (wire.md §1.2)."""
    text = key or environ.get("FAL_KEY")
    if text is None and "FAL_KEY_ID" in environ and "FAL_KEY_SECRET" in environ:
        text = f"{environ['FAL_KEY_ID']}:{environ['FAL_KEY_SECRET']}"
    if text and (not text.isascii() or not text.isprintable() or text != text.strip()):
        raise ValueError("the key has spaces, line ends or letters that a header cannot carry")
    return text or None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `safe` when sending it twice changes nothing; `timeout` in seconds."""

    method: str
    url: str
    endpoint: str
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    content: bytes = field(default=b"", repr=False)
    timeout: float | None = TIMEOUT
    safe: bool = True


@dataclass(frozen=True, slots=True)
class Ticket:
    """A submitted job and its URLs: all that a handle needs, and plain to store."""

    endpoint: str
    request_id: str
    status_url: str
    response_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class Requests:
    """Builds requests for one address and key, `<id>:<secret>`, which stays out of the repr."""

    address: Address
    key: str | None = field(repr=False)

    def run(self, endpoint: str, body: Object, options: Options) -> Request:
        """The synchronous call (wire.md §4)."""
        return self._call(RUN, endpoint, body, options, timeout=None)

    def submit(self, endpoint: str, body: Object, options: Options) -> Request:
        """The call that puts a job into the queue (wire.md §3.1)."""
        query = options.as_query()
        return self._call(QUEUE, endpoint, body, options, f"?{urlencode(query)}" if query else "")

    def status(self, ticket: Ticket, *, logs: bool) -> Request:
        """The request for a job's status (wire.md §3.2)."""
        return self._ask("GET", f"{ticket.status_url}?logs={int(logs)}", ticket)

    def stream(self, ticket: Ticket, *, logs: bool) -> Request:
        """The request for a stream of statuses (wire.md §3.3)."""
        request = self._ask("GET", f"{ticket.status_url}/stream?logs={int(logs)}", ticket)
        accept = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        return replace(request, headers={**request.headers, **accept}, timeout=STREAM_TIMEOUT)

    def result(self, ticket: Ticket) -> Request:
        """The request for the output (wire.md §3.4)."""
        return self._ask("GET", ticket.response_url, ticket)

    def cancel(self, ticket: Ticket) -> Request:
        """The request that a job end (wire.md §3.5)."""
        return self._ask("PUT", ticket.cancel_url, ticket)

    def storage(self, path: str, body: Object, headers: Mapping[str, str]) -> Request:
        """A call of fal's storage, which may be made twice: it only makes room (wire.md §7.2)."""
        headers = {**headers, **self._signed(), "Content-Type": "application/json"}
        url = self.address.url(REST, path)
        return Request("POST", url, "storage", headers=headers, content=json.dumps(body).encode())

    def ticket(
        self, endpoint: str, request_id: str, given: Mapping[str, object] | None = None
    ) -> Ticket:
        """The ticket of a request id, with the URLs that fal gave where they can be trusted.

        The key is sent to these URLs, so one that isn't at the queue's origin is replaced by the
        URL built from application and request id (wire.md §3.1).
        """
        if not request_id.strip("/. "):
            raise ValueError(f"request_id is {request_id!r}: give the id that submit answered")
        path = f"{app_path(endpoint)}/requests/{quote(request_id, safe='')}"
        own = self.address.url(QUEUE, path)

        def trusted(name: str, suffix: str) -> str:
            url = (given or {}).get(name)
            if isinstance(url, str) and origin(url) == origin(own):
                return url.rstrip("/")
            return own + suffix

        return Ticket(
            endpoint=endpoint,
            request_id=request_id,
            status_url=trusted("status_url", "/status"),
            response_url=trusted("response_url", ""),
            cancel_url=trusted("cancel_url", "/cancel"),
        )

    def _call(
        self,
        host: str,
        endpoint: str,
        body: Object,
        options: Options,
        query: str = "",
        timeout: float | None = TIMEOUT,
    ) -> Request:
        url = self.address.url(host, endpoint_path(endpoint)) + query
        headers = {**options.as_headers(), **self._signed(), "Content-Type": "application/json"}
        content = json.dumps(body, ensure_ascii=False).encode()
        return Request(
            "POST", url, endpoint, headers=headers, content=content, timeout=timeout, safe=False
        )

    def _ask(self, method: str, url: str, ticket: Ticket) -> Request:
        return Request(method, url, ticket.endpoint, ticket.request_id, self._signed())

    def _signed(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.key is not None:
            return {**headers, "Authorization": f"Key {self.key}"}
        # A stand-in decides itself whether it needs a key; fal's own hosts always do.
        if self.address.base_url is None:
            raise MissingKey("no key: pass key=… or set FAL_KEY to '<key id>:<key secret>'")
        return headers
