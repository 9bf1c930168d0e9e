"""The settings of one mock: what the command line and falkit.toml take, checked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack

from falkit_mock.core import checks
from falkit_mock.core.network import parse_host_pattern
from falkit_mock.core.settings import (
    NO_QUOTA,
    Assumptions,
    Keep,
    Quota,
    Realistic,
    Seconds,
    SettingsError,
    Stepped,
    Timing,
    parse_moment,
    parse_timing,
)
from falkit_mock.faults import RuleError
from falkit_mock.faults.rulebook import read_output
from falkit_mock.faults.rules import Rule
from falkit_spec import JSON, UnknownDate
from falkit_spec.catalog import check_date, date_in_force
from falkit_spec.errors import BadDocument, near_misses
from falkit_spec.sources import check_places

if TYPE_CHECKING:
    from datetime import datetime

    from falkit_mock.core.clock import SimulatedClock
    from falkit_spec import Catalog

MiB = 1024 * 1024
ClockMode: TypeAlias = Literal["real", "manual"]
MediaHost: TypeAlias = Literal["auto", "real"]
ScheduleName: TypeAlias = Literal["two-hours", "until-expiry", "observed"]
Timestamps: TypeAlias = Literal["machine", "mock"]
UnknownEndpoints: TypeAlias = Literal["refuse", "guess"]


class MockSettings(TypedDict, total=False):
    """What Settings and falkit.Mock take by name; the attributes of Settings say what each is."""

    timing: str | Timing
    runners: int
    concurrency: int
    # `fal` or None, `forever`, seconds, or text such as `2h`.
    result_ttl: float | str | None
    # ISO 8601, unix seconds or a datetime; without an offset it is UTC.
    clock_start: float | str | datetime | None
    seed: int | None
    api_keys: Iterable[str]
    max_body: int
    max_kept: int
    max_head: int
    head_timeout: float | str
    body_timeout: float | str
    idle_timeout: float | str
    allow_private_inputs: bool
    media_host: MediaHost
    log_window: int
    request_log: int
    control_token: str | None
    page: bool
    webhook_schedule: ScheduleName
    webhook_allow: Iterable[str]
    webhook_timestamps: Timestamps
    probe_webhooks: bool
    # Each as the text of a rule, `image_load_error times=2`, or as a table.
    faults: Iterable[str | Mapping[str, JSON] | Rule]
    # Each as `ID=FILE.json times=2`, as a folder, or as a table; or paths and outputs by id.
    outputs: Iterable[str | Mapping[str, JSON] | Rule] | Mapping[str, JSON]
    # By name, or as NAME=VALUE.
    assumptions: Assumptions | Mapping[str, str] | Iterable[str]
    # A month or a day, such as `2026-01` or `2026-01-28`.
    as_of: str | None
    documents: Iterable[str | PathLike[str]]
    unknown_endpoints: UnknownEndpoints
    state: str | PathLike[str] | None
    # An age, bytes, or both: `7d,500MB`.
    keep: str | Keep
    tenants: bool
    max_tenants: int
    # Jobs, bytes, or both: `jobs=10000,bytes=500MB`.
    quota: str | Quota | None
    # US dollars.
    budget: Decimal | str | float | None
    alert_at: Iterable[Decimal | str | float]


class SettingsOptions(MockSettings, total=False):
    """All that Settings takes."""

    clock: ClockMode


@dataclass(frozen=True, slots=True, init=False)
class Settings:
    """One mock's settings, by the names of `falkit serve`'s options with `_` for `-`.

    Values are given as there, `timing="instant"`, and kept as below. A SettingsError, which is a
    ValueError, names the setting that can't work, its value and the fix.
    """

    timing: Timing = field(default_factory=lambda: Seconds(queue=0.5, run=2.0))
    # How many jobs of one endpoint run at once; the others wait in its queue.
    runners: int = 2
    # How many requests of one key are in progress at once, as for a new account (wire.md §6.3);
    # 0 for any number.
    concurrency: int = 2
    # Seconds for which a finished job's result can be fetched; None for as long as at fal, an hour
    # and less if it is large (wire.md §3.4).
    result_ttl: float | None = None
    # Whether time passes by itself, or is paused until somebody moves it, and from when it
    # counts: unix seconds, None for the machine's time at the start.
    clock: ClockMode = "real"
    clock_start: float | None = None
    # Request ids, logs, file names and media follow from it; None picks one at random.
    seed: int | None = None
    # With none given every key is taken; the header itself is always required.
    api_keys: frozenset[str] = frozenset()
    # Bytes; a larger body is answered 413.
    max_body: int = 64 * MiB
    # Bytes of inputs and outcomes of all jobs; beyond them a submit is answered 507.
    max_kept: int = 2048 * MiB
    # Bytes of a URL and headers; seconds for them to come, for the next piece of a body or of a
    # reply to pass, and for the next request of a connection.
    max_head: int = 64 * 1024
    head_timeout: float = 30.0
    body_timeout: float = 60.0
    idle_timeout: float = 60.0
    # Whether image and video URLs on this machine or network are fetched and checked,
    # where fal, which can't reach them, answers file_download_error.
    allow_private_inputs: bool = False
    # How media URLs begin for those who don't put fal's host into the path: with an address that
    # a browser on this machine can open, or with fal's own host.
    media_host: MediaHost = "auto"
    # How many of the newest log lines a status shows (wire.md §3.2: a moving window).
    log_window: int = 10
    # How many of the newest requests the request log keeps.
    request_log: int = 1000
    # What the control API asks for; None asks for nothing, and is for this machine alone.
    control_token: str | None = None
    # Whether browsers find the page at `/`.
    page: bool = True
    # When webhooks are sent again (wire.md §5.3), and which hosts they may go to beside this
    # machine: names and addresses, as globs, each with a port or without.
    webhook_schedule: ScheduleName = "two-hours"
    webhook_allow: tuple[str, ...] = ()
    # By which clock signatures are dated: receivers compare with the machine's, unless they
    # live in the mock's time.
    webhook_timestamps: Timestamps = "machine"
    # Whether each receiver also gets a forged copy and a re-serialised one, which it should refuse.
    probe_webhooks: bool = False
    # Rules that apply from the first request on: which faults, to which requests, how often.
    faults: tuple[Rule, ...] = ()
    # Rules that have endpoints answer given outputs.
    outputs: tuple[Rule, ...] = ()
    assumptions: Assumptions = field(default_factory=Assumptions)
    # The month or day as of which documents count; None for the newest.
    as_of: str | None = None
    # Files and folders with documents and overlays that count beside the vendored ones, before
    # them; and what a POST to an endpoint without a document gets: 404, or a made-up output.
    documents: tuple[str, ...] = ()
    unknown_endpoints: UnknownEndpoints = "refuse"
    # A file in which all is kept, jobs, files, rules and time; None to forget it at the end. With
    # `tenants` a folder that has such a file for each.
    state: str | None = None
    # How old jobs and uploads become, and how many bytes of them there are; the oldest go first.
    keep: Keep = field(default_factory=Keep)
    # Whether each key has a mock of its own, how many there may be, and how much each may keep.
    tenants: bool = False
    max_tenants: int = 256
    quota: Quota = NO_QUOTA
    # US dollars: beyond which what jobs have cost is too much, and at which to tell of it once.
    # Nothing is refused by them: what a locked account answers is the fault account_locked.
    budget: Decimal | None = None
    alert_at: tuple[Decimal, ...] = ()

    def __init__(self, **options: Unpack[SettingsOptions]) -> None:
        given: dict[str, Any] = {**options}
        for name in given:
            if name not in _READERS:
                raise SettingsError(name, _no_setting(name))
        for each in fields(self):
            if each.name in given:
                value = _read(each.name, given[each.name])
            else:
                made = each.default_factory
                value = each.default if made is MISSING else made()
            object.__setattr__(self, each.name, value)
        if self.as_of is not None and not self.documents:
            # A user's own may be older than the vendored ones.
            _read("as_of", self.as_of, date_in_force)
        if self.quota != NO_QUOTA and not self.tenants:
            raise SettingsError("quota", "is each tenant's; there are none without --tenants")

    def replace(self, **options: Unpack[SettingsOptions]) -> Settings:
        """Return these settings with some of them replaced; raise SettingsError."""
        own: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        own.update({**options})
        return Settings(**own)

    def check_catalog(self, catalog: Catalog | None) -> None:
        """Raise SettingsError where a catalog is given, and what chooses its documents as well."""
        for name in ("as_of", "documents") if catalog is not None else ():
            if value := getattr(self, name):
                problem = f"{value!r} has no effect beside a catalog; give one of the two"
                raise SettingsError(name, problem)

    def read_catalog(self) -> Catalog:
        """Return the documents that these settings choose; raise SettingsError."""
        # Lazy, like the clock.
        from falkit_spec import Catalog

        try:
            return Catalog.read(self.documents, self.as_of)
        except UnknownDate as error:
            raise SettingsError("as_of", str(error)) from None
        except BadDocument as error:
            raise SettingsError("documents", str(error)) from None

    def new_clock(self) -> SimulatedClock:
        """Return a clock that begins where and as these settings say."""
        # Lazy: the command line reads settings before it needs what a mock does.
        from falkit_mock.core.clock import SimulatedClock

        return SimulatedClock(self.clock_start, running=self.clock == "real")


def _read(name: str, value: object, reader: checks.Reader | None = None) -> object:
    try:
        return (reader or _READERS[name])(value)
    except SettingsError:
        raise
    except (ValueError, UnknownDate, BadDocument) as error:
        raise SettingsError(name, str(error)) from None


def _timing(value: Any) -> Timing:
    if isinstance(value, Seconds | Realistic | Stepped):
        return value
    problem = "isn't a timing; give one such as 'instant'"
    return parse_timing(checks.checked(value, isinstance(value, str), problem))


def check_choice(name: str, value: object, choices: object) -> None:
    """Raise SettingsError for a value that is none of a Literal's words."""
    try:
        checks.choice(choices)(value)
    except ValueError as error:
        raise SettingsError(name, str(error)) from None


def _patterns(value: Any) -> tuple[str, ...]:
    patterns = checks.texts(value)
    for pattern in patterns:
        parse_host_pattern(pattern)
    return patterns


def _faults(value: Any) -> tuple[Rule, ...]:
    one = isinstance(value, str) or checks.is_table(value)
    checks.checked(value, not one, f"is one rule; give a list such as [{checks.shown(value)}]")
    sources = checks.items(value)
    return tuple(_rule(source, number, len(sources)) for number, source in enumerate(sources, 1))


def _rule(source: Any, number: int, of: int) -> Rule:
    if isinstance(source, Rule):
        return source
    fix = "give texts such as 'image_load_error times=2', or tables with a fault in them"
    checks.checked(
        source, isinstance(source, str) or checks.is_table(source), f"isn't a rule; {fix}"
    )
    try:
        return Rule.read(source, None)
    except RuleError as error:
        raise (error.at(f"rule {number}") if of > 1 else error) from None


def _outputs(value: Any) -> tuple[Rule, ...]:
    if checks.is_table(value):
        value = [{"endpoint": id, "output": output} for id, output in value.items()]
    problem = f"is one output; give a list such as [{checks.shown(value)}]"
    checks.checked(value, not isinstance(value, str), problem)
    return tuple(rule for source in checks.items(value) for rule in _output(source))


def _output(source: Any) -> list[Rule]:
    try:
        if isinstance(source, str):
            return read_output(source)
        rule = source if isinstance(source, Rule) else Rule.read(_with_texts(source), None)
    except RuleError as error:
        # The setting is named already.
        raise ValueError(str(error).removeprefix("output: ")) from None
    fix = "pins no output; give texts such as 'fal-ai/flux/dev=cat.json', or tables"
    checks.checked(rule.text(), rule.pin is not None, fix)
    return [rule]


def _with_texts(source: Any) -> Any:
    """Return a table whose output may be a path object."""
    checks.checked(source, checks.is_table(source), "is no output; give text or a table")
    table: dict[str, Any] = {**source}
    output: Any = table.get("output")
    if hasattr(output, "__fspath__"):
        table["output"] = fspath(output)
    return table


def _assumptions(value: Any) -> Assumptions:
    if isinstance(value, Assumptions):
        return value
    return Assumptions.parse(value if checks.is_table(value) else checks.texts(value))


def _as_of(value: Any) -> Any:
    if value is None:
        return None
    problem = "isn't a month or a day; write it in quotes, such as '2026-01'"
    check_date(checks.checked(value, isinstance(value, str), problem))
    return value


def _quota(value: Any) -> Quota:
    if value is None or isinstance(value, Quota):
        return value or NO_QUOTA
    return Quota.read(checks.text(value))


def _documents(value: Any) -> tuple[str, ...]:
    one = isinstance(value, str | PathLike)
    checks.checked(value, not one, f"is one place; give a list such as [{checks.shown(value)}]")
    places: list[str] = []
    for place in checks.items(value):
        good = isinstance(place, str | PathLike)
        checks.checked(place, good, "is no path; give a folder or a file")
        places.append(checks.text(fspath(place)))
    check_places(places)
    return tuple(places)


_READERS: dict[str, checks.Reader] = {
    "timing": _timing,
    "runners": checks.whole(1),
    "concurrency": checks.whole(0),
    "result_ttl": checks.result_ttl,
    "clock": checks.choice(ClockMode),
    "clock_start": lambda value: value if value is None else parse_moment("clock_start", value),
    "seed": checks.seed,
    "api_keys": checks.keys,
    "max_body": checks.whole(1),
    "max_kept": checks.whole(1),
    "max_head": checks.whole(1024),
    "head_timeout": checks.seconds,
    "body_timeout": checks.seconds,
    "idle_timeout": checks.seconds,
    "allow_private_inputs": checks.flag,
    "media_host": checks.choice(MediaHost),
    "log_window": checks.whole(1),
    "request_log": checks.whole(0),
    "control_token": checks.token,
    "page": checks.flag,
    "webhook_schedule": checks.choice(ScheduleName),
    "webhook_allow": _patterns,
    "webhook_timestamps": checks.choice(Timestamps),
    "probe_webhooks": checks.flag,
    "faults": _faults,
    "outputs": _outputs,
    "assumptions": _assumptions,
    "as_of": _as_of,
    "documents": _documents,
    "unknown_endpoints": checks.choice(UnknownEndpoints),
    "state": checks.state,
    "keep": lambda value: value if isinstance(value, Keep) else Keep.read(checks.text(value)),
    "tenants": checks.flag,
    "max_tenants": checks.whole(1),
    "quota": _quota,
    "budget": lambda value: value if value is None else checks.dollars(value),
    "alert_at": checks.amounts,
}
_RENAMED = {"rules": "faults", "journal": "request_log"}
_OPTIONS = {"fault": "faults", "output": "outputs", "api_key": "api_keys", "assume": "assumptions"}


def _no_setting(name: str) -> str:
    if name in _RENAMED:
        return f"is now called {_RENAMED[name]}"
    near = [_OPTIONS[name]] if name in _OPTIONS else near_misses(name, _READERS)
    fix = f"did you mean {near[0]}?" if near else f"those there are: {', '.join(_READERS)}"
    return f"no setting has this name; {fix}"
