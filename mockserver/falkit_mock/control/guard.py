"""Who may use the control API: holders of its token or, where there is none, this machine alone.

A web page somewhere else must not drive it either. Browsers say where a page is from (Origin,
Sec-Fetch-Site), which keeps out those that ask openly; a name that somebody leads to this machine
(DNS rebinding) shows in the Host header.
"""

from __future__ import annotations

import contextlib
from hmac import compare_digest
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from falkit_mock.control.errors import Elsewhere, TokenNeeded
from falkit_mock.gateway.egress import is_this_machine

TOKEN_HEADER = "x-falkit-token"
_SAME = ("same-origin", "none")


class Guard:
    """Wraps the control API's routes; raises what is to be answered instead."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if self._token is not None:
            _check_token(headers, self._token)
        else:
            _check_machine(scope, headers)
            _check_page(scope, headers)
        # Whoever hangs up while something is waited for wants no answer.
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send)


def _check_token(headers: Headers, token: str) -> None:
    given = headers.get(TOKEN_HEADER)
    if given is None:
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        given = credential.strip() if scheme.lower() == "bearer" else ""
    if not compare_digest(given.encode("latin-1", "replace"), token.encode("utf-8")):
        raise TokenNeeded


def _check_machine(scope: Scope, headers: Headers) -> None:
    server = scope.get("server")
    if server is not None and _is_address(server[0]) and not is_this_machine(server[0]):
        raise Elsewhere(
            f"the control API is reached at {server[0]}, which isn't this machine's own address, "
            "and has no token; start the mock with --control-token"
        )
    if server is not None and not _is_address(server[0]):
        # Called within the process, by which no browser comes.
        return
    host = headers.get("host", "")
    if not is_this_machine(_name(host)):
        raise Elsewhere(
            f"host: {host!r} is no name of this machine; call the control API at 127.0.0.1 or "
            "localhost, or start the mock with --control-token"
        )


def _check_page(scope: Scope, headers: Headers) -> None:
    origin = headers.get("origin")
    if origin is not None:
        same = origin.partition("://")[2].lower() == headers.get("host", "").lower()
    else:
        # A link that is followed shows its page to a person, and to no other page.
        followed = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        same = followed or headers.get("sec-fetch-site", "none") in _SAME
    if not same:
        raise Elsewhere(
            f"origin: a page of {origin or 'another site'} can't use the control API; "
            "call it from outside the browser"
        )


def _name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
