"""What the platform asks of a store to plan who runs when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from falkit_mock.platform.jobs import Job
from falkit_mock.platform.schedule import Lane, Moments, Running, Waiting


class QueueStore(Protocol):
    """Jobs by lane, by endpoint and by key. Moments are unix seconds."""

    def ahead(self, job: Job, now: float) -> int:
        """Count the jobs of the same endpoint that wait and come earlier in its order."""
        ...

    def length(self, path: str, now: float) -> int:
        """Count the jobs of an endpoint that wait."""
        ...

    def next_start(self, path: str, now: float) -> float:
        """Return when a job next leaves an endpoint's queue: it starts, or is given up."""
        ...

    def lanes(self, now: float) -> dict[Lane, Moments]:
        """Return the lanes with open jobs: until when one waits, and until when one runs.

        Both moments may be later than is true, never earlier.
        """
        ...

    def waiting(self, lane: Lane, now: float) -> list[Waiting]:
        """Return a lane's jobs that the clock drives and that have not started."""
        ...

    def last_start(self, lane: Lane, now: float) -> Moments | None:
        """Return when the last of a lane's waiting jobs starts, and when it is ready.

        Those that never start are left out; None if there is none else.
        """
        ...

    def last_start_of_ready(self, lane: Lane, now: float, ready: float) -> float | None:
        """Return when the last of those starts that are ready at a moment; None if none is."""
        ...

    def reschedule(self, lane: Lane, planned: Mapping[str, Moments]) -> None:
        """Store when jobs of a lane start and end, by id."""
        ...

    def runner_free(self, path: str, runners: int, now: float) -> float:
        """Return from when on an endpoint has a runner to spare, as things are planned."""
        ...

    def place_free(self, key: str, places: int, now: float) -> float:
        """Return from when on a key has a place to spare, as things are planned."""
        ...

    def in_progress(self, key: str, now: float, most: int) -> int:
        """Count a key's jobs that run, at either door; no further than `most`."""
        ...

    def running_on(self, path: str, now: float) -> dict[str, Running]:
        """Return the jobs that are on an endpoint's runners now, by id."""
        ...

    def running_for(self, key: str, now: float) -> dict[str, Running]:
        """Return the jobs that run for a key now, at either door, by id."""
        ...
