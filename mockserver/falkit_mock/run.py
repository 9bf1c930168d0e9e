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
    clock_of,
    egress_option,
    listening,
    mock_options,
    settings_of,
    tell,
    told_clock,
    told_config,
)

if TYPE_CHECKING:
    from falkit_mock.gateway.child import Child
    from falkit_mock.gateway.egress import Policy

_LOOPBACK = "127.0.0.1"
_NOT_EXECUTABLE, _NOT_FOUND = _NOT_RUN = (126, 127)


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
    """Run COMMAND with all its calls to fal answered by the mock.

    \b
    falkit run -- python app.py
    falkit run --timing instant -- node app.mjs
    falkit run --egress block -- pytest

    COMMAND finds the mock in FALKIT_BASE_URL, too, and so do `falkit clock` and the like within it.

    The exit code is the command's own: 127 if there is no such command, 126 if it can't be
    executed, 128 and the number for a signal.
    """
    settings = settings_of(chosen)
    clock = clock_of(chosen)
    tell("" if quiet else told_config())
    from falkit_mock.gateway.around import Around
    from falkit_mock.gateway.child import Child
    from falkit_mock.gateway.egress import Egress
    from falkit_mock.gateway.environment import KEY, TOKEN, variables
    from falkit_mock.gateway.errors import GatewayError
    from falkit_mock.gateway.gateway import Gateway, reached

    with ExitStack() as sockets:
        mock, gate = (sockets.enter_context(listening(_LOOPBACK, 0)) for _ in range(2))
        try:
            gateway = Gateway(gate, reached(mock), Egress(egress))
            key = next(iter(chosen["api_keys"]), KEY)
            url = reached(mock)
            added = variables(gateway.url, gateway.authority, egress, os.environ, key, url)
        except GatewayError as error:
            raise click.UsageError(str(error)) from None
        if settings.control_token is not None:
            added[TOKEN] = settings.control_token
        tell("" if quiet else told_clock(clock, url))
        child = Child(command, {**os.environ, **added})
        around = Around(settings, mock, gateway, verbose=verbose, clock=clock)
        around.broken = child.stop
        with around:
            code = _ended(child, command[0])
            summary = around.summary()
        if not quiet and code not in _NOT_RUN:
            print(summary, file=sys.stderr, flush=True)
    sys.exit(code)


def _ended(child: Child, name: str) -> int:
    """Run the command to its end and return its exit code; one line says why it can't be."""
    try:
        return child.run()
    except FileNotFoundError:
        click.echo(f"falkit: {name}: no such command", err=True)
        return _NOT_FOUND
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        click.echo(f"falkit: {name}: can't be executed ({reason})", err=True)
        return _NOT_EXECUTABLE
