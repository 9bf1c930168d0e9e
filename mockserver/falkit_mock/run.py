"""`falkit run`: a program with the mock and the gateway around it, and nothing of it changed."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Unpack

import click

from falkit_mock.options import (
    EPILOG,
    Chosen,
    egress_option,
    listening,
    mock_options,
    settings_of,
)

if TYPE_CHECKING:
    from falkit_mock.gateway.egress import Policy

_LOOPBACK = "127.0.0.1"


@click.command(
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "allow_interspersed_args": False},
)
@mock_options
@egress_option
@click.option("--verbose", is_flag=True, help="Write a line per request to stderr.")
@click.option("--quiet", is_flag=True, help="Write no summary at the end.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    egress: Policy,
    verbose: bool,
    quiet: bool,
    command: tuple[str, ...],
    **chosen: Unpack[Chosen],
) -> None:
    """Run COMMAND so that all its calls to fal are answered by the mock.

    \b
    falkit run -- python app.py
    falkit run --timing instant -- node app.mjs
    falkit run --egress block -- pytest

    The exit code is the command's own: 127 if there is no such command, 126 if it can't be
    executed, 128 and the number for a signal.
    """
    settings = settings_of(chosen)
    from falkit_mock.gateway.around import Around
    from falkit_mock.gateway.environment import KEY, variables
    from falkit_mock.gateway.errors import GatewayError

    with ExitStack() as sockets:
        mock, gate = (sockets.enter_context(listening(_LOOPBACK, 0)) for _ in range(2))
        try:
            around = Around(settings, mock, gate, egress, verbose=verbose)
            key = next(iter(chosen["api_keys"]), KEY)
            added = variables(around.gateway.url, around.gateway.authority, egress, os.environ, key)
        except GatewayError as error:
            raise click.UsageError(str(error)) from None
        with around:
            code = _ended(command, {**os.environ, **added})
            if not quiet and code not in (126, 127):
                print(around.summary(), file=sys.stderr, flush=True)
    sys.exit(code)


def _ended(command: tuple[str, ...], environ: dict[str, str]) -> int:
    """Run the command to its end and return its exit code; one line says why it can't be."""
    from falkit_mock.gateway.child import Child

    try:
        return Child(command, environ).run()
    except FileNotFoundError:
        click.echo(f"falkit: {command[0]}: no such command", err=True)
        return 127
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        click.echo(f"falkit: {command[0]}: can't be executed ({reason})", err=True)
        return 126
