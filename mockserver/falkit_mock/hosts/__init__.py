"""One request, read once: which fal host it is for, its headers, its body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from functools import cached_property
from time import perf_counter
from typing import NamedTuple, Protocol, TypeVar, cast
from urllib.parse import unquote, urlsplit

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from falkit_mock.core import NotJson, loads
from falkit_mock.core.errors import (
    BodyTooLarge,
    HostNotImitated,
    Unauthenticated,
    WireError,
    bad_body,
    bad_field,
    method_not_allowed,
    missing,
    no_fal_host,
    not_found,
)
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.identity import BadToken, check, key_id
from falkit_mock.core.network import (
    API,
    DOMAINS,
    MEDIA,
    MEDIA_BASE,
    QUEUE,
    ROLES,
    RUN,
    is_fal,
)
from falkit_mock.hosts.replies import Reply, json_reply
from falkit_mock.service import BadLifecycle, Lifecycle
from falkit_mock.service.service import Service
from falkit_mock.settings import MediaHost
from falkit_spec import JSON, Catalog, Object
from falkit_spec.schema import Compiled
from falkit_spec.types import is_object

# Where the official server proxy answers by default (wire.md §1.4); the header counts anywhere.
PROXY_ROUTE = "/api/fal/proxy"
# Where the server puts the connection that a request came by.
CONNECTION = "falkit.connection"


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


class RequestContext:
    """One request: what it says, read once, and what is noted of it on its way to a reply."""

    def __init__(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, now: float
    ) -> None:
        self.began = perf_counter()
        self.scope = scope
        # By lower-case name; of one that comes twice the first counts.
        self.headers = headers
        self.receive = receive
        # The mock's time when the request came, unix seconds.
        self.now = now
        self.method: str = scope["method"]
        self.authorization = headers.get(b"authorization", b"").decode("latin-1")
        self.connection: Connection | None = scope.get(CONNECTION)
        # Set by the application once it is known; until then nobody asks.
        self.address: Address
        # What the hint of the reply says beside its own.
        self.hints: list[str] = []
        # The fault that corrupts the reply on its way out.
        self.reply_fault: str | None = None
        client = scope.get("client")
        self.record = RequestRecord(
            time=now,
            method=self.method,
            host=headers.get(b"host", b"").decode("latin-1"),
            path=scope["path"],
            key=key_id(self.authorization),
            client=f"{client[0]}:{client[1]}" if client else "",
        )

    @cached_property
    def query(self) -> QueryParams:
        """The query, parsed when it is first asked for: most requests have none."""
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
            raise method_not_allowed(*methods)

    def stream(self) -> AsyncGenerator[bytes]:
        """Yield the body as it comes; raise ClientDisconnect if the caller hangs up."""
        return Request(self.scope, self.receive).stream()

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
        media = f"{scope['scheme']}://{MEDIA}{colon}{port}{root}"
        if media_host == "auto":
            media = scope.get("state", {}).get(MEDIA_BASE, media)
    elif media_host == "real":
        media = f"https://{MEDIA}"
    if target is not None:
        return _target(target.decode("latin-1"), media, origin, path)
    if name not in ROLES:
        raise HostNotImitated(bare)
    query = scope["query_string"].decode("latin-1")
    path, slash = _without_slash(path)
    return Address(ROLES[name], name, path, query, origin, media, slash)


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
    size = 3 if segments[0] in _NAMESPACES else 2
    if len(segments) < size or not all(segments[:size]):
        raise not_found("a model's path is /owner/alias/…, such as /fal-ai/ltx-2/image-to-video")
    return "/".join(segments[:size]), segments[size:]


def authorize(context: RequestContext, app: str, service: Service) -> None:
    """Raise Unauthenticated unless the request may call the app: by a key or by a token.

    A browser has no key and names a token of rest.fal.ai in the query (wire.md §2, §8).
    """
    # The word is looked for first because most queries are short and have no token to parse.
    token = context.query.get("fal_jwt_token") if "token" in context.address.query else None
    if token is not None:
        _check_token(token, app, context.address.path[1:], service)
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
        # Lazy: it imports jsonschema, and few bodies are refused.
        from falkit_spec.validation import InputValidator

        faults = InputValidator(schema, (), {}).faults(value)
        raise bad_body(cast("list[JSON]", faults))
    return value


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


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
