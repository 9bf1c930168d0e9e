"""Faults of the wire: replies of the mock that are changed on their way out, and deliveries."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlencode

import httpx

from falkit import Settings
from falkit_mock.assembly import create_app
from falkit_mock.core.network import listen, reached
from falkit_mock.hosts import SEND_WHOLE
from falkit_mock.server import MockServer

GONE = object()
_RELAY = "/relay/"


@dataclass
class Reply:
    """A reply before it is sent, or a delivery before it goes on, and the request of the former."""

    method: str
    path: str
    asked: dict[str, str]
    given: bytes
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


Change: TypeAlias = Callable[[Reply], None]


@dataclass(frozen=True)
class Fault:
    """A change of some replies, or of deliveries, and the check that is to find it."""

    check: str
    what: str
    change: Change
    path: str = "."
    method: str = "."
    # Its requests lose this of their query.
    loses: str = ""

    def applies(self, method: str, path: str) -> bool:
        return bool(re.search(self.path, path) and re.fullmatch(self.method + ".*", method))


def code(status: int, of: int | None = None) -> Change:
    """Change the code, of replies that have the code `of`."""

    def change(reply: Reply) -> None:
        if of in (None, reply.status):
            reply.status = status

    return change


def body(value: Any, status: int | None = None, of: int | None = None) -> Change:
    """Answer something else, in place of the replies that have the code `of`."""

    def change(reply: Reply) -> None:
        if of in (None, reply.status):
            reply.body = value if isinstance(value, bytes) else json.dumps(value).encode()
            reply.status = status or reply.status

    return change


def fields(**changes: Any) -> Change:
    """Change fields of the body, or leave them out."""

    def change(reply: Reply) -> None:
        read = reply.json
        for name, value in changes.items():
            read.pop(name, None)
            if value is not GONE:
                read[name] = value
        reply.body = json.dumps(read).encode()

    return change


def header(**changes: str | None) -> Change:
    """Change headers, whose names have _ for -, or leave them out."""

    def change(reply: Reply) -> None:
        for name, value in changes.items():
            name = name.replace("_", "-")
            reply.headers.pop(name, None)
            if value is not None:
                reply.headers[name] = value

    return change


def text(old: str, new: str) -> Change:
    """Replace a pattern in the body."""

    def change(reply: Reply) -> None:
        reply.body = re.sub(old.encode(), new.encode(), reply.body)

    return change


def where(field: str, value: Any, change: Change) -> Change:
    """Change replies that have a value in a field."""

    def perhaps(reply: Reply) -> None:
        read: dict[str, Any] = reply.json
        if read.get(field) == value:
            change(reply)

    return perhaps


def asked(name: str, change: Change) -> Change:
    """Change replies to requests that have a header."""
    return lambda reply: change(reply) if name in reply.asked else None


def given(pattern: str, change: Change) -> Change:
    """Change replies to requests whose body has a pattern."""
    return lambda reply: change(reply) if re.search(pattern.encode(), reply.given) else None


def after(count: int, change: Change) -> Change:
    """Change replies with code 200 once there were so many to the same path."""
    seen: dict[str, int] = {}

    def perhaps(reply: Reply) -> None:
        if reply.status == 200:
            seen[reply.path] = seen.get(reply.path, 0) + 1
            if seen[reply.path] > count:
                change(reply)

    return perhaps


class Planted:
    """The mock as an ASGI application, with at most one fault at a time."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.url = ""
        self.fault: Fault | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(_RELAY):
            await self._relay(scope, receive, send)
            return
        fault = self.fault
        if fault is None:
            await self._app(scope, receive, send)
            return
        own = {**scope, "query_string": self._query(scope["query_string"].decode(), fault)}
        # By which the mock would send a whole reply past this application.
        own.pop(SEND_WHOLE, None)
        if fault.check.startswith("webhook.") and fault.path == ".":
            await self._app(own, receive, send)
            return
        if not fault.applies(scope["method"], scope["path"]):
            await self._app(own, receive, send)
            return
        content = await _read(receive)
        messages: list[Any] = []

        body: list[Any] = [{"type": "http.request", "body": content, "more_body": False}]

        async def once() -> Any:
            return body.pop() if body else await receive()

        async def keep(message: Any) -> None:
            messages.append(message)

        await self._app(own, once, keep)
        start = messages[0]
        heads = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        sent = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        parts = b"".join(message.get("body", b"") for message in messages[1:])
        request = (scope["method"], scope["path"], sent, content)
        reply = Reply(*request, start["status"], heads, parts)
        fault.change(reply)
        if scope["method"] != "HEAD":
            reply.headers["content-length"] = str(len(reply.body))
        await _send(send, reply.status, reply.headers, reply.body)

    def _query(self, query: str, fault: Fault) -> bytes:
        """Have deliveries come by here, where they are what a fault changes."""
        pairs = [pair for pair in parse_qsl(query) if pair[0] != fault.loses]
        if fault.check.startswith("webhook."):
            pairs = [
                (name, f"{self.url}{_RELAY}{quote(quote(value, safe=''), safe='')}")
                if name == "fal_webhook"
                else (name, value)
                for name, value in pairs
            ]
        return urlencode(pairs).encode()

    async def _relay(self, scope: Any, receive: Any, send: Any) -> None:
        url = unquote(unquote(scope["path"].removeprefix(_RELAY)))
        heads = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        delivery = Reply("POST", url, {}, b"", 200, heads, await _read(receive))
        if self.fault is not None and self.fault.path == ".":
            self.fault.change(delivery)
        heads = {
            name: value
            for name, value in delivery.headers.items()
            if name not in ("host", "content-length")
        }
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            await client.post(url, headers=heads, content=delivery.body)
        await _send(send, 200, {}, b"")


async def _read(receive: Any) -> bytes:
    found: bytes = b""
    while True:
        message = await receive()
        found += message.get("body", b"")
        if not message.get("more_body"):
            return found


async def _send(send: Any, status: int, headers: dict[str, str], content: bytes) -> None:
    heads = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": heads})
    await send({"type": "http.response.body", "body": content})


@contextmanager
def planted_mock() -> Generator[Planted]:
    """Serve a mock whose jobs go on by being asked for, and in which faults can be planted."""
    app = create_app(Settings(timing="polls", seed=1))
    planted, ready = Planted(app), threading.Event()
    with listen("127.0.0.1", 0) as listener:
        planted.url = reached(listener)
        server = MockServer(planted, app.service, ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert ready.wait(30)
            yield planted
        finally:
            server.stop()
            thread.join(30)
