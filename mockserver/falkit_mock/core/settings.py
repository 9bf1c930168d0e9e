"""The mock's settings, timings and assumptions: plain values, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias, get_args, get_type_hints

# The queue's three statuses and nothing else exist at fal (wire.md §3.2).
Progression: TypeAlias = Literal["clock", "polls", "held"]


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
    progression: Progression = "clock"

    def duration(self, work: Work, random: Dice) -> Duration:
        return Duration(self.queue, self.run)


@dataclass(frozen=True, slots=True)
class Realistic:
    """Longer clips and larger pictures take longer, give or take a tenth.

    The figures are of the order that LTX-2 takes at fal; none is a promise.
    """

    progression: Progression = "clock"

    def duration(self, work: Work, random: Dice) -> Duration:
        workload, chance = work(), random()
        megapixels = workload.pixels / 1e6
        spread = chance.uniform(0.9, 1.1)
        run = (4 + 0.8 * workload.seconds * megapixels) * spread
        return Duration(chance.uniform(0.5, 3.0), run)


@dataclass(frozen=True, slots=True)
class Stepped:
    """No clock: each look at a job moves it on (`polls`), or each release does (`held`)."""

    progression: Progression

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


JwksPadding: TypeAlias = Literal["both", "unpadded", "padded"]


class SettingsError(ValueError):
    """A setting that can't work; the message names it, its value and the mend."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What nobody outside fal knows for certain: our best guess, and the other reading.

    Each field is a row of docs/fidelity.md; `falkit serve --assume NAME=VALUE` changes it.
    """

    # wire.md §3.5, §13: older documentation answers 202 to every accepted cancellation,
    # the newest names OK for a job that was still queued, without its code.
    cancel_in_queue: Literal["requested", "ok"] = "requested"
    # wire.md §3.4: an app may heed a cancellation (499) or finish regardless (200).
    cancel_in_progress: Literal["heeded", "ignored"] = "heeded"
    # wire.md §3.4, §13: the body of the 404 for an unknown request.
    unknown_request: Literal["status", "detail"] = "status"
    # wire.md §3.2, §13: whether a COMPLETED status tells of a model's own refusal.
    model_error_in_status: Literal["text", "absent"] = "text"
    # wire.md §3.2, §3.3: whether an event of the status stream brings the log lines that are new
    # since the one before, which the JavaScript client counts on, or the window of a status.
    stream_logs: Literal["new", "window"] = "new"
    # wire.md §14.2: the rule for long clips is prose; what breaking it answers is not on record.
    unsupported_combination: Literal["refused", "accepted"] = "refused"
    # wire.md §14.4: "6" for an integer enum is refused for certain; whether "true" is
    # taken for a boolean, as Pydantic does unless told otherwise, is not on record.
    lax_types: Literal["refused", "accepted"] = "refused"
    # wire.md §3.1, §7.4: that files have access rules is documented; what a reader without
    # leave is answered is not on record: 403 for `forbid`, 404 for `hide` here.
    file_acl: Literal["enforced", "ignored"] = "enforced"

    # wire.md §5.2: how the service writes its keys is not on record. RFC 7517 wants no padding, and
    # fal's Python sample needs it.
    jwks_padding: JwksPadding = "both"
    # wire.md §5.1 has no webhook of a cancelled job; its result is an error as others are.
    cancelled_webhook: Literal["sent", "none"] = "sent"

    @classmethod
    def parse(cls, words: tuple[str, ...]) -> Assumptions:
        """Build from `name=value` words; a SettingsError names the word that is wrong."""
        chosen: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                raise SettingsError(f"assume: {word!r} is not of the form NAME=VALUE")
            known = ASSUMPTIONS.get(name.strip().replace("-", "_"))
            if known is None:
                names = ", ".join(option.replace("_", "-") for option in ASSUMPTIONS)
                raise SettingsError(f"assume: there is no {name.strip()!r}; names are {names}")
            if value.strip() not in known:
                raise SettingsError(f"assume: {name} takes {' or '.join(known)}, not {value!r}")
            chosen[name.strip().replace("-", "_")] = value.strip()
        return cls(**chosen)


ASSUMPTIONS: dict[str, tuple[str, ...]] = {
    name: get_args(hint) for name, hint in get_type_hints(Assumptions).items()
}
