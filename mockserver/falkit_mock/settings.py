"""What one mock is told before it starts: plain values, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from falkit_mock.core.network import check_pattern
from falkit_mock.core.settings import Assumptions, Seconds, SettingsError, Timing
from falkit_mock.faults.rules import Rule

MiB = 1024 * 1024
MediaHost: TypeAlias = Literal["auto", "real"]
ScheduleName: TypeAlias = Literal["two-hours", "until-expiry"]
Timestamps: TypeAlias = Literal["machine", "mock"]


@dataclass(frozen=True, slots=True)
class Settings:
    """One mock's settings; the command line's options of `falkit serve`, by name."""

    timing: Timing = field(default_factory=lambda: Seconds(queue=0.5, run=2.0))
    # How many jobs of one endpoint run at once; the others wait in its queue.
    runners: int = 2
    # How many requests of one key are in progress at once, as for a new account (wire.md §6.3);
    # 0 for any number.
    concurrency: int = 2
    # Seconds for which a finished job's result can be fetched; None for as long as at fal, an hour
    # and less if it is large (wire.md §3.4).
    result_ttl: float | None = None
    # Request ids, logs, file names and media follow from it; None picks one at random.
    seed: int | None = None
    # With none given every key is taken; the header itself is always required.
    api_keys: frozenset[str] = frozenset()
    # Bytes; a larger body is answered 413.
    max_body: int = 64 * MiB
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
    # When webhooks are sent again (wire.md §5.3), and which hosts they may go to beside this
    # machine: names and addresses, as globs, each with a port or without.
    webhook_schedule: ScheduleName = "two-hours"
    webhook_allow: tuple[str, ...] = ()
    # By which clock signatures are dated: receivers compare with the machine's, unless they
    # live in the mock's time.
    webhook_timestamps: Timestamps = "machine"
    # What goes wrong, for whom and how often, from the first request on.
    rules: tuple[Rule, ...] = ()
    assumptions: Assumptions = field(default_factory=Assumptions)

    def __post_init__(self) -> None:
        counts = {"runners": 1, "concurrency": 0, "max_body": 1, "log_window": 1, "request_log": 0}
        for name, least in counts.items():
            value = getattr(self, name)
            if value < least:
                option = name.replace("_", "-")
                raise SettingsError(f"{option}: {value} is too small; the least is {least}")
        for word in self.webhook_allow:
            try:
                check_pattern(word)
            except ValueError as error:
                raise SettingsError(f"webhook-allow: {error}") from None
        token = self.control_token
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise SettingsError("control-token: a header can't hold it; use ASCII without spaces")
        if self.result_ttl is not None and not self.result_ttl > 0:
            why = "is no time to fetch a result in; give seconds above 0, or none for fal's"
            raise SettingsError(f"result-ttl: {self.result_ttl} {why}")
