"""The states of a job, its log lines, and its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the model printed; `timestamp` is fal's ISO text, unparsed."""

    message: str
    timestamp: str | None = None
    level: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """The job waits; `position` requests are ahead of it (0 may last for minutes)."""

    request_id: str
    position: int | None = None
    logs: tuple[LogLine, ...] = ()


@dataclass(frozen=True, slots=True)
class InProgress:
    """The job runs."""

    request_id: str
    logs: tuple[LogLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Completed:
    """The job has ended; only the result shows whether it succeeded (wire.md §3.2).

    `metrics` holds numbers such as `inference_time` in seconds; `error` and `error_type` are set
    when the status already has the error of a failed job.
    """

    request_id: str
    logs: tuple[LogLine, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    error: str | None = None
    error_type: str | None = None


Status: TypeAlias = Queued | InProgress | Completed


class News:
    """Finds what is new in each of a series of statuses.

    Fal's logs are a window over the newest lines (wire.md §3.2): a line comes many times, and old
    lines fall out. Each is handed on once.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._last: Status | None = None
        self._window: tuple[LogLine, ...] = ()

    def of(self, status: Status) -> Status | None:
        """The status with only its new log lines, or None if nothing in it is new."""
        fresh = _unseen(self._window, status.logs)
        # Sometimes fal answers null in place of a window: the last one still counts.
        self._window = status.logs or self._window
        bare, last = replace(status, logs=()), self._last
        self._last = bare
        return replace(status, logs=fresh) if fresh or bare != last else None


def _unseen(seen: tuple[LogLine, ...], window: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    for size in range(min(len(seen), len(window)), 0, -1):
        if seen[-size:] == window[:size]:
            return window[size:]
    # Without an overlap the window was reordered or has moved on: only unknown lines are new.
    return tuple(line for line in window if line not in seen)


# Outputs differ per endpoint; `Any` values let a caller write output["video"]["url"] unchecked.
JsonObject = dict[str, Any]

Output = TypeVar("Output")


# Without slots: with them, Result[…](…) breaks in Python 3.11.
@dataclass(frozen=True)
class Result(Generic[Output]):
    """The output of one job, as fal sent it, and what is known of the job.

    `billable_units` is the quantity that fal bills, in the model's own unit (seconds of video for
    LTX-2), from the `x-fal-billable-units` header; None where fal does not send it (wire.md §3.1).
    `cost` is what the job cost in US dollars by those units and the price list; None where one of
    them is unknown. `cached`: the output is from the cache, nothing was called, and `cost` is 0.
    `files` has the cache's copies of the output's files by URL: fal's URLs expire, copies stay
    until the cache needs their room.
    """

    output: Output
    endpoint: str
    request_id: str | None
    billable_units: Decimal | None = None
    cost: Decimal | None = None
    cached: bool = False
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
