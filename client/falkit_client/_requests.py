"""Every request to fal, built here and nowhere else; nothing in this module does I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from falkit_client._address import QUEUE, REST, RUN, Address, app_path, endpoint_path, origin
from falkit_client._key import Key
from falkit_client.errors import MissingKey
from falkit_client.options import Options
from falkit_spec.types import Object

# Seconds without a byte after which an answer is given up. A synchronous run may be silent for
# as long as the model works; a stream says something every 15 s (wire.md §3.3).
PATIENCE = 60.0
STREAM_PATIENCE = 40.0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `safe` when sending it twice changes nothing; `timeout` in seconds."""

    method: str
    url: str
    endpoint: str
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    content: bytes = field(default=b"", repr=False)
    timeout: float | None = PATIENCE
    safe: bool = True


@dataclass(frozen=True, slots=True)
class Ticket:
    """A submitted job and where to ask for it: all that a handle needs, and plain to store."""

    endpoint: str
    request_id: str
    status_url: str
    response_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class Requests:
    """Builds requests for one address and key."""

    address: Address
    key: Key | None

    def run(self, endpoint: str, body: Object, options: Options) -> Request:
        """The synchronous call (wire.md §4)."""
        url = self.address.url(RUN, endpoint_path(endpoint))
        return self._post(url, endpoint, body, options, timeout=None)

    def submit(self, endpoint: str, body: Object, options: Options) -> Request:
        """The call that puts a job into the queue (wire.md §3.1)."""
        url = self.address.url(QUEUE, endpoint_path(endpoint))
        query = options.as_query()
        return self._post(
            f"{url}?{urlencode(query)}" if query else url, endpoint, body, options, PATIENCE
        )

    def status(self, ticket: Ticket, *, logs: bool) -> Request:
        """The question how far a job is (wire.md §3.2)."""
        return self._ask("GET", f"{ticket.status_url}?logs={int(logs)}", ticket)

    def stream(self, ticket: Ticket, *, logs: bool) -> Request:
        """The request that keeps telling how far a job is (wire.md §3.3)."""
        accept = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        url = f"{ticket.status_url}/stream?logs={int(logs)}"
        return self._ask("GET", url, ticket, accept, STREAM_PATIENCE)

    def result(self, ticket: Ticket) -> Request:
        """The question for the output (wire.md §3.4)."""
        return self._ask("GET", ticket.response_url, ticket)

    def cancel(self, ticket: Ticket) -> Request:
        """The wish that a job end (wire.md §3.5)."""
        return self._ask("PUT", ticket.cancel_url, ticket)

    def storage(self, path: str, body: Object, headers: Mapping[str, str]) -> Request:
        """A call of fal's storage, which may be made twice: it only makes room (wire.md §7.2)."""
        signed = {**headers, **self._signed(), "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        return Request(
            "POST", self.address.url(REST, path), "storage", headers=signed, content=content
        )

    def ticket(
        self, endpoint: str, request_id: str, given: Mapping[str, object] | None = None
    ) -> Ticket:
        """The ticket of a request id, with the URLs that fal gave where they can be trusted.

        The key goes to these URLs, so one that names another origin than the queue's, or none, is
        replaced by the URL made from application and request id (wire.md §3.1).
        """
        if not request_id.strip("/. "):
            raise ValueError(f"request_id is {request_id!r}: give the id that submit answered")
        path = f"{app_path(endpoint)}/requests/{quote(request_id, safe='')}"
        made = self.address.url(QUEUE, path)

        def trusted(name: str, suffix: str) -> str:
            url = (given or {}).get(name)
            if isinstance(url, str) and origin(url) == origin(made):
                return url.rstrip("/")
            return made + suffix

        return Ticket(
            endpoint=endpoint,
            request_id=request_id,
            status_url=trusted("status_url", "/status"),
            response_url=trusted("response_url", ""),
            cancel_url=trusted("cancel_url", "/cancel"),
        )

    def _post(
        self,
        url: str,
        endpoint: str,
        body: Object,
        options: Options,
        timeout: float | None,
    ) -> Request:
        headers = {**options.as_headers(), **self._signed(), "Content-Type": "application/json"}
        content = json.dumps(body, ensure_ascii=False).encode()
        return Request(
            "POST", url, endpoint, headers=headers, content=content, timeout=timeout, safe=False
        )

    def _ask(
        self,
        method: str,
        url: str,
        ticket: Ticket,
        headers: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Request:
        signed = {**self._signed(), **(headers or {})}
        return Request(method, url, ticket.endpoint, ticket.request_id, signed, timeout=timeout)

    def _signed(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.key is not None:
            return {**headers, "Authorization": self.key.header()}
        # A stand-in may do without a key and says so itself; fal's own hosts never do.
        if self.address.base_url is None:
            raise MissingKey("no key: pass key=… or set FAL_KEY to '<key id>:<key secret>'")
        return headers
