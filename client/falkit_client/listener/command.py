"""`falkit listen`: the command, from its first line on stdout to Ctrl-C."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import click

if TYPE_CHECKING:
    from falkit_client.listener.forwarding import Forwarding
    from falkit_client.webhooks import KeyRing

PORT = 4327
_MOCK = "http://127.0.0.1:4325"
# Whoever rotates a mock's keys looks at once; nobody forges deliveries to a desk.
_PAUSE = 1.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}

_EPILOG = """\b
Examples:
  falkit listen
  falkit listen --forward-to http://localhost:8000/webhooks/fal
  falkit listen --format json --port 0

\b
Answers: the receiver's own with --forward-to, 502 or 504 if it gives none. Else
200 for verified deliveries, 400 or 401 for others, 503 if fal's keys can't be had.
"""


@click.command(epilog=_EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535),
              help="Port to listen on; 0 takes a free one.")  # fmt: skip
@click.option("--forward-to", metavar="URL", help="Pass every delivery on to this receiver.")
@click.option("--base-url", metavar="URL",
              help="The mock whose deliveries come.  "
              f"[env: FALKIT_BASE_URL; default: {_MOCK}]")  # fmt: skip
@click.option("--real", is_flag=True, help="Deliveries come from the real fal: use its keys.")
@click.option("--jwks", metavar="URL", help="Fetch the keys from here.")
@click.option("--leeway", default=300.0, show_default=True, type=click.FloatRange(0),
              metavar="SECONDS",
              help="How far timestamps may be off; a mock whose clock was moved signs by it only "
              "with --webhook-timestamps mock.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="How each delivery is written to stdout.")  # fmt: skip
def listen(
    host: str,
    port: int,
    forward_to: str | None,
    base_url: str | None,
    real: bool,
    jwks: str | None,
    leeway: float,
    form: Literal["text", "json"],
) -> None:
    """Receive webhooks: print and verify each, and pass it on.

    The first line on stdout is JSON with the URL to give as fal_webhook. A delivery is passed on
    byte for byte with its headers, verified or not; the path and query that follow the URL are
    added to the receiver's.
    """
    from falkit_client.listener.receiver import receiver
    from falkit_client.listener.serving import Server
    from falkit_client.listener.telling import as_json, as_text

    keys = _keys(base_url, real, jwks)
    forwarding = _forwarding(forward_to)
    written = as_json if form == "json" else as_text
    with _listening(host, port) as listener:
        port = listener.getsockname()[1]
        shown = _ANY.get(host, host)
        url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
        _check_for_a_ring(forward_to, port, shown)
        app = receiver(
            keys,
            lambda heard: print(written(heard), flush=True),
            forwarding=forwarding,
            leeway=leeway,
        )
        Server(app, _announcing(url, keys.url, forward_to)).run(sockets=[listener])


def _keys(base_url: str | None, real: bool, jwks: str | None) -> KeyRing:
    from falkit_client.webhooks import FAL_JWKS, KeyRing, jwks_url

    given = {"--base-url": base_url, "--real": real, "--jwks": jwks}
    chosen = [name for name, value in given.items() if value]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other: keep one")
    base = base_url or os.environ.get("FALKIT_BASE_URL") or _MOCK
    try:
        return KeyRing(jwks or (FAL_JWKS if real else jwks_url(base)), pause=_PAUSE)
    except ValueError as error:
        raise click.UsageError(f"{chosen[0] if chosen else '--base-url'}: {error}") from None


def _forwarding(url: str | None) -> Forwarding | None:
    from falkit_client._requests import origin
    from falkit_client.listener.forwarding import Forwarding

    if url is None:
        return None
    if origin(url.partition("?")[0]) is None:
        raise click.UsageError(
            f"--forward-to is {url!r}: give an http or https URL such as"
            " http://localhost:8000/webhooks/fal"
        )
    return Forwarding(url)


def _check_for_a_ring(forward_to: str | None, port: int, host: str) -> None:
    from falkit_client._requests import origin

    there = origin(forward_to.partition("?")[0]) if forward_to else None
    if there and there[1] in (host, "localhost", "127.0.0.1", "::1") and there[2] == port:
        raise click.UsageError(f"--forward-to is {forward_to!r}: that is this receiver itself")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # On Windows it would let two receivers have the same port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise click.UsageError(
            f"port: can't listen on {host}:{port} ({reason}); choose another --port, or 0 for a"
            " free one"
        ) from None
    return listener


def _announcing(url: str, keys: str, forward_to: str | None) -> Callable[[], None]:
    ready = {"url": url, "jwks": keys, "forward_to": forward_to, "pid": os.getpid()}
    onwards = f"\n    pass on to   {forward_to}" if forward_to else ""
    banner = f"""
  falkit listens for webhooks at {url}

    submit with  ?fal_webhook={quote(url, safe="")}
    keys from    {keys}{onwards}
    stop         Ctrl-C
"""

    def announce() -> None:
        print(json.dumps(ready), flush=True)
        print(banner, file=sys.stderr, flush=True)

    return announce
