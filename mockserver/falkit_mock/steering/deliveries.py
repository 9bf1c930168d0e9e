"""`falkit deliveries`: what a running mock sent to receivers of webhooks."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any, Literal

import click

from falkit_mock.calling import RunningMock, running_mock
from falkit_mock.delivering import format_option
from falkit_mock.store.deliveries import VERDICTS


@click.command()
@running_mock
@click.option("--url", metavar="URL", help="Only those to exactly this URL.")
@click.option("--outcome", type=click.Choice(VERDICTS), help="Only those of this outcome.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many."
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 60),
    metavar="SECONDS",
    help="Wait so long for one; the exit code is 1 if none came.",
)
@format_option
@click.argument("request_id", required=False)
def deliveries(
    mock: RunningMock,
    limit: int,
    wait: float | None,
    form: Literal["text", "json"],
    **filters: str | None,
) -> None:
    """List a running mock's newest attempts to deliver webhooks.

    \b
    falkit deliveries
    falkit deliveries ID
    falkit deliveries ID --outcome acknowledged --wait 10

    The newest is the last. Times are the mock's, in UTC; `next` is when it is tried again.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    waiting = {} if wait is None else {"wait": wait}
    page = mock.get("/deliveries", {**given, **waiting, "limit": limit})
    found = page["deliveries"]
    if form == "json":
        click.echo(json.dumps(page))
    else:
        for delivery in found:
            click.echo(_lines(delivery))
        if page["next_cursor"] is not None:
            click.echo(f"(the newest of {page['total']}: --limit)", err=True)
    if wait is not None and not found:
        sys.exit(1)


def _lines(delivery: dict[str, Any]) -> str:
    answer, number = delivery["response"], delivery["number"]
    code = "---" if answer is None else answer["status_code"]
    cause = "" if delivery["cause"] == "job" else f"  by {delivery['cause']}"
    faults = f"  [{', '.join(delivery['faults'])}]" if delivery["faults"] else ""
    after = f"  next {_clock(delivery['next'])}" if delivery["next"] is not None else ""
    line = (
        f"{_clock(delivery['sent'])}  {code}  {delivery['outcome']:<12}  attempt {number:<2}  "
        f"{delivery['request_id']}  {_plain(delivery['url'])}{after}{cause}{faults}"
    )
    why = delivery["error"]
    return f"{line}\n          {_plain(why)}" if why is not None else line


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")


def _plain(text: str) -> str:
    """Return text without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
