"""`falkit serve`: the mock on a socket, from the first line of stdout to the last stream's end."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Literal, Unpack

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
    from socket import socket

    from falkit_mock.gateway.egress import Policy
    from falkit_mock.gateway.gateway import Gateway
    from falkit_mock.platform.platform import Platform

PORT = 4325
GATEWAY_PORT = 4326


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@mock_options
@click.option(
    "--gateway",
    "with_gateway",
    is_flag=True,
    help="Also listen as a proxy and as fal's own names, for programs that know only those.",
)
@click.option(
    "--gateway-port",
    default=GATEWAY_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of the gateway; 0 takes a free one.",
)
@egress_option
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How each request is written to stderr.",
)
@click.option("--quiet", is_flag=True, help="Write no line per request.")
def serve(
    host: str,
    port: int,
    with_gateway: bool,
    gateway_port: int,
    egress: Policy,
    log_format: Literal["text", "json"],
    quiet: bool,
    **chosen: Unpack[Chosen],
) -> None:
    """Serve the mock until Ctrl-C.

    The first line on stdout is JSON with the URLs; everything else goes to stderr.
    """
    settings = settings_of(chosen)
    clock = clock_of(chosen)
    tell(told_config())
    from falkit_mock.app import create_app
    from falkit_mock.request_log import RequestLog
    from falkit_mock.server import MockServer

    with ExitStack() as sockets:
        listener = sockets.enter_context(listening(host, port))
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        tell(told_clock(clock, "" if url == f"http://127.0.0.1:{PORT}" else url))
        made = _token_for(listener) if settings.control_token is None else None
        app = create_app(
            replace(settings, control_token=settings.control_token or made), clock=clock
        )
        platform: Platform = app.state.platform
        log = RequestLog(app, log_format, clock=platform.clock)
        if not quiet:
            platform.webhooks.log.heard = log.delivered
        gateway = None
        if with_gateway:
            from falkit_mock.gateway.egress import Egress
            from falkit_mock.gateway.errors import GatewayError
            from falkit_mock.gateway.gateway import Gateway, reached

            gate = sockets.enter_context(listening(host, gateway_port, "gateway-port"))
            try:
                gateway = Gateway(
                    gate, reached(listener), Egress(egress, None if quiet else log.left)
                )
            except GatewayError as error:
                raise click.UsageError(str(error)) from None
            app.state.gateway = gateway
        server = MockServer(
            app if quiet else log,
            platform,
            lambda: _announce(url, platform, chosen["timing"], gateway, made),
            gateway,
        )
        server.run(sockets=[listener])


def _token_for(listener: socket) -> str | None:
    """Make up a token for the control API of a mock that others can reach."""
    if ip_address(listener.getsockname()[0]).is_loopback:
        return None
    return token_urlsafe(24)


def _announce(
    url: str, platform: Platform, timing: str, gateway: Gateway | None, made_token: str | None
) -> None:
    """Say that requests are answered: to programs on stdout, to people on stderr."""
    ready = {
        "url": url,
        "fal_run": f"{url}/fal.run",
        "queue": f"{url}/queue.fal.run",
        "control": f"{url}/__falkit",
        "seed": platform.identity.seed,
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
    count = len(platform.settings.rules)
    rules = f", {count} rule{'s'[: count - 1]}" if count else ""
    banner = f"""
  falkit stands in for fal.ai at {url}
  (timing {timing}, seed {platform.identity.seed}{rules})

    in place of https://        {url}/queue.fal.run/…
    proxyUrl of @fal-ai/client  {url}/api/fal/proxy
    receivers of webhooks       FALKIT_BASE_URL={url}{more}
    stop                        Ctrl-C
"""
    print(banner, file=sys.stderr, flush=True)
