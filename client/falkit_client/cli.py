"""`falkit call`: one call of an endpoint, from its price to the saved file."""

from __future__ import annotations

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

from falkit_client._cli_io import CallCommand, Display, output_text
from falkit_client._client import Client
from falkit_client._requests import resolve_key
from falkit_client._words import BadArgument, read_args
from falkit_client.budget import Budget
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
from falkit_client.results import Result
from falkit_spec.catalog import Catalog
from falkit_spec.cli.options import document_options, read_catalog
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownEndpoint
from falkit_spec.facts import dollars

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
# Not as a Path, which would forget the slash at the end.
_PLACE = click.Path()


# Kinds of files that have an option.
_FILES = ("image", "video", "audio")

# fal's own names, the backup domain included (wire.md §1.1): each of them takes money.
_REAL = (".fal.run", ".fal.ai", ".falrun.com")


class _Failure(click.ClickException):
    """The call failed or was refused."""

    exit_code = 1


@dataclass(frozen=True)
class Call:
    """What the command line asks for."""

    endpoint: Endpoint
    input: dict[str, object]
    out: str | None
    base_url: str | None
    yes: bool
    timeout: float | None
    catalog: Catalog
    documents: tuple[str, ...] = ()
    as_of: str | None = None

    @property
    def real(self) -> bool:
        """Whether money is at stake: no stand-in is named."""
        host = urlsplit(self.base_url).hostname or "" if self.base_url else "fal.run"
        return f".{host.rstrip('.').lower()}".endswith(_REAL)

    @property
    def video(self) -> str:
        """The video that the input asks for, in words; empty if it asks for none."""
        facts = self.endpoint.video(without_files(self.input)) if self.input else None
        if facts is None:
            return ""
        sound = "with" if facts.audio else "without"
        return (
            f"{facts.width}x{facts.height}, {facts.fps} fps, {facts.seconds:f} s,"
            f" {facts.frames} frames, {sound} sound"
        )

    def again(self, request_id: str) -> str:
        """The command that follows the job from where this one ends."""
        words = ["falkit", "call", self.endpoint.id, "--request", request_id]
        words += ["--out", self.out] if self.out else []
        words += ["--base-url", self.base_url] if self.base_url else []
        words += [word for place in self.documents for word in ("--documents", place)]
        words += ["--as-of", self.as_of] if self.as_of else []
        return f"go on with: {shlex.join(words)}"


@click.command(epilog=_EPILOG, cls=CallCommand)
@click.argument("endpoint_id", metavar="ENDPOINT")
@click.argument("words", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--image", type=_FILE, metavar="FILE", help="Image to send.")
@click.option("--video", type=_FILE, metavar="FILE", help="Video to send.")
@click.option("--audio", type=_FILE, metavar="FILE", help="Sound to send.")
@click.option("--out", type=_PLACE, metavar="FILE|FOLDER",
              help="Save the output's files here; FOLDER/ makes a new folder.")  # fmt: skip
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
@document_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def call(
    endpoint_id: str,
    words: tuple[str, ...],
    image: Path | None,
    video: Path | None,
    audio: Path | None,
    out: str | None,
    yes: bool,
    budget: str | None,
    cache: Path | None,
    timeout: float | None,
    preflight: bool,
    request_id: str | None,
    base_url: str | None,
    documents: tuple[str, ...],
    as_of: str | None,
    as_json: bool,
) -> None:
    """Call an endpoint, follow the job and save its output.

    Its price is printed first.

    Inputs are NAME=VALUE, read as the endpoint's document has them; `falkit call ENDPOINT --help`
    lists them. NAME:=JSON gives any value. NAME=@FILE sends a file of this machine where the input
    takes one, else the text in it. Dots lead into an object or a list (image_size.width=512,
    loras.0.path=URL), and a name that is repeated makes a list.

    Before money is spent at fal you are asked, unless you pass --yes. Progress goes to stderr; the
    names of saved files, or the output's URLs or text, to stdout.
    """
    catalog = read_catalog(documents, as_of)
    try:
        endpoint = catalog.get(endpoint_id)
        given = read_args(endpoint, words, {"image": image, "video": video, "audio": audio})
        limit = None if budget is None else Budget(budget)
    except UnknownEndpoint as error:
        raise BadArgument(f"{error}; `falkit spec list` names those that it has") from None
    except ValueError as error:
        raise BadArgument(f"--budget: {error}") from None
    _check_place(out)
    command = Call(endpoint, given, out, base_url, yes, timeout, catalog, documents, as_of)
    display = Display(sys.stderr, moves=not as_json)
    with _errors_shown(command, display), _client(command, limit, cache, display) as client:
        if request_id is None:
            client.check(endpoint.id, given, preflight=preflight)
            _announce(client, command, limit, display)
            handle = client.submit(endpoint.id, given, upload_progress=display.sent)
            display.clear()
        else:
            handle = client.handle(endpoint.id, request_id)
        with _job_named(command, handle.request_id, display):
            display.print(f"request {handle.request_id}")
            result = handle.wait(on_update=display.status, logs=True, timeout=timeout)
            display.clear()
            saved = _saved(client, result, command, display)
        display.print(_cost(result, command, display))
        click.echo(output_text(result, saved, as_json))
        if out is not None and not saved:
            raise _Failure(f"--out: the output of {endpoint.id} names no file; nothing was saved")


def _client(call: Call, budget: Budget | None, cache: Path | None, display: Display) -> Client:
    try:
        key = resolve_key(None, os.environ)
        if key is None and call.real:
            raise BadArgument("no key: set FAL_KEY=<id>:<secret>, or --base-url for a stand-in")
        return Client(
            # A stand-in takes any key, so that nobody has to make one up.
            key=None if key or call.real else "falkit:stand-in",
            base_url=call.base_url,
            poll_interval=0.25,
            budget=budget,
            cache=None if cache is None else Cache(cache),
            catalog=call.catalog,
            sleep=display.sleep,
        )
    except ValueError as error:
        raise BadArgument(str(error)) from None


def _announce(client: Client, call: Call, budget: Budget | None, display: Display) -> None:
    """Print the price, and ask before money is spent."""
    price = client.price(call.endpoint.id, call.input)
    display.print(": ".join(filter(None, (call.endpoint.id, call.video))))
    costs = dollars(price) if price is not None else _rate(call)
    display.print(f"{costs} at fal" + ("" if call.real else f", nothing at {call.base_url}"))
    if budget is not None:
        # Refused here, before anybody is asked; the client reserves the price once more.
        budget.hold(price, call.endpoint.id).release()
    if not call.real or call.yes or client.cached(call.endpoint.id, call.input):
        return
    if not sys.stdin.isatty():
        raise BadArgument("nobody is there to be asked: pass --yes to spend")
    if not click.confirm("Spend it?", err=True):
        raise _Failure("nothing was sent")


def _rate(call: Call) -> str:
    """What a unit costs, where it takes the service to count them."""
    pricing = call.endpoint.pricing
    full = call.endpoint.with_defaults(without_files(call.input))
    each = pricing.each(full) if pricing else None
    return "of unknown price" if each is None else f"{dollars(each[0])} per {each[1]}"


def _check_place(out: str | None) -> None:
    """Refuse a place that nothing can be saved at, before a job is paid for."""
    place = Path(out or "x")
    folder = place if place.is_dir() else place.parent
    if str(out).endswith(("/", os.sep)):
        # It is made, with those above it.
        folder = next(one for one in (place, *place.absolute().parents) if one.exists())
    if out is not None and not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise BadArgument(f"--out: {folder} isn't a folder that can be written to")


def _saved(client: Client, result: Result[Any], call: Call, display: Display) -> list[SavedFile]:
    if call.out is None or not files_of(result.output):
        return []
    saved = client.download_all(result, call.out, progress=display.saved)
    display.clear()
    for one in saved:
        facts = [f"{one.size:,} bytes", call.video if len(saved) == 1 else ""]
        display.print(f"saved {one.path}: {', '.join(filter(None, facts))}")
    return saved


def _cost(result: Result[Any], call: Call, display: Display) -> str:
    if result.cached:
        return "from the cache: it cost nothing"
    took = f"in {display.seconds:.1f} s"
    if result.cost is None:
        return f"done {took}; fal does not say what it cost"
    unit = call.endpoint.pricing.unit if call.endpoint.pricing else "unit"
    # Some units are themselves a number: 1000 characters.
    named = f"x {unit}" if unit[0].isdigit() else f"{unit}s"
    units = f"{result.billable_units:f} {named} billed"
    if call.real:
        return f"cost {dollars(result.cost)} ({units}), {took}"
    return f"at fal it would have cost {dollars(result.cost)} ({units}), {took}"


@contextmanager
def _errors_shown(call: Call, display: Display) -> Generator[None]:
    """Turn errors into the lines that a person reads."""
    try:
        yield
    except InvalidInput as error:
        display.clear()
        kind = _Failure if error.status else BadArgument
        raise kind(_faults(error, call)) from None
    except FalkitError as error:
        display.clear()
        raise _Failure(str(error)) from None
    except KeyboardInterrupt as error:
        _interrupted(display, getattr(error, "__notes__", ["nothing was sent"]))


@contextmanager
def _job_named(call: Call, request_id: str, display: Display) -> Generator[None]:
    """Name the job, and the command that continues, in whatever ends the wait for it."""
    again = call.again(request_id)
    try:
        yield
    except DownloadFailed as error:
        display.clear()
        done = f"the job is done, nothing is lost: request {request_id}"
        raise _Failure(f"{error}\n  {done}\n  {again}") from None
    except NoAnswer as error:
        display.clear()
        raise _Failure(f"{error}\n  the job may still be running\n  {again}") from None
    except KeyboardInterrupt:
        still = f"request {request_id} was not cancelled: it may run on and be billed"
        _interrupted(display, [still, again])


def _interrupted(display: Display, lines: list[str]) -> NoReturn:
    display.clear()
    display.print("\n  ".join(["falkit: interrupted", *lines]))
    sys.exit(INTERRUPTED)


def _faults(error: FalkitError, call: Call) -> str:
    where = "fal refused the input" if error.status else "the input is wrong, nothing was sent"
    files = {one.field.removesuffix("[]"): one.kind for one in call.endpoint.file_fields}
    lines = [f"{where}:"]
    for fault in error.faults:
        line = fault_line(fault).removeprefix("body.").replace(": Value error, ", ": ")
        field = str(fault["loc"][-1])
        if fault["type"] == "missing" and field in files:
            named = f"--{files[field]} FILE" if files[field] in _FILES else f"{field}=@FILE"
            line += f" ({named}, or {field}=URL)"
        lines.append(f"  {line}")
    if error.request_id:
        lines.append(f"  request: {error.request_id}")
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    return "\n".join(lines)
