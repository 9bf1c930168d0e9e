"""Each key's own mock: the options for it, and falkit tenants, which lists them."""

from __future__ import annotations

import json

import click

from falkit_mock.cli.running import RunningMock, json_option, note_empty, running_mock
from falkit_mock.core import count, iso, printable

TENANTS = (
    click.Option(
        ["--tenants"],
        is_flag=True,
        help="Give each key a mock of its own: jobs, runners, clock, rules, billing and the rest.",
    ),
    click.Option(
        ["--max-tenants"],
        default=256,
        show_default=True,
        type=click.IntRange(1),
        help="How many keys may have one; a request with one more is answered 507.",
    ),
    click.Option(
        ["--quota"],
        metavar="jobs=N,bytes=N",
        help="What each tenant may keep, such as jobs=10000,bytes=500MB; more is answered 403.  "
        "[default: any number]",
    ),
)


@click.command()
@running_mock
@json_option
def tenants(mock: RunningMock, as_json: bool) -> None:
    """List the keys that have a mock of their own (--tenants).

    \b
    falkit jobs --key ID            what is in one
    falkit reset --key ID           empty it

    Without --key, commands go by FAL_KEY.
    """
    page = mock.get("/tenants")
    if as_json:
        click.echo(json.dumps(page))
        return
    for one in page["tenants"]:
        facts = f"{count(one['jobs'], 'job')}, {count(one['uploads'], 'upload')}"
        line = f"{one['key']}  {facts}, {one['bytes']:,} bytes, at {iso(one['now'])}"
        click.echo(printable(line))
    note_empty("tenants", page["tenants"], filtered=False)
