"""How a program waits for its jobs, and whether it learns what came of them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from falkit_mock.core.network import QUEUE, ROLES
from falkit_mock.findings.rules import Look, Rule, Watched, is_official

if TYPE_CHECKING:
    from falkit_mock.core.events import RequestRecord
    from falkit_mock.core.jobs import Job
    from falkit_spec.findings import Severity

# Real seconds between two statuses of a job, and how often they are less before it counts: two
# parts of a program may ask at once.
_FAST, _IN_A_ROW = 0.1, 5
# Seconds on the mock's clock after which nobody should wait for a job any more.
_LONG = 3600.0
# How often somebody may ask again after COMPLETED: clients look once more before they fetch the
# result. At the end two are enough, where nothing was fetched.
_AGAIN, _AGAIN_AT_THE_END = 5, 2
# How often somebody may ask for what fal answers 404.
_IN_VAIN = 20


class Polling(Rule):
    """polling-fast, polling-endless, waits-for-failed."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        # How often in a row jobs were asked for too soon; those that were found are negative.
        self._soon = _Counts()
        # Statuses that were asked for in vain, by their paths, and jobs that were found.
        self._in_vain = _Counts()
        self._found: deque[tuple[str, str]] = deque(maxlen=1_000)

    def polled(self, record: RequestRecord, job: Watched) -> None:
        if record.path.endswith("/stream"):
            return
        if job.polls > 1:
            self._fast(record, job)
        if job.completed > _AGAIN and job.result is None:
            self._goes_on(job, record)
        elif not job.completed and (found := self.look.job(job.request_id)) is not None:
            waited = record.time - found.created
            # The clients of fal's wait as long as their caller lets them.
            if waited >= _LONG and not is_official(record) and self._first("endless", job):
                seen = "a job was still waited for after an hour"
                self.look.found("polling-endless", seen, subject=job.path, record=record)

    def _fast(self, record: RequestRecord, job: Watched) -> None:
        id, last = job.request_id, job.last
        quick = record.began - last.began < _FAST and last.path == record.path
        soon = self._soon.add(id) if quick else self._soon.clear(id)
        if soon == _IN_A_ROW and self._in_real_time(id):
            seen = "a job's status was asked for again within 100 ms, time after time"
            self.look.found("polling-fast", seen, subject=job.path, record=record)

    def _in_real_time(self, request_id: str) -> bool:
        """Tell whether a job takes its time: where a test moves it, a program may hurry."""
        job, clock = self.look.job(request_id), self.look.service.clock
        by_clock = job is not None and job.progression == "clock"
        return by_clock and bool(getattr(clock, "running", True))

    def _goes_on(self, job: Watched, record: RequestRecord) -> None:
        found = self.look.job(job.request_id)
        if found is None or not self._first("again", job):
            return
        failed = _failed(found)
        if failed is None:
            seen = "a status was asked for time after time after COMPLETED, and the result never"
            self.look.found("polling-endless", seen, subject=job.path, record=record)
        else:
            what = "was cancelled" if found.cancelled else f"failed with {failed}"
            seen = f"a job that {what} was asked for time after time after COMPLETED"
            self.look.found("waits-for-failed", seen, subject=job.path, record=record)

    def left(self, job: Watched, *, over: bool) -> None:
        if job.completed > _AGAIN_AT_THE_END and job.result is None:
            found = self.look.job(job.request_id)
            if found is not None and _failed(found) is not None:
                self._goes_on(job, job.last)

    def asked(self, record: RequestRecord) -> None:
        if record.status != 404 or record.faults or not record.path.endswith("/status"):
            return
        if ROLES.get(record.host) == QUEUE and self._in_vain.add(record.path) == _IN_VAIN:
            seen = "a request that fal answers 404 was asked for time after time"
            self.look.found("polling-endless", seen, record=record)

    def _first(self, what: str, job: Watched) -> bool:
        """Tell whether something is found of a job for the first time."""
        name = (what, job.request_id)
        if name in self._found:
            return False
        self._found.append(name)
        return True


class Outcomes(Rule):
    """failure-not-read, early-result-taken, abandoned-job: judged once nobody asks any more."""

    def left(self, job: Watched, *, over: bool) -> None:
        # A webhook tells what came of the job; and who cancelled it knows.
        if job.webhook or job.cancelled or job.result is not None:
            return
        found = self.look.job(job.request_id)
        if found is None:
            return
        if job.completed:
            if job.completed <= _AGAIN_AT_THE_END:
                self._not_read(job, found)
        elif job.early and not job.last.path.endswith(("/status", "/stream")):
            self._early(job, found, over=over)
        elif over and job.polls > 1:
            self._abandoned(job)

    def _not_read(self, job: Watched, found: Job) -> None:
        failed = _failed(found)
        if failed is None:
            return
        # Fal promises `error` in the status of any failure but a model's own (wire.md §3.2), and
        # whoever reads that knows.
        told = failed != 422
        seen = f"the status of a job that failed with {failed} was read as COMPLETED, and its"
        seen += " result never" + (" (the status has `error`: was that read?)" if told else "")
        severity: Severity | None = "warning" if told else None
        self.look.found(
            "failure-not-read", seen, subject=job.path, record=job.last, severity=severity
        )

    def _early(self, job: Watched, found: Job, *, over: bool) -> None:
        if job.early > 1:
            # Who asked again knew what a 400 means.
            if over:
                self._abandoned(job)
            return
        done = self.look.service.clock.now() >= found.ends
        seen = "a result was asked for while the job ran (400), and never again"
        severity: Severity | None = None if done else "warning"
        self.look.found(
            "early-result-taken", seen, subject=job.path, record=job.last, severity=severity
        )

    def _abandoned(self, job: Watched) -> None:
        seen = "a job was waited for, and left without a cancel before it was COMPLETED"
        self.look.found("abandoned-job", seen, subject=job.path, record=job.last)


def _failed(job: Job) -> int | None:
    """Return the code with which a job that has ended failed; None for one that didn't."""
    if job.given_up:
        return 504
    outcome = job.outcome
    return None if outcome is None or outcome.ok else outcome.status_code


class _Counts:
    """Counts by name, of the names that were counted last."""

    def __init__(self, most: int = 1_000) -> None:
        self._counts: dict[str, int] = {}
        self._most = most

    def add(self, name: str) -> int:
        """Count once more; return how often by now."""
        if name not in self._counts and len(self._counts) >= self._most:
            del self._counts[next(iter(self._counts))]
        count = self._counts[name] = self._counts.get(name, 0) + 1
        return count

    def clear(self, name: str) -> int:
        """Begin again with a name that is not done with; return 0."""
        if self._counts.get(name, 0) < _IN_A_ROW:
            self._counts.pop(name, None)
        return 0
