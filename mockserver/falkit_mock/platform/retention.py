"""How long what is over is kept: results for an hour, the rest of it for a month."""

from __future__ import annotations

import math

from falkit_mock.platform.clock import Clock
from falkit_mock.platform.figures import span
from falkit_mock.platform.jobs import Job
from falkit_mock.settings import Settings
from falkit_mock.store import Store

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
        self._next_purge = -math.inf

    def closed(self, job: Job) -> bool:
        """Whether a job's result can no longer be fetched."""
        return self._clock.now() >= self.closes(job)

    def closes(self, job: Job) -> float:
        """Return until when a job's result can be fetched, unix seconds."""
        if self._ttl is not None:
            return job.ends + self._ttl
        size = 0 if job.outcome is None or job.given_up else len(job.outcome.body)
        return job.ends + (HOUR if size < LARGE else LARGE_FOR)

    def told(self, job: Job) -> str:
        """Say since when a closed job's result is gone, and what keeps others longer."""
        closes = self.closes(job)
        past, lasted = span(self._clock.now() - closes), span(closes - job.ends)
        return f"expired {past} ago, {lasted} after its end; --result-ttl forever keeps results"

    def keeps(self, job: Job, payload: bytes) -> bool:
        """Whether the Platform API still has an input or an output of a job."""
        if not job.wishes.keep_payloads:
            return False
        return len(payload) <= NOT_STORED or not self.closed(job)

    def purge(self) -> None:
        """Forget what ended a month ago; looks no more often than once a day by the clock."""
        now = self._clock.now()
        if now >= self._next_purge:
            self._next_purge = now + DAY
            self._store.purge(now - MONTH)
