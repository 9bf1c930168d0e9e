"""What the platform asks of a store; sqlite answers it now, others can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from falkit_mock.platform.jobs import Job, Outcome
from falkit_mock.store.deliveries import DeliveryStore
from falkit_mock.store.queues import QueueStore
from falkit_mock.store.state import StateStore
from falkit_mock.store.uploads import UploadStore


@dataclass(frozen=True, slots=True)
class FileRecord:
    """An output file before it is made: what it shows and whose request it belongs to."""

    path: str
    request_id: str
    endpoint: str
    input_digest: str
    width: int
    height: int
    fps: int
    frames: int
    audio: bool
    # Seconds that it lasts after its job's end, None for ever; and its access rules (wire.md §3.1).
    lifetime: float | None = None
    acl: str = ""


class Store(Protocol):
    """Jobs by id and by queue, files by path. Moments are unix seconds."""

    @property
    def uploads(self) -> UploadStore:
        """What clients have uploaded."""
        ...

    @property
    def deliveries(self) -> DeliveryStore:
        """Which webhooks were delivered, and the keys that sign them."""
        ...

    @property
    def queues(self) -> QueueStore:
        """The same jobs by endpoint, key and priority: who waits, and who runs until when."""
        ...

    @property
    def state(self) -> StateStore:
        """All of it at once."""
        ...

    def next_seq(self) -> int:
        """Return the place in the order of submission that the next job takes."""
        ...

    def add(self, job: Job, input: bytes) -> None:
        """Store a new job and the body that asked for it."""
        ...

    def get(self, request_id: str) -> Job | None: ...

    def input(self, request_id: str) -> bytes:
        """Return the body that asked for a known job; nothing once it was erased."""
        ...

    def jobs(self) -> list[Job]:
        """Return every job, in the order of submission."""
        ...

    def update(self, job: Job) -> None:
        """Store a known job's moments, its seconds on a runner and whether it was cancelled."""
        ...

    def decide(self, request_id: str, outcome: Outcome) -> None:
        """Store what a known job answers."""
        ...

    def erase(self, request_id: str) -> None:
        """Forget what a known job was sent and answers, and its files; its moments stay."""
        ...

    def purge(self, before: float) -> None:
        """Forget the jobs that ended before a moment: inputs, outcomes and files too."""
        ...

    def add_file(self, record: FileRecord) -> None: ...

    def file(self, path: str) -> FileRecord | None: ...

    def close(self) -> None: ...
