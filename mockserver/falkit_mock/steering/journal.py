"""`falkit journal`: what a running mock was asked."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import click

from falkit_mock.calling import RunningMock, running_mock


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
        mock.call("DELETE", "/journal")
        return
    given = {name: value for name, value in filters.items() if value is not None}
    page = mock.get("/journal", given)
    if as_json:
        click.echo(json.dumps(page))
    else:
        for seen in page["requests"]:
            click.echo(_line(seen))
    if filters["wait"] is not None and not page["requests"]:
        sys.exit(1)


def _line(seen: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(seen["time"], UTC).strftime("%H:%M:%S.%f")[:-3]
    took = "" if seen["ms"] is None else f"  {seen['ms']:.1f} ms"
    faults = f"  [{', '.join(seen['faults'])}]" if seen["faults"] else ""
    where = f"{seen['host']}{seen['path']}"
    line = f"{seen['number']:>5}  {at}  {seen['status'] or '---'} {seen['method']:<4} {where}"
    hint = f"\n       hint: {seen['hint']}" if seen["hint"] else ""
    return f"{line}{took}{faults}{hint}"
