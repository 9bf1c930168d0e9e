"""falkit jobs: list a running mock's jobs, follow them, or show and steer one."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import click

from falkit_mock.cli.running import RunningMock, json_option, note_empty, running_mock
from falkit_mock.core import count, iso, printable
from falkit_spec.cli.progress import can_move, has_rich

_JOB_ACTIONS = ("show", "hold", "release", "complete", "fail")
_STATUSES = ("IN_QUEUE", "IN_PROGRESS", "COMPLETED")
_RESULTS = ("ok", "failed", "cancelled")
# How many are listed, where nothing else is said and no terminal says how many fit.
_LISTED = 20
# Characters of a prompt; a terminal may have room for fewer.
_PROMPT = 40
# The width in which a prompt is shown beside an id and an endpoint.
_NARROW = 120
# Cells of what stands beside the endpoint in the narrowest table: id, status, code, cost.
_BESIDE = 64


class _Status(click.Choice[str]):
    """A choice that takes small letters, and names the statuses as fal writes them."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = value.upper() if value.upper() in self.choices else value
        return super().convert(known, param, ctx)


@click.command()
@running_mock
@click.option("--endpoint", metavar="GLOB", help="Only jobs of these endpoints.")
@click.option("--status", type=_Status(_STATUSES), help="Only jobs with this status.")
@click.option("--result", type=click.Choice(_RESULTS), help="Only jobs that ended like this.")
@click.option("--key", metavar="ID", help="Only jobs that came with this key.")
@click.option("--test", metavar="GLOB", help="Only jobs that were submitted in these tests.")
@click.option("--text", metavar="TEXT", help="Only jobs with this in their id, endpoint or prompt.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    help=f"How many.  [default: {_LISTED}; with --watch what fits]",
)
@click.option("--watch", is_flag=True, help="Follow them, until Ctrl-C.")
@click.option(
    "--to",
    type=_Status(_STATUSES[1:]),
    help="How far a release leads, at once.  [default: on, by the clock]",
)
@json_option
@click.argument("request_id", required=False)
@click.argument("action", type=click.Choice(_JOB_ACTIONS), default="show")
@click.argument("fault", required=False)
def jobs(
    mock: RunningMock,
    limit: int | None,
    watch: bool,
    to: str | None,
    as_json: bool,
    request_id: str | None,
    action: str,
    fault: str | None,
    **filters: str | None,
) -> None:
    """List a running mock's jobs, follow them, or show and steer one.

    \b
    falkit jobs --status IN_QUEUE
    falkit jobs --watch             a table that follows them; not on a terminal,
                                    or with --json, a line for each change
    falkit jobs ID                  all that is known of it
    falkit jobs ID hold             keep it where it is until it is released
    falkit jobs ID release          let it go on; --to COMPLETED ends it
    falkit jobs ID complete         end it now, with its own answer
    falkit jobs ID fail FAULT       end it now; `falkit faults` lists them, and
                                    'NAME key=value' gives parameters

    The newest is the last; with --watch it is the first. Ages go by the mock's clock, costs are
    what fal would have charged.
    """
    if to is not None and action != "release":
        raise click.UsageError(f"to: belongs to release, not to {action}")
    if watch and request_id is not None:
        raise click.UsageError(f"watch: takes no job; --text {request_id} follows one")
    given = {name: value for name, value in filters.items() if value is not None}
    if watch:
        _watch(mock, given, limit, as_json)
    elif request_id is not None:
        shown = _one(mock, request_id, action, fault, to)
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _list(mock, given, limit or _LISTED, as_json)


def _list(mock: RunningMock, given: Mapping[str, str], limit: int, as_json: bool) -> None:
    page = mock.get("/jobs", {**given, "limit": limit, "total": "true"})
    if as_json:
        click.echo(json.dumps(page))
        return
    found = page["jobs"]
    note_empty("jobs", found, filtered=bool(given))
    if not found:
        return
    # Lazy: what lists nothing needs neither.
    from falkit_mock.cli.job_table import ending
    from falkit_spec.cli.describing import table, terminal_width

    # The key that was chosen has been named.
    now = replace(mock, note=_say_nothing).get("/clock")["now"]
    width = terminal_width()
    rows = [_row(job, now) for job in reversed(found)]
    header = ("id", "at", "status", "code", "endpoint", "prompt", "key", "age", "cost")
    # A narrow terminal has no room for the time and the key, a very narrow one for prompt and age.
    optional: tuple[int, ...] = (1, 6)
    if width is not None and width < _NARROW:
        optional = (1, 6, 5, 7)
        rows = [(*row[:4], ending(row[4], max(width - _BESIDE, 8)), *row[5:]) for row in rows]
    table(header, rows, right=(7, 8), optional=optional, cut=5, width=width)
    click.echo(_counted(found, page["total"]), err=True)


def _say_nothing(line: str) -> None:
    """Pass over what a mock's reply is told with."""


def _row(job: Mapping[str, Any], now: float) -> tuple[str, ...]:
    from falkit_mock.cli.job_table import age
    from falkit_spec.facts import dollars

    prompt = printable(job["prompt"] or "-")
    return (
        job["request_id"],
        iso(job["created"])[11:19],
        job["status"],
        f"{job['status_code']}" if job["status"] == "COMPLETED" else "---",
        printable(job["endpoint_id"]),
        f"{prompt[: _PROMPT - 1]}…" if len(prompt) > _PROMPT else prompt,
        printable(job["key"] or "-"),
        age(now - job["created"]),
        "-" if job["cost"] is None else dollars(Decimal(job["cost"])),
    )


def _counted(found: list[Any], total: int) -> str:
    """Say how many there are, and what those shown cost."""
    from falkit_spec.facts import dollars

    cost = sum((Decimal(job["cost"]) for job in found if job["cost"]), Decimal())
    if total > len(found):
        return f"the newest {len(found):,} of {total:,} jobs, {dollars(cost)}; --limit shows more"
    return f"{count(total, 'job')}, {dollars(cost)}"


def _watch(mock: RunningMock, given: dict[str, str], limit: int | None, as_json: bool) -> None:
    # Lazy: it brings threads.
    from falkit_mock.cli import job_table, watching

    if as_json or not can_move(sys.stdout):
        for name in ("test", "text"):
            if name in given:
                fix = "is for the table on a terminal; filter the lines"
                raise click.UsageError(f"{name}: {given[name]!r} {fix}")
        watching.print_changes(mock, given, as_json=as_json)
    elif not has_rich():
        fix = "pip install 'falkit[terminal]', or have a line for each change by --json or a pipe"
        raise click.UsageError(f"watch: the table needs rich, which isn't installed; {fix}")
    else:
        job_table.show_table(mock, given, limit)


def _one(mock: RunningMock, request_id: str, action: str, fault: str | None, to: str | None) -> Any:
    path = f"/jobs/{quote(request_id, safe='')}"
    if (action == "fail") != (fault is not None):
        fix = "name a fault; `falkit faults` lists them" if fault is None else f"not {fault!r}"
        raise click.UsageError(f"{action}: {fix}")
    if action == "show":
        return mock.get(path)
    query = f"?to={to}" if to is not None else ""
    body = None if fault is None else _fault_of(fault)
    return mock.post(f"{path}/{action}{query}", body)


def _fault_of(text: str) -> dict[str, Any]:
    """Read `NAME key=value …` as the control API takes it."""
    # Lazy: no other command reads rules.
    from falkit_mock.faults import RuleError
    from falkit_mock.faults.rules import Rule

    try:
        table = Rule.read(text).table()
    except RuleError as error:
        raise click.UsageError(str(error)) from None
    name = table.pop("fault")
    return {"fault": name, "parameters": table} if table else {"fault": name}
