"""falkit serve and falkit run: a mock until Ctrl-C, or around one program."""

from __future__ import annotations

import errno
import gc
import os
import shlex
import signal
import socket
import sys
from contextlib import ExitStack
from ipaddress import ip_address
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import click

from falkit_mock.cli.banner import announce
from falkit_mock.cli.config import in_file, seed_of_config
from falkit_mock.cli.lasting import Carried, seed_line, shared_store, store_of
from falkit_mock.cli.options import (
    EPILOG,
    RUN_OPTIONS,
    SERVE_OPTIONS,
    catalog_of,
    clock_line,
    clock_of,
    config_line,
    note,
    refusing,
    settings_of,
)
from falkit_mock.cli.page import STAYS, stay
from falkit_mock.cli.spend import EXCEEDED, Budget, over_together, share
from falkit_mock.cli.stdin import STOP_WITH_STDIN, at_end_of_stdin
from falkit_mock.cli.verdict import REPORT, Verdict
from falkit_mock.core import reason
from falkit_mock.core.network import PORT, listen, reached
from falkit_mock.core.settings import shown_state
from falkit_mock.waiting import WaitingRoom
from falkit_spec.sources import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from falkit_mock.app import MockApp
    from falkit_mock.cli.console import Format
    from falkit_mock.cli.summary import Summary
    from falkit_mock.cli.workers import Serve
    from falkit_mock.gateway import Policy
    from falkit_mock.gateway.environment import Child
    from falkit_mock.gateway.gateway import Gateway
    from falkit_mock.settings import Settings
    from falkit_mock.store.link import Link


# Addresses of other machines, or of another family than this one has.
_ELSEWHERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


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
_SERVE = [*SERVE_OPTIONS, *REPORT, STOP_WITH_STDIN]


@click.command(cls=_Serve, params=_SERVE, epilog=EPILOG, context_settings=_WIDTH)
def serve(
    host: str,
    port: int,
    with_gateway: bool,
    gateway_port: int,
    egress: Policy,
    workers: int,
    reload: bool,
    log_format: Format,
    quiet: bool,
    stop_with_stdin: bool,
    **chosen: Any,
) -> None:
    """Serve the mock until Ctrl-C.

    The first line on stdout is JSON with the URLs; everything else goes to stderr.
    """
    settings = settings_of(chosen)
    if workers > 1:
        _check_workers(settings, {**chosen, "with_gateway": with_gateway})
    verdict = Verdict(chosen, "falkit serve")
    clock = clock_of(settings)
    note(config_line())
    with ExitStack() as sockets:
        listener = sockets.enter_context(listening(host, port))
        room = None
        if workers == 1:
            room = sockets.enter_context(WaitingRoom(listener))
            room.why = "documents are being read"
        catalog = catalog_of(settings)
        from falkit_mock.assembly import app_of
        from falkit_mock.server import MockServer

        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        made = _token_for(listener) if settings.control_token is None else None
        settings = settings.replace(control_token=settings.control_token or made)
        carried = Carried(chosen["source"], chosen["target"])
        if log_format == "json":
            from falkit_mock.cli.console import log_errors

            log_errors()
        timing: str = chosen["timing"]
        facts = {"timing": timing, "workers": workers}

        def work(
            listener: socket.socket,
            link: Link | None = None,
            tell: Callable[[dict[str, Any]], None] = lambda facts: None,
        ) -> None:
            """Answer on a socket until the end; as one of several workers if there is a link."""
            if room is not None:
                room.why = "its state is being read"
            with refusing():
                store = None if link is None else shared_store(settings, link)
                # Tenants have clocks of their own.
                time = None if settings.tenants else clock
                app = app_of(settings, catalog, clock=time, store=store)
            if link is not None:
                share(app, link)
            first = link is None or (link.number == 1 and not link.again)
            if first:
                carried.attach(app)
            if seed := seed_of_config():
                seed.attach(app, url, again=link is not None and link.again)
            service = app.service
            if first:
                note(clock_line(service.clock, "" if url == f"http://127.0.0.1:{PORT}" else url))
                note(seed_line(service), "warning")
            if not quiet:
                from falkit_mock.cli.console import ConsoleLog

                log = ConsoleLog(log_format, clock=service.clock, keys=settings.tenants)
                app.events.listen(log)
            if with_gateway:
                gate = sockets.enter_context(listening(host, gateway_port, "gateway-port"))
                app.gateway = _gateway(gate, listener, egress)
                app.gateway.egress.heard = app.events.emit

            def answers() -> None:
                if link is None:
                    announce(
                        url, settings, catalog, facts, service.identity.seed, app.gateway, made
                    )
                else:
                    link.watch_parent(server.stop)
                    tell({"seed": service.identity.seed})

            budget = Budget(app)
            service.hooks.ending.append(budget.check)
            if verdict.wanted:
                service.hooks.ending.append(lambda: verdict.look(app))
            server = MockServer(app, service, answers, app.gateway, room)
            if stop_with_stdin and link is None:
                at_end_of_stdin(server.stop)
            if reload:
                from falkit_mock.cli.reload import reload_of

                tells = link is None or link.number == 1
                sockets.enter_context(reload_of(catalog, app, tells=tells))
            # What is there by now stays, and jobs stay too: looking through them again and again
            # is a tenth of a submit's time. Few at once, so that nobody waits for it.
            gc.freeze()
            gc.set_threshold(10_000, 3, 1000)
            server.run(sockets=[listener])
            exceeded.append(budget.line)

        exceeded: list[str] = []
        if workers == 1:
            work(listener)
            carried.check()
            code = verdict.finish()
            sys.exit(_ended(exceeded) or code)

        def started(told: dict[str, Any]) -> None:
            if stop_with_stdin:
                at_end_of_stdin(lambda: os.kill(os.getpid(), signal.SIGTERM))
            announce(url, settings, catalog, facts, told["seed"], None, made)

        sys.exit(_several(settings, listener, workers, work, started))


def _ended(exceeded: Iterable[str], code: int = 0) -> int:
    """Say what exceeds a budget; return the exit code, a command's own if it isn't 0."""
    lines = [*filter(None, exceeded)]
    for line in lines:
        note(line, "error")
    return code or (EXCEEDED if lines else 0)


def _check_workers(settings: Settings, chosen: dict[str, Any]) -> None:
    if sys.platform == "win32":
        raise click.UsageError(in_file("workers: Windows can't copy a process; leave it out"))
    # Lazy, here and below: most mocks are one process.
    from falkit_mock.cli.workers import check_workers

    check_workers(settings, chosen)


def _several(
    settings: Settings,
    listener: socket.socket,
    count: int,
    work: Serve,
    started: Callable[[dict[str, Any]], None],
) -> int:
    """Have several workers answer until the end; return the exit code."""
    from falkit_mock.cli.workers import Workers, listening_too

    listeners = listening_too(listener, count)
    workers = Workers(settings, listeners, work)
    try:
        code = workers.run(started)
        return _ended([over_together(settings, workers.spent)], code)
    finally:
        for other in listeners:
            other.close()


def _gateway(gate: socket.socket, mock: socket.socket, egress: Policy) -> Gateway:
    # Lazy: most mocks that serve have none.
    from falkit_mock.cli.gateway import one_line
    from falkit_mock.gateway import Egress
    from falkit_mock.gateway.gateway import Gateway

    with one_line():
        return Gateway(gate, reached(mock), Egress(egress))


def _token_for(listener: socket.socket) -> str | None:
    """Make up a token for the control API of a mock that others can reach."""
    if ip_address(listener.getsockname()[0]).is_loopback:
        return None
    return token_urlsafe(24)


def listening(host: str, port: int, option: str = "port") -> socket.socket:
    """Return a listening socket; a UsageError names the option that has to change."""
    try:
        return listen(host, port)
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror | UnicodeError) or error.errno in _ELSEWHERE:
            fix = "give one of this machine's, such as 127.0.0.1 or 0.0.0.0 for all"
            why = f"host: {host!r} isn't an address to listen on ({reason(error)}); {fix}"
        else:
            fix = f"choose another --{option}, or 0 for a free one"
            why = f"{option}: can't listen on {host}:{port} ({reason(error)}); {fix}"
        raise click.UsageError(in_file(why)) from None


_LOOPBACK = "127.0.0.1"
_NOT_EXECUTABLE, _NOT_FOUND = _NOT_RUN = (126, 127)


@click.command(
    params=[*RUN_OPTIONS, *REPORT, STAYS],
    epilog=EPILOG,
    context_settings={**_WIDTH, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    egress: Policy,
    verbose: bool,
    quiet: bool,
    stays: bool,
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
    executed, 128 and the number for a signal. Where that is 0, it is 1 if --budget is exceeded or
    something is found that --fail-on names, and 3 if that couldn't be looked at.
    """
    settings = settings_of(chosen)
    verdict = Verdict(chosen, shlex.join(command))
    clock = clock_of(settings)
    note(config_line())
    catalog = catalog_of(settings)
    from falkit_mock.cli.gateway import one_line
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
        ctx = click.get_current_context()
        carried, seed = Carried(chosen["source"], chosen["target"]), seed_of_config()

        def listen_to(app: MockApp) -> None:
            # Lazy: by now the program runs.
            from falkit_mock.cli.console import ConsoleLog
            from falkit_mock.cli.summary import Summary

            carried.attach(app)
            if seed is not None:
                seed.attach(app, url)
            with ctx.scope(cleanup=False):
                note(seed_line(app.service), "warning")
            summaries.append(Summary(app.service, app.catalog, gateway, app.services))
            app.events.listen(summaries[0])
            if not quiet:
                log = ConsoleLog(clock=app.service.clock, failures_only=not verbose)
                app.events.listen(log)

        with refusing():
            server = ServerThread(
                settings,
                mock,
                gateway,
                listen_to,
                clock=None if settings.tenants else clock,
                catalog=catalog,
                store=store_of(settings),
            )
            server.broken = child.stop
            with server:
                state = "" if settings.state is None else f"state {shown_state(settings.state)}"
                facts = (f"mock at {url}", state, clock_line(clock, url))
                started = "; ".join(filter(None, facts))
                code = _run(child, command[0], lambda: note(started))
                app = server.wait()
                if verdict.wanted or not quiet:
                    server.call(lambda: verdict.look(app))
                summary = server.call(lambda: summaries[0].text(code, verdict.report))
                budget = Budget(app)
                server.call(budget.check)
                if stays and code not in _NOT_RUN:
                    # What is done by hand from now on is in no report.
                    note(summary)
                    summary = ""
                    # Lazy: most runs are over by now.
                    from falkit_mock.page import address

                    stay(address(url, app.guard.sessions))
            carried.check()
        if code not in _NOT_RUN:
            note(summary)
    judged = verdict.finish(code)
    sys.exit(_ended([budget.line], code) or judged)


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
