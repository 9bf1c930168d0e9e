"""The options that `falkit serve` and `falkit run` share, and the settings they make."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast

import click

from falkit_mock.cli.config import config_of, in_file, use_config
from falkit_mock.core.network import GATEWAY_PORT, PORT, listen
from falkit_mock.core.settings import ASSUMPTIONS, SettingsError
from falkit_mock.faults.rules import Rule
from falkit_mock.settings import (
    ClockMode,
    MediaHost,
    MiB,
    ScheduleName,
    Settings,
    SettingsOptions,
    Timestamps,
)

if TYPE_CHECKING:
    from falkit_mock.core.clock import SimulatedClock

_NAMES = "\n".join(
    f"  {name.replace('_', '-'):<24} {' | '.join(values)}" for name, values in ASSUMPTIONS.items()
)
EPILOG = f"\b\nAssumptions, the first value of each is the default:\n{_NAMES}"
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _use_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    def nothing() -> None:
        """Carry the options, so that their names can be read."""

    declared: list[click.Option] = _with((*_SERVE, *_RUN), nothing).__click_params__  # type: ignore[attr-defined]
    use_config(ctx, value, [word.lstrip("-") for param in declared for word in param.opts])


_MOCK = (
    click.option(
        "--timing",
        default="0.5,2",
        show_default=True,
        metavar="TIMING",
        help="instant, polls (each look moves a job on), held (until released), realistic, "
        "or QUEUE,RUN in seconds.",
    ),
    click.option(
        "--runners",
        default=2,
        show_default=True,
        type=click.IntRange(1),
        help="Jobs of one endpoint that run at once; others wait in its queue.",
    ),
    click.option(
        "--concurrency",
        default=2,
        show_default=True,
        type=click.IntRange(0),
        help="Requests of one key in progress at once, as for a new account of fal's; the queue "
        "waits, fal.run answers 429. 0 for any number.",
    ),
    click.option(
        "--result-ttl",
        default="fal",
        show_default=True,
        metavar="SECONDS",
        help="How long a result can be fetched: fal (an hour; 6 minutes from 10 KB on), forever, "
        "or seconds.",
    ),
    click.option(
        "--clock",
        type=click.Choice(["real", "manual"]),
        default="real",
        show_default=True,
        help="Whether time passes by itself, or stands until the control API moves it.",
    ),
    click.option(
        "--clock-start",
        metavar="MOMENT",
        help="Begin at this moment, such as 2027-01-15T08:00:00Z.  [default: now]",
    ),
    click.option(
        "--seed", type=int, help="Ids, logs and file names follow from it.  [default: random]"
    ),
    click.option(
        "--api-key",
        "api_keys",
        multiple=True,
        metavar="KEY",
        help="Accept this key only; may be given more than once.  [default: any key]",
    ),
    click.option(
        "--allow-private-inputs",
        is_flag=True,
        help="Fetch and check input URLs on this machine or network, which fal can't reach.",
    ),
    click.option(
        "--media-host",
        type=click.Choice(["auto", "real"]),
        default="auto",
        show_default=True,
        help="Media URLs that a browser on this machine opens, or such as fal's own.",
    ),
    click.option(
        "--webhook-schedule",
        type=click.Choice(["two-hours", "until-expiry"]),
        default="two-hours",
        show_default=True,
        help="When webhooks that nobody took are sent again, by fal's older or newest account.",
    ),
    click.option(
        "--webhook-allow",
        multiple=True,
        metavar="HOST[:PORT]",
        help="Let webhooks go to this host too, a glob such as *.example.com; may be given more "
        "than once.  [default: this machine]",
    ),
    click.option(
        "--webhook-timestamps",
        type=click.Choice(["machine", "mock"]),
        default="machine",
        show_default=True,
        help="Whose clock signatures are dated by: the machine's, as receivers compare with it, or "
        "the mock's.",
    ),
    click.option(
        "--max-body",
        default=64 * MiB,
        show_default=True,
        type=click.IntRange(1),
        metavar="BYTES",
        help="Largest request body; a larger one is answered 413.",
    ),
    click.option(
        "--request-log",
        default=1000,
        show_default=True,
        type=click.IntRange(0),
        metavar="REQUESTS",
        help="How many of the newest requests the control API can tell of.",
    ),
    click.option(
        "--control-token",
        envvar="FALKIT_CONTROL_TOKEN",
        show_envvar=True,
        metavar="TOKEN",
        help="What the control API asks for.  [default: nothing on this machine, else made up]",
    ),
    click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="RULE",
        help="Have something go wrong: NAME key=value …, such as 'image_load_error times=2'; "
        "`falkit faults` lists the names; may be given more than once.",
    ),
    click.option(
        "--config",
        is_eager=True,
        expose_value=False,
        callback=_use_config,
        metavar="FILE",
        help="Read rules and defaults of these options from FILE.  [default: the nearest "
        "falkit.toml, or pyproject.toml with tool.falkit]",
    ),
    click.option(
        "--assume",
        multiple=True,
        metavar="NAME=VALUE",
        help="Choose another reading of what is not known for certain of fal; names below.",
    ),
)
_EGRESS = click.option(
    "--egress",
    type=click.Choice(["allow", "block"]),
    default="allow",
    show_default=True,
    help="What the gateway does with calls to hosts that aren't fal's.",
)
_SERVE = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option(
        "--port",
        default=PORT,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Port to listen on; 0 takes a free one.",
    ),
    *_MOCK,
    click.option(
        "--gateway",
        "with_gateway",
        is_flag=True,
        help="Also listen as a proxy and as fal's own names, for programs that know only those.",
    ),
    click.option(
        "--gateway-port",
        default=GATEWAY_PORT,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Port of the gateway; 0 takes a free one.",
    ),
    _EGRESS,
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How each request is written to stderr.",
    ),
    click.option("--quiet", is_flag=True, help="Write no line per request."),
)
_RUN = (
    *_MOCK,
    _EGRESS,
    click.option("--verbose", is_flag=True, help="Write a line per request to stderr."),
    click.option("--quiet", is_flag=True, help="Write no summary at the end."),
)
# Addresses of other machines, or of another family than this one has.
_ELSEWHERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class MockOptions(TypedDict):
    """What `mock_options` hand to a command, by name."""

    timing: str
    runners: int
    concurrency: int
    result_ttl: str
    clock: ClockMode
    clock_start: str | None
    seed: int | None
    api_keys: tuple[str, ...]
    allow_private_inputs: bool
    media_host: MediaHost
    webhook_schedule: ScheduleName
    webhook_allow: tuple[str, ...]
    webhook_timestamps: Timestamps
    max_body: int
    request_log: int
    control_token: str | None
    faults: tuple[str, ...]
    assume: tuple[str, ...]


def serve_options(command: _Command) -> _Command:
    """Add the options of `falkit serve`."""
    return _with(_SERVE, command)


def run_options(command: _Command) -> _Command:
    """Add the options of `falkit run`."""
    return _with(_RUN, command)


def _with(options: Sequence[Callable[[_Command], _Command]], command: _Command) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


# How the command line spells what is called otherwise in Settings.
_SPELLED = {"api_keys": "api-key", "faults": "--fault", "assumptions": "assume"}


def settings_of(chosen: MockOptions) -> Settings:
    """Return the settings that were chosen; a UsageError says which can't work."""
    config = config_of(click.get_current_context())
    given: dict[str, Any] = {**chosen, "control_token": chosen["control_token"] or None}
    given["assumptions"] = given.pop("assume")
    # The command line's rules come before the file's.
    given["faults"] = [*chosen["faults"], *(config.rules if config else ())]
    try:
        settings = Settings(**cast(SettingsOptions, given))
    except SettingsError as error:
        name = _SPELLED.get(error.field, error.field.replace("_", "-"))
        raise click.UsageError(in_file(f"{name}: {error.problem}")) from None
    for rule in settings.faults:
        tell(_missed(rule))
    return settings


def clock_of(settings: Settings) -> SimulatedClock | None:
    """Return the clock that was chosen, None for the machine's."""
    plain = settings.clock == "real" and settings.clock_start is None
    return None if plain else settings.new_clock()


def tell(line: str) -> None:
    """Write a line about the start to stderr, unless there is nothing to say."""
    if line:
        click.echo(f"falkit: {line}", err=True)


def told_clock(clock: SimulatedClock | None, elsewhere: str = "") -> str:
    """Return the line that says that time stands, and how it is moved, or nothing.

    `elsewhere` is the mock's URL where a command in another terminal would not find it.
    """
    if clock is None or clock.running:
        return ""
    moment = datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec="seconds")
    moved = "`falkit clock advance 15m` or the control API moves it"
    more = f", in another terminal with --base-url {elsewhere}" if elsewhere else ""
    return f"time stands at {moment}; {moved}{more}"


def told_config() -> str:
    """Return the line that says which file was read, or nothing."""
    config = config_of(click.get_current_context())
    if config is None:
        return ""
    count = len(config.rules)
    rules = f", with {count} rule{'s'[: count - 1]}" if count else ""
    return f"settings from {config.shown}{rules}"


def _missed(rule: Rule) -> str:
    """Return the line that says that a rule can befall nobody here, or nothing."""
    if rule.matcher.endpoint is None:
        return ""
    # Lazy: few rules name an endpoint.
    from falkit_spec import Catalog

    missed = rule.missed(endpoint.id for endpoint in Catalog.vendored())
    return f"rule {rule.text()!r}: {missed}" if missed else ""


def listening(host: str, port: int, option: str = "port") -> socket.socket:
    """Return a listening socket; a UsageError names the option that has to change."""
    try:
        return listen(host, port)
    except (OSError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        if isinstance(error, socket.gaierror | UnicodeError) or error.errno in _ELSEWHERE:
            mend = "give one of this machine's, such as 127.0.0.1 or 0.0.0.0 for all"
            why = f"host: {host!r} is no address to listen on ({reason}); {mend}"
        else:
            mend = f"choose another --{option}, or 0 for a free one"
            why = f"{option}: can't listen on {host}:{port} ({reason}); {mend}"
        raise click.UsageError(in_file(why)) from None
