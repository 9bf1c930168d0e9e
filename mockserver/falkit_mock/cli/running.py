"""How a command reaches a running mock: its options, its calls of the control API, its errors."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote

import click

from falkit_mock.core.network import PORT

if TYPE_CHECKING:
    import httpx

_Command = TypeVar("_Command", bound=Callable[..., Any])
# What the system puts before its own words.
_ERRNO = re.compile(r"\[errno -?\d+\] ")
# The operations of the control API that have a command of their name.
_LISTED = re.compile(r"GET /__falkit/(jobs|deliveries)\b")
# Seconds to connect; what is asked of the mock then may take its time.
_PATIENCE = 5.0
_BASE = click.option(
    "--base-url",
    default=f"http://127.0.0.1:{PORT}",
    envvar="FALKIT_BASE_URL",
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="Where the mock runs.",
)
_TOKEN = click.option(
    "--control-token",
    envvar="FALKIT_CONTROL_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    help="Its token, which one bound beyond this machine asks for.",
)
_KEY = click.option(
    "--key",
    "tenant",
    envvar="FAL_KEY",
    show_envvar=True,
    metavar="ID",
    help="Whose mock is meant, in one with --tenants.",
)


def _to_stderr(line: str) -> None:
    click.echo(line, err=True)


@dataclass(frozen=True, slots=True)
class RunningMock:
    """Where a mock is, and its token. What goes wrong is a UsageError that says how to fix it."""

    url: str
    token: str | None = None
    # The id of the key whose mock is meant, where there are tenants.
    key: str | None = None
    # What a line on stderr goes through.
    note: Callable[[str], None] = _to_stderr
    # What it says of itself: the mock's console leaves out what a `page` asks.
    client: str = "falkit"
    _http: httpx.Client | None = None

    @contextmanager
    def connected(self) -> Generator[RunningMock]:
        """Yield the same with connections that stay open, for many calls."""
        with self._opened() as http:
            yield replace(self, _http=http)

    def get(self, path: str, query: Mapping[str, str | int | float] | None = None) -> Any:
        """Return the JSON at a path below /__falkit, such as "/jobs"."""
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Any = None) -> Any:
        """Post JSON to a path below /__falkit; return the reply's."""
        return self.call("POST", path, body=body)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str | int | float] | None = None,
    ) -> Any:
        """Call an operation and return the JSON of its reply."""
        content = None if body is None else json.dumps(body).encode()
        with self.open(method, path, content=content, query=query) as reply:
            return json.loads(reply.read())

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        content: bytes | Iterator[bytes] | None = None,
        query: Mapping[str, str | int | float] | None = None,
        silence: float | None = None,
    ) -> Generator[httpx.Response]:
        """Call an operation and yield its reply, whose body is still to be read.

        After so many seconds of `silence` the mock counts as gone; by default it may take its time.
        """
        # Lazy: other commands don't need it.
        import httpx

        headers = {"x-falkit-client": self.client}
        if self.token:
            headers["x-falkit-token"] = self.token
        if self.key:
            headers["authorization"] = f"Key {self.key}"
        timeout = httpx.Timeout(None, connect=_PATIENCE, read=silence)
        url = f"{self.url.rstrip('/')}/__falkit{path}"
        try:
            with (
                nullcontext(self._http) if self._http else self._opened() as http,
                http.stream(
                    *(method, url), content=content, params=query, headers=headers, timeout=timeout
                ) as reply,
            ):
                if reply.status_code >= 400:
                    raise click.UsageError(_refusal(reply))
                if tenant := reply.headers.get("x-falkit-tenant"):
                    # Which of them FAL_KEY chose is easily forgotten.
                    self.note(f"falkit: of the key {unquote(tenant)}")
                yield reply
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            words = _ERRNO.sub("", str(error).rstrip(".").lower())
            problem = words or type(error).__name__
            fix = "start one with falkit serve, or give --base-url"
            why = f"base-url: no mock answers at {self.url} ({problem}); {fix}"
            raise click.UsageError(why) from None
        except ValueError:
            raise click.UsageError(_no_falkit(self.url)) from None

    @staticmethod
    def _opened() -> httpx.Client:
        # Lazy, like the above.
        import httpx

        return httpx.Client(trust_env=False)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print what the control API answers."
)


def running_mock(command: _Command) -> _Command:
    """Add --base-url, --control-token and --key to a command, which gets them as `mock`.

    A command's own --key, which filters what is listed, chooses a tenant as well.
    """
    own = any(param.name == "key" for param in getattr(command, "__click_params__", ()))

    @functools.wraps(command)
    def with_mock(
        *args: Any,
        base_url: str,
        control_token: str | None,
        tenant: str | None = None,
        **options: Any,
    ) -> Any:
        if own:
            tenant = os.environ.get("FAL_KEY")
        # The mock need not know the secret.
        key = (tenant or "").strip().partition(":")[0]
        if not key.isascii() or not key.isprintable():
            raise click.UsageError(f"key: {key!r} can't be a key; use ASCII without spaces")
        if not base_url.lower().startswith(("http://", "https://")):
            fix = f"give a URL such as http://127.0.0.1:{PORT}"
            raise click.UsageError(f"base-url: {base_url!r} doesn't begin with http://; {fix}")
        return command(*args, mock=RunningMock(base_url, control_token, key), **options)

    return cast("_Command", _BASE(_TOKEN(with_mock if own else _KEY(with_mock))))


def _refusal(reply: httpx.Response) -> str:
    reply.read()
    try:
        detail = reply.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = "Not Found"
    # 501 is a mock's answer where the URL goes on to one of fal's hosts.
    if detail == "Not Found" or reply.status_code == 501:
        return _no_falkit(reply.request.url)
    return _LISTED.sub(r"`falkit \1`", f"{detail}")


def _no_falkit(url: object) -> str:
    return f"base-url: what answers at {url} isn't falkit; give the URL of a mock"


def note_empty(what: str, found: list[Any], *, filtered: bool) -> None:
    """Say on stderr that a table is empty."""
    if not found:
        click.echo(f"no such {what}" if filtered else f"no {what} yet", err=True)
