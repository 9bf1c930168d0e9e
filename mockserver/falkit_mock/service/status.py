"""What a status shows, its log lines, and until when a result is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from falkit_mock.core import span
from falkit_mock.core.clock import Clock
from falkit_mock.core.jobs import Job, Status
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_spec import JSON, Object

_STEPS = 12
# How far a job gets whose inputs are refused, one that a rule has fail, and one that no clock
# drives.
_REFUSED_AT, _FAILED_AT, _HALF = 0.05, 0.88, 0.5


@dataclass(frozen=True, slots=True)
class _Line:
    # Where in the run the line appears, 0 to 1.
    at: float
    message: str
    level: str


def _script(random: Random) -> list[_Line]:
    speed = random.uniform(1.2, 3.9)
    lines = [
        _Line(0.0, "Preparing the request", "INFO"),
        _Line(0.04, "Reading the inputs", "INFO"),
    ]
    for step in range(_STEPS + 1):
        share = step / _STEPS
        bar = "█" * round(share * 10)
        message = f"Generating: {share:4.0%}|{bar:<10}| {step}/{_STEPS} [{speed:.2f}it/s]"
        lines.append(_Line(0.08 + 0.8 * share, message, "STDERR"))
    lines.append(_Line(0.92, "Encoding the video", "INFO"))
    lines.append(_Line(0.98, "Uploading the result", "INFO"))
    return lines


def window(job: Job, now: float, random: Random, size: int) -> list[JSON]:
    """Return the newest `size` lines at this moment (wire.md §3.2: a moving window).

    A line has message and timestamp as documented, level and source as the JS types say.
    """
    share = _share(job, now)
    shown = [line for line in _script(random) if line.at <= share]
    return [_entry(line, _moment(line, job)) for line in shown[-size:]]


def _moment(line: _Line, job: Job) -> float:
    """Return when a line was printed, unix seconds: the same however often it is shown."""
    if math.isinf(job.run):
        # No clock drives the job: one half came with its start and the other with its end.
        return job.starts if line.at <= _HALF else job.ends
    return job.starts + line.at * job.run


def _share(job: Job, now: float) -> float:
    """Return how much of the whole script was printed, 0 to 1; negative where nothing was.

    What is held prints on to its last line, and what somebody ends stops where it was: lines that
    were shown stay, with their times.
    """
    cut_off = job.cancelled or _failed_by_hand(job)
    if now < job.starts:
        return -1.0
    if job.run <= 0:
        # It prints all at its end, and nothing if it was ended while it waited.
        return -1.0 if cut_off or now < job.ends else _most(job)
    if math.isinf(job.run):
        share = 1.0 if now >= job.ends and not cut_off else _HALF
    else:
        share = min((min(job.ends, now) - job.starts) / job.run, 1.0)
    ended_early = job.ends <= now and job.ends < job.starts + job.run < math.inf
    return share if cut_off or ended_early else min(share, _most(job))


def _failed_by_hand(job: Job) -> bool:
    return job.faults.outcome is not None and job.faults.rule is None


def _most(job: Job) -> float:
    """Return how far a job gets that nobody ends."""
    if job.outcome is None:
        # Its inputs are being read.
        return _REFUSED_AT
    if job.outcome.ok:
        return 1.0
    return _FAILED_AT if job.faults.outcome is not None else _REFUSED_AT


def next_line(job: Job, now: float, random: Random) -> float:
    """Return when the next line appears, unix seconds; infinite if none does by the clock."""
    if not job.starts <= now < job.ends or math.isinf(job.run):
        return math.inf
    moments = (_moment(line, job) for line in _script(random))
    return min((moment for moment in moments if moment > now), default=math.inf)


def _entry(line: _Line, moment: float) -> Object:
    timestamp = datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
    return {
        "message": line.message,
        "timestamp": timestamp,
        "level": line.level,
        "source": "USER",
    }


# Seconds for which a result can be fetched (wire.md §3.4), and from how many bytes on it is
# large; that 10 KB are 10,240 bytes is inferred.
HOUR, LARGE_FOR, LARGE = 3600.0, 360.0, 10 * 1024
# Seconds for which stored payloads are kept, and the bytes from which on they live no longer than
# the result can be fetched; that 1 MB is a million is inferred (wire.md §3.4).
DAY = 86_400.0
MONTH, NOT_STORED = 30 * DAY, 1_000_000


class Retention:
    """Says which results can still be had, and clears away what nobody can ask for any more."""

    def __init__(self, settings: Settings, clock: Clock, store: Store) -> None:
        self._ttl = settings.result_ttl
        self._clock = clock
        self._store = store
        # When there may be something to forget again, unix seconds.
        self.next_purge = -math.inf

    def closed(self, job: Job) -> bool:
        """Whether a job's result can no longer be fetched."""
        return self._clock.now() >= self.closes(job)

    def closes(self, job: Job) -> float:
        """Return until when a job's result can be fetched, unix seconds."""
        if self._ttl is not None:
            return job.ends + self._ttl
        size = 0 if job.outcome is None or job.ends < job.starts else len(job.outcome.body)
        return job.ends + (HOUR if size < LARGE else LARGE_FOR)

    def told(self, job: Job) -> str:
        """Say since when a closed job's result is gone, and what keeps others longer."""
        closes = self.closes(job)
        past, lasted = span(self._clock.now() - closes), span(closes - job.ends)
        return f"expired {past} ago, {lasted} after its end; --result-ttl forever keeps results"

    def keeps(self, job: Job, payload: bytes) -> bool:
        """Whether the Platform API still has an input or an output of a job."""
        if not job.options.keep_payloads:
            return False
        return len(payload) <= NOT_STORED or not self.closed(job)

    def purge(self, now: float) -> None:
        """Forget what ended a month ago; there is no need to ask again within a day."""
        self.next_purge = now + DAY
        self._store.purge(now - MONTH)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How a job stands at one moment: what a status tells, without its URLs."""

    status: Status
    # None unless they were asked for, or while the job waits (wire.md §3.2).
    logs: list[JSON] | None
    queue_position: int = 0
    inference_time: float | None = None
    error: str | None = None
    error_type: str | None = None
