"""What a caller may ask for beside the input, how it is sent, and when it is sent again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from falkit_client.errors import NoAnswer, Unreachable
from falkit_client.results import Status

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")


class RunOptions(TypedDict, total=False):
    """Options of `run`; the same by name and meaning in `submit` and `subscribe`."""

    check: bool
    """False sends an input unchecked, to an endpoint outside the catalog too."""
    start_timeout: float
    """Seconds within which the job must start, more than 1; else fal answers 504."""
    runner_hint: str
    """Steers the job to a runner that had this hint before."""
    headers: Mapping[str, str]
    """More headers, such as `X-Fal-Store-IO`."""
    preflight: bool
    """True asks first whether the URLs of images and videos answer 200 with such a file."""
    fresh: bool
    """True calls even where the cache has the output, and replaces it there."""


class SubmitOptions(RunOptions, total=False):
    """Options of `submit` and `subscribe`."""

    webhook_url: str
    """Where fal posts the outcome."""
    priority: Literal["normal", "low"]
    """Place in the endpoint's queue."""
    max_queue_length: int
    """Refuse with 429 if more requests than this wait already."""


class BoundOptions(SubmitOptions, total=False):
    """Options of `endpoint`, for all calls of it; `run` knows no queue and leaves those out."""

    on_update: Callable[[Status], object] | None
    """Called by `subscribe` with each change of the job."""
    logs: bool
    """True has `subscribe` hand on the log lines, each once."""
    stream: bool
    """True has `subscribe` listen to fal's event stream in place of polling."""
    timeout: float | None
    """Seconds from acceptance after which `subscribe` cancels the job."""


@dataclass(frozen=True, slots=True)
class Options:
    """All options, read once; a name that does not exist is a TypeError."""

    check: bool | None = None
    start_timeout: float | None = None
    runner_hint: str | None = None
    headers: Mapping[str, str] | None = None
    webhook_url: str | None = None
    priority: Literal["normal", "low"] | None = None
    max_queue_length: int | None = None
    preflight: bool = False
    fresh: bool = False

    def __post_init__(self) -> None:
        """Refuse what fal would refuse or ignore without a word."""
        if self.start_timeout is not None and not self.start_timeout > 1:
            raise ValueError(f"start_timeout is {self.start_timeout}: fal takes more than 1 second")
        if any(name.lower() == "authorization" for name in self.headers or ()):
            raise ValueError("headers has Authorization: give the key to the client as key=…")
        if self.priority not in (None, "normal", "low"):
            raise ValueError(f"priority is {self.priority!r}: it is 'normal' or 'low'")
        # Found while sending, it would look as if fal might have accepted the job.
        for name, value in self.as_headers().items():
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(f"the header {name!r} is {value!r}: give one line of plain ASCII")
        if self.webhook_url is not None and not self.webhook_url.isprintable():
            raise ValueError(f"webhook_url is {self.webhook_url!r}: it has what no URL can have")

    def as_headers(self) -> dict[str, str]:
        """The headers that say it (wire.md §3.1)."""
        said = dict(self.headers or {})
        if self.start_timeout is not None:
            said["X-Fal-Request-Timeout"] = str(float(self.start_timeout))
        if self.runner_hint is not None:
            said["X-Fal-Runner-Hint"] = self.runner_hint
        if self.priority is not None:
            said["X-Fal-Queue-Priority"] = self.priority
        return said

    def as_query(self) -> dict[str, str]:
        """The query that says it (wire.md §3.1)."""
        said: dict[str, str] = {}
        if self.webhook_url is not None:
            said["fal_webhook"] = self.webhook_url
        if self.max_queue_length is not None:
            said["fal_max_queue_length"] = str(self.max_queue_length)
        return said


_TROUBLE = frozenset({408, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how patiently to try again.

    `attempts` counts the first try too. The waits are `first` seconds, then `factor` times the
    last, at most `cap`, each spread by ±`jitter` (a share of it).
    Fal has no idempotency key (wire.md §3.1), so a submit or run that fal may have seen is never
    sent again, unless `resubmit` says that paying twice is better than not getting there.
    """

    attempts: int = 4
    first: float = 0.5
    factor: float = 2.0
    cap: float = 8.0
    jitter: float = 0.25
    resubmit: bool = False

    def __post_init__(self) -> None:
        """Refuse figures that make no schedule."""
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}: at least 1 is needed")
        if self.first < 0 or self.cap < 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ValueError("first and cap are 0 or more, factor 1 or more, jitter from 0 to 1")

    def waits(self, random: Callable[[], float]) -> Iterator[float]:
        """The seconds before each further attempt; `random` gives numbers from 0 to 1."""
        wait = self.first
        for _ in range(self.attempts - 1):
            yield min(wait, self.cap) * (1 + self.jitter * (2 * random() - 1))
            wait *= self.factor

    def after_silence(self, error: NoAnswer, *, safe: bool) -> bool:
        """Whether to try again when no answer came; `safe`: the request changes nothing."""
        return safe or self.resubmit or isinstance(error, Unreachable)

    def after_reply(self, status: int, *, safe: bool) -> bool:
        """Whether to try again after this code.

        A 429 was refused before anything was accepted, so it is safe for all requests.
        """
        return status == 429 or (status in _TROUBLE and (safe or self.resubmit))
