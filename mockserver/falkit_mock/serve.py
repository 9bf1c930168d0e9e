"""`falkit serve`: the mock on a socket, from the first line of stdout to the last stream's end."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Literal

import click

from falkit_mock.platform.timing import TimingError, parse_timing
from falkit_mock.settings import ASSUMPTIONS, Assumptions, MiB, Settings, SettingsError

if TYPE_CHECKING:
    from falkit_mock.platform.platform import Platform

PORT = 4325


_NAMES = "\n".join(
    f"  {name.replace('_', '-'):<24} {' | '.join(values)}" for name, values in ASSUMPTIONS.items()
)
_EPILOG = f"\b\nAssumptions, the first value of each is the default:\n{_NAMES}"


@click.command(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--timing",
    default="0.5,2",
    show_default=True,
    metavar="TIMING",
    help="instant, polls (each look moves a job on), held (until released), realistic, "
    "or QUEUE,RUN in seconds.",
)
@click.option(
    "--runners",
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="Jobs of one endpoint that run at once; others wait in its queue.",
)
@click.option(
    "--seed", type=int, help="Ids, logs and file names follow from it.  [default: random]"
)
@click.option(
    "--api-key",
    "api_keys",
    multiple=True,
    metavar="KEY",
    help="Accept this key only; may be given more than once.  [default: any key]",
)
@click.option(
    "--allow-private-inputs",
    is_flag=True,
    help="Fetch and check input URLs on this machine or network, which fal can't reach.",
)
@click.option(
    "--max-body",
    default=64 * MiB,
    show_default=True,
    type=click.IntRange(1),
    metavar="BYTES",
    help="Largest request body; a larger one is answered 413.",
)
@click.option(
    "--assume",
    multiple=True,
    metavar="NAME=VALUE",
    help="Choose another reading of what is not known for certain of fal; names below.",
)
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
    timing: str,
    runners: int,
    seed: int | None,
    api_keys: tuple[str, ...],
    allow_private_inputs: bool,
    max_body: int,
    assume: tuple[str, ...],
    log_format: str,
    quiet: bool,
) -> None:
    """Serve the mock until Ctrl-C.

    The first line on stdout is JSON with the URLs; everything else goes to stderr.
    """
    try:
        settings = Settings(
            timing=parse_timing(timing),
            runners=runners,
            seed=seed,
            api_keys=frozenset(api_keys),
            allow_private_inputs=allow_private_inputs,
            max_body=max_body,
            assumptions=Assumptions.parse(assume),
        )
    except (SettingsError, TimingError) as error:
        raise click.UsageError(str(error)) from None
    from falkit_mock.app import create_app
    from falkit_mock.request_log import RequestLog
    from falkit_mock.server import MockServer, listen

    try:
        listener = listen(host, port)
    except OSError as error:
        mend = "choose another --port, or 0 for a free one"
        why = f"port: can't listen on {host}:{port} ({_reason(error)}); {mend}"
        raise click.UsageError(why) from None
    with listener:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        app = create_app(settings)
        form: Literal["text", "json"] = "json" if log_format == "json" else "text"
        logged = app if quiet else RequestLog(app, form)
        platform: Platform = app.state.platform
        server = MockServer(logged, platform, lambda: _announce(url, platform, timing))
        server.run(sockets=[listener])


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _announce(url: str, platform: Platform, timing: str) -> None:
    """Say that requests are answered: to programs on stdout, to people on stderr."""
    ready = {
        "url": url,
        "fal_run": f"{url}/fal.run",
        "queue": f"{url}/queue.fal.run",
        "control": f"{url}/__falkit",
        "seed": platform.identity.seed,
        "pid": os.getpid(),
    }
    print(json.dumps(ready), flush=True)
    banner = f"""
  falkit stands in for fal.ai at {url}  (timing {timing}, seed {platform.identity.seed})

    put it in place of https://     {url}/queue.fal.run/fal-ai/ltx-2/image-to-video/fast
    or proxyUrl of @fal-ai/client   {url}/api/fal/proxy
    stop                            Ctrl-C
"""
    print(banner, file=sys.stderr, flush=True)
