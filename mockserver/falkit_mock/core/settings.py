"""Timings, assumptions and moments: plain values, checked when they are made."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args, get_type_hints

from falkit_mock.core import masked, parse_duration

# The queue's three statuses and nothing else exist at fal (wire.md §3.2).
Progression: TypeAlias = Literal["clock", "polls", "held"]


_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_url(state: str) -> bool:
    """Tell whether a state is named by a URL, and not by the path of a file."""
    return _URL.match(state) is not None


def shown_state(state: str) -> str:
    """Return a state's file or URL as people are told of it, without a password."""
    return masked(state) if is_url(state) else state


# redis:host, redis:/host, host:6379 and host:6379/0; a drive of Windows has one letter.
_ALMOST = re.compile(r"(rediss?|unix):(?!//)|[a-z0-9.-]{2,}:[0-9]{2,5}(/[0-9]*)?$", re.IGNORECASE)


def is_almost_url(state: str) -> bool:
    """Tell whether a path is likely meant as the URL of a Redis."""
    return _ALMOST.match(state) is not None


class SettingsError(ValueError):
    """A setting that can't work. `problem` says what is wrong with the value, and the fix."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Workload(NamedTuple):
    """What a job makes, as far as it bears on how long that takes."""

    seconds: float = 0.0
    pixels: int = 0


# Called only by a timing that needs them, since most do not.
Work: TypeAlias = Callable[[], Workload]
Dice: TypeAlias = Callable[[], Random]


class Duration(NamedTuple):
    """Seconds before a free runner takes a job, and seconds it then runs."""

    queue: float
    run: float


@dataclass(frozen=True, slots=True)
class Seconds:
    """Every job waits and runs for the same time; `instant` is 0,0."""

    queue: float
    run: float
    progression: Progression = "clock"

    def duration(self, work: Work, random: Dice) -> Duration:
        return Duration(self.queue, self.run)


@dataclass(frozen=True, slots=True)
class Realistic:
    """Longer clips and larger or more pictures take longer, give or take a tenth.

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


_TIMINGS: dict[str, Timing] = {
    "instant": Seconds(0.0, 0.0),
    "polls": Stepped("polls"),
    "held": Stepped("held"),
    "realistic": Realistic(),
}


def parse_timing(text: str) -> Timing:
    """Read `instant`, `polls`, `held`, `realistic` or `QUEUE,RUN` in seconds.

    Raise SettingsError.
    """
    word = text.strip()
    if word in _TIMINGS:
        return _TIMINGS[word]
    try:
        queue, run = (float(part) for part in word.split(","))
    except ValueError:
        names = f"{', '.join(_TIMINGS)} or QUEUE,RUN in seconds (such as 0.5,2)"
        raise SettingsError("timing", f"{word!r} is none of {names}") from None
    if not all(math.isfinite(value) and value >= 0 for value in (queue, run)):
        problem = f"{word!r} needs two numbers of seconds that are 0 or more"
        raise SettingsError("timing", problem)
    return Seconds(queue, run)


JwksPadding: TypeAlias = Literal["padded", "unpadded", "both"]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not known for certain outside fal: our best guess, and the alternatives.

    Each field is a row of docs/fidelity.md; `falkit serve --assume NAME=VALUE` changes it.
    """

    # wire.md §3.5, §13: one page lists 202, 400 and 404 as all codes of a cancellation, another
    # names OK for a job that was still queued, without its code.
    cancel_in_queue: Literal["requested", "ok"] = "requested"
    # wire.md §3.4: an app may stop when it is cancelled (499) or finish regardless (200).
    cancel_in_progress: Literal["heeded", "ignored"] = "heeded"
    # wire.md §3.7: requests are found by the app alone, as many have measured; or also by whole
    # ids, any path in between and with /response, as fal's documents and examples have them.
    queue_urls: Literal["strict", "lenient"] = "strict"
    # wire.md §3.4, §13: the body of the 404 for an unknown request.
    unknown_request: Literal["status", "detail"] = "status"
    # wire.md §3.2, §13: whether a COMPLETED status tells of a model's own refusal.
    model_error_in_status: Literal["text", "absent"] = "text"
    # wire.md §3.2, §3.3: whether an event of the status stream brings the log lines that are new
    # since the one before, which the JavaScript client counts on, or the window of a status.
    stream_logs: Literal["new", "window"] = "new"
    # wire.md §14.2: the rule for long clips is prose; what breaking it answers is not on record.
    unsupported_combination: Literal["refused", "accepted"] = "refused"
    # wire.md §14.4: "6" for an integer enum is refused for certain; that "true" is taken for a
    # boolean, as Pydantic does unless told otherwise, is likely.
    lax_types: Literal["accepted", "refused"] = "accepted"
    # wire.md §7.4: fal's SDK reads a data URI whatever media type it names; one model of fal's
    # has refused types for which it knew no file extension.
    data_uri_label: Literal["ignored", "checked"] = "ignored"
    # wire.md §3.1, §7.4: that files have access rules is documented; what a reader without
    # leave is answered is not on record: 403 for `forbid`, 404 for `hide` here.
    file_acl: Literal["enforced", "ignored"] = "enforced"
    # wire.md §8: a stream has begun when its model fails; whether the error is then an event or
    # comes in the stream's place isn't on record.
    stream_error: Literal["event", "reply"] = "event"
    # wire.md §8: the JavaScript client looks for a message that says Unauthorized; what others
    # than it would be told, a refused handshake, is what other hosts answer.
    realtime_refusal: Literal["message", "handshake"] = "message"
    # wire.md §7.4: both forms of real outputs are on record. A name that the document's example
    # has is told, and others and all sizes are null where the document lets them be; or all is.
    file_details: Literal["null", "known"] = "null"
    # wire.md §5.2: keys were padded when they were captured, which RFC 7517 forbids.
    jwks_padding: JwksPadding = "padded"
    # wire.md §5.1 has no webhook of a cancelled job; its result is an error as others are.
    cancelled_webhook: Literal["sent", "none"] = "sent"
    # wire.md §6.3: a 422 may be charged if a runner worked on it; when it is, isn't on record.
    refused_after_run: Literal["billed", "free"] = "billed"

    def __post_init__(self) -> None:
        for name, known in ASSUMPTIONS.items():
            value = getattr(self, name)
            if value not in known:
                problem = f"{name.replace('_', '-')} takes {' or '.join(known)}, not {value!r}"
                raise SettingsError("assumptions", problem)

    @classmethod
    def parse(cls, given: Iterable[str] | Mapping[str, object]) -> Assumptions:
        """Build from `NAME=VALUE` words or a mapping of names to values; raise SettingsError."""
        table = isinstance(given, Mapping)
        pairs = cast("Mapping[str, object]", given).items() if table else map(_split, given)
        chosen: dict[str, Any] = {}
        for name, value in pairs:
            field = str(name).strip().replace("-", "_")
            if field not in ASSUMPTIONS:
                names = ", ".join(ASSUMPTIONS).replace("_", "-")
                problem = f"there is no {field.replace('_', '-')!r}; names are {names}"
                raise SettingsError("assumptions", problem)
            chosen[field] = value.strip() if isinstance(value, str) else value
        return cls(**chosen)


ASSUMPTIONS: dict[str, tuple[str, ...]] = {
    name: get_args(hint) for name, hint in get_type_hints(Assumptions).items()
}


def _split(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise SettingsError("assumptions", f"{word!r} is not of the form NAME=VALUE")
    return name, value


_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([kmgt]?)i?b", re.I)
_UNITS = ("", "k", "m", "g", "t")
_WHOLE = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True)
class Keep:
    """How old what is kept may become, seconds, and how many bytes of it there may be."""

    # Stored payloads are kept for a month (wire.md §3.4).
    age: float = 30 * 86_400.0
    size: float = math.inf

    @classmethod
    def read(cls, text: str) -> Keep:
        """Read `7d`, `500MB` or `7d,500MB`; raise SettingsError."""
        found: dict[str, float] = {}
        for word in text.split(","):
            word = word.strip()
            if size := parse_bytes(word):
                found["size"] = size
                continue
            if _NUMBER.fullmatch(word) and float(word):
                # By mistake it would forget nearly all.
                fix = f"write {word}d for days, or {word}s for seconds"
                raise SettingsError("keep", f"{word!r} has no unit; {fix}")
            try:
                found["age"] = parse_duration(word)
            except ValueError:
                found["age"] = 0.0
        if len(found) != text.count(",") + 1 or min(found.values()) <= 0:
            fix = "give an age, a number of bytes or both, such as 7d,500MB"
            raise SettingsError("keep", f"{text!r} isn't what to keep; {fix}")
        return cls(**found)


def parse_bytes(word: str) -> float:
    """Return how many bytes a word such as `500MB` names; 0 where it names none."""
    size = _SIZE.fullmatch(word.strip())
    # A thousand or 1024: the difference is of no account here.
    return float(size[1]) * 1000 ** _UNITS.index(size[2].lower()) if size else 0.0


@dataclass(frozen=True, slots=True)
class Quota:
    """How many jobs, and bytes of inputs, outcomes and uploads, a tenant may keep."""

    jobs: float = math.inf
    bytes: float = math.inf

    @classmethod
    def read(cls, text: str) -> Quota:
        """Read `jobs=10000`, `bytes=500MB` or both with a comma; raise SettingsError."""
        found: dict[str, float] = {}
        for word in text.split(","):
            name, _, value = (part.strip() for part in word.partition("="))
            number = float(value) if _WHOLE.fullmatch(value) else 0.0
            found[name] = (number or parse_bytes(value)) if name == "bytes" else number
        if not found.keys() <= {"jobs", "bytes"} or min(found.values()) <= 0:
            fix = "give jobs, bytes or both, such as jobs=10000,bytes=500MB"
            raise SettingsError("quota", f"{text!r} isn't a quota; {fix}")
        return cls(**found)


NO_QUOTA = Quota()


# What follows a moment must have a year of four digits, too: 9999-01-01.
LAST_MOMENT = 253_370_764_800.0


def parse_moment(field: str, value: float | str | datetime) -> float:
    """Return unix seconds, given as such, as ISO 8601 or as a datetime; raise SettingsError.

    A moment without an offset is UTC: what a mock does must not depend on where it runs.
    """
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(found, datetime):
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        if not isinstance(found, bool) and 0 <= found < LAST_MOMENT:
            return float(found)
    except (ValueError, OverflowError, OSError, TypeError):
        pass
    problem = f"{value!r} isn't a moment from 1970 to 9998; write one such as 2027-01-15T08:00:00Z"
    raise SettingsError(field, problem)
