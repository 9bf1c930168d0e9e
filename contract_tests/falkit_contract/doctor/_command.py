"""`falkit doctor`: hand-made mocks of fal, and where this shell's clients end up."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from falkit_spec.findings import Severity

if TYPE_CHECKING:
    from falkit_contract.doctor import Diagnosis
    from falkit_contract.doctor._environment import Row

FOUND, NOT_LOOKED = 1, 3
"""Exit codes."""
_MOST_LINES = 1_000
_LONGEST = 300
_HERE = Path(".")
_FAILING: dict[str, tuple[str, ...]] = {
    "error": ("error",),
    "warning": ("error", "warning"),
    "never": (),
}


@click.command()
@click.argument("paths", metavar="[PATH...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--fail-on",
    type=click.Choice(list(_FAILING)),
    default="warning",
    show_default=True,
    help="What makes the exit code 1; notes never do.",
)
@click.option(
    "--control-token",
    envvar="FALKIT_CONTROL_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    help="For env: the mock's token, which one bound beyond this machine asks for.",
)
def doctor(paths: tuple[Path, ...], as_json: bool, fail_on: str, control_token: str | None) -> None:
    """Find what is wrong with hand-made mocks of fal.

    It reads the Python, JavaScript and TypeScript in files and folders (by default this one), runs
    nothing of it, and says where a mock does what fal doesn't.

    \b
    falkit doctor tests     mocks in a folder
    falkit doctor env       which clients, started from this shell, reach the mock, and which fal
    falkit explain CODE     what a code means

    A line with `falkit: ignore CODE` in a comment, on it or above it, is left out.

    Exits with 1 if something is wrong (with env: if a client doesn't reach the mock); else with
    3 if something couldn't be looked at; else with 0.
    """
    if paths == (Path("env"),):
        _env(as_json, control_token)
        return
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise click.UsageError(f"PATH: {str(missing)!r} doesn't exist; give a file or folder")
    # Lazy: doctor env needs none of it.
    from falkit_contract.doctor import diagnose

    found = diagnose(paths or (_HERE,))
    counts: Counter[str] = Counter(one.kind.severity for one in found.findings)
    if as_json:
        listed = [one.to_json() for one in found.findings]
        totals = {severity: counts[severity] for severity in get_args(Severity)}
        told = {"files": found.looked_at, "with_mocks": found.with_mocks, **totals}
        click.echo(json.dumps({**told, "findings": listed, "problems": found.problems}, indent=2))
    else:
        _print(found, counts)
    failed = any(counts[severity] for severity in _FAILING[fail_on])
    sys.exit(FOUND if failed else NOT_LOOKED if found.problems else 0)


def _print(found: Diagnosis, counts: Counter[str]) -> None:
    lines: list[str] = []
    explained: set[str] = set()
    for one in found.findings:
        kind = one.kind
        lines.append(f"{one.path}:{one.line}: {kind.severity} {kind.code}: {one.seen}")
        if kind.code not in explained:
            explained.add(kind.code)
            lines += [f"    {kind.title}", f"    fal: {kind.fal}", f"    fix: {kind.fix}"]
    lines += [f"falkit: not looked at: {problem}" for problem in found.problems]
    for line in lines[:_MOST_LINES]:
        click.echo(_plain(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"))
    if len(lines) > _MOST_LINES:
        click.echo(f"… and {len(lines) - _MOST_LINES:,} more lines; --json has them all")
    told = ", ".join(_count(counts[severity], severity) for severity in get_args(Severity))
    left = f"; {_count(len(found.problems), 'problem')}" if found.problems else ""
    click.echo(f"{_count(found.with_mocks, 'file')} with mocks of fal: {told}{left}")


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _plain(text: str) -> str:
    """Return a line that does nothing to a terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)


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
            click.echo(_plain(f"{row.verdict:<9} {row.client:<{wide}}  {row.why}"))
        for note in report.notes:
            click.echo(_plain(f"note: {note}"))
        click.echo(_sum(report.rows))
    sys.exit(0 if all(row.verdict == "mock" for row in report.rows) else FOUND)


def _sum(rows: list[Row]) -> str:
    counts = Counter(row.verdict for row in rows)
    fix = "" if counts["mock"] == len(rows) else '; `eval "$(falkit env)"` or `falkit run --`'
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items()) + fix
