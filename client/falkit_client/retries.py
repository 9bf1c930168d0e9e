"""When a request is sent a second time, and after how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from falkit_client.errors import NoAnswer, Unreachable

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
