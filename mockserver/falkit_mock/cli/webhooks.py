"""falkit deliveries, resend and trigger."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
from click.core import ParameterSource

from falkit_mock.cli.running import RunningMock, json_option, note_empty, running_mock
from falkit_mock.core import iso, printable
from falkit_mock.core.events import CAUSES, VERDICTS, fault_names
from falkit_mock.webhooks.signing import ABOUT, SAMPLES, SampleName
from falkit_spec.cli.options import document_options, read_catalog
from falkit_spec.errors import UnknownEndpoint

if TYPE_CHECKING:
    from falkit_mock.core.events import Delivery
    from falkit_spec import Catalog, Endpoint


def _finish(delivery: dict[str, Any], *, as_json: bool) -> None:
    """Print a delivery as the control API describes it and end: with 0 if it was taken, else 1."""
    click.echo(json.dumps(delivery) if as_json else _text(delivery))
    sys.exit(0 if delivery["status"] == "acknowledged" else 1)


def _text(delivery: dict[str, Any]) -> str:
    sent, answer = delivery["request"], delivery["response"]
    lines = [f"POST {delivery['url']}"]
    lines += [f"  {name}: {value}" for name, value in sent["headers"].items()]
    lines += [f"  {sent['body']}", ""]
    if answer is None:
        lines.append(f"{delivery['status']}: {delivery['error']}")
    else:
        milliseconds = delivery["seconds"] * 1000
        lines.append(f"{delivery['status']}: {answer['status_code']} in {milliseconds:.0f} ms")
        lines += [f"  {name}: {value}" for name, value in answer["headers"].items()]
        lines += [f"  {line}" for line in answer["body"].splitlines()]
    return "\n".join(map(printable, lines))


@click.command()
@running_mock
@click.option("--url", metavar="URL", help="Only those to exactly this URL.")
@click.option("--status", type=click.Choice(VERDICTS), help="Only those with this status.")
@click.option(
    "--cause",
    type=click.Choice(CAUSES),
    help="Only those with this cause; probes (--probe-webhooks) are listed only so.",
)
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many."
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 60),
    metavar="SECONDS",
    help="Wait so long for one; the exit code is 1 if none came.",
)
@json_option
@click.argument("request_id", required=False)
def deliveries(
    mock: RunningMock,
    limit: int,
    wait: float | None,
    as_json: bool,
    **filters: str | None,
) -> None:
    """List a running mock's newest attempts to deliver webhooks.

    \b
    falkit deliveries
    falkit deliveries ID
    falkit deliveries ID --status acknowledged --wait 10

    The newest is the last. Times are the mock's, in UTC; `next` is when it is tried again.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    waiting = {} if wait is None else {"wait": wait}
    page = mock.get("/deliveries", {**given, **waiting, "limit": limit})
    found = page["deliveries"]
    if as_json:
        click.echo(json.dumps(page))
    else:
        for delivery in found:
            click.echo(_lines(delivery))
        note_empty("deliveries", found, filtered=bool(given))
        if page["next_cursor"] is not None:
            click.echo(f"(the newest of {page['total']}: --limit)", err=True)
    if wait is not None and not found:
        sys.exit(1)


def _lines(delivery: dict[str, Any]) -> str:
    answer, number = delivery["response"], delivery["number"]
    code = "---" if answer is None else answer["status_code"]
    cause = "" if delivery["cause"] == "job" else f"  by {delivery['cause']}"
    faults = f"  [{fault_names(delivery['faults'])}]" if delivery["faults"] else ""
    after = f"  next {iso(delivery['next'])[11:19]}" if delivery["next"] is not None else ""
    line = (
        f"{iso(delivery['sent'])[11:19]}  {code}  {delivery['status']:<12}  attempt {number:<2}  "
        f"{delivery['request_id']}  {printable(delivery['url'])}{after}{cause}{faults}"
    )
    why = delivery["error"]
    return f"{line}\n          {printable(why)}" if why is not None else line


@click.command()
@running_mock
@click.option(
    "--to", "url", metavar="URL", help="Send it here.  [default: the job's own fal_webhook]"
)
@json_option
@click.argument("request_id")
def resend(mock: RunningMock, url: str | None, as_json: bool, request_id: str) -> None:
    """Send the webhook of REQUEST_ID once more, signed again.

    The exit code is 0 if the receiver took it, 1 if not.
    """
    body = {} if url is None else {"url": url}
    _finish(mock.post(f"/jobs/{quote(request_id, safe='')}/resend", body), as_json=as_json)


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
@document_options
@running_mock
@json_option
@click.argument("kind", type=click.Choice(SAMPLES), metavar="KIND")
def trigger(
    url: str,
    endpoint: str,
    request_id: str | None,
    allow: tuple[str, ...],
    standalone: bool,
    documents: tuple[str, ...],
    as_of: str | None,
    mock: RunningMock,
    as_json: bool,
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
        fix = "start one with falkit serve, or send it from here with --standalone"
        raise click.UsageError(f"base-url: no mock answers at {mock.url}; {fix}")
    if standalone or nobody:
        output = _endpoint(endpoint, read_catalog(documents, as_of))
        why = "no mock runs here, so this command signs" if nobody else "this command signs it"
        click.echo(
            f"{why} itself; a receiver finds the key at\n"
            "/rest.fal.ai/.well-known/jwks.json of any mock, such as that of `falkit serve`",
            err=True,
        )
        _finish(_alone(kind, url, output, request_id, allow), as_json=as_json)
        return
    body = {"kind": kind, "url": url, "endpoint_id": endpoint, "request_id": request_id or ""}
    _finish(mock.post("/webhooks/trigger", body), as_json=as_json)


def _by_default(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.DEFAULT


def _endpoint(id: str, catalog: Catalog) -> Endpoint:
    try:
        return catalog.get(id)
    except UnknownEndpoint as error:
        fix = "`falkit spec list` names those that it has"
        raise click.UsageError(f"endpoint: {error}; {fix}") from None


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
    kind: SampleName, url: str, output: Endpoint, request_id: str | None, allow: tuple[str, ...]
) -> dict[str, Any]:
    """Send it from here; return the delivery as the control API would describe it."""
    import asyncio

    from falkit_mock.control.webhooks import described
    from falkit_mock.core.settings import SettingsError
    from falkit_mock.settings import Settings
    from falkit_mock.webhooks import TargetRefused

    try:
        settings = Settings(webhook_allow=allow)
    except SettingsError as error:
        raise click.UsageError(f"allow: {error.problem}") from None

    async def send() -> Delivery:
        from falkit_mock.core.clock import SimulatedClock
        from falkit_mock.service.service import Service
        from falkit_mock.store import Store
        from falkit_mock.webhooks.signing import sample, user_id

        store = Store()
        service = Service(settings, SimulatedClock(), store)
        try:
            id = request_id or service.identity.request_id()
            body = service.webhooks.body(sample(kind, output), id)
            user = user_id("falkit")
            return await service.webhooks.send(id, url, body, user, "trigger")
        finally:
            service.close()
            store.close()

    try:
        return dict(described(asyncio.run(send())))
    except TargetRefused as refused:
        why = str(refused).replace("--webhook-allow", "--allow")
        raise click.UsageError(f"to: {why}") from None
