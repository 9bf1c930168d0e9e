"""One request, read once: which fal host it is for, its headers, its body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from functools import cached_property
from time import perf_counter
from typing import NamedTuple, Protocol, TypeVar, cast
from urllib.parse import unquote, urlencode, urlsplit

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
    no_fal_host,
    not_found,
)
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.identity import BadToken, check, check_hub_token, key_id
from falkit_mock.core.network import (
    DOMAINS,
    MEDIA,
    MEDIA_BASE,
    ROLES,
    ROUTED,
    RUN,
    is_fal,
    is_router,
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
    # With a leading slash, decoded, without trailing slashes; the SDK adds those (wire.md §12).
    path: str
    query: str
    # What a URL on the same host begins with, up to its path, and what one on the media
    # host does. They may differ, since players don't speak the proxy protocol.
    base: str
    media_base: str
    # Whether it came by Hugging Face's router, which takes tokens of its own.
    routed: bool = False


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
        body: Mapping[str, JSON] | str | None,
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
    path: str = scope["path"].removeprefix(root)
    authority = headers.get(b"host", b"").decode("latin-1") or "{}:{}".format(*scope["server"])
    origin = f"{scope['scheme']}://{authority}{root}"
    bare, colon, port = authority.partition(":")
    name = bare.lower().rstrip(".")
    target = headers.get(b"x-fal-target-url")
    if target is None and is_router(name) and path.startswith(ROUTED):
        return _routed(path, scope["query_string"].decode("latin-1"), _media(scope, media_host))
    if target is None and name not in ROLES and not (name.endswith(DOMAINS) and is_fal(name)):
        named, _, rest = path[1:].partition("/")
        role = ROLES.get(named)
        if role is None:
            raise _unknown(named, origin, path)
        query = scope["query_string"].decode("latin-1")
        path = f"/{rest}".rstrip("/") or "/"
        return Address(role, named, path, query, f"{origin}/{named}", f"{origin}/{MEDIA}")
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
    return Address(ROLES[name], name, path.rstrip("/") or "/", query, origin, media)


def _media(scope: Scope, media_host: MediaHost, real: str = f"https://{MEDIA}") -> str:
    """Return what media URLs begin with for a caller who came by a real name."""
    here: str = scope.get("state", {}).get(MEDIA_BASE, real)
    return here if media_host == "auto" else real


def _routed(path: str, query: str, media: str) -> Address:
    """Return where Hugging Face's router hands a request on: fal's reply comes back as it is."""
    parts = QueryParams(query).multi_items()
    subdomain = next((value for name, value in parts if name == "_subdomain"), "")
    host = f"{subdomain}.{RUN}" if subdomain else RUN
    if host not in ROLES:
        raise HostNotImitated(host)
    query = urlencode([(name, value) for name, value in parts if name != "_subdomain"])
    path = f"/{path.removeprefix(ROUTED)}".rstrip("/") or "/"
    return Address(ROLES[host], host, path, query, f"https://{host}", media, routed=True)


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
    path = unquote(parts.path).rstrip("/") or "/"
    return Address(role, named, path, parts.query, f"https://{named}", media)


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
    if len(segments) < size or not all(segments):
        raise not_found("a model's path is /owner/alias/…, such as /fal-ai/ltx-2/image-to-video")
    return "/".join(segments[:size]), segments[size:]


def authorize(context: RequestContext, app: str, service: Service) -> None:
    """Raise Unauthenticated unless the request may call the app: by a key or by a token.

    A browser has no key and names a token of rest.fal.ai in the query (wire.md §2, §8). Callers of
    Hugging Face's router have a token of theirs, and the router has fal's key (wire.md §1.5).
    """
    # The word is looked for first because most queries are short and have no token to parse.
    token = context.query.get("fal_jwt_token") if "token" in context.address.query else None
    if token is not None:
        _check_token(token, app, service)
    elif context.address.routed:
        check_hub_token(context.authorization, service.settings.api_keys)
    else:
        check(context.authorization, app, service.settings.api_keys)


def _check_token(token: str, app: str, service: Service) -> None:
    try:
        apps = service.tokens.read(token, "apps")["apps"]
    except BadToken as error:
        raise Unauthenticated.app_token(str(error)) from None
    # The older tokens name the alias, the newer the whole path.
    alias = app.rpartition("/")[2]
    assert isinstance(apps, list), "as it was signed"
    if not any(name == alias or f"{name}/".startswith(f"{app}/") for name in apps):
        raise Unauthenticated.app_token(f"it is for {apps}, not for {app}")


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
