"""The store: jobs and their files, queues, uploads, deliveries, in dictionaries.

Whoever adds a job hands it over: the store may keep the object itself, and `get` may return that
object or a copy. So whoever changes a job calls `update` before anybody looks again, and whoever
comes back from an `await` gets the job again. `store.sqlite` makes dictionaries that survive:
nothing is kept that isn't put into one, and what is changed in place is put into it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any, TypeAlias

from falkit_fixtures.wanted import Wanted
from falkit_mock.core.events import Delivery, Verdict
from falkit_mock.core.jobs import Job, Moments, Outcome
from falkit_mock.store.blobs import Blobs, Piece
from falkit_mock.store.queues import Queues

if TYPE_CHECKING:
    from falkit_mock.store.journal import Journal
    from falkit_mock.store.sharing import Sharing


@dataclass(frozen=True, slots=True)
class Given:
    """A file of the user's, of which an output has a URL; it is read where it is."""

    # Its real path on this machine.
    path: str
    content_type: str


@dataclass(slots=True)
class FileRecord:
    """An output file before it is made: what it is like and whose request it belongs to."""

    path: str
    request_id: str
    wanted: Wanted | Given
    # Seconds that it lasts after its job's end, None for ever; and its access rules (wire.md §3.1).
    lifetime: float | None = None
    acl: str = ""


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


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A signing key by its number, from which the key itself follows."""

    number: int
    created: float
    withdrawn: bool


class BadCopy(ValueError):
    """Bytes or a store that can't be taken; the message says why."""


# Makes a dictionary of a name, given what makes a value from the fields that are stored of it.
MakeTable: TypeAlias = Callable[[str, Callable[..., Any]], dict[Any, Any]]


def table_in_memory(name: str, kind: Callable[..., Any]) -> dict[Any, Any]:
    """Make a dictionary that is gone with the store."""
    return {}


def bare(key: str, value: Any) -> Any:
    """Return what is stored by a key and has no other fields."""
    return value


class UploadStore:
    """Uploads by id and by path, and the pieces of each by number."""

    def __init__(self, table: MakeTable, blobs: Blobs | None = None) -> None:
        # Where the bytes of the pieces are.
        self.blobs = blobs or Blobs()
        self._uploads: dict[str, Upload] = table("uploads", Upload)
        self._paths = {upload.path: id for id, upload in self._uploads.items()}
        self._pieces: dict[str, dict[int, Piece]] = table("pieces", bare)

    def add(self, upload: Upload) -> None:
        self._uploads[upload.id] = upload
        self._paths[upload.path] = upload.id

    def update(self, upload: Upload) -> None:
        """Store a known upload's expiry, access rules and whether it is done."""
        if upload.id in self._uploads:
            self._uploads[upload.id] = upload

    def get(self, upload_id: str) -> Upload | None:
        return self._uploads.get(upload_id)

    def at(self, path: str) -> Upload | None:
        """Return the upload that is read at a path, done or not."""
        return self._uploads.get(self._paths.get(path, ""))

    def put_piece(self, upload_id: str, number: int, piece: Piece) -> None:
        """Store a piece; one with the same number before it, and its blob, are gone."""
        pieces = self._pieces.get(upload_id, {})
        before = pieces.get(number)
        pieces[number] = piece
        self._pieces[upload_id] = pieces
        if before is not None:
            self.blobs.remove([before])

    def pieces(self, upload_id: str) -> dict[int, Piece]:
        """Return an upload's pieces by number, in order."""
        return dict(sorted(self._pieces.get(upload_id, {}).items()))

    def keep_pieces(self, upload_id: str, numbers: set[int]) -> None:
        """Drop the pieces of other numbers, and their blobs."""
        pieces = self._pieces.get(upload_id, {})
        other = [pieces.pop(number) for number in pieces.keys() - numbers]
        self._pieces[upload_id] = pieces
        self.blobs.remove(other)

    def remove(self, upload_id: str) -> None:
        """Forget an upload, its pieces and their blobs."""
        self.keep_pieces(upload_id, set())
        self._pieces.pop(upload_id, None)
        if (upload := self._uploads.pop(upload_id, None)) is not None:
            del self._paths[upload.path]

    def all(self) -> list[Upload]:
        """Return every upload, done or not."""
        return [*self._uploads.values()]

    def due(self, now: float) -> list[str]:
        """Return the ids of the uploads that have expired."""
        return [id for id, upload in self._uploads.items() if upload.expires <= now]

    def clear(self) -> None:
        """Forget every upload; the blobs stay."""
        self._uploads.clear()
        self._paths.clear()
        self._pieces.clear()


class DeliveryStore:
    """Attempts in the order in which they ended, and the signing keys by number."""

    def __init__(self, table: MakeTable) -> None:
        self._all: dict[str, Delivery] = table("deliveries", Delivery)
        self._keys: dict[int, KeyRecord] = table("webhook_keys", KeyRecord)
        self._of_job: dict[str, list[Delivery]] = {}
        for delivery in self._all.values():
            self._of_job.setdefault(delivery.request_id, []).append(delivery)

    def add(self, delivery: Delivery) -> None:
        self._all[delivery.id] = delivery
        self._of_job.setdefault(delivery.request_id, []).append(delivery)

    def get(self, delivery_id: str) -> Delivery | None:
        return self._all.get(delivery_id)

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
        of_job = self._of_job.get(request_id, []) if request_id and before is None else None
        newest_first = reversed(self._all.values() if of_job is None else of_job)
        if before is not None:
            newest_first = dropwhile(lambda delivery: delivery.id != before, newest_first)
            next(newest_first, None)
        found = (
            delivery
            for delivery in newest_first
            if request_id in (None, delivery.request_id)
            and url in (None, delivery.url)
            and verdict in (None, delivery.status)
        )
        return [*islice(found, limit)][::-1]

    def count(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
    ) -> int:
        """Return how many deliveries match."""
        return len(self.select(request_id=request_id, url=url, verdict=verdict))

    def last(self, request_id: str) -> Delivery | None:
        """Return the newest attempt that a job's end caused, whatever copies of it came after.

        What was refused or lost, which has the number 0, is the last word.
        """
        made = [each for each in self._of_job.get(request_id, []) if each.cause == "job"]
        return max(
            made,
            key=lambda each: (each.number == 0, each.number, each.next is not None),
            default=None,
        )

    def forget(self, request_ids: set[str]) -> None:
        """Forget the attempts of some jobs."""
        for id in request_ids & self._of_job.keys():
            for delivery in self._of_job.pop(id):
                del self._all[delivery.id]

    def keys(self) -> list[KeyRecord]:
        """Return every key, the oldest first."""
        return [self._keys[number] for number in sorted(self._keys)]

    def put_key(self, key: KeyRecord) -> None:
        """Store a key, new or changed."""
        self._keys[key.number] = key

    def forget_keys(self) -> None:
        """Forget the keys, which `clear` leaves."""
        self._keys.clear()

    def clear(self) -> None:
        """Forget every attempt; the keys stay."""
        self._all.clear()
        self._of_job.clear()


class Store:
    """Jobs by id, in the order of submission, and files by path. Moments are unix seconds."""

    # Writes all this to a disk, and tells when it is there; None where nothing does.
    journal: Journal | None = None
    sharing: Sharing | None = None
    step, number = 1, 0

    def __init__(self, table: MakeTable = table_in_memory, blobs: Blobs | None = None) -> None:
        # What clients have uploaded.
        self.uploads = UploadStore(table, blobs)
        # Which webhooks were delivered, and the keys that sign them.
        self.deliveries = DeliveryStore(table)
        self._jobs: dict[str, Job] = table("jobs", Job)
        # The dictionary's own, since every request about a job asks for one.
        self.get: Callable[[str], Job | None] = self._jobs.get
        self._inputs: dict[str, bytes] = table("inputs", bare)
        # Bytes of all inputs and outcomes.
        self.kept = sum(map(len, self._inputs.values())) + sum(map(_size, self._jobs.values()))
        self._files: dict[str, FileRecord] = table("files", FileRecord)
        # What it takes to decide outcomes, beside their jobs, where a journal keeps it.
        self.later: dict[str, bytes] = table("later", bare)
        # The place of the newest job in the order of submission; 0 while there was none.
        self.last_seq = max((job.seq for job in self._jobs.values()), default=0)
        # The jobs that are not done: who waits, and who runs until when.
        self.queues = Queues()
        for job in self._jobs.values():
            self.queues.note(job)

    def next_seq(self) -> int:
        """Return the place in the order of submission that the next job takes."""
        self.last_seq += 1 + (self.number - self.last_seq - 1) % self.step
        return self.last_seq

    def add(self, job: Job, input: bytes) -> None:
        """Store a new job and the body that asked for it."""
        self._inputs[job.id] = input
        self._jobs[job.id] = job
        self.kept += len(input) + _size(job)
        if job.ends > job.created:
            # One that is done when it is submitted never waits or runs.
            self.queues.note(job)

    def input(self, request_id: str) -> bytes:
        """Return the body that asked for a known job; nothing once it was erased."""
        return self._inputs.get(request_id, b"")

    def jobs(self) -> list[Job]:
        """Return every job, in the order of submission."""
        return [*self._jobs.values()]

    def update(self, job: Job) -> None:
        """Store all that may change of a known job but its outcome: its moments, its faults..."""
        if job.id in self._jobs:
            self._jobs[job.id] = job
            self.queues.note(job)

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        """Store when jobs that wait start and end, by id."""
        self.queues.reschedule(planned)
        for id in planned:
            self._jobs[id] = self._jobs[id]

    def decide(self, request_id: str, outcome: Outcome) -> None:
        """Store what a known job answers."""
        if (job := self._jobs.get(request_id)) is not None:
            self.kept += len(outcome.body) - _size(job)
            job.outcome = outcome
            self._jobs[request_id] = job
            self.later.pop(request_id, None)

    def erase(self, request_id: str) -> None:
        """Forget what a known job was sent and answers, and its files; its moments stay."""
        job = self._jobs.get(request_id)
        if job is not None and job.outcome is not None:
            self.decide(request_id, replace(job.outcome, body=b""))
        self.kept -= len(self._inputs.pop(request_id, b""))
        self._drop_files({request_id})

    def purge(self, before: float) -> None:
        """Forget the jobs that ended before a moment, and all that belongs to them."""
        self.drop({id for id, job in self._jobs.items() if job.ends < before})

    def drop(self, gone: set[str]) -> None:
        """Forget known jobs that have ended: inputs, outcomes, files and deliveries too."""
        for id in gone:
            self.kept -= _size(self._jobs.pop(id)) + len(self._inputs.pop(id, b""))
            self.later.pop(id, None)
        self._drop_files(gone)
        self.deliveries.forget(gone)

    def add_file(self, record: FileRecord) -> None:
        """Store a file; one at the same path before it is gone."""
        self._files[record.path] = record

    def file(self, path: str) -> FileRecord | None:
        return self._files.get(path)

    def files(self) -> list[FileRecord]:
        return [*self._files.values()]

    def clear(self) -> None:
        """Forget all but the keys that sign webhooks, which receivers keep for a day."""
        self.last_seq = self.kept = 0
        self._jobs.clear()
        self._inputs.clear()
        self._files.clear()
        self.later.clear()
        self.queues.clear()
        self.uploads.clear()
        self.deliveries.clear()

    def take(self, other: Store, blobs: Mapping[str, str]) -> None:
        """Have what another store has in place of all this; raise BadCopy, and change nothing then.

        `blobs` names the blobs that are called otherwise here, by the other's names.
        """
        self.clear()
        self.deliveries.forget_keys()
        for job in other.jobs():
            self.add(job, other.input(job.id))
        for record in other.files():
            self.add_file(record)
        for upload in other.uploads.all():
            self.uploads.add(upload)
            for number, piece in other.uploads.pieces(upload.id).items():
                here = replace(piece, blob=blobs.get(piece.blob, piece.blob))
                self.uploads.put_piece(upload.id, number, here)
        for delivery in other.deliveries.select():
            self.deliveries.add(delivery)
        keys = other.deliveries.keys()
        for key in keys:
            self.deliveries.put_key(key)
        self.last_seq = other.last_seq

    def close(self) -> None:
        self.uploads.blobs.close()

    def _drop_files(self, owners: set[str]) -> None:
        for path in [path for path, file in self._files.items() if file.request_id in owners]:
            del self._files[path]


def _size(job: Job) -> int:
    return 0 if job.outcome is None else len(job.outcome.body)


def all_pieces(store: Store) -> list[Piece]:
    """Return every piece of every upload of a store."""
    return [piece for one in store.uploads.all() for piece in store.uploads.pieces(one.id).values()]
