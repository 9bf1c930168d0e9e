"""A flow on its way, and how httpx's objects become the core's: shared by both clients."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from functools import cache
from typing import Generic, TypeVar

import httpx

from falkit_client._replies import Reply
from falkit_client._requests import Request
from falkit_client._steps import Answer, Flow, Step
from falkit_client.errors import AnswerLost, NoAnswer, Unreachable

T = TypeVar("T")

_CONNECT_PATIENCE = 10.0
_USER_AGENT = "falkit-client"

# Raised before a byte of the request is on its way.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Running(Generic[T]):
    """The step that is due, until there is none and `value` is there."""

    def __init__(self, flow: Flow[T]) -> None:
        """Go to the first step."""
        self._flow = flow
        self._value: tuple[T] | None = None
        self.step: Step | None = None
        self._move(lambda: next(flow))

    @property
    def value(self) -> T:
        """What the flow gave; there only once no step is left."""
        if self._value is None:
            raise RuntimeError(f"the flow waits at {self.step}")
        return self._value[0]

    def answer(self, answer: Answer) -> None:
        """Give the answer of the step that was due, and go to the next."""
        self._move(lambda: self._flow.send(answer))

    def throw(self, error: BaseException) -> None:
        """Let the step that was due fail, and go to the next if the flow recovers."""
        self._move(lambda: self._flow.throw(error))

    def _move(self, move: Callable[[], Step]) -> None:
        try:
            self.step = move()
        except StopIteration as stop:
            self.step, self._value = None, (stop.value,)


def as_httpx(http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    """The request in httpx's form."""
    patience = request.timeout
    connect = _CONNECT_PATIENCE if patience is None else min(_CONNECT_PATIENCE, patience)
    return http.build_request(
        request.method,
        request.url,
        headers={"User-Agent": _USER_AGENT, **request.headers},
        content=request.content or None,
        timeout=httpx.Timeout(patience, connect=connect, pool=connect),
    )


def as_reply(response: httpx.Response, body: bytes) -> Reply:
    """The answer in the core's form."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, body)


def is_stream(response: httpx.Response) -> bool:
    """Whether the answer is an open event stream and not an error."""
    kind = str(response.headers.get("content-type", ""))
    return response.is_success and kind.partition(";")[0].strip() == "text/event-stream"


def no_answer(error: httpx.RequestError, request: Request) -> NoAnswer:
    """The error that a transport's error means."""
    kind = Unreachable if isinstance(error, _UNSENT) else AnswerLost
    why = str(error) or type(error).__name__
    message = f"{request.method} {request.url}: no answer ({why})"
    if kind is AnswerLost and not request.safe:
        message += "; fal may have accepted the job all the same"
    return kind(message, endpoint=request.endpoint, request_id=request.request_id)


def tls() -> ssl.SSLContext:
    """The TLS context of the environment's certificates, made once: it takes tens of milliseconds.

    SSL_CERT_FILE and SSL_CERT_DIR lead to a stand-in's own certificate (wire.md §1.2).
    """
    return _tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _tls(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()
