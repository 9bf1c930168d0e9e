"""A running mock, called by commands: `--base-url`, `--control-token`, and one line on failure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from falkit_mock.serve import PORT

if TYPE_CHECKING:
    import httpx

_Command = TypeVar("_Command", bound=Callable[..., Any])
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


@dataclass(frozen=True, slots=True)
class RunningMock:
    """Where a mock is, and its token. Whatever goes wrong is a UsageError with the mend."""

    url: str
    token: str | None = None

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
        import json

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
    ) -> Generator[httpx.Response]:
        """Call an operation and yield its reply, whose body is still to be read."""
        # Lazy: other commands don't need it.
        import httpx

        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        timeout = httpx.Timeout(None, connect=_PATIENCE)
        url = f"{self.url.rstrip('/')}/__falkit{path}"
        try:
            with (
                httpx.Client(trust_env=False, timeout=timeout) as client,
                client.stream(method, url, content=content, params=query, headers=headers) as reply,
            ):
                if reply.status_code >= 400:
                    raise click.UsageError(_refusal(reply))
                yield reply
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise click.UsageError(self._absent(error)) from None
        except ValueError:
            why = f"base-url: what answers at {self.url} is no falkit; give the URL of a mock"
            raise click.UsageError(why) from None

    def _absent(self, error: Exception) -> str:
        reason = str(error).rstrip(".").lower() or type(error).__name__
        mend = "start one with falkit serve, or give --base-url"
        return f"base-url: no mock answers at {self.url} ({reason}); {mend}"


def running_mock(command: _Command) -> _Command:
    """Add --base-url and --control-token to a command, which gets them as `mock`."""

    @functools.wraps(command)
    def with_mock(*args: Any, base_url: str, control_token: str | None, **options: Any) -> Any:
        return command(*args, mock=RunningMock(base_url, control_token), **options)

    return cast("_Command", _BASE(_TOKEN(with_mock)))


def _refusal(reply: httpx.Response) -> str:
    reply.read()
    try:
        detail = reply.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = None
    if detail is None or detail == "Not Found":
        where = reply.request.url
        return f"base-url: what answers at {where} is no falkit; give the URL of a mock"
    return f"{detail}"
