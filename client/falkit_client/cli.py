"""`falkit call`: one call of an endpoint, from its price to the saved file."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from falkit_client._client import Client, Handle
from falkit_client._key import chosen_key
from falkit_client._screen import Screen
from falkit_client._words import BadWord, read_words
from falkit_client.budget import Budget, dollars
from falkit_client.cache import Cache
from falkit_client.download import SavedFile, files_of
from falkit_client.errors import (
    DownloadFailed,
    FalkitError,
    InvalidInput,
    NoAnswer,
    fault_line,
)
from falkit_client.media import without_files
from falkit_client.result import Result
from falkit_spec.catalog import Catalog
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownEndpoint
from falkit_spec.facts import MediaKind

INTERRUPTED = 130

_EPILOG = """\b
Examples:
  falkit call fal-ai/ltx-2/image-to-video/fast prompt="Rain" \\
      --image photo.jpg --out clip.mp4
  falkit call fal-ai/ltx-2/text-to-video prompt="Rain" duration=8 \\
      --base-url http://127.0.0.1:4325

\b
Exit codes: 0 done, 1 failed or refused, 2 wrong input or no key, 130 interrupted.
The key is read from FAL_KEY; a stand-in at --base-url needs none.
"""
_FILE = click.Path(path_type=Path)


class _Failure(click.ClickException):
    """The call failed or was refused."""

    exit_code = 1


class _Misuse(_Failure):
    """The command as it stands can't be sent."""

    exit_code = 2


@dataclass(frozen=True)
class Call:
    """What the command line asks for."""

    endpoint: Endpoint
    input: dict[str, object]
    out: Path | None
    base_url: str | None
    yes: bool
    timeout: float | None

    @property
    def real(self) -> bool:
        """Whether money is at stake: no stand-in is named."""
        host = urlsplit(self.base_url).hostname or "" if self.base_url else "fal.run"
        return f".{host.rstrip('.').lower()}".endswith(_REAL)


# fal's own names, the backup domain included (wire.md §1.1): each of them takes money.
_REAL = (".fal.run", ".fal.ai", ".falrun.com")


@click.command(epilog=_EPILOG)
@click.argument("endpoint_id", metavar="ENDPOINT")
@click.argument("words", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--image", type=_FILE, metavar="FILE", help="Image to send.")
@click.option("--video", type=_FILE, metavar="FILE", help="Video to send.")
@click.option("--audio", type=_FILE, metavar="FILE", help="Sound to send.")
@click.option("--out", type=_FILE, metavar="FILE", help="Save the output's file here.")
@click.option("--yes", is_flag=True, help="Spend without asking.")
@click.option("--budget", metavar="USD", help="Refuse to spend more than this.")
@click.option("--cache", type=_FILE, metavar="FOLDER", help="Keep outputs; repeat none for money.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="Cancel the job after this.")  # fmt: skip
@click.option("--preflight", is_flag=True, help="Ask first whether image URLs answer.")
@click.option("--request", "request_id", metavar="ID",
              help="Follow this job, submitted before, in place of a new one.")  # fmt: skip
@click.option("--base-url", envvar="FALKIT_BASE_URL", metavar="URL",
              help="A stand-in for fal.  [env: FALKIT_BASE_URL]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def call(
    endpoint_id: str,
    words: tuple[str, ...],
    image: Path | None,
    video: Path | None,
    audio: Path | None,
    out: Path | None,
    yes: bool,
    budget: str | None,
    cache: Path | None,
    timeout: float | None,
    preflight: bool,
    request_id: str | None,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Call an endpoint, follow the job and save what comes.

    Its price is said first.

    Inputs are NAME=VALUE, read as the endpoint's document has them, or NAME:=JSON. Before money is
    spent at fal you are asked, unless you say --yes. Progress goes to stderr; the saved file's
    name, or the output's URL, to stdout.
    """
    try:
        endpoint = Catalog.vendored().get(endpoint_id)
        files: dict[MediaKind, Path | None] = {"image": image, "video": video, "audio": audio}
        given = read_words(endpoint, words, files)
    except UnknownEndpoint as error:
        raise _Misuse(f"{error} (`falkit spec list` names them all)") from None
    except BadWord as error:
        raise _Misuse(str(error)) from None
    _check_out(out)
    asked = Call(endpoint, given, out, base_url, yes, timeout)
    screen = Screen(sys.stderr)
    allowed = _budget(budget)
    with _said(asked, screen), _client(asked, allowed, cache, screen) as client:
        if request_id is None:
            client.check(endpoint.id, given, preflight=preflight)
            _announce(client, asked, allowed, screen)
            handle = client.submit(endpoint.id, given)
        else:
            handle = client.handle(endpoint.id, request_id)
        with _unlost(asked, handle.request_id, screen):
            result = _followed(handle, asked, screen)
            saved = _saved(client, result, asked, screen)
        _report(result, saved, asked, screen, as_json)


def _check_out(out: Path | None) -> None:
    if out is None:
        return
    folder = out.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise _Misuse(f"--out: {folder} is no folder that can be written to")


def _budget(limit: str | None) -> Budget | None:
    try:
        return None if limit is None else Budget(limit)
    except ValueError as error:
        raise _Misuse(f"--budget: {error}") from None


def _client(asked: Call, budget: Budget | None, cache: Path | None, screen: Screen) -> Client:
    try:
        key = chosen_key(None, os.environ)
        if key is None and asked.real:
            raise _Misuse("no key: set FAL_KEY=<id>:<secret>, or --base-url for a stand-in")
        return Client(
            # A stand-in takes any key, so that nobody has to make one up.
            key=None if key or asked.real else "falkit:stand-in",
            base_url=asked.base_url,
            poll_interval=0.25,
            budget=budget,
            cache=None if cache is None else Cache(cache),
            sleep=screen.sleep,
        )
    except ValueError as error:
        raise _Misuse(str(error)) from None


def _announce(client: Client, asked: Call, budget: Budget | None, screen: Screen) -> None:
    price = client.price(asked.endpoint.id, asked.input)
    what = _video(asked)
    screen.say(asked.endpoint.id + (f": {what}" if what else ""))
    costs = "of unknown price" if price is None else f"{dollars(price)}"
    screen.say(f"{costs} at fal" + ("" if asked.real else f", nothing at {asked.base_url}"))
    if budget is not None:
        # Refused here, before anybody is asked; the client holds the price once more.
        budget.hold(price, asked.endpoint.id).release()
    if not asked.real or asked.yes or client.cached(asked.endpoint.id, asked.input):
        return
    if not sys.stdin.isatty():
        raise _Misuse("nobody is there to be asked: say --yes to spend")
    if not click.confirm("Spend it?", err=True):
        raise _Failure("nothing was sent")


def _followed(handle: Handle[Any], asked: Call, screen: Screen) -> Result[Any]:
    screen.say(f"request {handle.request_id}")
    result = handle.wait(on_update=screen.status, logs=True, timeout=asked.timeout)
    screen.clear()
    return result


def _saved(client: Client, result: Result[Any], asked: Call, screen: Screen) -> SavedFile | None:
    if asked.out is None:
        return None
    try:
        saved = client.download(result, asked.out, progress=screen.bytes)
    except ValueError as error:
        raise _Failure(str(error)) from None
    screen.clear()
    return saved


def _report(
    result: Result[Any], saved: SavedFile | None, asked: Call, screen: Screen, as_json: bool
) -> None:
    if saved is not None:
        what = _video(asked)
        screen.say(f"saved {saved.path}: {saved.size:,} bytes" + (f", {what}" if what else ""))
    screen.say(_cost(result, asked, screen))
    if as_json:
        told = {
            "endpoint": result.endpoint,
            "request_id": result.request_id,
            "cost": None if result.cost is None else str(result.cost),
            "cached": result.cached,
            "output": result.output,
            "saved": None if saved is None else {"path": str(saved.path), "bytes": saved.size},
        }
        click.echo(json.dumps(told, indent=2))
    elif saved is not None:
        click.echo(saved.path)
    else:
        for file in files_of(result.output):
            click.echo(file.url)


def _cost(result: Result[Any], asked: Call, screen: Screen) -> str:
    if result.cached:
        return "from the cache: it cost nothing"
    took = f"in {screen.seconds:.1f} s"
    if result.cost is None:
        return f"done {took}; what it cost, fal does not say"
    unit = asked.endpoint.pricing.unit if asked.endpoint.pricing else "unit"
    units = f"{result.billable_units:f} {unit}s billed"
    if asked.real:
        return f"cost {dollars(result.cost)} ({units}), {took}"
    return f"at fal it would have cost {dollars(result.cost)} ({units}), {took}"


def _video(asked: Call) -> str:
    """What the output is to be, by what was asked for."""
    plain: Any = without_files(asked.input)
    facts = asked.endpoint.video(plain) if asked.input else None
    if facts is None:
        return ""
    sound = "with" if facts.audio else "without"
    return (
        f"{facts.width}x{facts.height}, {facts.fps} fps, {facts.seconds:f} s,"
        f" {facts.frames} frames, {sound} sound"
    )


@contextmanager
def _said(asked: Call, screen: Screen) -> Generator[None]:
    """Turn errors into the line or lines that a person is told."""
    try:
        yield
    except InvalidInput as error:
        screen.clear()
        kind = _Failure if error.status else _Misuse
        raise kind(_faults(error, asked)) from None
    except FalkitError as error:
        screen.clear()
        raise _Failure(str(error)) from None
    except KeyboardInterrupt as error:
        _stopped(screen, getattr(error, "__notes__", ["nothing was sent"]))


@contextmanager
def _unlost(asked: Call, request_id: str, screen: Screen) -> Generator[None]:
    """Name the job and the way back to it in whatever ends the wait for it."""
    out = ["--out", str(asked.out)] if asked.out else []
    base = ["--base-url", asked.base_url] if asked.base_url else []
    words = ["falkit", "call", asked.endpoint.id, "--request", request_id, *out, *base]
    back = f"go on with: {shlex.join(words)}"
    try:
        yield
    except DownloadFailed as error:
        screen.clear()
        done = f"the job is done, nothing is lost: request {request_id}"
        raise _Failure(f"{error}\n  {done}\n  {back}") from None
    except NoAnswer as error:
        screen.clear()
        raise _Failure(f"{error}\n  the job may still be running\n  {back}") from None
    except KeyboardInterrupt:
        still = f"request {request_id} was not cancelled: it may run on and be billed"
        _stopped(screen, [still, back])


def _stopped(screen: Screen, lines: list[str]) -> NoReturn:
    screen.clear()
    screen.say("\n  ".join(["falkit: interrupted", *lines]))
    sys.exit(INTERRUPTED)


def _faults(error: FalkitError, asked: Call) -> str:
    where = "fal refused the input" if error.status else "the input is wrong, nothing was sent"
    files = {medium.field: medium.kind for medium in asked.endpoint.media_inputs}
    lines = [f"{where}:"]
    for fault in error.faults:
        line = fault_line(fault).removeprefix("body.").replace(": Value error, ", ": ")
        field = str(fault["loc"][-1])
        mend = f" (--{files[field]} FILE, or {field}=URL)" if field in files else ""
        lines.append(f"  {line}{mend if fault['type'] == 'missing' else ''}")
    if error.request_id:
        lines.append(f"  request: {error.request_id}")
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    return "\n".join(lines)
