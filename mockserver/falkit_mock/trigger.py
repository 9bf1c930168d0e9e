"""`falkit trigger`: one signed webhook, without a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from falkit_mock.calling import RunningMock, running_mock
from falkit_mock.delivering import format_option, tell
from falkit_mock.platform.webhooks.samples import ABOUT, SAMPLES, SampleName

if TYPE_CHECKING:
    from falkit_mock.store.deliveries import Delivery

_KINDS = "\n".join(f"  {name:<22} {about}" for name, about in zip(SAMPLES, ABOUT, strict=True))
_EPILOG = f"\b\nKinds:\n{_KINDS}"
_ENDPOINT = "fal-ai/ltx-2/text-to-video"


@click.command(epilog=_EPILOG)
@click.option("--to", "url", required=True, metavar="URL", help="The receiver.")
@click.option(
    "--endpoint",
    default=_ENDPOINT,
    show_default=True,
    metavar="ID",
    help="Whose output it brings.",
)
@click.option("--request-id", metavar="ID", help="The job's id in it.  [default: a new one]")
@click.option(
    "--allow",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Let it go to this host too, if no mock runs; a running one has --webhook-allow.",
)
@click.option(
    "--standalone", is_flag=True, help="Send it from here, also where a mock runs on this machine."
)
@running_mock
@format_option
@click.argument("kind", type=click.Choice(SAMPLES), metavar="KIND")
def trigger(
    url: str,
    endpoint: str,
    request_id: str | None,
    allow: tuple[str, ...],
    standalone: bool,
    mock: RunningMock,
    form: Literal["text", "json"],
    kind: SampleName,
) -> None:
    """Send one signed webhook to a receiver and print its answer.

    \b
    falkit trigger completed --to http://localhost:8000/fal
    falkit trigger failed --to http://localhost:8000/fal --request-id 7

    A running mock sends it, so that its keys and its log have it; without one this command does,
    with the key that every mock publishes. The exit code is 0 if the receiver took it, 1 if not.
    """
    nobody = not standalone and not _answers(mock.url)
    if nobody and not _by_default("base_url"):
        mend = "start one with falkit serve, or send it from here with --standalone"
        raise click.UsageError(f"base-url: no mock answers at {mock.url}; {mend}")
    _check(endpoint)
    if standalone or nobody:
        why = "no mock runs here, so this command signs" if nobody else "this command signs it"
        click.echo(
            f"{why} itself; a receiver finds the key at\n"
            "/rest.fal.ai/.well-known/jwks.json of any mock, such as that of `falkit serve`",
            err=True,
        )
        tell(_alone(kind, url, endpoint, request_id, allow), form)
        return
    body = {"kind": kind, "url": url, "endpoint_id": endpoint, "request_id": request_id or ""}
    tell(mock.post("/webhooks/trigger", body), form)


def _by_default(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.DEFAULT


def _check(endpoint: str) -> None:
    from falkit_spec import Catalog, UnknownEndpoint

    try:
        Catalog.vendored().get(endpoint)
    except UnknownEndpoint:
        why = "is no endpoint that falkit knows; `falkit spec list` has those"
        raise click.UsageError(f"endpoint: {endpoint!r} {why}") from None


def _answers(url: str) -> bool:
    """Tell whether anything listens there."""
    import socket
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=1.0):
            return True
    except (OSError, ValueError):
        return False


def _alone(
    kind: SampleName, url: str, endpoint: str, request_id: str | None, allow: tuple[str, ...]
) -> dict[str, Any]:
    """Send it from here; return the delivery as the control API would describe it."""
    import asyncio

    from falkit_mock.control.deliveries import described
    from falkit_mock.platform.webhooks.errors import TargetRefused
    from falkit_mock.settings import Settings, SettingsError
    from falkit_spec import Catalog

    output = Catalog.vendored().get(endpoint)
    try:
        settings = Settings(webhook_allow=allow)
    except SettingsError as error:
        raise click.UsageError(str(error).replace("webhook-allow", "allow")) from None

    async def send() -> Delivery:
        from falkit_mock.platform.clock import SimulatedClock
        from falkit_mock.platform.platform import Platform
        from falkit_mock.platform.webhooks.samples import sample
        from falkit_mock.platform.webhooks.signing import user_id
        from falkit_mock.store import SqliteStore

        store = SqliteStore()
        platform = Platform(settings, SimulatedClock(), store)
        try:
            id = request_id or platform.identity.request_id()
            body = platform.webhooks.body(sample(kind, output), id)
            user = user_id("falkit")
            return await platform.webhooks.send(id, url, body, user, "trigger")
        finally:
            platform.close()
            store.close()

    try:
        return dict(described(asyncio.run(send())))
    except TargetRefused as refused:
        why = str(refused).replace("--webhook-allow", "--allow")
        raise click.UsageError(f"to: {why}") from None
