"""falkit report: what is wrong with the program that calls a running mock, or called one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from falkit_mock.cli.running import RunningMock, running_mock
from falkit_spec.cli.reporting import Reporting, reporting_options
from falkit_spec.errors import SpecError
from falkit_spec.findings import NOT_LOOKED

_EPILOG = """\b
Examples:
  falkit report
  falkit report --fail-on error --out report.html --out falkit.xml
  falkit report --baseline falkit-baseline.toml
  falkit report saved.json --format markdown
  falkit report --session session.html

\b
Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage, 3 nothing is known to be wrong,
but no mock answers, FILE.json is no report, or something couldn't be looked at.
"""


@click.command(epilog=_EPILOG)
@click.argument("file", metavar="[FILE.json]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--so-far",
    is_flag=True,
    help="Leave out what only its end tells, since the program still runs: a job that it left, a "
    "result that it never read.",
)
@click.option(
    "--session",
    metavar="FILE.html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also save the report with all jobs, requests and webhooks as one file, which a browser "
    "opens without the mock.",
)
@reporting_options
@running_mock
def report(
    mock: RunningMock, file: Path | None, so_far: bool, session: Path | None, **chosen: Any
) -> None:
    """Say what is wrong with the program that calls a mock.

    It is of the mock that runs, or of a report in JSON that was written before, by
    `falkit run --report FILE.json` or `falkit report --out FILE.json`.
    """
    if session is not None and file is not None:
        raise click.UsageError("--session is of a mock that runs: leave out FILE.json")
    reporting = Reporting.of(**chosen)
    # Lazy: what is told has to be read first.
    from falkit_spec.reports.reading import read_file, read_report

    try:
        if file is not None:
            told = read_file(file)
        else:
            query = {"conclude": str(not so_far).lower()}
            told = read_report(mock.get("/report", query))
            if session is not None:
                with mock.open("GET", "/session", query=query) as reply:
                    session.write_bytes(reply.read())
    except SpecError as error:
        _end(str(error))
    except click.UsageError as error:
        _end(error.format_message())
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        _end(f"--session {session}: can't be written ({why}); name another file")
    sys.exit(reporting.finish(told))


def _end(why: str) -> NoReturn:
    """End with 3, which is never taken for clean."""
    click.echo(f"falkit: can't look: {why}", err=True)
    sys.exit(NOT_LOOKED)
