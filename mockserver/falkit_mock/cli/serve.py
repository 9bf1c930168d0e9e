"""falkit serve and falkit run: a mock until Ctrl-C, or around one program."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from ipaddress import ip_address
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import click

from falkit_mock.cli.config import in_file
from falkit_mock.cli.gateway import one_line
from falkit_mock.cli.options import (
    EPILOG,
    RUN_OPTIONS,
    SERVE_OPTIONS,
    catalog_of,
    clock_line,
    clock_of,
    config_line,
    listening,
    note,
    settings_of,
)
from falkit_mock.core import count, reason
from falkit_mock.core.network import GATEWAY_PORT, PORT, reached
from falkit_spec.sources import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from falkit_mock.app import MockApp
    from falkit_mock.cli.console import Format, Level
    from falkit_mock.cli.reload import Reload
    from falkit_mock.cli.summary import Summary
    from falkit_mock.gateway import Policy
    from falkit_mock.gateway.environment import Child
    from falkit_mock.gateway.gateway import Gateway
    from falkit_mock.service.service import Service
    from falkit_spec import JSON, Catalog


class _Serve(click.Command):
    """A command whose errors are JSON too, if its log is."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if ctx.params["log_format"] == "text":
                raise
            note(error.format_message(), "error")
            sys.exit(error.exit_code)


_WIDTH = {"max_content_width": 100}


@click.command(cls=_Serve, params=[*SERVE_OPTIONS], epilog=EPILOG, context_settings=_WIDTH)
def serve(
    host: str,
    port: int,
    with_gateway: bool,
    gateway_port: int,
    egress: Policy,
    reload: bool,
    log_format: Format,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Serve the mock until Ctrl-C.

    The first line on stdout is JSON with the URLs; everything else goes to stderr.
    """
    settings = settings_of(chosen)
    clock = clock_of(settings)
    note(config_line())
    catalog = catalog_of(settings)
    from falkit_mock.app import app_of
    from falkit_mock.cli.console import ConsoleLog, log_errors
    from falkit_mock.server import MockServer

    with ExitStack() as sockets:
        listener = sockets.enter_context(listening(host, port))
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        note(clock_line(clock, "" if url == f"http://127.0.0.1:{PORT}" else url))
        made = _token_for(listener) if settings.control_token is None else None
        settings = settings.replace(control_token=settings.control_token or made)
        app = app_of(settings, catalog, clock=clock)
        service = app.service
        log_errors(log_format)
        if not quiet:
            service.events.listeners.append(ConsoleLog(log_format, clock=service.clock))
        if with_gateway:
            gate = sockets.enter_context(listening(host, gateway_port, "gateway-port"))
            app.gateway = _gateway(gate, listener, egress)
            app.gateway.egress.heard = service.events.emit
        server = MockServer(
            app,
            service,
            lambda: _announce(url, service, chosen["timing"], app.gateway, made),
            app.gateway,
        )
        if reload:
            sockets.enter_context(_reload(catalog))
        server.run(sockets=[listener])


def _reload(catalog: Catalog) -> Reload:
    from falkit_mock.cli.reload import Reload

    ctx = click.get_current_context()
    if not ctx.params["documents"]:
        fix = "give it folders or files with --documents"
        raise click.UsageError(in_file(f"reload: there are no documents of yours to watch; {fix}"))

    def say(line: str, level: Level) -> None:
        # Click's context is of the thread that began.
        with ctx.scope(cleanup=False):
            note(line, level, always=level == "warning")

    return Reload(catalog, say)


def _gateway(gate: socket, mock: socket, egress: Policy) -> Gateway:
    # Lazy: most mocks that serve have none.
    from falkit_mock.gateway import Egress
    from falkit_mock.gateway.gateway import Gateway

    with one_line():
        return Gateway(gate, reached(mock), Egress(egress))


def _token_for(listener: socket) -> str | None:
    """Make up a token for the control API of a mock that others can reach."""
    if ip_address(listener.getsockname()[0]).is_loopback:
        return None
    return token_urlsafe(24)


def _announce(
    url: str, service: Service, timing: str, gateway: Gateway | None, made_token: str | None
) -> None:
    """Say that requests are answered: to programs on stdout, to people on stderr."""
    ready: dict[str, JSON] = {
        "url": url,
        "fal_run": f"{url}/fal.run",
        "queue": f"{url}/queue.fal.run",
        "control": f"{url}/__falkit",
        "seed": service.identity.seed,
        "pid": os.getpid(),
    }
    more = ""
    if gateway is not None:
        ready |= {"gateway": gateway.url, "ca": str(gateway.authority.certificate)}
        port = gateway.url.rpartition(":")[2]
        option = "" if port == str(GATEWAY_PORT) else f" --gateway-port {port}"
        more = f'\n    for unmodified programs     eval "$(falkit env{option})"'
    # A log may be kept where a token should not be.
    token = {} if made_token is None else {"control_token": made_token}
    if made_token is not None:
        more += f"\n    token of the control API    {made_token}"
    print(json.dumps(ready | token), flush=True)
    rules = f", {count(len(service.settings.faults), 'rule')}" if service.settings.faults else ""
    date = f", as of {service.settings.as_of}" if service.settings.as_of else ""
    title = f"falkit stands in for fal.ai at {url}"
    banner = f"""
  {title}
  (timing {timing}, seed {service.identity.seed}{date}{rules})

    in place of https://        {url}/queue.fal.run/…
    proxyUrl of @fal-ai/client  {url}/api/fal/proxy
    receivers of webhooks       FALKIT_BASE_URL={url}{more}
    stop                        Ctrl-C
"""
    as_json = click.get_current_context().params["log_format"] == "json"
    note(title if as_json else banner, facts={"timing": timing, **ready})


_LOOPBACK = "127.0.0.1"
_NOT_EXECUTABLE, _NOT_FOUND = _NOT_RUN = (126, 127)


@click.command(
    params=[*RUN_OPTIONS],
    epilog=EPILOG,
    context_settings={**_WIDTH, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    egress: Policy,
    verbose: bool,
    quiet: bool,
    command: tuple[str, ...],
    **chosen: Any,
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
    note(config_line())
    catalog = catalog_of(settings)
    from falkit_mock.gateway.environment import KEY, TOKEN, Child, variables
    from falkit_mock.mock import ServerThread

    with ExitStack() as sockets:
        mock, gate = (sockets.enter_context(listening(_LOOPBACK, 0)) for _ in range(2))
        url, gateway = reached(mock), _gateway(gate, mock, egress)
        key = next(iter(chosen["api_keys"]), KEY)
        with one_line():
            added = variables(gateway.url, gateway.authority, egress, os.environ, key, url)
        if settings.control_token is not None:
            added[TOKEN] = settings.control_token
        if settings.documents:
            # Clients within it go by the same documents, wherever it works.
            added[VARIABLE] = os.pathsep.join(map(os.path.abspath, settings.documents))
        child = Child(command, {**os.environ, **added})
        summaries: list[Summary] = []

        def listen_to(app: MockApp) -> None:
            # Lazy: by now the program runs.
            from falkit_mock.cli.console import ConsoleLog
            from falkit_mock.cli.summary import Summary

            listeners = app.service.events.listeners
            summaries.append(Summary(app.service, app.catalog, gateway))
            listeners.append(summaries[0])
            if not quiet:
                listeners.append(ConsoleLog(clock=app.service.clock, failures_only=not verbose))

        server = ServerThread(settings, mock, gateway, listen_to, clock=clock, catalog=catalog)
        server.broken = child.stop
        with server:
            started = f"mock at {url}; {clock_line(clock, url)}".removesuffix("; ")
            code = _run(child, command[0], lambda: note(started))
            summary = server.call(lambda: summaries[0].text(code))
        if code not in _NOT_RUN:
            note(summary)
    sys.exit(code)


def _run(child: Child, name: str, started: Callable[[], None]) -> int:
    """Run the command to its end and return its exit code; one line says why it can't be."""
    try:
        return child.run(started)
    except FileNotFoundError:
        note(f"{name}: no such command", "error")
        return _NOT_FOUND
    except (OSError, ValueError) as error:
        note(f"{name}: can't be executed ({reason(error)})", "error")
        return _NOT_EXECUTABLE
