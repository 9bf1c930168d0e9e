"""The options that `falkit serve` and `falkit run` share, and the settings they make."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, cast

import click

from falkit_mock.cli.config import config_of, in_file, use_config
from falkit_mock.cli.lasting import LASTING, WORKERS, Bytes
from falkit_mock.cli.spend import BUDGET
from falkit_mock.cli.tenants import TENANTS
from falkit_mock.cli.webhook_options import WEBHOOKS
from falkit_mock.core import count, iso
from falkit_mock.core.network import GATEWAY_PORT, PORT
from falkit_mock.core.settings import ASSUMPTIONS, SettingsError
from falkit_mock.faults.rules import Rule
from falkit_mock.settings import MiB, Settings, SettingsOptions
from falkit_spec.cli.options import AS_OF, DOCUMENTS

if TYPE_CHECKING:
    from falkit_mock.cli.console import Level
    from falkit_mock.core.clock import Clock, SimulatedClock
    from falkit_spec import JSON, Catalog

_NAMES = "\n".join(
    f"  {name.replace('_', '-'):<24} {' | '.join(values)}" for name, values in ASSUMPTIONS.items()
)
EPILOG = f"\b\nAssumptions, the first value of each is the default:\n{_NAMES}"


def _use_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    options = (*SERVE_OPTIONS, *RUN_OPTIONS)
    use_config(ctx, value, [word.lstrip("-") for option in options for word in option.opts])


_MOCK = (
    click.Option(
        ["--timing"],
        default="0.5,2",
        show_default=True,
        metavar="TIMING",
        help="instant, polls (each look moves a job on), held (until released), realistic, "
        "or QUEUE,RUN in seconds.",
    ),
    click.Option(
        ["--runners"],
        default=2,
        show_default=True,
        type=click.IntRange(1),
        help="Jobs of one endpoint that run at once; others wait in its queue.",
    ),
    click.Option(
        ["--concurrency"],
        default=2,
        show_default=True,
        type=click.IntRange(0),
        help="Requests of one key in progress at once, as for a new account of fal's; the queue "
        "waits, fal.run answers 429. 0 for any number.",
    ),
    click.Option(
        ["--result-ttl"],
        default="fal",
        show_default=True,
        metavar="SECONDS",
        help="How long a result can be fetched: fal (an hour; 6 minutes from 10 KB on), forever, "
        "or seconds, which 2h or 7d may stand for.",
    ),
    click.Option(
        ["--clock"],
        type=click.Choice(["real", "manual"]),
        default="real",
        show_default=True,
        help="Whether time passes by itself, or is paused until the control API moves it.",
    ),
    click.Option(
        ["--clock-start"],
        metavar="MOMENT",
        help="Begin at this moment, such as 2027-01-15T08:00:00Z.  [default: now]",
    ),
    click.Option(
        ["--seed"], type=int, help="Ids, logs and file names follow from it.  [default: random]"
    ),
    click.Option(
        ["--api-key", "api_keys"],
        multiple=True,
        metavar="KEY",
        help="Accept this key only; may be given more than once.  [default: any key]",
    ),
    click.Option(
        ["--allow-private-inputs"],
        is_flag=True,
        help="Fetch and check input URLs of this machine or network, which fal can't reach.",
    ),
    click.Option(
        ["--media-host"],
        type=click.Choice(["auto", "real"]),
        default="auto",
        show_default=True,
        help="Media URLs that a browser on this machine opens, or such as fal's own.",
    ),
    *WEBHOOKS,
    click.Option(
        ["--max-body"],
        default=64 * MiB,
        show_default=True,
        type=Bytes(1),
        metavar="BYTES",
        help="Largest request body; a larger one is answered 413.",
    ),
    click.Option(
        ["--max-kept"],
        default=2048 * MiB,
        show_default=True,
        type=Bytes(1),
        metavar="BYTES",
        help="What inputs and outputs of all jobs may take; more is answered 507.",
    ),
    click.Option(
        ["--max-head"],
        default=64 * 1024,
        show_default=True,
        type=Bytes(1024),
        metavar="BYTES",
        help="Longest URL and headers together; longer ones are answered 414 or 431.",
    ),
    click.Option(
        ["--head-timeout"],
        default="30s",
        show_default=True,
        metavar="TIME",
        help="How long a connection may take to bring a request's headers.",
    ),
    click.Option(
        ["--body-timeout"],
        default="60s",
        show_default=True,
        metavar="TIME",
        help="How long a connection may bring nothing of a body, or take nothing of a reply.",
    ),
    click.Option(
        ["--idle-timeout"],
        default="60s",
        show_default=True,
        metavar="TIME",
        help="How long a connection is kept open between two requests.",
    ),
    click.Option(
        ["--request-log"],
        default=1000,
        show_default=True,
        type=click.IntRange(0),
        metavar="REQUESTS",
        help="How many of the newest requests the control API can list.",
    ),
    click.Option(
        ["--control-token"],
        envvar="FALKIT_CONTROL_TOKEN",
        show_envvar=True,
        metavar="TOKEN",
        help="What the control API asks for.  [default: nothing on this machine, else made up]",
    ),
    click.Option(
        ["--no-page"],
        is_flag=True,
        help="Show browsers no page at /, and keep no bodies of requests for it.",
    ),
    click.Option(
        ["--fault", "faults"],
        multiple=True,
        metavar="RULE",
        help="Have something go wrong: NAME key=value …, such as 'image_load_error times=2'; "
        "`falkit faults` lists the names; may be given more than once.",
    ),
    click.Option(
        ["--output", "outputs"],
        multiple=True,
        metavar="ID=FILE.json|FOLDER",
        help="Have an endpoint answer this output, or a folder's outputs in turn; words behind it "
        "match requests as a rule's do: 'ID=cat.json times=2'. A FOLDER alone has an output for "
        "each endpoint, FOLDER/ID.json. May be given more than once.",
    ),
    click.Option(
        ["--config"],
        is_eager=True,
        expose_value=False,
        callback=_use_config,
        metavar="FILE",
        help="Read rules and defaults of these options from FILE.  [default: the nearest "
        "falkit.toml, or pyproject.toml with tool.falkit]",
    ),
    *(*LASTING, *TENANTS, *BUDGET),
    DOCUMENTS,
    AS_OF,
    click.Option(
        ["--unknown-endpoints"],
        type=click.Choice(["refuse", "guess"]),
        default="refuse",
        show_default=True,
        help="What a call of an endpoint without a document gets: 404, or an output made up by "
        "its id and input.",
    ),
    click.Option(
        ["--assume"],
        multiple=True,
        metavar="NAME=VALUE",
        help="Choose another reading of what is not known for certain of fal; names below.",
    ),
)
_EGRESS = click.Option(
    ["--egress"],
    type=click.Choice(["allow", "block"]),
    default="allow",
    show_default=True,
    help="What the gateway does with calls to hosts that aren't fal's.",
)
SERVE_OPTIONS = (
    click.Option(["--host"], default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.Option(
        ["--port"],
        default=PORT,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Port to listen on; 0 takes a free one.",
    ),
    *_MOCK,
    click.Option(
        ["--gateway", "with_gateway"],
        is_flag=True,
        help="Also listen as a proxy and as fal's own names, for programs that know only those.",
    ),
    click.Option(
        ["--gateway-port"],
        default=GATEWAY_PORT,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Port of the gateway; 0 takes a free one.",
    ),
    _EGRESS,
    WORKERS,
    click.Option(
        ["--reload"],
        is_flag=True,
        help="Take what changes in --documents and --output while serving, about once a second.",
    ),
    click.Option(
        ["--log-format"],
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How what happens is written to stderr: lines for people, or JSON.",
    ),
    click.Option(["--quiet"], is_flag=True, help="Write nothing to stderr but errors."),
)


def _of_run(option: click.Option) -> click.Option:
    """Return an option as `falkit run` has it: its program reaches fal's names, media's too."""
    if option.name == "media_host":
        option = copy(option)
        option.default = "real"
    return option


RUN_OPTIONS = (
    *map(_of_run, _MOCK),
    _EGRESS,
    click.Option(["--verbose"], is_flag=True, help="Write a line per request to stderr."),
    click.Option(["--quiet"], is_flag=True, help="Write nothing to stderr but errors."),
)


# What the command line spells otherwise than Settings.
_SPELLED = {
    "api_keys": "api-key",
    "faults": "--fault",
    "outputs": "output",
    "assumptions": "assume",
}


def settings_of(chosen: Mapping[str, Any]) -> Settings:
    """Return the settings that a command's options make; a UsageError says which can't work."""
    config = config_of(click.get_current_context())
    names = [str(option.name) for option in _MOCK if option.expose_value]
    given = {name: chosen[name] for name in names if name not in ("source", "target")}
    given["control_token"] = given["control_token"] or None
    given["assumptions"] = given.pop("assume")
    given["page"] = not given.pop("no_page")
    # The command line's rules come before the file's.
    rules = config.rules if config else ()
    outputs = config.outputs if config else ()
    given["faults"] = [*given["faults"], *(rule for rule in rules if rule.pin is None)]
    pins = [rule for rule in rules if rule.pin is not None]
    given["outputs"] = [*given["outputs"], *pins, *outputs]
    with refusing():
        return Settings(**cast(SettingsOptions, given))


@contextmanager
def refusing() -> Generator[None]:
    """Raise a UsageError for a setting that can't work."""
    try:
        yield
    except SettingsError as error:
        name = _SPELLED.get(error.field, error.field.replace("_", "-"))
        raise click.UsageError(in_file(f"{name}: {error.problem}")) from None


def catalog_of(settings: Settings) -> Catalog:
    """Return the documents that were chosen, after their notes; a UsageError says the fix."""
    with refusing():
        catalog = settings.read_catalog()
    for line in catalog.notes:
        note(line, "warning", always=True)
    if settings.outputs or any(rule.pin for rule in settings.faults):
        # Lazy: it imports what looks into files.
        from falkit_mock.service.pins import check_outputs

        with refusing():
            check_outputs(settings, catalog)
    for rule in (*settings.faults, *settings.outputs):
        note(_mismatch(rule, catalog), "warning")
    return catalog


def clock_of(settings: Settings) -> SimulatedClock | None:
    """Return the clock that was chosen, None for the machine's."""
    return (
        settings.new_clock() if (settings.clock, settings.clock_start) != ("real", None) else None
    )


def note(
    line: str,
    level: Level = "info",
    facts: Mapping[str, JSON] | None = None,
    *,
    always: bool = False,
) -> None:
    """Write a line to stderr in the command's own format; with --quiet errors alone.

    `facts` are what the log in JSON has beside it. `always` writes it with --quiet, too.
    """
    chosen = click.get_current_context().params
    if not line or (chosen.get("quiet") and level != "error" and not always):
        return
    if chosen.get("log_format") == "json":
        # Lazy: most logs are text.
        from falkit_mock.cli.console import json_line

        line = json_line(level, {"message": line, **(facts or {})})
    elif line[0] != "\n":
        line = f"falkit: {line}"
    click.echo(line, err=True)


def clock_line(clock: Clock | None, elsewhere: str = "") -> str:
    """Return the line that says that time is paused, and how it is moved, or nothing.

    `elsewhere` is the mock's URL where a command in another terminal would not find it.
    """
    if clock is None or getattr(clock, "running", True):
        return ""
    more = f", in another terminal with --base-url {elsewhere}" if elsewhere else ""
    command = "`falkit clock advance 15m` or the control API moves it"
    return f"time is paused at {iso(clock.now())}; {command}{more}"


def config_line() -> str:
    """Return the line that says which file was read, or nothing."""
    if (config := config_of(click.get_current_context())) is None:
        return ""
    number = len(config.rules) + len(config.outputs)
    return f"settings from {config.shown}" + (f", with {count(number, 'rule')}" if number else "")


def _mismatch(rule: Rule, catalog: Catalog) -> str:
    """Return the line that says that a rule can apply to no request here, or nothing."""
    missed = rule.missed(endpoint.id for endpoint in catalog)
    return f"rule {rule.text()!r}: {missed}" if missed else ""
