"""`falkit check`: judge recorded inputs and outputs by documents."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from falkit_spec.catalog import Catalog
from falkit_spec.cli.options import document_options, format_option, read_catalog
from falkit_spec.drift.recordings import Call, Recordings, read_recordings
from falkit_spec.drift.report import plain
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import SpecError
from falkit_spec.findings import FINE, FOUND, NOT_LOOKED
from falkit_spec.types import JSON, Object

_MOST_LINES = 1_000
_LONGEST = 400


@dataclass(frozen=True)
class Finding:
    """Something that a document doesn't allow in a recorded call."""

    where: str
    endpoint_id: str
    part: str
    """`input` or `output`."""
    field: str
    type: str
    """The `type` of the error that fal answers to such an input; empty for an output."""
    message: str


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@document_options
@click.option("--endpoint", metavar="ID", help="The endpoint of inputs that name none.")
@click.option("--outputs", is_flag=True, help="What names no endpoint is an output.")
@format_option
def check(
    files: tuple[Path, ...],
    documents: tuple[str, ...],
    as_of: str | None,
    endpoint: str | None,
    outputs: bool,
    form: str,
) -> None:
    """Judge recorded inputs and outputs by documents.

    Those are the newest, or those that were in force at a date.

    FILE is JSON, or a JSON value a line: {"endpoint_id", "input", "output"}, a list of
    these, or bare inputs with --endpoint; what `falkit jobs ID` prints; an entry.json of
    the client's cache; or a HAR file, as browsers and proxies record it. `-` is stdin.

    Inputs are judged as fal would, which takes "5" for 5. Those that fal refused when they
    were recorded are left out.

    Exits with 1 if something is wrong; else with 3 if something couldn't be judged, such as
    an endpoint without a document, or nothing was there to judge; else with 0.
    """
    catalog = read_catalog(documents, as_of)
    found = read_recordings(files, endpoint, outputs=outputs)
    findings, judged, refused = judge(catalog, found)
    if form == "json":
        wrong: list[JSON] = [{**vars(one)} for one in findings]
        counts: Object = {"judged": judged, "refused_when_recorded": refused}
        click.echo(json.dumps({**counts, "wrong": wrong, "problems": [*found.problems]}, indent=2))
    else:
        _print(findings, found.problems)
        wrong_calls = len({one.where for one in findings})
        left = f"; {refused:,} that fal refused already" if refused else ""
        total = "1 call" if judged == 1 else f"{judged:,} calls"
        click.echo(f"{total} judged, {wrong_calls:,} of them wrong{left}")
    # Where nothing was judged, nothing is fine.
    looked = bool(judged) and not found.problems
    sys.exit(FOUND if findings else FINE if looked else NOT_LOOKED)


def judge(catalog: Catalog, recordings: Recordings) -> tuple[list[Finding], int, int]:
    """Judge recorded calls; return what is wrong, how many were judged, and how many fal refused
    already. What can't be judged is added to the recordings' problems.
    """
    findings: list[Finding] = []
    judged = refused = 0
    for call in recordings.calls:
        endpoint = endpoint_of(catalog, call.endpoint)
        if endpoint is None:
            why = str(catalog.unknown(call.endpoint[:200]))
            recordings.problems.append(f"{call.where}: {why}")
            continue
        refused += call.refused
        try:
            findings += [] if call.refused else _of_input(endpoint, call)
            findings += _of_output(endpoint, call)
        except (SpecError, RecursionError, ValueError) as error:
            recordings.problems.append(f"{call.where}: {endpoint.id}: can't be judged ({error})")
        else:
            judged += not call.refused
    return findings, judged, refused


def endpoint_of(catalog: Catalog, named: str) -> Endpoint | None:
    """Return the endpoint that a recorded call names; None where there is no document of it."""
    match = catalog.find(named)
    return match.endpoint if match is not None and match.rest in ("", "stream") else None


def _of_input(endpoint: Endpoint, call: Call) -> Iterable[Finding]:
    for fault in endpoint.validate(call.input, coerce=True) if call.has_input else ():
        place = ".".join(map(str, fault["loc"][1:]))
        yield Finding(call.where, endpoint.id, "input", place, fault["type"], fault["msg"])


def _of_output(endpoint: Endpoint, call: Call) -> Iterable[Finding]:
    for line in endpoint.validate_output(call.output) if call.has_output else ():
        place, _, why = line.partition(": ")
        yield Finding(call.where, endpoint.id, "output", place.lstrip("$."), "", why)


def _print(findings: list[Finding], problems: list[str]) -> None:
    lines = [
        f"{one.where}: {one.endpoint_id}: {one.part} {one.field or 'as a whole'}: {one.message}"
        + (f" ({one.type})" if one.type else "")
        for one in findings
    ]
    lines += [f"falkit: {problem}" for problem in problems]
    for line in lines[:_MOST_LINES]:
        click.echo(plain(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"))
    if len(lines) > _MOST_LINES:
        click.echo(f"… and {len(lines) - _MOST_LINES:,} more; --format json has them all")
