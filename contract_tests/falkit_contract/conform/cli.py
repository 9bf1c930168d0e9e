"""`falkit conform`: does a server keep what fal promises?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast, get_args

import click

from falkit_contract import BadArgument
from falkit_contract.conform.checks import Check, chosen
from falkit_contract.conform.probe import Setup
from falkit_contract.conform.receiving import Receiver
from falkit_contract.conform.report import FORMATS, as_json, as_text, exit_code, summary
from falkit_contract.conform.running import (
    ENDPOINT,
    LIVE_ENDPOINT,
    Verdict,
    most_spent,
    run,
    set_up,
)
from falkit_contract.conform.target import KEY, QUEUE, Asking, By, Target, Unreachable
from falkit_spec.cli.options import document_options, read_catalog
from falkit_spec.cli.reporting import target_of, write_out
from falkit_spec.errors import UnknownEndpoint
from falkit_spec.findings import NOT_LOOKED
from falkit_spec.types import JSON, Object

_EPILOG = """\b
Examples:
  falkit conform --target http://127.0.0.1:4325
  falkit conform --target http://127.0.0.1:3000/api/fal/proxy --by header
  falkit conform --target http://127.0.0.1:4325 --only queue.cancel --out conform.xml
  falkit conform --live --budget 1.00

\b
Exit codes: 0 all is fine, 1 something failed, 2 wrong usage, 3 something could not be
looked at, and nothing failed.
"""
_WAYS = [way for way in get_args(By) if way != "fal"]


@click.command(epilog=_EPILOG)
@click.option("--target", metavar="URL", help="The server to try.")
@click.option("--by", type=click.Choice(_WAYS), default="path", show_default=True,
              help="How a request says which of fal's hosts it is for: URL/queue.fal.run/…, "
              "the header x-fal-target-url, the header Host, or not at all.")  # fmt: skip
@click.option("--header", "headers", multiple=True, metavar="'NAME: TEXT'",
              help="Send this to the target too; {host} in it becomes fal's host. May be given "
              "more than once.")  # fmt: skip
@click.option("--key", envvar="FALKIT_CONFORM_KEY", show_envvar=True, default=KEY,
              show_default=True, help="The target's key; FAL_KEY is --live's.")  # fmt: skip
@click.option("--endpoint", metavar="ID", help="The endpoint whose jobs are made.  "
              f"[default: {ENDPOINT}; with --live {LIVE_ENDPOINT}]")  # fmt: skip
@click.option("--input", "words", metavar="JSON|@FILE",
              help="An input that is right.  [default: the document's example]")  # fmt: skip
@document_options
@click.option("--only", multiple=True, metavar="ID",
              help="Run this check alone, or all whose ids begin so, such as queue.cancel; may be "
              "given more than once.")  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="List the checks, and run none.")
@click.option("--webhooks-to", metavar="URL",
              help="Where a target elsewhere reaches the receiver of webhooks on this machine, "
              "such as a tunnel's URL.")  # fmt: skip
@click.option("--webhooks-port", type=click.IntRange(0, 65535), default=0, metavar="PORT",
              help="The receiver's port.  [default: a free one]")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="How long a check waits for a job, or for a webhook.  [default: 30; with "
              "--live 300]")  # fmt: skip
@click.option("--live", is_flag=True, help="Try fal itself: FAL_KEY's account pays.")
@click.option("--budget", metavar="USD", help="What --live may cost at most.")
@click.option("--json", "json_output", is_flag=True, help="Print the verdicts as JSON.")
@click.option("--out", "outs", multiple=True, metavar="FILE|FORMAT:FILE",
              help="Write the verdicts to a file, too: .txt, .json or .xml (JUnit); may be given "
              "more than once.")  # fmt: skip
def conform(
    target: str | None,
    by: str,
    headers: tuple[str, ...],
    key: str,
    endpoint: str | None,
    words: str | None,
    documents: tuple[str, ...],
    as_of: str | None,
    only: tuple[str, ...],
    listed: bool,
    webhooks_to: str | None,
    webhooks_port: int,
    timeout: float | None,
    live: bool,
    budget: str | None,
    json_output: bool,
    outs: tuple[str, ...],
) -> None:
    """Try whether a server keeps what fal promises.

    Its queue, errors, uploads, media, webhooks and tokens are tried. Each check makes jobs of its
    own and needs no other; what it is for is a section of docs/wire.md. What is only inferred of
    fal is a note, and fails nothing.
    """
    try:
        checks = chosen(only)
        if listed:
            for one in checks:
                click.echo(f"{one.id:<28} {one.promise} (wire.md {one.section})")
            return
        written = [_out(out) for out in outs]
        tried, most = _target(target, cast("By", by), headers, key, live, budget)
        catalog = read_catalog(documents, as_of)
        model = catalog.get(endpoint or (LIVE_ENDPOINT if live else ENDPOINT))
        with _receiver(tried, webhooks_to, webhooks_port) as receiver:
            setup = set_up(
                tried, model, _input(words), timeout=timeout, budget=most, receiver=receiver
            )
            _say_price(checks, setup)
            _reach(tried)
            verdicts = _run(checks, setup, quiet=json_output)
    except BadArgument as error:
        raise click.UsageError(f"--{error}") from None
    except UnknownEndpoint as error:
        raise click.UsageError(f"--endpoint: {error}") from None
    if json_output:
        click.echo(as_json(verdicts, setup), nl=False)
    else:
        click.echo(summary(verdicts))
    for form, out in written:
        write_out("--out", out, FORMATS[form](verdicts, setup))
    sys.exit(exit_code(verdicts))


def _out(word: str) -> tuple[str, str]:
    """Return the format and the file that FILE or FORMAT:FILE names."""
    form, out = target_of("--out", word)
    if form not in FORMATS:
        fix = "give .txt, .json or .xml"
        raise click.UsageError(f"--out: {word!r}: verdicts can't be written as {form}; {fix}")
    return form, out


def _run(checks: list[Check], setup: Setup, *, quiet: bool) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for verdict in run(checks, setup):
        verdicts.append(verdict)
        if not quiet:
            click.echo(as_text(verdict))
    return verdicts


def _target(
    url: str | None, by: By, headers: tuple[str, ...], key: str, live: bool, budget: str | None
) -> tuple[Target, Decimal | None]:
    if not live:
        if url is None:
            raise click.UsageError("--target is missing: give a server's URL")
        if budget is not None:
            raise click.UsageError(f"--budget is {budget!r}: only --live costs anything")
        return Target(url, by, key, _headers(headers)), None
    if url is not None:
        raise click.UsageError(f"--target is {url!r}: --live tries fal itself, leave it out")
    if headers:
        raise click.UsageError("--header is for a --target: fal itself needs none")
    if budget is None:
        raise click.UsageError("--budget is missing: say what --live may cost, such as 1.00")
    try:
        most = Decimal(budget)
    except InvalidOperation:
        most = Decimal("nan")
    if not most.is_finite() or most < 0:
        raise click.UsageError(f"--budget is {budget!r}: give US dollars, such as 1.00")
    real = os.environ.get("FAL_KEY", "")
    if ":" not in real:
        raise click.UsageError("FAL_KEY is missing, or no key of fal's: --live needs a real one")
    return Target(f"https://{QUEUE}", "fal", real), most


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, text = line.partition(":")
        if not colon or not name.strip() or not line.isprintable():
            raise click.UsageError(f"--header is {line!r}: give 'NAME: TEXT'")
        found[name.strip().lower()] = text.strip()
    return found


def _input(words: str | None) -> Object | None:
    if words is None:
        return None
    try:
        text = Path(words[1:]).read_text() if words.startswith("@") else words
        read: JSON = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise click.UsageError(f"--input is {words[:80]!r}: it can't be read ({error})") from None
    if not isinstance(read, dict):
        raise click.UsageError(f"--input is {words[:80]!r}: give a JSON object")
    return read


@contextmanager
def _receiver(target: Target, url: str | None, port: int) -> Generator[Receiver | None]:
    """Receive webhooks for the length of the block, where the target can reach this machine."""
    if url is None and not target.here:
        yield None
        return
    try:
        receiver = Receiver(port, url)
    except OSError as error:
        raise click.UsageError(f"--webhooks-port is {port}: {error.strerror}") from None
    try:
        yield receiver
    finally:
        receiver.close()


def _say_price(checks: list[Check], setup: Setup) -> None:
    """Say what --live costs at most; raise UsageError where the budget doesn't reach."""
    budget = setup.ledger.budget
    if budget is None:
        return
    most = most_spent(checks, setup)
    name = setup.endpoint.id
    if most is None:
        raise click.UsageError(f"--endpoint is {name!r}: its price isn't known; give another")
    jobs = sum(check.jobs for check in checks)
    told = f"{jobs} jobs of {name} at ${setup.ledger.price}: ${most} at most"
    if most > budget:
        fix = "raise it, or choose checks with --only"
        raise click.UsageError(f"--budget is {str(budget)!r}: {told}; {fix}")
    click.echo(f"falkit: fal itself is tried. {told}, of a budget of ${budget}", err=True)


def _reach(target: Target) -> None:
    """End with 3 where nobody answers."""
    asking = Asking(target, 10.0)
    try:
        asking.send("GET", f"https://{QUEUE}/", {})
    except Unreachable as error:
        fix = "is there a network?" if target.live else "start the server, or correct --target"
        click.echo(f"falkit: can't look: {error}; {fix}", err=True)
        sys.exit(NOT_LOOKED)
    finally:
        asking.close()
