"""The options of `falkit serve` and `falkit run` that say how webhooks are sent."""

from __future__ import annotations

import click

WEBHOOKS = (
    click.Option(
        ["--webhook-schedule"],
        type=click.Choice(["two-hours", "until-expiry", "observed"]),
        default="two-hours",
        show_default=True,
        help="When webhooks that nobody took are sent again: by fal's older or newest account, or "
        "as a receiver saw it.",
    ),
    click.Option(
        ["--webhook-allow"],
        multiple=True,
        metavar="HOST[:PORT]",
        help="Let webhooks go to this host too, a glob such as *.example.com; may be given more "
        "than once.  [default: this machine]",
    ),
    click.Option(
        ["--webhook-timestamps"],
        type=click.Choice(["machine", "mock"]),
        default="machine",
        show_default=True,
        help="Whose clock signatures are dated by: the machine's, as receivers compare with it, or "
        "the mock's.",
    ),
    click.Option(
        ["--probe-webhooks"],
        is_flag=True,
        help="Also send each receiver a forged copy of a webhook and a re-serialised one, once; "
        "one that is taken is a finding.",
    ),
)
