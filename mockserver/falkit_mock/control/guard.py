"""Who may use the control API: this machine, or whoever has the token; never a page elsewhere."""

from __future__ import annotations

import contextlib
from hmac import compare_digest
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect as StarletteDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from falkit_mock.control import ForbiddenOrigin, TokenNeeded
from falkit_mock.core.network import host_name, is_this_machine
from falkit_mock.core.sessions import Sessions
from falkit_mock.hosts import ClientDisconnect

TOKEN_HEADER = "x-falkit-token"
_SAME = ("same-origin", "none")


class Guard:
    """Lets this machine and the token's holders in; raises the refusal of everybody else.

    Where there is a token, a browser that has shown it keeps a cookie, which counts for the calls
    of the mock's own page.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token
        self.sessions = None if token is None else Sessions(token)

    def check(self, scope: Scope) -> None:
        """Raise the refusal of whoever isn't let in."""
        headers = Headers(scope=scope)
        if self.sessions is None or self._token is None:
            _check_machine(scope, headers)
            check_page(scope, headers)
        elif _token_in(headers) is None and self.sessions.knows(headers.get("cookie", "")):
            _check_own_page(scope, headers)
        elif not is_token(_token_in(headers) or "", self._token):
            raise TokenNeeded

    def check_files(self, scope: Scope) -> None:
        """Raise the refusal of whoever may not even read the page's files, which tell nothing."""
        if self._token is None:
            self.check(scope)
        else:
            check_page(scope, Headers(scope=scope))

    def takes(self, scope: Scope, token: str) -> bool:
        """Tell whether a form of the mock's own page brings the token; raise ForbiddenOrigin."""
        _check_own_page(scope, Headers(scope=scope))
        return self._token is not None and is_token(token, self._token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.check(scope)
        # A caller that hangs up while it waits gets no answer.
        with contextlib.suppress(ClientDisconnect, StarletteDisconnect):
            await self._app(scope, receive, send)


def is_token(given: str, token: str) -> bool:
    """Compare in a time that doesn't tell how much of it is right."""
    return compare_digest(given.encode("latin-1", "replace"), token.encode("utf-8"))


def _token_in(headers: Headers) -> str | None:
    """Return the token that a request brings, right or wrong; None where it brings none."""
    given = headers.get(TOKEN_HEADER)
    if given is None:
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        given = credential.strip() if scheme.lower() == "bearer" else None
    return given


def _check_machine(scope: Scope, headers: Headers) -> None:
    server = scope.get("server")
    if server is not None and _is_address(server[0]) and not is_this_machine(server[0]):
        raise ForbiddenOrigin(
            f"the control API is reached at {server[0]}, which isn't this machine's own address, "
            "and has no token; start the mock with --control-token"
        )
    if server is not None and not _is_address(server[0]):
        # Called within the process, where no browser is.
        return
    host = headers.get("host", "")
    name = host_name(host)
    # Browsers let every page call 0.0.0.0, which no server is meant to be called by.
    if name is None or not is_this_machine(name) or _is_unspecified(name):
        raise ForbiddenOrigin(
            f"host: {host!r} isn't a name of this machine; call the control API at 127.0.0.1 or "
            "localhost, or start the mock with --control-token"
        )


def check_page(scope: Scope, headers: Headers) -> None:
    """Raise ForbiddenOrigin for what a page of another origin asks for."""
    origin = headers.get("origin")
    # A link that a person follows shows them the page, and no other page reads it; a frame, a
    # picture or a script would be shown in a page of somebody else's.
    followed = (
        scope["method"] == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest", "document") == "document"
    )
    same = followed or headers.get("sec-fetch-site", "none") in _SAME
    if origin is not None:
        same = same and _is_own(origin, headers)
    if not same:
        raise _of_page(origin)


def _check_own_page(scope: Scope, headers: Headers) -> None:
    """Raise ForbiddenOrigin for what brings a cookie and isn't by the page that it was made for.

    Every page of the same machine has it sent. Browsers name the origin of whatever changes
    something, and of what another origin's page may read; only over https, or on this machine, do
    they say where the rest comes from, which shows nothing to a page that may not read it.
    """
    origin = headers.get("origin")
    same = scope["method"] in ("GET", "HEAD") if origin is None else _is_own(origin, headers)
    if not same or headers.get("sec-fetch-site", "none") not in _SAME:
        raise _of_page(origin)


def _is_own(origin: str, headers: Headers) -> bool:
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()


def _of_page(origin: str | None) -> ForbiddenOrigin:
    return ForbiddenOrigin(
        f"origin: a page of {origin or 'another site'} can't use the control API; "
        "call it from outside the browser"
    )


def _is_unspecified(name: str) -> bool:
    bare = name.rstrip(".")
    return _is_address(bare) and ip_address(bare).is_unspecified


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
