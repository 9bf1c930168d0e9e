"""wss://fal.run/{id}/realtime: a model on a socket of its own (wire.md §8).

Every input is a call like any other: it comes by the application as a POST, so that rules, limits,
the request log and billing see it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from falkit_fixtures import images
from falkit_mock.core import NotJson, count, dumps, loads, parse_body
from falkit_mock.core.errors import Unauthenticated
from falkit_mock.core.limits import AT_ONCE, JSON_VALUES, UNPACKED_AT_ONCE
from falkit_mock.hosts import MAX_BUFFERING, Host, RequestContext, authorize
from falkit_mock.hosts.addresses import split_app
from falkit_mock.hosts.fal_run import FalRun
from falkit_mock.hosts.options import whole_number
from falkit_mock.hosts.replies import AnyReply, Reply
from falkit_mock.hosts.sockets import Conversation, Inbox, inbox_of, post_of
from falkit_mock.service.files import OwnFile
from falkit_mock.service.partials import is_picture
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.streams import Realtime
from falkit_spec.types import is_array, is_object

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

_LEAST, _MOST = 1, 60
# Bytes of a picture that is sent in a message.
_LARGEST = 64 * 1024 * 1024
_NORMAL, _POLICY = 1000, 1008
# wire.md §8: what fal's SDK sends before it closes an idle socket, and what JS looks for.
_IDLE = {"type": "x-fal-error", "error": "TIMEOUT", "reason": "no inputs, reconnect when needed!"}
_UNAUTHORIZED = {"status": "error", "error": "Unauthorized"}
# By their first bytes: types of pictures that come as bytes.
_MAGIC = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"RIFF", "webp"), (b"GIF8", "gif"))


class RealtimeHost(Host):
    """fal.run, with the handshakes of those models that have a socket."""

    def __init__(self, service: Service, catalog: Catalog, app: ASGIApp, run: FalRun) -> None:
        super().__init__(service, catalog)
        self._app = app
        self._run = run

    async def __call__(self, context: RequestContext) -> AnyReply:
        if context.method == "GET" and (inbox := inbox_of(context)) is not None:
            endpoint = self._catalog.at(context.address.path[1:])
            if endpoint is not None and endpoint.realtime is not None:
                return self._open(context, inbox, endpoint, endpoint.realtime)
        return await self._run(context)

    def _open(
        self, context: RequestContext, inbox: Inbox, endpoint: Endpoint, facts: Realtime
    ) -> Reply:
        service = self._service
        app, _ = split_app(context.address.path)
        try:
            authorize(context, app, service)
        except Unauthenticated as error:
            named = "fal_jwt_token" in context.query
            if not named or service.settings.assumptions.realtime_refusal == "handshake":
                raise
            return _Refusal(inbox, error, service)
        inbox.keep = _buffering(context)
        base = context.address.media_base
        return _Conversation(inbox, self._app, service, endpoint, facts, base)


def _buffering(context: RequestContext) -> int | None:
    """Return how many inputs may wait; raise WireError 422 for what neither client would send."""
    text = context.query.get(MAX_BUFFERING)
    return None if text is None else whole_number(MAX_BUFFERING, text, _LEAST, _MOST)


class _Socket(Conversation):
    """A conversation that has errors and timings in it, too: JSON in text."""

    async def _tell(self, value: Mapping[str, JSON]) -> None:
        await self._inbox.send({"type": "websocket.send", "text": dumps(value).decode()})


class _Refusal(_Socket):
    """A token that opens nothing is told of on the open socket, for JS to get another."""

    def __init__(self, inbox: Inbox, error: Unauthenticated, service: Service) -> None:
        super().__init__(inbox, service)
        self._why = error.hint or ""

    async def _converse(self, scope: Scope) -> None:
        await self._tell(_UNAUTHORIZED)
        # A reason has at most 123 bytes (RFC 6455 §5.5).
        await self._close(_POLICY, self._why.encode()[:120].decode("utf-8", "ignore"))


class _BadInput(ValueError):
    """A message that is no input, and why."""


class _Conversation(_Socket):
    """Inputs and outputs, in the order of the inputs."""

    def __init__(
        self,
        inbox: Inbox,
        app: ASGIApp,
        service: Service,
        endpoint: Endpoint,
        facts: Realtime,
        media_base: str,
    ) -> None:
        super().__init__(inbox, service)
        self._app = app
        self._endpoint = endpoint
        self._facts = facts
        self._media_base = media_base

    async def _converse(self, scope: Scope) -> None:
        try:
            while (message := await self._next()) is not None:
                try:
                    if not await self._answer(scope, message):
                        return
                except _BadInput as error:
                    # As fal's SDK: whatever a model raises is told, and the socket closed.
                    reason = str(error)
                    told: dict[str, JSON] = {"error": "INTERNAL_ERROR", "reason": reason}
                    await self._tell({"type": "x-fal-error", **told})
                    await self._close(_NORMAL)
                    return
        except TimeoutError:
            await self._tell(_IDLE)
            await self._close(_NORMAL)

    async def _next(self) -> Message | None:
        """Return the next message, None at the end; raise TimeoutError if none comes in time."""
        if self._facts.idle is None:
            return await self._inbox.next()
        clock = self._service.clock
        until = clock.now() + self._facts.idle
        coming = asyncio.ensure_future(self._inbox.next())
        try:
            while not coming.done():
                if clock.now() >= until:
                    raise TimeoutError
                waiting = asyncio.ensure_future(clock.wait(until, clock.notifier.waiter()))
                try:
                    await asyncio.wait({coming, waiting}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
            return coming.result()
        finally:
            coming.cancel()

    async def _answer(self, scope: Scope, message: Message) -> bool:
        """Answer one input; False where the connection is gone. Raise _BadInput for what isn't."""
        text = message.get("text")
        began = self._service.clock.now()
        body = await _body_of(text, message.get("bytes") or b"")
        reply = _Collected()
        await self._app(post_of(scope), self._inbox.body(body), reply)
        if not reply.whole:
            # A fault has cut the connection, or the caller has.
            return False
        output = parse_body(bytes(reply.body))
        if reply.status != 200 or isinstance(output, NotJson):
            raise _BadInput(_reason(output, bytes(reply.body), self._endpoint))
        if text is not None:
            await self._inbox.send(
                {"type": "websocket.send", "text": dumps(output).decode("utf-8", "replace")}
            )
        else:
            if self._facts.images == "content":
                output = await self._with_content(output)
            data = await _off_loop(len(reply.body), _pack, output)
            await self._inbox.send({"type": "websocket.send", "bytes": data})
        if self._facts.timings:
            seconds = round(self._service.clock.now() - began, 6)
            await self._tell({"type": "x-fal-message", "action": "timings", "timing": seconds})
        return True

    async def _with_content(self, value: JSON, field: str = "") -> Any:
        """Return an output with the bytes of each picture in the place of its URL."""
        if is_array(value):
            return [await self._with_content(one, field) for one in value]
        if not is_object(value):
            return value
        url = value.get("url")
        if isinstance(url, str) and is_picture(field, value):
            own = self._service.media.own_file(url, self._media_base)
            data = await _bytes_of(url, own if isinstance(own, OwnFile) else None)
            told = {name: value[name] for name in ("width", "height") if name in value}
            return {"content": data, "content_type": _kind(data), **told}
        return {name: await self._with_content(one, name) for name, one in value.items()}


async def _bytes_of(url: str, own: OwnFile | None) -> bytes:
    if own is not None:
        return await asyncio.to_thread(own.read, 0, _LARGEST if own.size is None else own.size)
    head, comma, payload = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return base64.b64decode(payload)
    # Of a file that only a document's example names.
    return images.sample("jpeg")


def _kind(data: bytes) -> str:
    found = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    return f"image/{found}" if found else "application/octet-stream"


async def _body_of(text: str | None, data: bytes) -> bytes:
    """Return an input as JSON: of a text message as it is, of a binary one unpacked."""
    if text is not None:
        body = text.encode("utf-8", "replace")
        try:
            await _off_loop(len(body), loads, body)
        except NotJson as error:
            raise _BadInput(f"the message is no JSON: {error.message}") from None
        return body
    return cast(bytes, await _off_loop(len(data), _unpack, data, UNPACKED_AT_ONCE))


async def _off_loop(size: int, work: Any, value: Any, most: int = AT_ONCE) -> Any:
    return work(value) if size <= most else await asyncio.to_thread(work, value)


def _msgpack() -> Any:
    # Lazy, since most runs have no such socket; and it has no types.
    return import_module("msgpack")


def _pack(value: Any) -> bytes:
    packed: bytes = _msgpack().packb(value, use_bin_type=True)
    return packed


def _unpack(data: bytes) -> bytes:
    values = 0

    def counted(value: Any) -> Any:
        # Each list and object once it is whole, so that no more is made of a message's values.
        nonlocal values
        values += len(value)
        if values > JSON_VALUES:
            raise ValueError(f"it has more than {JSON_VALUES:,} values")
        return value

    bounds = dict.fromkeys(("max_array_len", "max_map_len"), JSON_VALUES)
    hooks = dict.fromkeys(("list_hook", "object_hook"), counted)
    try:
        return dumps(_as_json(_msgpack().unpackb(data, raw=False, **bounds, **hooks)))
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        why = str(error) or type(error).__name__
        raise _BadInput(f"the message is no msgpack: {why}") from None


def _as_json(value: object) -> JSON:
    """Return unpacked msgpack as JSON: bytes, such as a picture's, as a data URI."""
    if isinstance(value, dict):
        read: dict[str, JSON] = {}
        for name, one in cast("dict[object, object]", value).items():
            if not isinstance(name, str):
                raise ValueError("the names of fields are texts")
            read[name] = _as_json(one)
        return read
    if isinstance(value, list):
        return [_as_json(one) for one in cast("list[object]", value)]
    if isinstance(value, bytes):
        return f"data:{_kind(value)};base64,{base64.b64encode(value).decode()}"
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{type(value).__name__} is no value of an input")


def _reason(answer: JSON | NotJson, body: bytes, endpoint: Endpoint) -> str:
    """Return why an input failed: of one that is refused Pydantic's text, as fal's SDK sends it."""
    detail = answer.get("detail") if is_object(answer) else None
    if not is_array(detail):
        return str(detail or body.decode("utf-8", "replace"))[:1000]
    faults = [one for one in detail if is_object(one)]
    title = endpoint.input_schema.get("title", "Input")
    lines = [f"{count(len(faults), 'validation error')} for {title}"]
    for fault in faults[:20]:
        loc = fault.get("loc")
        lines.append(".".join(str(step) for step in (loc if is_array(loc) else [])[1:]))
        given = fault.get("input")
        shown = f"input_value={repr(given)[:50]}, input_type={type(given).__name__}"
        lines.append(f"  {fault.get('msg')} [type={fault.get('type')}, {shown}]")
    return "\n".join(lines)


class _Collected:
    """Takes an HTTP reply and keeps it."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self.whole = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.whole = not message.get("more_body")
