"""`falkit listen`: a receiver of webhooks that prints what comes and passes it on."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import click

from falkit_client._requests import origin
from falkit_client.download import files_of
from falkit_client.errors import (
    KeysUnavailable,
    StaleTimestamp,
    WebhookError,
    fault_line,
    printable,
)
from falkit_client.webhooks import FAL_JWKS, Delivery, KeyRing, jwks_url

if TYPE_CHECKING:
    from falkit_client._receiver import Passed, Received
    from falkit_spec.types import Fault

PORT = 4327
_MOCK = "http://127.0.0.1:4325"
# Short, since whoever rotates a mock's keys looks at once, and nobody forges deliveries here.
_PAUSE = 1.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_INDENT = " " * 9
_MOST_FACTS = 5
_WIDEST = 300

_EPILOG = """\b
Examples:
  falkit listen
  falkit listen --forward-to http://localhost:8000/webhooks/fal
  falkit listen --json --port 0

\b
Answers: the receiver's own with --forward-to, 502 or 504 if there is none. Else
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
@click.option("--json", "json_lines", is_flag=True,
              help="Print each delivery as a line of JSON.")  # fmt: skip
def listen(
    host: str,
    port: int,
    forward_to: str | None,
    base_url: str | None,
    real: bool,
    jwks: str | None,
    leeway: float,
    json_lines: bool,
) -> None:
    """Receive webhooks: print and verify each, and pass it on.

    The first line on stdout is JSON with the URL to give as fal_webhook. A delivery is passed on
    byte for byte with its headers, verified or not; the path and query that follow the URL are
    added to the receiver's.
    """
    # Starlette and uvicorn are imported only here: `--help` needs neither.
    from falkit_client._receiver import Forwarding, Server, receiver

    keys = _keys(base_url, real, jwks)
    target = _origin(forward_to)
    format_ = as_json if json_lines else as_text
    with _bound_socket(host, port) as listener:
        port = listener.getsockname()[1]
        shown = _ANY.get(host, host)
        url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
        if target and target[1] in (shown, "localhost", "127.0.0.1", "::1") and target[2] == port:
            raise click.UsageError(f"--forward-to is {forward_to!r}: that is this receiver itself")
        app = receiver(
            keys,
            lambda received: print(format_(received), flush=True),
            forwarding=None if forward_to is None else Forwarding(forward_to),
            leeway=leeway,
        )
        Server(app, lambda: _announce(url, keys.url, forward_to)).run(sockets=[listener])


def _keys(base_url: str | None, real: bool, jwks: str | None) -> KeyRing:
    options = {"--base-url": base_url, "--real": real, "--jwks": jwks}
    chosen = [name for name, value in options.items() if value]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other: keep one")
    base = base_url or os.environ.get("FALKIT_BASE_URL") or _MOCK
    try:
        return KeyRing(jwks or (FAL_JWKS if real else jwks_url(base)), pause=_PAUSE)
    except ValueError as error:
        raise click.UsageError(f"{chosen[0] if chosen else '--base-url'}: {error}") from None


def _origin(url: str | None) -> tuple[str, str, int] | None:
    """The origin of --forward-to, if it is given."""
    found = None if url is None else origin(url.partition("?")[0])
    if url is not None and found is None:
        raise click.UsageError(
            f"--forward-to is {url!r}: give an http or https URL such as"
            " http://localhost:8000/webhooks/fal"
        )
    return found


def _bound_socket(host: str, port: int) -> socket.socket:
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


def _announce(url: str, keys: str, forward_to: str | None) -> None:
    ready = {"url": url, "jwks": keys, "forward_to": forward_to, "pid": os.getpid()}
    onwards = f"\n    pass on to   {forward_to}" if forward_to else ""
    banner = f"""
  falkit listens for webhooks at {url}

    submit with  ?fal_webhook={quote(url, safe="")}
    keys from    {keys}{onwards}
    stop         Ctrl-C
"""
    print(json.dumps(ready), flush=True)
    print(banner, file=sys.stderr, flush=True)


def as_text(received: Received) -> str:
    """Lines for people: what came and how it was answered, and below it what it says."""
    at = time.strftime("%H:%M:%S", time.localtime(received.at))
    match received.found:
        case Delivery() as delivery:
            first = f"{delivery.status:<7} {delivery.request_id}  verified"
            facts = _facts(delivery)
            if received.times > 1:
                again = f"delivery {received.times} of this request id"
                facts.append(f"{again}: a handler must do nothing twice")
        case WebhookError() as error:
            request_id = error.request_id or "(no request id)"
            first = f"REFUSED {request_id}  not verified: {type(error).__name__}"
            facts = [error.message, *_advice(error)]
    if received.passed is not None:
        facts.append(_forwarded(received.passed))
    path = "" if received.path in ("", "/") else f", to {received.path}"
    line = f"{at} {first}, {received.size:,} bytes{path}, answered {received.status}"
    return "\n".join([_printable(line), *(_INDENT + _printable(fact) for fact in facts)])


def as_json(received: Received) -> str:
    """The whole delivery as one line of JSON; what does not apply is null."""
    found, passed = received.found, received.passed
    delivery = found if isinstance(found, Delivery) else None
    error = found if isinstance(found, WebhookError) else None
    line: dict[str, object] = {
        "at": received.at,
        "path": received.path,
        "bytes": received.size,
        "verified": delivery is not None,
        "refusal": error and {"type": type(error).__name__, "message": error.message},
        "request_id": found.request_id,
        "gateway_request_id": delivery and delivery.gateway_request_id,
        "user_id": delivery and delivery.user_id,
        "timestamp": delivery and delivery.timestamp,
        "status": delivery and delivery.status,
        "payload": delivery and delivery.payload,
        "error": delivery and delivery.error,
        "payload_error": delivery and delivery.payload_error,
        "times": received.times,
        "answered": received.status,
        "passed": passed
        and {
            "url": passed.url,
            "status": None if passed.failure else passed.status,
            "failure": passed.failure,
            "seconds": round(passed.seconds, 6),
        },
    }
    return json.dumps(line)


def _facts(delivery: Delivery) -> list[str]:
    facts = [delivery.error, delivery.payload_error]
    if delivery.gateway_request_id != delivery.request_id:
        facts.insert(0, f"run again, as {delivery.gateway_request_id}")
    if delivery.status == "ERROR":
        lines = _details((delivery.payload or {}).get("detail"))
    else:
        lines = [file.url for file in files_of(delivery.payload)]
    if len(lines) > _MOST_FACTS:
        lines[_MOST_FACTS:] = [f"and {len(lines) - _MOST_FACTS} more"]
    return [fact for fact in facts if fact is not None] + lines


def _details(detail: object) -> list[str]:
    """The lines of an error's `detail`, which is a text or a list of faults (wire.md §6.1)."""
    if isinstance(detail, str):
        return [detail]
    items = cast("list[object]", detail) if isinstance(detail, list) else []
    return [_fault(fault) for fault in items]


def _fault(fault: object) -> str:
    known = cast("dict[str, object]", fault) if isinstance(fault, dict) else {}
    if not isinstance(known.get("loc"), list) or "msg" not in known:
        return json.dumps(fault)
    return f"{fault_line(cast('Fault', known))} ({known.get('type')})"


def _advice(error: WebhookError) -> Iterator[str]:
    if isinstance(error, KeysUnavailable):
        yield "start the mock (falkit serve), or name its place (--base-url), or fal's (--real)"
    if isinstance(error, StaleTimestamp):
        enough = 60 * (int(abs(error.age)) // 60 + 2)
        yield (
            "a mock signs so for the fault webhook_stale, and with --webhook-timestamps mock once "
            f"its clock was moved; --leeway {enough} takes it"
        )


def _forwarded(passed: Passed) -> str:
    if passed.failure is not None:
        return f"NOT passed on: {passed.url} can't be reached: {passed.failure}"
    return f"passed on to {passed.url}: {passed.status} in {passed.seconds * 1000:.0f} ms"


def _printable(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…"
