"""The moment up to which a caller waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from falkit_client._requests import Request


class OutOfTime(Exception):
    """The caller's time is up; becomes TimedOut before it reaches the caller."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment up to which a caller waits; `at` None is never."""

    clock: Callable[[], float]
    at: float | None

    @classmethod
    def after(cls, seconds: float | None, clock: Callable[[], float]) -> Deadline:
        """The moment so many seconds from now."""
        return cls(clock, None if seconds is None else clock() + seconds)

    def left(self) -> float:
        """The seconds that remain; infinity without a limit."""
        return float("inf") if self.at is None else self.at - self.clock()

    def limit(self, seconds: float) -> float:
        """So many seconds, or what remains if that is less; OutOfTime when nothing does."""
        left = self.left()
        if left <= 0:
            raise OutOfTime
        return min(seconds, left)

    def bound(self, request: Request) -> Request:
        """The request with no more patience than what remains."""
        if self.at is None or request.timeout is None:
            return request
        return replace(request, timeout=self.limit(request.timeout))
