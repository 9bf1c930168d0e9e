"""Options beside the input, the headers and query that carry them, and retries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from falkit_client.errors import NoAnswer, Unreachable
from falkit_client.results import Status

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")
_SERVER_FAILURES = frozenset({408, 500, 502, 503, 504})


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
    upload_progress: Callable[[int, int | None], object] | None
    """Called with the bytes sent and in total of each large file that is uploaded first."""


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
    """All options, checked once; an unknown name is a TypeError."""

    check: bool | None = None
    start_timeout: float | None = None
    runner_hint: str | None = None
    headers: Mapping[str, str] | None = None
    webhook_url: str | None = None
    priority: Literal["normal", "low"] | None = None
    max_queue_length: int | None = None
    preflight: bool = False
    fresh: bool = False
    upload_progress: Callable[[int, int | None], object] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what fal would refuse or silently ignore."""
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
            raise ValueError(f"webhook_url is {self.webhook_url!r}: a URL has no such characters")

    def as_headers(self) -> dict[str, str]:
        """The headers that carry the options (wire.md §3.1)."""
        timeout = self.start_timeout
        own = {
            "X-Fal-Request-Start-Timeout": None if timeout is None else str(float(timeout)),
            "X-Fal-Runner-Hint": self.runner_hint,
            "X-Fal-Queue-Priority": self.priority,
        }
        return {**(self.headers or {}), **_given(own)}

    def as_query(self) -> dict[str, str]:
        """The query that carries the options (wire.md §3.1)."""
        length = self.max_queue_length
        return _given(
            {
                "fal_webhook": self.webhook_url,
                "fal_max_queue_length": None if length is None else str(length),
            }
        )


def _given(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to try again, and after how long.

    `attempts` counts the first try too. The waits are `first` seconds, then `factor` times the
    last, at most `cap`, each spread by ±`jitter` (a share of it).
    Fal has no idempotency key (wire.md §3.1), so a submit or run that fal may have seen is never
    sent again, unless `resubmit` accepts that a job may be paid for twice.
    """

    attempts: int = 4
    first: float = 0.5
    factor: float = 2.0
    cap: float = 8.0
    jitter: float = 0.25
    resubmit: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that no schedule can be made of."""
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
        return status == 429 or (status in _SERVER_FAILURES and (safe or self.resubmit))
