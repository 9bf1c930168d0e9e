"""`falkit jobs`: a running mock's jobs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click

from falkit_mock.calling import RunningMock, running_mock

_ACTIONS = ("show", "hold", "release", "complete", "fail")
_STATUSES = ("IN_QUEUE", "IN_PROGRESS", "COMPLETED")


@click.command()
@running_mock
@click.option("--endpoint", metavar="GLOB", help="Only jobs of these endpoints.")
@click.option(
    "--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only jobs that stand so."
)
@click.option("--key", metavar="ID", help="Only jobs that came with this key.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many."
)
@click.option(
    "--to",
    type=click.Choice(_STATUSES[1:], case_sensitive=False),
    help="How far a release leads, at once.  [default: on, by the clock]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the control API answers.")
@click.argument("request_id", required=False)
@click.argument("action", type=click.Choice(_ACTIONS), default="show")
@click.argument("fault", required=False)
def jobs(
    mock: RunningMock,
    endpoint: str | None,
    status: str | None,
    key: str | None,
    limit: int,
    to: str | None,
    as_json: bool,
    request_id: str | None,
    action: str,
    fault: str | None,
) -> None:
    """List a running mock's jobs, or show and steer one.

    \b
    falkit jobs --status IN_QUEUE
    falkit jobs ID                  all that is known of it
    falkit jobs ID hold             let it stand until it is released
    falkit jobs ID release          let it go on; --to COMPLETED ends it
    falkit jobs ID complete         end it now, with its own answer
    falkit jobs ID fail FAULT       end it now; `falkit faults` lists them
    """
    if to is not None and action != "release":
        raise click.UsageError(f"to: belongs to release, not to {action}")
    if request_id is not None:
        shown = _one(mock, request_id, action, fault, to)
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    filters = {"endpoint": endpoint, "status": status, "key": key, "limit": limit}
    page = mock.get("/jobs", {name: value for name, value in filters.items() if value is not None})
    if as_json:
        click.echo(json.dumps(page))
        return
    for job in page["jobs"]:
        click.echo(_line(job))
    if page["next_cursor"] is not None:
        click.echo("(there are more: --limit)", err=True)


def _one(mock: RunningMock, request_id: str, action: str, fault: str | None, to: str | None) -> Any:
    path = f"/jobs/{quote(request_id, safe='')}"
    if (action == "fail") != (fault is not None):
        mend = "name a fault; `falkit faults` lists them" if fault is None else f"not {fault!r}"
        raise click.UsageError(f"{action}: {mend}")
    if action == "show":
        return mock.get(path)
    query = f"?to={to}" if to is not None else ""
    body = {"fault": fault} if fault is not None else None
    return mock.post(f"{path}/{action}{query}", body)


def _line(job: dict[str, Any]) -> str:
    code = job["status_code"] if job["status"] == "COMPLETED" else None
    at = datetime.fromtimestamp(job["created"], UTC).strftime("%H:%M:%S")
    what = f"{job['status']:<11}  {code or '---'}  {job['endpoint_id']}"
    return f"{job['request_id']}  {at}  {what}"
