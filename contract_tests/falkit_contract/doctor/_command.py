"""`falkit doctor`: hand-made mocks of fal, and where this shell's clients end up."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from falkit_spec.cli.reporting import Reporting, reporting_options
from falkit_spec.findings import FOUND, Finding, Report
from falkit_spec.reports.words import plain

if TYPE_CHECKING:
    from falkit_contract.doctor._environment import Row
    from falkit_spec.types import Object

_HERE = Path(".")


@click.command()
@click.argument("paths", metavar="[PATH...]", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON of another shape than --format json."
)
@reporting_options
@click.option(
    "--control-token",
    envvar="FALKIT_CONTROL_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    help="For env: the mock's token, which one bound beyond this machine asks for.",
)
def doctor(
    paths: tuple[Path, ...], as_json: bool, control_token: str | None, form: str, **chosen: Any
) -> None:
    """Find what is wrong with hand-made mocks of fal.

    It reads the Python, JavaScript and TypeScript in files and folders (by default this one), runs
    nothing of it, and says where a mock does what fal doesn't.

    \b
    falkit doctor tests     mocks in a folder
    falkit doctor env       which clients, started from this shell, reach the mock, and which fal
    falkit explain CODE     what a code means

    A line with `falkit: ignore CODE` in a comment, on it or above it, is left out.

    Exits with 1 if something is wrong (with env: if a client doesn't reach the mock); else with
    3 if something couldn't be looked at, or no file was there; else with 0. With --format sarif
    or github, a pull request shows it at the lines.
    """
    if paths == (Path("env"),):
        _env(as_json, control_token)
        return
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise click.UsageError(f"PATH: {str(missing)!r} doesn't exist; give a file or folder")
    reporting = Reporting.of(form=form, **chosen)
    # Lazy: doctor env needs none of it.
    from falkit_contract.doctor import diagnose
    from falkit_spec.reports.words import counted

    found = diagnose(paths or (_HERE,))
    report = Report(
        shlex.join(["falkit", "doctor", *map(str, paths)]), found.findings, found.problems
    )
    if as_json:
        reporting.form = None
    read = counted(found.looked_at, "file")
    of = f"{read} read, {found.naming:,} naming fal, {found.with_mocks:,} with mocks of it"
    code = reporting.finish(report, files=True, of=of)
    if as_json:
        told: Object = {"files": found.looked_at, "naming_fal": found.naming}
        told["with_mocks"] = found.with_mocks
        told |= dict(report.counts().items())
        told["findings"] = [_told(one) for one in report.findings]
        click.echo(json.dumps({**told, "problems": [*found.problems]}, indent=2))
    if found.naming and not found.with_mocks:
        why = "what a program calls is judged by `falkit run -- COMMAND`, here only by URLs in full"
        click.echo(f"falkit: no mock of fal was found; {why}", err=True)
    sys.exit(code)


def _told(one: Finding) -> Object:
    kind = one.kind
    seen: Object = {"path": one.path, "line": one.line, "seen": one.seen}
    told: Object = {"code": kind.code, "severity": kind.severity, "fal": kind.fal}
    known: Object = {"accepted": one.accepted} if one.accepted else {}
    return {**seen, **told, "fix": kind.fix, "see": kind.see, **known}


def _env(as_json: bool, token: str | None) -> None:
    # Lazy: it brings the gateway's modules.
    from falkit_contract.doctor._environment import examine

    report = examine(os.environ, token)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        click.echo(report.mock)
        click.echo(report.key)
        wide = max(len(row.client) for row in report.rows)
        for row in report.rows:
            click.echo(plain(f"{row.verdict:<9} {row.client:<{wide}}  {row.why}"))
        for note in report.notes:
            click.echo(plain(f"note: {note}"))
        click.echo(_sum(report.rows))
    sys.exit(0 if all(row.verdict == "mock" for row in report.rows) else FOUND)


def _sum(rows: list[Row]) -> str:
    counts = Counter(row.verdict for row in rows)
    fix = "" if counts["mock"] == len(rows) else '; `eval "$(falkit env)"` or `falkit run --`'
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items()) + fix
