"""The options of what outlasts a mock: its state file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from falkit_mock.settings import Settings
    from falkit_mock.store import Store

STATE = click.Option(
    ["--state"],
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep everything in FILE, and uploads in FILE.uploads: jobs, files, rules, deliveries and "
    "time are there again after a restart.  [default: forget it at the end]",
)
KEEP = click.Option(
    ["--keep"],
    default="30d",
    show_default=True,
    metavar="AGE|BYTES|AGE,BYTES",
    help="Forget jobs and uploads that are older, or the oldest while there are more bytes: 7d, "
    "500MB, or 7d,500MB.",
)


def store_of(settings: Settings) -> Store | None:
    """Return the store of a state file, None where nothing is kept; raise SettingsError."""
    if settings.state is None:
        return None
    # Lazy: it imports what a mock needs.
    from falkit_mock.app import store_of

    return store_of(settings)
