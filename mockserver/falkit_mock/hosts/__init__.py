"""One request, read once: which fal host it is for, its headers, its body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from falkit_mock.core import NotJson, loads
from falkit_mock.core.errors import (
    BodyTooLarge,
    StateAway,
    Unauthenticated,
    bad_body,
    bad_field,
    method_not_allowed,
)
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.identity import BadToken, check, check_hub_token, key_id
from falkit_mock.core.network import RUN, of_page
from falkit_mock.core.transcripts import PIECES, Body
from falkit_mock.hosts.addresses import Address
from falkit_mock.hosts.replies import Reply, json_reply
from falkit_mock.service import BadLifecycle, Lifecycle
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog, Fault, Object
from falkit_spec.schema import Compiled
from falkit_spec.types import is_object

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.types import Receive, Scope

# Where the server puts the connection that a request came by.
CONNECTION = "falkit.connection"
# And what sends a whole reply (replies.SendWhole).
SEND_WHOLE = "falkit.send_whole"
# Where the scope of a WebSocket's handshake, which is read as a GET, has its messages.
HANDSHAKE = "falkit.handshake"
# In the scope of an input that came by a WebSocket.
SOCKET_INPUT = "falkit.input"
# What the handshake of a model's socket may ask for.
MAX_BUFFERING = "max_buffering"


class ClientDisconnect(Exception):
    """The caller has hung up; nobody waits for a reply."""


class Connection(Protocol):
    """The connection of a request, for faults that cut it."""

    # Done once the connection is closed, whoever closed it.
    gone: asyncio.Future[None]

    def reset(self) -> None:
        """End it so that the other side reads `connection reset`."""
        ...

    def end(self, last: bytes = b"") -> None:
        """Write what is left, HTTP or not, and close."""
        ...


class RequestContext:
    """One request: what it says, read once, and what is noted of it on its way to a reply."""

    # The body, once it was read as a whole, or else that it was read piece by piece; and whether
    # listeners are told of the request.
    sent: Body = None
    told = True

    def __init__(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, now: float
    ) -> None:
        self.began = perf_counter()
        self.scope = scope
        # By lower-case name; of one that comes twice the first counts.
        self.headers = headers
        # Those of fal's, and of the mock's own.
        self.named = [name for name in headers if name.startswith(b"x-fal")]
        self.receive = receive
        # The mock's time when the request came, unix seconds.
        self.now = now
        self.method: str = scope["method"]
        self.authorization = headers.get(b"authorization", b"").decode("latin-1")
        self.connection: Connection | None = scope.get(CONNECTION)
        # Set by the application once it is known; until then nobody asks.
        self.address: Address
        # Why others that share the state may know more than this mock; None where they don't.
        self.stale: StateAway | None = None
        # What the hint of the reply says beside its own.
        self.hints: list[str] = []
        # The fault that corrupts the reply on its way out.
        self.reply_fault: str | None = None
        client = scope.get("client")
        self.record = record = RequestRecord(
            now,
            self.method,
            headers.get(b"host", b"").decode("latin-1"),
            scope["path"],
            key_id(self.authorization),
            f"{client[0]}:{client[1]}" if client else "",
        )
        # Not by name, which takes longer.
        record.agent = headers.get(b"user-agent", b"")
        record.began = self.began
        if self.named and of_page(headers):
            record.own = True

    @cached_property
    def query(self) -> QueryParams:
        """The query, parsed when it is first asked for: most requests have none."""
        # Lazy: a mock's first answers are about no query.
        from starlette.datastructures import QueryParams

        return QueryParams(self.address.query)

    def header(self, name: bytes) -> str:
        """Return a header by its lower-case name; empty where it isn't there."""
        return self.headers.get(name, b"").decode("latin-1")

    def note_fault(self, name: str) -> None:
        """Note a fault that was applied to the request, for the log."""
        self.record.faults = (*self.record.faults, name)

    def add_hint(self, text: str) -> None:
        """Let the reply's hint say something beside its own; once."""
        if text not in self.hints:
            self.hints.append(text)

    def allow(self, *methods: str) -> None:
        """Raise WireError 405 unless the request has one of these methods."""
        if self.method not in methods:
            hint = None
            if self.header(b"upgrade").lower() == "websocket":
                hint = (
                    "WebSocket is spoken by wss://ws.fal.run/{id}, for every model, and by "
                    "wss://fal.run/{id}/realtime, for models that have it (docs/streams.md)"
                )
            raise method_not_allowed(*methods, hint=hint)

    async def stream(self) -> AsyncGenerator[bytes]:
        """Yield the body as it comes; raise ClientDisconnect if the caller hangs up."""
        more, self.sent = True, PIECES
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            more = message.get("more_body", False)
            if piece := message.get("body"):
                yield piece

    async def body(self, limit: int) -> bytes:
        """Return the body; raise BodyTooLarge past `limit` bytes, before reading it all."""
        announced = self.headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            raise BodyTooLarge(limit)
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            body += await joined_body(self.stream(), b"0", limit)
        self.sent = body
        if len(body) > limit:
            raise BodyTooLarge(limit)
        return body


class Host:
    """What every fal host stands on: the service and the catalog of its models."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    def reply(
        self,
        body: Mapping[str, JSON] | str | float | None,
        *,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return a JSON reply that is about no job, with an id of its own."""
        request_id = self._service.identity.reply_id()
        return json_reply(body, request_id=request_id, status_code=status_code, headers=headers)


def authorize(context: RequestContext, app: str, service: Service) -> None:
    """Raise Unauthenticated unless the request may call the app: by a key or by a token.

    A browser has no key and names a token of rest.fal.ai in the query (wire.md §2, §8). Callers of
    Hugging Face's router have a token of theirs, and the router has fal's key (wire.md §1.5).
    """
    # The word is looked for first because most queries are short and have no token to parse.
    token = context.query.get("fal_jwt_token") if "token" in context.address.query else None
    if token is not None and SOCKET_INPUT in context.scope and context.address.role == RUN:
        # It was good when the socket was opened.
        return
    if token is not None:
        _check_token(token, app, context.address.path[1:], service)
    elif context.address.routed:
        check_hub_token(context.authorization, service.settings.api_keys)
    else:
        check(context.authorization, app, service.settings.api_keys)


def _check_token(token: str, app: str, path: str, service: Service) -> None:
    try:
        claims = service.tokens.read(token, "apps")
    except BadToken as error:
        raise Unauthenticated.app_token(str(error)) from None
    names, asked = claims["apps"], app
    assert isinstance(names, list), "as it was signed"
    if claims.get("paths"):
        # The newer tokens name a whole path, and open what is there and below (wire.md §8).
        asked = path
        opens = any(f"{path}/".startswith(f"{name}/") for name in names)
    else:
        # The older name the alias.
        alias = app.rpartition("/")[2]
        opens = any(name == alias or f"{name}/".startswith(f"{app}/") for name in names)
    if not opens:
        raise Unauthenticated.app_token(f"it is for {names}, not for {asked}")


async def joined_body(chunks: AsyncIterator[bytes], announced: bytes, limit: int) -> bytes:
    """Return a body that comes in chunks; raise BodyTooLarge past `limit` bytes.

    A longer one that is announced, by Content-Length, is not read at all.
    """
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge(limit)
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        parts.append(chunk)
    return b"".join(parts)


# Names and lists of parts; ten thousand parts take less.
_MOST = 4 * 1024 * 1024
_LIFECYCLE_HEADERS = ("x-fal-object-lifecycle", "x-fal-object-lifecycle-preference")


async def read_object(context: RequestContext, schema: Object) -> Object:
    """Return a body that must be a JSON object; or raise WireError 422 with what is wrong."""
    body = await context.body(_MOST)
    if not body:
        raise bad_field("missing", ["body"], "Field required")
    try:
        value = loads(body)
    except NotJson as error:
        raise bad_field("json_invalid", ["body"], "JSON decode error", error.message) from None
    if not is_object(value) or not Compiled(schema).is_valid(value):
        faults = await asyncio.to_thread(_faults, schema, value)
        raise bad_body(cast("list[JSON]", faults))
    return value


def _faults(schema: Object, value: JSON) -> list[Fault]:
    # Lazy: it imports Pydantic's core, and few bodies are refused.
    from falkit_spec.refusals import InputValidator

    return InputValidator(schema, (), {}).faults(value)


def read_lifecycle(context: RequestContext, default: Lifecycle) -> Lifecycle:
    """Return what the headers ask for a file's life; raise WireError 422 for what can't be read.

    PY sends two spellings, JS the first (wire.md §7).
    """
    for name in _LIFECYCLE_HEADERS:
        if header := context.header(name.encode()):
            try:
                return Lifecycle.parse(header, default)
            except BadLifecycle as error:
                loc: list[JSON] = ["header", name]
                message = f"{error.field} {error.fix}"
                raise bad_field("value_error", loc, message, error.value) from None
    return default


T = TypeVar("T")


async def unless_gone(receive: Receive, work: Coroutine[object, object, T]) -> T:
    """Return what `work` returns; cancel it and raise ClientDisconnect if the caller hangs up."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        task.cancel()
        # Nobody is left to whom it could say why it ended.
        task.add_done_callback(_let_go)


def _let_go(task: asyncio.Task[object]) -> None:
    if not task.cancelled():
        task.exception()


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
