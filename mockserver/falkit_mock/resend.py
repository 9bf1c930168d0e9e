"""`falkit resend`: the webhook of a job that has ended, once more."""

from __future__ import annotations

from typing import Literal

import click

from falkit_mock.calling import RunningMock, running_mock
from falkit_mock.delivering import format_option, tell


@click.command()
@running_mock
@click.option(
    "--to", "url", metavar="URL", help="Send it here.  [default: the job's own fal_webhook]"
)
@format_option
@click.argument("request_id")
def resend(
    mock: RunningMock, url: str | None, form: Literal["text", "json"], request_id: str
) -> None:
    """Send the webhook of REQUEST_ID once more, signed anew.

    The exit code is 0 if the receiver took it, 1 if not.
    """
    from urllib.parse import quote

    body = {} if url is None else {"url": url}
    tell(mock.post(f"/jobs/{quote(request_id, safe='')}/resend", body), form)
