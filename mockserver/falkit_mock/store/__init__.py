"""The interface of a store: jobs and their files, queues, uploads, deliveries.

Who adds a job hands it over: a store may keep the object itself, and `get` may return that object
or a copy. So whoever changes a job calls `update` before anybody looks again, and whoever comes
back from an `await` gets the job anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from falkit_mock.core.events import Delivery, Verdict
from falkit_mock.core.jobs import Job, Moments, Outcome
from falkit_mock.store.blobs import Blobs, Piece
from falkit_mock.store.queues import Queues


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
    """Jobs by id, in the order of submission, and files by path. Moments are unix seconds."""

    @property
    def queues(self) -> Queues:
        """The jobs that are not done: who waits, and who runs until when."""
        ...

    @property
    def uploads(self) -> UploadStore:
        """What clients have uploaded."""
        ...

    @property
    def deliveries(self) -> DeliveryStore:
        """Which webhooks were delivered, and the keys that sign them."""
        ...

    @property
    def last_seq(self) -> int:
        """The place of the newest job in the order of submission; 0 while there was none."""
        ...

    def next_seq(self) -> int:
        """Return the place in the order of submission that the next job takes."""
        ...

    def add(self, job: Job, input: bytes) -> None:
        """Store a new job and the body that asked for it."""
        ...

    def get(self, request_id: str, /) -> Job | None: ...

    def input(self, request_id: str) -> bytes:
        """Return the body that asked for a known job; nothing once it was erased."""
        ...

    def jobs(self) -> list[Job]:
        """Return every job, in the order of submission."""
        ...

    def update(self, job: Job) -> None:
        """Store all that may change of a known job but its outcome: its moments, its faults..."""
        ...

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        """Store when jobs that wait start and end, by id."""
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

    def add_file(self, record: FileRecord) -> None:
        """Store a file; one at the same path before it is gone."""
        ...

    def file(self, path: str) -> FileRecord | None: ...

    def files(self) -> list[FileRecord]: ...

    def clear(self) -> None:
        """Forget all but the keys that sign webhooks, which receivers keep for a day."""
        ...

    def take(self, other: Store, blobs: Mapping[str, str]) -> None:
        """Have what another store has in place of all this; raise BadCopy, and change nothing then.

        `blobs` names the blobs that are called otherwise here, by the other's names.
        """
        ...

    def close(self) -> None: ...


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

    @property
    def blobs(self) -> Blobs:
        """Where the bytes of the pieces are."""
        ...

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


class BadCopy(ValueError):
    """Bytes or a store that can't be taken; the message says why."""


def all_pieces(store: Store) -> list[Piece]:
    """Return every piece of every upload of a store."""
    uploads = store.uploads
    return [piece for id in uploads.due(math.inf) for piece in uploads.pieces(id).values()]


def copy_all(source: Store, target: Store, blobs: Mapping[str, str]) -> None:
    """Add all that one store has to an empty one; see `Store.take`."""
    for job in source.jobs():
        target.add(job, source.input(job.id))
    for record in source.files():
        target.add_file(record)
    for upload_id in source.uploads.due(math.inf):
        upload = source.uploads.get(upload_id)
        assert upload is not None, "its id was just listed"
        target.uploads.add(upload)
        for number, piece in source.uploads.pieces(upload_id).items():
            here = replace(piece, blob=blobs.get(piece.blob, piece.blob))
            target.uploads.put_piece(upload_id, number, here)
    for delivery in source.deliveries.select():
        target.deliveries.add(delivery)
    keys = source.deliveries.keys()
    for key in keys:
        target.deliveries.put_key(key)
