"""falkit serve and falkit run: a mock until Ctrl-C, or around one program."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from ipaddress import ip_address
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Literal, Unpack

import click

from falkit_mock.cli.options import (
    EPILOG,
    MockOptions,
    clock_of,
    listening,
    run_options,
    serve_options,
    settings_of,
    tell,
    told_clock,
    told_config,
)
from falkit_mock.core.network import GATEWAY_PORT, PORT

if TYPE_CHECKING:
    from socket import socket

    from falkit_mock.app import MockApp
    from falkit_mock.gateway import Policy
    from falkit_mock.gateway.environment import Child
    from falkit_mock.gateway.gateway import Gateway
    from falkit_mock.service.service import Service


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@serve_options
def serve(
    host: str,
    port: int,
    with_gateway: bool,
    gateway_port: int,
    egress: Policy,
    log_format: Literal["text", "json"],
    quiet: bool,
    **chosen: Unpack[MockOptions],
) -> None:
    """Serve the mock until Ctrl-C.

    The first line on stdout is JSON with the URLs; everything else goes to stderr.
    """
    settings = settings_of(chosen)
    clock = clock_of(settings)
    tell(told_config())
    from falkit_mock.app import create_app
    from falkit_mock.cli.console import ConsoleLog
    from falkit_mock.server import MockServer

    with ExitStack() as sockets:
        listener = sockets.enter_context(listening(host, port))
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        tell(told_clock(clock, "" if url == f"http://127.0.0.1:{PORT}" else url))
        made = _token_for(listener) if settings.control_token is None else None
        app = create_app(
            settings.replace(control_token=settings.control_token or made), clock=clock
        )
        service = app.service
        if not quiet:
            service.events.listeners.append(ConsoleLog(log_format, clock=service.clock))
        gateway = None
        if with_gateway:
            from falkit_mock.core.network import reached
            from falkit_mock.gateway import Egress, GatewayError
            from falkit_mock.gateway.gateway import Gateway

            gate = sockets.enter_context(listening(host, gateway_port, "gateway-port"))
            try:
                gateway = Gateway(gate, reached(listener), Egress(egress, service.events.emit))
            except GatewayError as error:
                raise click.UsageError(str(error)) from None
            app.gateway = gateway
        server = MockServer(
            app,
            service,
            lambda: _announce(url, service, chosen["timing"], gateway, made),
            gateway,
        )
        server.run(sockets=[listener])


def _token_for(listener: socket) -> str | None:
    """Make up a token for the control API of a mock that others can reach."""
    if ip_address(listener.getsockname()[0]).is_loopback:
        return None
    return token_urlsafe(24)


def _announce(
    url: str, service: Service, timing: str, gateway: Gateway | None, made_token: str | None
) -> None:
    """Say that requests are answered: to programs on stdout, to people on stderr."""
    ready = {
        "url": url,
        "fal_run": f"{url}/fal.run",
        "queue": f"{url}/queue.fal.run",
        "control": f"{url}/__falkit",
        "seed": service.identity.seed,
        "pid": os.getpid(),
    }
    more = ""
    if made_token is not None:
        ready["control_token"] = made_token
        more = f"\n    token of the control API    {made_token}"
    if gateway is not None:
        ready |= {"gateway": gateway.url, "ca": str(gateway.authority.certificate)}
        port = gateway.url.rpartition(":")[2]
        option = "" if port == str(GATEWAY_PORT) else f" --gateway-port {port}"
        more += f'\n    for unmodified programs     eval "$(falkit env{option})"'
    print(json.dumps(ready), flush=True)
    count = len(service.settings.faults)
    rules = f", {count} rule{'s'[: count - 1]}" if count else ""
    banner = f"""
  falkit stands in for fal.ai at {url}
  (timing {timing}, seed {service.identity.seed}{rules})

    in place of https://        {url}/queue.fal.run/…
    proxyUrl of @fal-ai/client  {url}/api/fal/proxy
    receivers of webhooks       FALKIT_BASE_URL={url}{more}
    stop                        Ctrl-C
"""
    print(banner, file=sys.stderr, flush=True)


_LOOPBACK = "127.0.0.1"
_NOT_EXECUTABLE, _NOT_FOUND = _NOT_RUN = (126, 127)


@click.command(
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "allow_interspersed_args": False},
)
@run_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    egress: Policy,
    verbose: bool,
    quiet: bool,
    command: tuple[str, ...],
    **chosen: Unpack[MockOptions],
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
    clock = clock_of(settings)
    tell("" if quiet else told_config())
    from falkit_mock.core.network import reached
    from falkit_mock.gateway import Egress, GatewayError
    from falkit_mock.gateway.environment import KEY, TOKEN, Child, variables
    from falkit_mock.gateway.gateway import Gateway
    from falkit_mock.mock import ServerThread

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
        listeners = Listeners(gateway, verbose=verbose)
        server = ServerThread(settings, mock, gateway, listeners.add_to, clock=clock)
        server.broken = child.stop
        with server:
            code = _ended(child, command[0])
            summary = server.call(listeners.summary)
        if not quiet and code not in _NOT_RUN:
            print(summary, file=sys.stderr, flush=True)
    sys.exit(code)


class Listeners:
    """Counts, and prints if need be, what happens during `falkit run`."""

    def __init__(self, gateway: Gateway, *, verbose: bool) -> None:
        self._gateway = gateway
        self._verbose = verbose

    def add_to(self, app: MockApp) -> None:
        """Listen to what happens in an application."""
        from falkit_mock.cli.console import ConsoleLog
        from falkit_mock.cli.summary import Tally, Webhooks

        self._app = app
        self._tally, self._webhooks = Tally(), Webhooks()
        listeners = app.service.events.listeners
        listeners += [self._tally, self._webhooks]
        if self._verbose:
            listeners.append(ConsoleLog(clock=app.service.clock))

    async def summary(self) -> str:
        """Return what happened so far."""
        from falkit_mock.cli.summary import remains, spend, summary

        service, gateway = self._app.service, self._gateway
        spent = await spend(service, self._app.catalog)
        left = remains(service, self._webhooks)
        return summary(self._tally, spent, left, gateway.egress, gateway.failed_handshakes)


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
