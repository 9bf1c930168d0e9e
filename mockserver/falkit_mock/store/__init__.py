"""The interface of a store: jobs, queues, files, uploads, deliveries, and the state as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from falkit_mock.core.events import Delivery, Verdict
from falkit_mock.core.jobs import Job, Moments, Outcome, Partition, Running, Waiting
from falkit_mock.store.blobs import Blobs, Piece


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


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A signing key by its number, from which the key itself follows."""

    number: int
    created: float
    withdrawn: bool


class DeliveryStore(Protocol):
    """Attempts in the order in which they ended, and the signing keys by number."""

    def add(self, delivery: Delivery) -> None: ...

    def get(self, delivery_id: str) -> Delivery | None: ...

    def select(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[Delivery]:
        """Return the newest deliveries that match, `limit` of them; the newest is the last.

        With the id of a delivery as `before`, those that were logged before it.
        """
        ...

    def count(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
    ) -> int:
        """Return how many deliveries match."""
        ...

    def last(self, request_id: str) -> Delivery | None:
        """Return the newest attempt that a job's end caused."""
        ...

    def keys(self) -> list[KeyRecord]:
        """Return every key, the oldest first."""
        ...

    def put_key(self, key: KeyRecord) -> None:
        """Store a key, new or changed."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client sends or has sent. Moments are unix seconds."""

    id: str
    # Where it is read, on the media host.
    path: str
    content_type: str
    created: float
    # When it is gone; infinite for never. Before it is done: when it is given up.
    expires: float
    # Seconds that it lives once it is done; None for ever.
    lifetime: float | None
    # The access rules as JSON, or nothing (wire.md §3.1).
    acl: str
    done: bool


class UploadStore(Protocol):
    """Uploads by id and by path, and the pieces of each by number."""

    blobs: Blobs

    def add(self, upload: Upload) -> None: ...

    def update(self, upload: Upload) -> None:
        """Store a known upload's expiry, access rules and whether it is done."""
        ...

    def get(self, upload_id: str) -> Upload | None: ...

    def at(self, path: str) -> Upload | None:
        """Return the upload that is read at a path, done or not."""
        ...

    def put_piece(self, upload_id: str, number: int, piece: Piece) -> None:
        """Store a piece; one with the same number before it, and its blob, are gone."""
        ...

    def pieces(self, upload_id: str) -> dict[int, Piece]:
        """Return an upload's pieces by number, in order."""
        ...

    def keep_pieces(self, upload_id: str, numbers: set[int]) -> None:
        """Drop the pieces of other numbers, and their blobs."""
        ...

    def remove(self, upload_id: str) -> None:
        """Forget an upload, its pieces and their blobs."""
        ...

    def due(self, now: float) -> list[str]:
        """Return the ids of the uploads that have expired."""
        ...


class BadCopy(ValueError):
    """Bytes that are no copy of such a store; the message says why."""


class StateStore(Protocol):
    """The whole of a store but the bytes of its uploads, which are blobs."""

    @property
    def jobs(self) -> int:
        """How many jobs have been numbered."""
        ...

    def clear(self) -> None:
        """Forget all but the keys that sign webhooks, which receivers keep for a day."""
        ...

    def dump(self) -> bytes:
        """Return a copy of all tables."""
        ...

    def pieces(self) -> list[Piece]:
        """Return every piece of every upload."""
        ...

    def read(self, data: bytes) -> StateCopy:
        """Return what dump() gave; raise BadCopy for anything else."""
        ...


class StateCopy(Protocol):
    """A copy that was read, and is not yet in place of what the store has."""

    def pieces(self) -> list[Piece]:
        """Return every piece of every upload in it."""
        ...

    def rename(self, blob: str, new: str) -> None:
        """Have the pieces with one blob be in another."""
        ...

    def take(self) -> None:
        """Put it in place of what the store has; all of it or, with BadCopy, nothing."""
        ...

    def close(self) -> None: ...


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

    def partitions(self, now: float) -> dict[Partition, Moments]:
        """Return the lanes with open jobs: until when one waits, and until when one runs.

        Both moments may be later than is true, never earlier.
        """
        ...

    def waiting(self, partition: Partition, now: float) -> list[Waiting]:
        """Return a lane's jobs that the clock drives and that have not started."""
        ...

    def last_start(self, partition: Partition, now: float) -> Moments | None:
        """Return when the last of a lane's waiting jobs starts, and when it is ready.

        Those that never start are left out; None if there is none else.
        """
        ...

    def last_start_of_ready(self, partition: Partition, now: float, ready: float) -> float | None:
        """Return when the last of those starts that are ready at a moment; None if none is."""
        ...

    def reschedule(self, partition: Partition, planned: Mapping[str, Moments]) -> None:
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
