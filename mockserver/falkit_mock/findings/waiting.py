"""How a program waits for its jobs, and whether it learns what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from falkit_mock.core.network import QUEUE, ROLES
from falkit_mock.findings.rules import Look, Rule, Watched, is_official

if TYPE_CHECKING:
    from falkit_mock.core.events import RequestRecord
    from falkit_mock.core.jobs import Job
    from falkit_spec.findings import Severity

# Real seconds between two statuses of a job, somewhat less than those after which fal's client asks
# again; and how often they are less before it counts: two parts of a program may ask at once.
_FAST, _IN_A_ROW = 0.09, 5
# Seconds on the mock's clock after which nobody should wait for a job any more.
_LONG = 3600.0
# How often a status is COMPLETED before it counts: clients look once more before they fetch the
# result. At the end three are enough, where nothing was fetched. Who goes on though the result was
# the error counts as well.
_AGAIN, _AGAIN_AT_THE_END = 6, 3
# How often somebody may ask for what fal answers 404, or after that hour; and how many such paths
# are counted.
_IN_VAIN, _PATHS = 20, 1_000


class Polling(Rule):
    """polling-fast, polling-endless, waits-for-failed."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        # How often statuses were asked for in vain, by their paths.
        self._in_vain: dict[str, int] = {}

    def polled(self, record: RequestRecord, job: Watched) -> None:
        if job.completed:
            if job.completed == _AGAIN:
                self._goes_on(job, record)
            return
        last = job.last
        # Real seconds, and none in which a test moved the clock, as it does in place of a pause.
        quick = record.began - last.began < _FAST and record.time - last.time < _FAST
        if quick and last is not record and last.path == record.path:
            job.soon += 1
            if job.soon == _IN_A_ROW and self._in_real_time(job.request_id):
                seen = "a job's status was asked for again within 100 ms, time after time"
                self.look.found("polling-fast", seen, subject=job.path, record=record)
        elif job.soon < _IN_A_ROW:
            job.soon = 0
        if record.time - job.created >= _LONG:
            job.late += 1
            # The clients of fal's wait as long as their caller lets them; and whoever has a limit
            # looks once more where a test moves the clock beyond it.
            if job.late == _IN_VAIN and not is_official(record):
                seen = "a job was still waited for after an hour"
                self.look.found("polling-endless", seen, subject=job.path, record=record)

    def _in_real_time(self, request_id: str) -> bool:
        """Tell whether a job takes its time: where a test moves it, a program may hurry."""
        job, clock = self.look.job(request_id), self.look.service.clock
        by_clock = job is not None and job.progression == "clock"
        return by_clock and bool(getattr(clock, "running", True))

    def _goes_on(self, job: Watched, record: RequestRecord) -> None:
        found = self.look.job(job.request_id)
        if found is None:
            return
        failed = _failed(found)
        if failed is None:
            if job.result is not None:
                return
            seen = "a status was asked for time after time after COMPLETED, and the result never"
            self.look.found("polling-endless", seen, subject=job.path, record=record)
        else:
            what = "was cancelled" if found.cancelled else f"failed with {failed}"
            seen = f"a job that {what} was asked for time after time after COMPLETED"
            self.look.found("waits-for-failed", seen, subject=job.path, record=record)

    def left(self, job: Watched, *, over: bool) -> None:
        if _AGAIN_AT_THE_END <= job.completed < _AGAIN and job.result is None:
            found = self.look.job(job.request_id)
            if found is not None and _failed(found) is not None:
                self._goes_on(job, job.last)

    def asked(self, record: RequestRecord) -> None:
        if record.status != 404 or record.faults or not record.path.endswith("/status"):
            return
        if ROLES.get(record.host) != QUEUE:
            return
        counts, path = self._in_vain, record.path
        if path not in counts and len(counts) >= _PATHS:
            del counts[next(iter(counts))]
        counts[path] = counts.get(path, 0) + 1
        if counts[path] == _IN_VAIN:
            seen = "a request that fal answers 404 was asked for time after time"
            self.look.found("polling-endless", seen, record=record)


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
            if job.completed < _AGAIN_AT_THE_END:
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
