"""The page to look at: its files, and the cookie of a browser that has shown the token.

All that it shows and does it asks of the control API; nothing here knows of jobs.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from falkit_mock.core.errors import WireError
from falkit_mock.core.network import PAGE, PAGE_FILES
from falkit_mock.core.sessions import COOKIE_LIFE, Sessions
from falkit_mock.hosts import joined_body
from falkit_mock.hosts.replies import Reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

FILES = Path(__file__).with_name("files")
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
# What the page may do: run and fetch what is here, and nothing else. Pictures may be made in it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action {forms}; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": _POLICY.format(forms="'none'"),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # No referrer at all would have browsers hide the origin of a form.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
# A name of a file in the folder, or of one below it; none begins with a dot.
_NAME = re.compile(rf"(?:[a-z0-9_-][a-z0-9._-]*/)*[a-z0-9_-][a-z0-9._-]*\.(?:{'|'.join(_TYPES)})")
_SESSION = "session"
# What the form says of a token or code that isn't good, and where.
_SAID = b"<!-- said -->"
_WRONG = {
    "POST": b'<p role="alert">That isn&#8217;t this mock&#8217;s token.</p>',
    "GET": b'<p role="alert">That link was used, or is more than a minute old. Give the token.</p>',
}
# Bytes of a form with a token.
_MOST = 4096


class _File(NamedTuple):
    changed: int
    body: bytes
    packed: bytes
    digest: str


class Page:
    """Answers for `/` and for what is below /__falkit/page/."""

    def __init__(
        self,
        sessions: Sessions | None,
        check: Callable[[Scope], None],
        check_files: Callable[[Scope], None],
        takes: Callable[[Scope, str], bool],
    ) -> None:
        """`sessions` is None where no token is needed; the others are what the guard says."""
        self._sessions = sessions
        self._check, self._check_files, self._takes = check, check_files, takes
        # By their names, as they were when they were first asked for, or changed.
        self._files: dict[str, _File] = {}

    async def answer(self, request: Request) -> Reply:
        """Answer; a refusal is raised as a WireError."""
        name: str | None = request.path_params.get("name")
        if name == _SESSION and self._sessions is not None:
            return await self._session(request, self._sessions)
        self._check_files(request.scope)
        if request.method == "POST":
            raise WireError({"detail": "Method Not Allowed"}, status_code=405)
        if name is not None:
            return self._file(request, name)
        try:
            self._check(request.scope)
        except WireError as error:
            if error.status_code != 401:
                raise
            return self._asking()
        return self._file(request, "index.html")

    def _file(self, request: Request, name: str) -> Reply:
        file = self._read(name)
        kind = _TYPES[name.rpartition(".")[2]]
        headers = {**_HEADERS, "content-type": kind, "vary": "accept-encoding"}
        # Some are smaller as they are.
        packed = file.packed if "gzip" in request.headers.get("accept-encoding", "") else b""
        tag = headers["etag"] = f'"{file.digest}-gzip"' if packed else f'"{file.digest}"'
        if tag in request.headers.get("if-none-match", ""):
            return Reply(b"", 304, headers)
        if packed:
            headers["content-encoding"] = "gzip"
        return Reply(packed or file.body, 200, headers)

    def _read(self, name: str) -> _File:
        """Return a file as it is now; raise WireError 404."""
        path = FILES / name
        try:
            if _NAME.fullmatch(name) is None:
                raise FileNotFoundError
            changed = path.stat().st_mtime_ns
            found = self._files.get(name)
            if found is None or found.changed != changed:
                body = path.read_bytes()
                packed = gzip.compress(body, 9, mtime=0)
                digest = blake2b(body, digest_size=8).hexdigest()
                packed = packed if len(packed) < len(body) else b""
                found = self._files[name] = _File(changed, body, packed, digest)
            return found
        except OSError:
            raise WireError({"detail": "Not Found"}, status_code=404) from None

    def _asking(self, wrong: str = "") -> Reply:
        """Return the form that asks for the token; `wrong` is how one came that isn't good."""
        body = self._read("token.html").body.replace(_SAID, _WRONG.get(wrong, b""))
        headers = {
            **_HEADERS,
            "cache-control": "no-store",
            "content-security-policy": _POLICY.format(forms="'self'"),
            "content-type": _TYPES["html"],
            "www-authenticate": 'Bearer realm="falkit"',
        }
        return Reply(body, 401, headers)

    async def _session(self, request: Request, sessions: Sessions) -> Reply:
        """Give a cookie for the token, which a form brings, or for a code, which a link does."""
        code = request.query_params.get("code", "")
        if request.method == "POST":
            form = parse_qs((await _body(request)).decode("latin-1"))
            good = self._takes(request.scope, form.get("token", [""])[0].strip())
        else:
            # What only looks, such as a preview, leaves the code good.
            good = request.method == "GET" and sessions.redeem(code)
        if not good:
            return self._asking(request.method if request.method == "POST" or code else "")
        headers = {
            **_HEADERS,
            "cache-control": "no-store",
            "location": PAGE,
            "set-cookie": (
                f"{sessions.name}={sessions.cookie()}; Path=/; Max-Age={COOKIE_LIFE}; HttpOnly; "
                f"SameSite=Strict{'; Secure' if _is_secure(request) else ''}"
            ),
        }
        return Reply(b"", 303, headers)


async def _body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0").encode()
    return await joined_body(request.stream(), announced, _MOST)


def _is_secure(request: Request) -> bool:
    """Tell whether the browser came by https, if only to a proxy in front."""
    headers = request.headers
    ways = (
        request.url.scheme,
        headers.get("x-forwarded-proto", ""),
        headers.get("origin", "").partition(":")[0],
    )
    return "https" in ways


def address(base: str, sessions: Sessions | None) -> str:
    """Return the URL of the page; with a code that lets a browser in once, where it is needed."""
    return (
        f"{base}/" if sessions is None else f"{base}{PAGE_FILES}/{_SESSION}?code={sessions.code()}"
    )
