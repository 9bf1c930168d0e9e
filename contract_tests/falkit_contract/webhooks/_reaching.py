"""A team's handler, called as fal would call it: an ASGI or WSGI application, or a URL."""

from __future__ import annotations

import io
import sys
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx

from falkit_contract import BadArgument, ContractError
from falkit_contract.webhooks._sent import Sent
from falkit_mock.webhooks.sender import is_asgi

# Seconds that a receiver has to answer (wire.md §5.3).
PATIENCE = 15.0
# Where an application is taken to be served in what is shown, and the host that it is told: the one
# that Django's tests allow, and Starlette's client sends.
_HERE, _HOST = "http://localhost:8000", "testserver"
Scope = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answered; `error` is what it raised, or why there is no status."""

    status: int | None
    body: str = ""
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def __str__(self) -> str:
        said = [str(self.status) if self.status is not None else "nothing"]
        said += [f"after it raised {self.error}"] if self.error and self.status else []
        said += [f"({self.error})"] if self.error and not self.status else []
        text = " ".join(self.body.split())
        said += [f"({text[:120]!r})"] if text and not self.error else []
        return " ".join(said)


class Handler:
    """A handler, and how a delivery reaches it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.parts: SplitResult = urlsplit(url)
        self.host = _HOST if url.startswith(_HERE) else self.parts.netloc

    @property
    def here(self) -> bool:
        """Whether it runs in this process, and so in its time and environment."""
        return True

    @contextmanager
    def open(self) -> Generator[Door]:
        """Yield what calls it, from a test that doesn't run on an event loop."""
        yield Door(self.post, self.twice, _run)

    @abstractmethod
    def post(self, sent: Sent) -> Answer:
        """Deliver, and wait for the answer."""

    async def post_async(self, sent: Sent) -> Answer:
        """Deliver from an event loop, which isn't held up."""
        return await anyio.to_thread.run_sync(self.post, sent)

    def twice(self, sent: Sent) -> list[Answer]:
        """Deliver the same twice at the same time, as far as the handler can be called so."""
        return anyio.run(self.twice_async, sent)

    async def twice_async(self, sent: Sent) -> list[Answer]:
        """As twice(), from an event loop."""
        answers: list[Answer] = []

        async def post() -> None:
            answers.append(await self.post_async(sent))

        async with anyio.create_task_group() as group:
            group.start_soon(post)
            group.start_soon(post)
        return answers


@dataclass(frozen=True, slots=True)
class Door:
    """How a handler is called, and how what a function of the team's returns is awaited."""

    post: Callable[[Sent], Answer]
    twice: Callable[[Sent], list[Answer]]
    wait: Callable[[Awaitable[object]], object]


def handler_of(handler: object, path: str) -> Handler:
    """Return a handler; raise BadArgument for what is none."""
    if isinstance(handler, str):
        if urlsplit(handler).scheme not in ("http", "https") or not urlsplit(handler).hostname:
            raise BadArgument("handler", handler, "give an http(s) URL, or the application itself")
        return Remote(handler)
    if not path.startswith(("/", "http://", "https://")):
        raise BadArgument("path", path, "give the path of your webhook's route, such as /fal")
    url = f"{_HERE}{path}" if path.startswith("/") else path
    if not callable(handler):
        raise BadArgument("handler", handler, "give an ASGI or WSGI application, or a URL")
    application = cast("Callable[..., Any]", handler)
    return Asgi(application, url) if is_asgi(application) else Wsgi(application, url)


class Remote(Handler):
    """A program that listens at a URL."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        # Without https no roots are read, which takes longer than all else.
        secure = self.parts.scheme == "https"
        self._http = httpx.Client(timeout=PATIENCE, trust_env=False, verify=secure)

    @property
    def here(self) -> bool:
        return False

    @contextmanager
    def open(self) -> Generator[Door]:
        with self._http:
            yield Door(self.post, self.twice, _run)

    def post(self, sent: Sent) -> Answer:
        try:
            reply = self._http.post(self.url, content=sent.body, headers=sent.headers)
        except httpx.HTTPError as error:
            return Answer(None, error=str(error) or type(error).__name__)
        return Answer(reply.status_code, reply.text)


class Wsgi(Handler):
    """A WSGI application, called in the thread of the test."""

    def __init__(self, application: Callable[..., Iterable[bytes]], url: str) -> None:
        super().__init__(url)
        self._application = application

    def post(self, sent: Sent) -> Answer:
        status = list[int]()

        def start(line: str, headers: object, exc_info: object = None) -> Callable[[bytes], object]:
            status[:] = [int(line.split()[0])]
            return body.write

        body = io.BytesIO()
        try:
            parts = self._application(self._environ(sent), start)
            try:
                body.writelines(parts)
            finally:
                getattr(parts, "close", lambda: None)()
        except Exception as error:
            return Answer(500, error=_told(error))
        return Answer(status[0] if status else 500, _text(body.getvalue()))

    def twice(self, sent: Sent) -> list[Answer]:
        # One after the other, since what it has open may belong to the thread of the test.
        return [self.post(sent), self.post(sent)]

    async def twice_async(self, sent: Sent) -> list[Answer]:
        return await anyio.to_thread.run_sync(self.twice, sent)

    def _environ(self, sent: Sent) -> dict[str, Any]:
        heads = {
            f"HTTP_{name.upper().replace('-', '_')}": sent.headers[name] for name in sent.headers
        }
        return {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(self.parts.path or "/"),
            "QUERY_STRING": self.parts.query,
            "SERVER_NAME": self.host.partition(":")[0],
            "SERVER_PORT": str(self.parts.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": self.host,
            "CONTENT_TYPE": heads.pop("HTTP_CONTENT_TYPE", ""),
            "CONTENT_LENGTH": str(len(sent.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.parts.scheme,
            "wsgi.input": io.BytesIO(sent.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **heads,
        }


class Asgi(Handler):
    """An ASGI application: on the test's event loop, or on one of its own, with its lifespan."""

    def __init__(self, application: Callable[..., Awaitable[None]], url: str) -> None:
        super().__init__(url)
        self._application = application
        self._state: dict[str, Any] = {}

    @contextmanager
    def open(self) -> Generator[Door]:
        with anyio.from_thread.start_blocking_portal() as portal:
            lifespan = _Lifespan(self._application, self._state)
            portal.call(lifespan.prepare)
            portal.start_task_soon(lifespan.run)
            portal.call(lifespan.begin)
            try:
                yield Door(
                    lambda sent: portal.call(self.post_async, sent),
                    lambda sent: portal.call(self.twice_async, sent),
                    lambda result: portal.call(_awaited, result),
                )
            finally:
                portal.call(lifespan.end)

    def post(self, sent: Sent) -> Answer:
        return anyio.run(self.post_async, sent)

    async def post_async(self, sent: Sent) -> Answer:
        heads = {name.lower(): text for name, text in sent.headers.items()}
        heads |= {"host": self.host, "content-length": str(len(sent.body))}
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": self.parts.scheme,
            "path": unquote(self.parts.path or "/"),
            "raw_path": (self.parts.path or "/").encode(),
            "query_string": self.parts.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), text.encode("latin-1")) for name, text in heads.items()],
            "client": ("127.0.0.1", 50_000),
            "server": (self.host.partition(":")[0], self.parts.port or 80),
            "state": {**self._state},
        }
        unread, ended = [sent.body], anyio.Event()
        status, parts, error = None, list[bytes](), None

        async def receive() -> Scope:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Scope) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    ended.set()

        with anyio.move_on_after(PATIENCE) as limit:
            try:
                await self._application(scope, receive, send)
            except Exception as raised:
                error = _told(raised)
                status = 500 if status is None else status
        if limit.cancelled_caught and not ended.is_set():
            return Answer(None, error=f"no answer within {PATIENCE:g} s")
        return Answer(500 if status is None else status, _text(b"".join(parts)), error)


class _Lifespan:
    """Starts and ends an ASGI application, as a server does."""

    def __init__(self, application: Callable[..., Awaitable[None]], state: Scope) -> None:
        self._application = application
        self._state = state
        self._failed: str | None = None

    async def prepare(self) -> None:
        """Make what belongs to the event loop."""
        self._started, self._ended, self._over = anyio.Event(), anyio.Event(), anyio.Event()
        self._told = False

    async def run(self) -> None:
        """Run it from its start to its end."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        try:
            await self._application(scope, self._receive, self._send)
        except Exception as error:
            # One that knows no lifespan raises at once, and is served all the same.
            if self._started.is_set() and not self._ended.is_set():
                self._failed = _told(error)
        finally:
            self._started.set()
            self._over.set()

    async def begin(self) -> None:
        """Return once it is ready; raise ContractError if it says that it can't start."""
        with anyio.move_on_after(PATIENCE):
            await self._started.wait()
        if self._failed is not None:
            raise ContractError(f"the application does not start: {self._failed}")

    async def end(self) -> None:
        """Have it end."""
        self._ended.set()
        with anyio.move_on_after(PATIENCE):
            await self._over.wait()

    async def _receive(self) -> Scope:
        if not self._told:
            self._told = True
            return {"type": "lifespan.startup"}
        await self._ended.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Scope) -> None:
        if message["type"] == "lifespan.startup.failed":
            self._failed = message.get("message") or "it says no more"
        self._started.set()


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _run(result: Awaitable[object]) -> object:
    return anyio.run(_awaited, result)


async def _awaited(result: Awaitable[object]) -> object:
    return await result
