"""How long jobs wait and run: the four ways to say it, and how each is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

# The queue's three statuses and nothing else exist at fal (wire.md §3.2).
Pace: TypeAlias = Literal["clock", "polls", "held"]


class TimingError(ValueError):
    """A timing that can't be read; the message says what can."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a job makes, as far as it bears on how long that takes."""

    seconds: float = 0.0
    pixels: int = 0


# Called only by a timing that needs them, since most do not.
Work: TypeAlias = Callable[[], Workload]
Dice: TypeAlias = Callable[[], Random]


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds before a free runner takes a job, and seconds it then runs."""

    queue: float
    run: float


@dataclass(frozen=True, slots=True)
class Seconds:
    """Every job waits and runs for as long as said; `instant` is 0,0."""

    queue: float
    run: float
    pace: Pace = "clock"

    def duration(self, work: Work, random: Dice) -> Duration:
        return Duration(self.queue, self.run)


@dataclass(frozen=True, slots=True)
class Realistic:
    """Longer clips and larger pictures take longer, give or take a tenth.

    The figures are of the order that LTX-2 takes at fal; none is a promise.
    """

    pace: Pace = "clock"

    def duration(self, work: Work, random: Dice) -> Duration:
        workload, chance = work(), random()
        megapixels = workload.pixels / 1e6
        spread = chance.uniform(0.9, 1.1)
        run = (4 + 0.8 * workload.seconds * megapixels) * spread
        return Duration(chance.uniform(0.5, 3.0), run)


@dataclass(frozen=True, slots=True)
class Stepped:
    """No clock: each look at a job moves it on (`polls`), or each release does (`held`)."""

    pace: Pace

    def duration(self, work: Work, random: Dice) -> Duration:
        return Duration(math.inf, math.inf)


Timing: TypeAlias = Seconds | Realistic | Stepped


def parse_timing(text: str) -> Timing:
    """Read `instant`, `polls`, `held`, `realistic` or `QUEUE,RUN` in seconds."""
    match text.strip():
        case "instant":
            return Seconds(0.0, 0.0)
        case "realistic":
            return Realistic()
        case "polls":
            return Stepped("polls")
        case "held":
            return Stepped("held")
        case other:
            return _parse_seconds(other)


def _parse_seconds(text: str) -> Seconds:
    parts = text.split(",")
    try:
        queue, run = (float(part) for part in parts)
    except ValueError:
        raise TimingError(
            f"timing: {text!r} is none of instant, polls, held, realistic or QUEUE,RUN in seconds "
            "(such as 0.5,2)"
        ) from None
    if not all(math.isfinite(value) and value >= 0 for value in (queue, run)):
        raise TimingError(f"timing: {text!r} needs two numbers of seconds that are 0 or more")
    return Seconds(queue, run)
