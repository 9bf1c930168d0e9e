"""Replies: JSON as fal writes it, refusals, and the hint beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

import orjson

from falkit_mock.core import HINT, dumps, header_text
from falkit_mock.core.errors import WireError
from falkit_mock.core.jobs import Job, Outcome
from falkit_spec import JSON

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope, Send

REQUEST_ID = "x-fal-request-id"
JSON_TYPE = "application/json"

# What a browser may read of a reply, beyond the few headers it always may (wire.md §12 row 31).
EXPOSED_HEADERS = (
    "x-fal-request-id",
    "x-fal-billable-units",
    "x-fal-error-type",
    "x-fal-needs-retry",
    "x-fal-request-timeout-type",
    "x-fal-retryable",
    "x-falkit-hint",
    "content-length",
    "content-range",
    "etag",
)


# The reason phrase is what @fal-ai/client shows as an error's message (wire.md §11), and
# Python 3.13 renamed this one. 499 is nginx's, which Python doesn't know.
PHRASES = {422: b"Unprocessable Entity", 499: b"Client Closed Request"}


def phrase(status_code: int) -> bytes:
    """Return a status' reason phrase; empty for a code that has none."""
    if status_code in PHRASES:
        return PHRASES[status_code]
    try:
        return HTTPStatus(status_code).phrase.encode()
    except ValueError:
        return b""


# Sends a code, lines of headers and a body; False, and nothing is sent, if it can't now.
SendWhole: TypeAlias = Callable[[int, str, bytes], bool]
# Names that a header may have without a look at its letters.
_NAMES = frozenset(
    (
        "x-fal-request-id",
        "content-type",
        "x-falkit-hint",
        "x-fal-billable-units",
        "x-fal-error-type",
        "x-fal-retryable",
        "x-fal-needs-retry",
        "x-fal-request-timeout-type",
        "accept-ranges",
        "access-control-allow-origin",
        "content-security-policy",
        "x-content-type-options",
        "cache-control",
        "content-range",
        "content-length",
        "etag",
    )
)


class Reply:
    """A reply whose body is there, as an ASGI application.

    Starlette's own costs three times as much to make and to send.
    """

    __slots__ = ("body", "headers", "status_code")

    def __init__(self, body: bytes, status_code: int, headers: dict[str, str]) -> None:
        self.body = body
        self.status_code = status_code
        self.headers = headers

    def send_by(self, send: SendWhole) -> bool:
        """Send it in one go; False, and nothing is sent, if the server has to look closer."""
        headers = self.headers
        if self.status_code == 304 or not headers.keys() <= _NAMES:
            return False
        lines = ""
        for name, value in headers.items():
            if not value.isprintable():
                return False
            lines += f"{name}: {value}\r\n"
        if "content-length" not in headers:
            lines += f"content-length: {len(self.body)}\r\n"
        elif self.body and headers["content-length"] != str(len(self.body)):
            return False
        return send(self.status_code, lines, self.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        headers: list[tuple[bytes, bytes]] = []
        for name, value in self.headers.items():
            headers.append((name.encode("latin-1"), value.encode("latin-1")))
        # HEAD has the length of what GET would send, and 304 has none.
        if "content-length" not in self.headers and self.status_code != 304:
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class HalfSent(Exception):
    """Half of a reply was sent, which is as much as is to be."""


def half(send: Send) -> Send:
    """Return what sends half of a reply and raises HalfSent; of events one whole and half another.

    So that a stream is cut while it is read.
    """
    whole = 0

    async def first(message: Message) -> None:
        nonlocal whole
        if message["type"] != "http.response.body":
            kinds = [value for name, value in message["headers"] if name == b"content-type"]
            whole = sum(kind.startswith(b"text/event-stream") for kind in kinds)
        elif not whole:
            body: bytes = message.get("body", b"")
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            raise HalfSent
        else:
            whole -= 1
        await send(message)

    return first


# What a host answers with.
AnyReply: TypeAlias = "Reply | Response"


def json_reply(
    body: Mapping[str, JSON] | str | float | None,
    *,
    request_id: str,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Return a JSON reply; every one carries `x-fal-request-id` (wire.md §6.3)."""
    every = {REQUEST_ID: request_id, "content-type": JSON_TYPE}
    if headers:
        for name, value in headers.items():
            every[name.lower()] = value
    try:
        return Reply(orjson.dumps(body), status_code, every)
    except TypeError:
        # A number beyond 64 bits or a lone surrogate that an error echoes.
        return Reply(dumps(body), status_code, every)


def raw_reply(
    body: bytes,
    *,
    request_id: str,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Return a reply whose JSON is already written."""
    every = {REQUEST_ID: request_id, "content-type": JSON_TYPE}
    if headers:
        for name, value in headers.items():
            every[name.lower()] = value
    return Reply(body, status_code, every)


def outcome_reply(job: Job, outcome: Outcome) -> Reply:
    """Return what the model answered, unwrapped (wire.md §3.4)."""
    return raw_reply(
        outcome.body,
        request_id=job.id,
        status_code=outcome.status_code,
        headers=outcome.headers,
    )


def error_reply(error: WireError, request_id: str) -> Reply:
    """Return a refusal of the mock's own."""
    headers = dict(error.headers)
    if error.hint:
        headers[HINT] = header_text(error.hint)
    code, request_id = error.status_code, error.request_id or request_id
    if error.text is not None:
        headers["content-type"] = "text/plain; charset=utf-8"
        body = error.text.encode()
        return raw_reply(body, request_id=request_id, status_code=code, headers=headers)
    return json_reply(error.body, request_id=request_id, status_code=code, headers=headers)


def add_hints(reply: AnyReply, texts: Iterable[str]) -> None:
    """Let a reply's hint say more than it does by itself."""
    own = reply.headers.get(HINT, "")
    reply.headers[HINT] = header_text("; ".join(filter(None, (own, *texts))))
