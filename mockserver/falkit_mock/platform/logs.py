"""The lines that a job prints while it runs, and the window of them that a status shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from falkit_mock.platform.jobs import Job
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
    pace = random.uniform(1.2, 3.9)
    lines = [
        _Line(0.0, "Preparing the request", "INFO"),
        _Line(0.04, "Reading the inputs", "INFO"),
    ]
    for step in range(_STEPS + 1):
        share = step / _STEPS
        bar = "█" * round(share * 10)
        message = f"Generating: {share:4.0%}|{bar:<10}| {step}/{_STEPS} [{pace:.2f}it/s]"
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
    chosen = job.faults.get("outcome")
    return isinstance(chosen, dict) and chosen.get("rule") is None


def _most(job: Job) -> float:
    """Return how far a job gets that nobody ends."""
    if job.outcome is None:
        # Its inputs are being read.
        return _REFUSED_AT
    if job.outcome.ok:
        return 1.0
    return _FAILED_AT if "outcome" in job.faults else _REFUSED_AT


def lateness(job: Job) -> float:
    """Return how many seconds late a job's lines show; infinite for never."""
    late = job.faults.get("logs")
    if not isinstance(late, dict):
        return 0.0
    seconds = late["seconds"]
    return float(seconds) if isinstance(seconds, int | float) else math.inf


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
