"""Commands for a running mock, by its control API: clock, jobs, journal, reset, export, import."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast
from urllib.parse import quote

import click

from falkit_mock.core import DurationError, parse_duration
from falkit_mock.core.network import PORT

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


_CLOCK_ACTIONS = ("show", "advance", "set", "run", "stand")
# What those take that take something.
_TAKEN = {
    "advance": "a length of time, such as 15m",
    "set": "a moment, such as 2030-01-01T12:00:00Z",
}


@click.command()
@running_mock
@click.argument("action", type=click.Choice(_CLOCK_ACTIONS), default="show")
@click.argument("value", required=False)
def clock(mock: RunningMock, action: str, value: str | None) -> None:
    """Show a running mock's clock, move it on, let it run or stand.

    \b
    falkit clock                    the time there
    falkit clock advance 15m        go on: 90, 15m, 2h, 1h30m
    falkit clock set 2030-01-01T12:00:00Z
    falkit clock stand              let no time pass by itself
    falkit clock run                let it pass

    What moves it returns once all that was due on the way has been done.
    """
    body = _body(action, value)
    path = "pause" if action == "stand" else action
    told = mock.get("/clock") if action == "show" else mock.post(f"/clock/{path}", body)
    state = "runs" if told["running"] else "stands"
    click.echo(f"{told['iso']}  ({told['now']:.3f}, {state})")


def _body(action: str, value: str | None) -> dict[str, Any]:
    if action not in _TAKEN:
        if value is not None:
            raise click.UsageError(f"{action}: takes nothing, not {value!r}")
        return {}
    if value is None:
        raise click.UsageError(f"{action}: give {_TAKEN[action]}")
    if action == "set":
        return {"now": _number(value)}
    try:
        return {"seconds": parse_duration(value)}
    except DurationError as error:
        raise click.UsageError(f"advance: {error}") from None


def _number(text: str) -> float | str:
    """Return a number, where it is one: what else it may be the mock knows."""
    try:
        return float(text)
    except ValueError:
        return text


_JOB_ACTIONS = ("show", "hold", "release", "complete", "fail")
_STATUSES = ("IN_QUEUE", "IN_PROGRESS", "COMPLETED")


@click.command()
@running_mock
@click.option("--endpoint", metavar="GLOB", help="Only jobs of these endpoints.")
@click.option(
    "--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only jobs that stand so."
)
@click.option("--key", metavar="ID", help="Only jobs that came with this key.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many."
)
@click.option(
    "--to",
    type=click.Choice(_STATUSES[1:], case_sensitive=False),
    help="How far a release leads, at once.  [default: on, by the clock]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the control API answers.")
@click.argument("request_id", required=False)
@click.argument("action", type=click.Choice(_JOB_ACTIONS), default="show")
@click.argument("fault", required=False)
def jobs(
    mock: RunningMock,
    endpoint: str | None,
    status: str | None,
    key: str | None,
    limit: int,
    to: str | None,
    as_json: bool,
    request_id: str | None,
    action: str,
    fault: str | None,
) -> None:
    """List a running mock's jobs, or show and steer one.

    \b
    falkit jobs --status IN_QUEUE
    falkit jobs ID                  all that is known of it
    falkit jobs ID hold             let it stand until it is released
    falkit jobs ID release          let it go on; --to COMPLETED ends it
    falkit jobs ID complete         end it now, with its own answer
    falkit jobs ID fail FAULT       end it now; `falkit faults` lists them
    """
    if to is not None and action != "release":
        raise click.UsageError(f"to: belongs to release, not to {action}")
    if request_id is not None:
        shown = _one(mock, request_id, action, fault, to)
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    filters = {"endpoint": endpoint, "status": status, "key": key, "limit": limit}
    page = mock.get("/jobs", {name: value for name, value in filters.items() if value is not None})
    if as_json:
        click.echo(json.dumps(page))
        return
    for job in page["jobs"]:
        click.echo(_job_line(job))
    if page["next_cursor"] is not None:
        click.echo("(there are more: --limit)", err=True)


def _one(mock: RunningMock, request_id: str, action: str, fault: str | None, to: str | None) -> Any:
    path = f"/jobs/{quote(request_id, safe='')}"
    if (action == "fail") != (fault is not None):
        mend = "name a fault; `falkit faults` lists them" if fault is None else f"not {fault!r}"
        raise click.UsageError(f"{action}: {mend}")
    if action == "show":
        return mock.get(path)
    query = f"?to={to}" if to is not None else ""
    body = {"fault": fault} if fault is not None else None
    return mock.post(f"{path}/{action}{query}", body)


def _job_line(job: dict[str, Any]) -> str:
    code = job["status_code"] if job["status"] == "COMPLETED" else None
    at = datetime.fromtimestamp(job["created"], UTC).strftime("%H:%M:%S")
    what = f"{job['status']:<11}  {code or '---'}  {job['endpoint_id']}"
    return f"{job['request_id']}  {at}  {what}"


@click.command()
@running_mock
@click.option("--method", metavar="METHOD", help="Only requests by this method.")
@click.option("--host", metavar="GLOB", help="Only requests to these hosts of fal's.")
@click.option("--path", metavar="GLOB", help="Only requests to these paths there.")
@click.option("--status", type=click.IntRange(0, 599), help="Only those answered with this.")
@click.option("--since", type=click.IntRange(0), help="Only those with a higher number.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many."
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 60),
    metavar="SECONDS",
    help="Wait so long for such a request; the exit code is 1 if none came.",
)
@click.option("--clear", is_flag=True, help="Forget the requests so far, and print none.")
@click.option("--json", "as_json", is_flag=True, help="Print what the control API answers.")
def journal(mock: RunningMock, clear: bool, as_json: bool, **filters: Any) -> None:
    """List the newest requests that a running mock answered.

    They are those for fal's hosts; its control API's are not among them.
    """
    if clear:
        mock.call("DELETE", "/requests")
        return
    given = {name: value for name, value in filters.items() if value is not None}
    page = mock.get("/requests", given)
    if as_json:
        click.echo(json.dumps(page))
    else:
        for seen in page["requests"]:
            click.echo(_request_line(seen))
    if filters["wait"] is not None and not page["requests"]:
        sys.exit(1)


def _request_line(seen: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(seen["time"], UTC).strftime("%H:%M:%S.%f")[:-3]
    took = "" if seen["ms"] is None else f"  {seen['ms']:.1f} ms"
    faults = f"  [{', '.join(seen['faults'])}]" if seen["faults"] else ""
    where = f"{seen['host']}{seen['path']}"
    line = f"{seen['number']:>5}  {at}  {seen['status'] or '---'} {seen['method']:<4} {where}"
    hint = f"\n       hint: {seen['hint']}" if seen["hint"] else ""
    return f"{line}{took}{faults}{hint}"


_STEP = 1 << 20


@click.command()
@running_mock
@click.option("--keep-rules", is_flag=True, help="Keep the rules that were set since the start.")
def reset(mock: RunningMock, keep_rules: bool) -> None:
    """Empty a running mock; the same ids come again."""
    told = mock.post("/reset", {"keep_rules": keep_rules})
    click.echo(f"empty, seed {told['seed']}")


@click.command("export")
@running_mock
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(mock: RunningMock, file: Path) -> None:
    """Write a running mock's whole state to FILE.

    Jobs, uploads, rules, clock and seed are in it.
    """
    # Beside it first, so that what breaks off leaves an older file as it was.
    part = file.with_name(f"{file.name}.part")
    try:
        with mock.open("GET", "/state") as reply, part.open("wb") as target:
            for chunk in reply.iter_bytes(_STEP):
                target.write(chunk)
        size = part.stat().st_size
        part.replace(file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise click.UsageError(f"{file}: can't be written ({reason}); name another file") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    click.echo(f"{file}: {size:,} bytes")


@click.command("import")
@running_mock
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def import_(mock: RunningMock, file: Path) -> None:
    """Have a running mock take the state that is in FILE.

    It is one that `falkit export` wrote, and comes in place of the mock's own.
    """
    import json

    try:
        source = file.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        why = f"{file}: can't be read ({reason}); name a file that falkit export has written"
        raise click.UsageError(why) from None
    try:
        with source, mock.open("PUT", "/state", content=_chunks(source)) as reply:
            told = json.loads(reply.read())
    except click.UsageError as error:
        # What the mock calls the body is this file.
        why = error.message
        mine = f"{file}: {why.removeprefix('body: ')}" if why.startswith("body: ") else why
        raise click.UsageError(mine) from None
    click.echo(f"{told['jobs']} jobs, seed {told['seed']}")


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_STEP):
        yield chunk
