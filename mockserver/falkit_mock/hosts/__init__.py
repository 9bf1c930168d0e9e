"""Which fal host a request is for; bodies read and replies written."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from falkit_mock.core import HINT, NotJson, dumps, header_text, loads
from falkit_mock.core.errors import (
    BadBody,
    BodyTooLarge,
    HostNotImitated,
    InvalidProxyRequest,
    NoFalHost,
    WireError,
)
from falkit_mock.core.jobs import Job, Outcome
from falkit_mock.core.network import MEDIA, MEDIA_BASE, ROLES, is_fal
from falkit_mock.service import BadLifecycle, Lifecycle
from falkit_mock.settings import MediaHost
from falkit_spec import JSON

# Where the official server proxy answers by default (wire.md §1.4); the header counts anywhere.
PROXY_ROUTE = "/api/fal/proxy"
_HOST_HEADERS = {name.encode(): name for name in ROLES}


@dataclass(frozen=True, slots=True)
class Address:
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

    def url(self, path: str) -> str:
        """Return the URL of a path on the same host, as the caller can follow it."""
        return f"{self.base}{path}"


def resolve(scope: Scope, media_host: MediaHost = "auto") -> Address:
    """Find the fal host that a request names.

    `media_host="real"` names media by fal's host to everyone but those who put it into
    the path. Raise NoFalHost, or HostNotImitated for a name of fal's without a role.
    """
    path: str = scope["path"]
    query: str = scope["query_string"].decode("latin-1")
    host: bytes = b""
    target: bytes = b""
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"x-fal-target-url":
            target = value
    authority = host.decode("latin-1") or "{}:{}".format(*scope["server"])
    root = scope.get("root_path", "")
    path = path.removeprefix(root)
    origin = f"{scope['scheme']}://{authority}{root}"
    bare, colon, port = host.partition(b":")
    here = _HOST_HEADERS.get(bare.lower().rstrip(b"."), "")
    # A port in the Host header is where the caller finds every host, media's too.
    tail = f"{(colon + port).decode('latin-1')}{root}"
    media = f"{scope['scheme']}://{MEDIA}{tail}" if here else f"{origin}/{MEDIA}"
    if here and media_host == "auto":
        media = scope.get("state", {}).get(MEDIA_BASE, media)
    elif target and not here and media_host == "real":
        media = f"https://{MEDIA}"
    if target:
        try:
            parts = urlsplit(str(target, "latin-1"))
        except ValueError:
            raise _nobody(origin, path) from None
        named = parts.hostname or ""
        role = _role(named, origin, scope["path"])
        base, path, query = f"https://{named}", unquote(parts.path), parts.query
        return Address(role, named, _trimmed(path), query, base, media)
    if here:
        return Address(ROLES[here], here, _trimmed(path), query, origin, media)
    if is_fal(name := bare.decode("latin-1")):
        raise HostNotImitated(name)
    named, _, rest = path[1:].partition("/")
    role = _role(named, origin, scope["path"])
    base = f"{origin}/{named}"
    return Address(role, named, _trimmed(f"/{rest}"), query, base, media)


def _role(host: str, origin: str, path: str) -> str:
    role = ROLES.get(host)
    if role is None:
        raise HostNotImitated(host) if is_fal(host) else _nobody(origin, path)
    return role


def _nobody(origin: str, path: str) -> NoFalHost:
    return InvalidProxyRequest(origin) if path == PROXY_ROUTE else NoFalHost(origin)


def _trimmed(path: str) -> str:
    return path.rstrip("/") or "/"


REQUEST_ID = "x-fal-request-id"
JSON_TYPE = "application/json"


def json_reply(
    body: Mapping[str, JSON] | None,
    *,
    request_id: str,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a JSON reply; every one carries `x-fal-request-id` (wire.md §6.3)."""
    return raw_reply(dumps(body), request_id=request_id, status_code=status_code, headers=headers)


def raw_reply(
    body: bytes,
    *,
    request_id: str,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a reply whose JSON is already written."""
    every = {REQUEST_ID: request_id, **(headers or {})}
    return Response(body, status_code, every, media_type=JSON_TYPE)


def outcome_reply(job: Job, outcome: Outcome) -> Response:
    """Return what the model answered, unwrapped (wire.md §3.4)."""
    return raw_reply(
        outcome.body,
        request_id=job.id,
        status_code=outcome.status_code,
        headers=outcome.headers,
    )


def error_reply(error: WireError, request_id: str) -> Response:
    """Return a refusal of the mock's own."""
    headers = dict(error.headers)
    if error.hint:
        headers[HINT] = header_text(error.hint)
    return json_reply(
        error.body,
        request_id=error.request_id or request_id,
        status_code=error.status_code,
        headers=headers,
    )


def add_hint(reply: Response, texts: Iterable[str]) -> None:
    """Have a reply's hint say more than it does by itself."""
    own = reply.headers.get(HINT, "")
    reply.headers[HINT] = header_text("; ".join(filter(None, (own, *texts))))


def job_urls(address: Address, job: Job) -> dict[str, str]:
    """Return a job's three URLs in the short form that fal hands out (wire.md §3.1)."""
    base = address.url(f"/{job.app}/requests/{job.id}")
    return {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}


async def read_body(request: Request, limit: int) -> bytes:
    """Return a request's body; raise BodyTooLarge past `limit` bytes, before reading it all."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


# Names and lists of parts; ten thousand parts take less.
_MOST = 4 * 1024 * 1024
_LIFECYCLE_HEADERS = ("x-fal-object-lifecycle", "x-fal-object-lifecycle-preference")


async def read_object(request: Request) -> dict[str, JSON]:
    """Return a body that must be a JSON object; raise BadBody, also for none at all."""
    body = await read_body(request, _MOST)
    if not body:
        raise BadBody.field("missing", ["body"], "Field required")
    try:
        value = loads(body)
    except NotJson as error:
        raise BadBody.field("json_invalid", ["body"], "JSON decode error", error.message) from None
    if not isinstance(value, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise BadBody.field("model_attributes_type", ["body"], message, value)
    return value


def texts(body: Mapping[str, JSON], *names: str) -> list[str]:
    """Return fields that must be strings; raise BadBody with all that are not."""
    found: list[str] = []
    wrong: list[JSON] = []
    for name in names:
        value = body.get(name)
        if isinstance(value, str):
            found.append(value)
        elif name in body:
            wrong.append(_item("string_type", name, "Input should be a valid string", value))
        else:
            wrong.append(_item("missing", name, "Field required", dict(body)))
    if wrong:
        raise BadBody(wrong)
    return found


def read_lifecycle(request: Request, default: Lifecycle) -> Lifecycle:
    """Return what the headers ask for a file's life; raise BadBody for what can't be read.

    PY sends two spellings, JS the first (wire.md §7).
    """
    for name in _LIFECYCLE_HEADERS:
        if header := request.headers.get(name):
            try:
                return Lifecycle.parse(header, default)
            except BadLifecycle as error:
                loc: list[JSON] = ["header", name]
                message = f"{error.field} {error.mend}"
                raise BadBody.field("value_error", loc, message, error.value) from None
    return default


def _item(kind: str, name: str, message: str, value: JSON) -> dict[str, JSON]:
    return {"type": kind, "loc": ["body", name], "msg": message, "input": value}


T = TypeVar("T")


async def unless_gone(request: Request, work: Coroutine[object, object, T]) -> T:
    """Return what `work` returns; cancel it and raise ClientDisconnect if the caller hangs up."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        task.cancel()


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
