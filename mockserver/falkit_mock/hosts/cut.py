"""Replies that don't arrive as they should: broken off, lost, no HTTP, or the ingress's own."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from falkit_mock.errors import WireError
from falkit_mock.line import Line, line_of

SPOILT = "falkit.spoilt"
# Nothing that begins so is a reply; the null bytes are for those who look no further.
_GARBAGE = b"\x16\x00\x00falkit: this is no HTTP\x00\xff\xfe\r\n\r\n" + bytes(range(256))


class ConnectionCut(ConnectionResetError):
    """A fault cuts the connection; inside one process, where none is, this is what is raised."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"falkit's fault {fault} cut this connection")
        self.fault = fault


class IngressError(WireError):
    """nginx's own page in the place of a reply (wire.md §6.3): HTML, and no request id."""

    # Of the error; the page's own may be another.
    status_code = 503

    def __init__(self, code: int) -> None:
        super().__init__({})
        self.code = code

    def reply(self) -> Response:
        """Return the page, to the letter of nginx's."""
        phrase = HTTPStatus(self.code).phrase
        # nginx has words of its own for two of them.
        named = {503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
        title = f"{self.code} {named.get(self.code, phrase)}"
        page = (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
            f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
            "</body>\r\n</html>\r\n"
        )
        return Response(page, self.code, {"server": "nginx", "content-type": "text/html"})


@dataclass(frozen=True, slots=True)
class Spoiling:
    """What becomes of a reply that is ready: `reply_lost`, `half_reply` or `garbage`."""

    fault: str

    async def __call__(self, response: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is left of a reply."""
        line = line_of(scope)
        if self.fault == "half_reply":
            await _half(response, scope, receive, send)
        if line is None:
            raise ConnectionCut(self.fault)
        await cut(line, self.fault)


async def cut_off(scope: Scope, error: ConnectionCut) -> None:
    """Cut a request's connection before there is a reply; raise the error where there is none."""
    line = line_of(scope)
    if line is None:
        raise error
    await cut(line, error.fault)


async def cut(line: Line, fault: str) -> None:
    """Cut a connection as a fault has it, and wait until it is gone."""
    match fault:
        case "half_reply":
            line.end()
        case "garbage":
            line.end(_GARBAGE)
        case "hang":
            line.end()
        case _:
            line.reset()
    # Uvicorn would answer in its own words a request that is neither answered nor gone.
    await line.gone


class _Enough(Exception):
    """As much of a reply was sent as is to be."""


async def _half(response: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def first(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        body: bytes = message.get("body", b"")
        await send({**message, "body": body[: len(body) // 2], "more_body": True})
        raise _Enough

    try:
        await response(scope, receive, first)
    except _Enough:
        return
