"""The page: falkit open, and what `falkit run --page` does once its command has ended."""

from __future__ import annotations

import os
import sys
from urllib.parse import quote, urlsplit

import click

from falkit_mock.cli.options import note
from falkit_mock.cli.running import RunningMock, running_mock

STAYS = click.Option(
    ["--page", "stays"],
    is_flag=True,
    help="Keep the mock once COMMAND has ended, so that one can look at the page, until Enter or "
    "Ctrl-C.",
)


@click.command("open")
@running_mock
@click.option("--print", "only_print", is_flag=True, help="Print the URL, and open nothing.")
def open_(mock: RunningMock, only_print: bool) -> None:
    """Open a running mock's page in the browser.

    Where there is no browser, the URL is printed. That of a mock that asks for its token lets one
    browser in, within a minute; the token itself is not in it.
    """
    found = urlsplit(str(mock.post("/page")["url"]))
    url = mock.url.rstrip("/") + found.path + (f"?{found.query}" if found.query else "")
    # Anywhere else a key is no more than one of the filters.
    if mock.key and mock.get("/health")["settings"]["tenants"]:
        url += f"#/jobs?key={quote(mock.key, safe='')}"
    if only_print or not _open(url):
        click.echo(url)
    else:
        click.echo(f"opened {mock.url.rstrip('/')}/", err=True)


def _open(url: str) -> bool:
    """Open a URL in the person's browser; False where there is none."""
    shows = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform not in ("win32", "darwin") and not shows:
        # It would be one in the terminal, if any.
        return False
    # Lazy: no other command opens anything.
    import webbrowser

    return webbrowser.open(url)


def stay(url: str) -> None:
    """Return once a person has pressed Enter or Ctrl-C, or stdin has ended."""
    note(f"the page is at {url}; Enter or Ctrl-C ends the mock", always=True)
    try:
        sys.stdin.readline()
    except (KeyboardInterrupt, OSError, ValueError):
        click.echo(err=True)
