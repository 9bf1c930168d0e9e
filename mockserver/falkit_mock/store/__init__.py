"""The store: jobs and their files, queues, uploads, deliveries, in dictionaries.

Whoever adds a job hands it over: the store may keep the object itself, and `get` may return that
object or a copy. So whoever changes a job calls `update` before anybody looks again, and whoever
comes back from an `await` gets the job again. What is over is packed, and
lists are read a page at a time. `store.sqlite` makes dictionaries that survive: nothing is kept
that isn't put into one, and what is changed in place is put into it again.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from falkit_mock.core.jobs import Job, Moments, Outcome
from falkit_mock.store.blobs import Blobs, Piece
from falkit_mock.store.deliveries import DeliveryStore, KeyRecord
from falkit_mock.store.packing import Packing
from falkit_mock.store.queues import Queues
from falkit_mock.store.records import FileRecord, Given, by_owner
from falkit_mock.store.tables import BadCopy, MakeTable, bare, table_in_memory
from falkit_mock.store.uploads import Upload, UploadStore

if TYPE_CHECKING:
    from falkit_mock.store.journal import Journal
    from falkit_mock.store.sharing import Sharing

# How many jobs that are over stay as they are, since they are the likeliest to be asked for.
_LOOSE = 512
# After so many changed jobs nobody is told which.
_EDITED = 10_000
_PAGE = 50

__all__ = [
    "BadCopy",
    "DeliveryStore",
    "FileRecord",
    "Given",
    "KeyRecord",
    "MakeTable",
    "Store",
    "Upload",
    "UploadStore",
    "all_pieces",
    "bare",
]


class Store:
    """Jobs by id, in the order of submission, and files by path. Moments are unix seconds."""

    # Writes all this to a disk, and tells when it is there; None where nothing does.
    journal: Journal | None = None
    # How other processes have the same state; of so many places in the order one is ours.
    sharing: Sharing | None = None
    step, number = 1, 0

    def __init__(self, table: MakeTable = table_in_memory, blobs: Blobs | None = None) -> None:
        # What clients have uploaded.
        self.uploads = UploadStore(table, blobs)
        # Which webhooks were delivered, and the keys that sign them.
        self.deliveries = DeliveryStore(table)
        # A job that is over may be there packed, and its input and files with it.
        self._jobs: MutableMapping[str, Job | bytes] = table("jobs", Job)
        self._inputs: MutableMapping[str, bytes] = table("inputs", bare)
        # The id of the job that it is packed with, or the file itself.
        self._files: MutableMapping[str, FileRecord | str] = table("files", FileRecord)
        # What it takes to decide outcomes, beside their jobs, where a journal keeps it.
        self.later: MutableMapping[str, bytes] = table("later", bare)
        # Bytes of all inputs and outcomes.
        self.kept = 0
        # The place of the newest job in the order of submission; 0 while there was none.
        self.last_seq = 0
        # The jobs that are not done: who waits, and who runs until when.
        self.queues = Queues()
        # The ids of known jobs that have changed or are gone, and their places in the order, for
        # whoever keeps sums of jobs and empties it; None where nobody does, or for too many.
        self.edited: dict[str, int] | None = None
        # The lowest place of jobs that may have come behind others, from another process; infinite
        # where there are none.
        self.late = math.inf
        # Called before jobs, or their inputs, are forgotten: what they cost may have to be known.
        self.leaving: Callable[[], object] = _nothing
        self._packing = Packing()
        # The paths of their files, by the ids of jobs that aren't packed.
        self._loose: dict[str, list[str]] = {}
        self._most_loose = 2 * _LOOSE
        # The order of submission. Ids of jobs that are gone may be left in it.
        self._seqs = array("q")
        self._ids: list[str] = []

    def next_seq(self) -> int:
        """Return the place in the order of submission that the next job takes."""
        self.last_seq += 1 + (self.number - self.last_seq - 1) % self.step
        return self.last_seq

    def add(self, job: Job, input: bytes) -> None:
        """Store a new job and the body that asked for it."""
        if job.ends > job.created:
            # One that is done when it is submitted never waits or runs.
            self.queues.note(job)
        self._inputs[job.id] = input
        self._jobs[job.id] = job
        self.kept += len(input) + _size(job)
        self._added(job)

    def get(self, request_id: str) -> Job | None:
        found = self._jobs.get(request_id)
        return self._packing.job(request_id, found) if isinstance(found, bytes) else found

    def input(self, request_id: str) -> bytes:
        """Return the body that asked for a known job; nothing once it was erased."""
        found = self._inputs.get(request_id)
        if found is None and isinstance(packed := self._jobs.get(request_id), bytes):
            return self._packing.input(packed)
        return found or b""

    def jobs(self) -> list[Job]:
        """Return every job, in the order of submission: not for stores of a mock that serves."""
        return [*self.walk()]

    def walk(self) -> Iterator[Job]:
        """Yield every job, in the order of submission."""
        last = -1
        while page := self.after(last, _PAGE):
            yield from page
            last = page[-1].seq

    def count(self) -> int:
        """Return how many jobs there are."""
        return len(self._jobs)

    def after(self, seq: float, limit: int) -> list[Job]:
        """Return the jobs behind a place in the order of submission, the oldest first."""
        start = bisect_right(self._seqs, seq)
        return [*islice(self._known(range(start, len(self._ids))), limit)]

    def before(self, seq: float, limit: int) -> list[Job]:
        """Return the jobs before a place in the order of submission, the newest first."""
        start = bisect_left(self._seqs, seq)
        return [*islice(self._known(range(start - 1, -1, -1)), limit)]

    def skipping(self, count: int, limit: int) -> list[Job] | None:
        """Return jobs behind so many of the newest; None where that takes reading all of them."""
        if len(self._ids) != len(self._jobs):
            self._tidy()
        end = len(self._ids) - count
        return [*self._known(range(end - 1, max(end - limit, 0) - 1, -1))]

    def open(self, now: float) -> list[Job]:
        """Return the jobs that have not ended."""
        return self.queues.open(now)

    def hooked(self) -> Iterable[Job]:
        """Return the jobs that asked for a webhook; those whose one is over may be left out."""
        return (job for job in self.walk() if job.options.webhook)

    def update(self, job: Job) -> None:
        """Store all that may change of a known job but its outcome: its moments, its faults..."""
        if self._loosened(job.id) is not None:
            self._edit(job.id, job.seq)
            self._jobs[job.id] = job
            self.queues.note(job)

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        """Store when jobs that wait start and end, by id."""
        self.queues.reschedule(planned)
        for id, (starts, ends) in planned.items():
            job = self._loosened(id)
            assert job is not None, "it waits"
            job.starts, job.ends = starts, ends
            self._jobs[id] = job

    def decide(self, request_id: str, outcome: Outcome) -> None:
        """Store what a known job answers."""
        if (job := self._loosened(request_id)) is not None:
            self._edit(job.id, job.seq)
            self.kept += len(outcome.body) - _size(job)
            job.outcome = outcome
            self._jobs[request_id] = job
            self.later.pop(request_id, None)

    def erase(self, request_id: str) -> None:
        """Forget what a known job was sent and answers, and its files; its moments stay."""
        if (job := self._loosened(request_id)) is None:
            return
        self.leaving()
        self._edit(job.id, job.seq)
        if job.outcome is not None:
            self.decide(request_id, replace(job.outcome, body=b""))
        self.kept -= len(self._inputs.pop(request_id, b""))
        self._drop_files(request_id)

    def drop(self, gone: Iterable[str]) -> None:
        """Forget jobs that have ended: inputs, outcomes, files and deliveries too."""
        known: set[str] = set()
        for id in gone:
            if (job := self._loosened(id)) is None:
                continue
            if not known:
                self.leaving()
            self._edit(job.id, job.seq)
            known.add(id)
            self.kept -= _size(job) + len(self._inputs.pop(id, b""))
            self.later.pop(id, None)
            self._drop_files(id)
            self._drop_job(id)
        self.deliveries.forget(known)

    def add_file(self, record: FileRecord) -> None:
        """Store a file; one at the same path before it is gone."""
        self._loosened(record.request_id)
        self._files[record.path] = record
        paths = self._loose.setdefault(record.request_id, [])
        if record.path not in paths:
            paths.append(record.path)

    def file(self, path: str) -> FileRecord | None:
        found = self._files.get(path)
        return self._packed_file(path, found) if isinstance(found, str) else found

    def count_files(self) -> int:
        """Return how many files there are."""
        return len(self._files)

    def files(self) -> list[FileRecord]:
        return [
            self._packed_file(path, found) if isinstance(found, str) else found
            for path, found in self._files.items()
        ]

    def clear(self) -> None:
        """Forget all but the keys that sign webhooks, which receivers keep for a day."""
        self.leaving()
        self.last_seq = self.kept = 0
        self.edited = None
        self._jobs.clear()
        self._inputs.clear()
        self._files.clear()
        self.later.clear()
        self.queues.clear()
        self.uploads.clear()
        self.deliveries.clear()
        self._loose.clear()
        self._packing = Packing()
        self._seqs, self._ids = array("q"), []

    def take(self, other: Store, blobs: Mapping[str, str]) -> None:
        """Have what another store has in place of all this; raise BadCopy, and change nothing then.

        `blobs` names the blobs that are called otherwise here, by the other's names.
        """
        self.clear()
        self.deliveries.forget_keys()
        files = by_owner(other.files())
        for job in other.walk():
            # Before the job, which may be packed at once.
            for record in files.pop(job.id, ()):
                self.add_file(record)
            self.add(job, other.input(job.id))
        for record in chain(*files.values()):
            self.add_file(record)
        for upload in other.uploads.all():
            self.uploads.add(upload)
            for number, piece in other.uploads.pieces(upload.id).items():
                here = replace(piece, blob=blobs.get(piece.blob, piece.blob))
                self.uploads.put_piece(upload.id, number, here)
        for delivery in other.deliveries.all():
            self.deliveries.add(delivery)
        keys = other.deliveries.keys()
        for key in keys:
            self.deliveries.put_key(key)
        self.last_seq = other.last_seq

    def close(self) -> None:
        self.uploads.blobs.close()

    def _edit(self, id: str, seq: int) -> None:
        if self.edited is not None:
            self.edited[id] = seq
            if len(self.edited) > _EDITED:
                self.edited = None

    def _added(self, job: Job) -> None:
        """Take up a new job in the order of submission, and pack older ones now and then."""
        seqs = self._seqs
        if seqs and job.seq < seqs[-1]:
            at = bisect_left(seqs, job.seq)
            seqs.insert(at, job.seq)
            self._ids.insert(at, job.id)
        else:
            seqs.append(job.seq)
            self._ids.append(job.id)
        loose = self._loose
        if job.id not in loose:
            loose[job.id] = []
        if len(loose) > self._most_loose:
            self._pack()

    def _known(self, places: Iterable[int]) -> Iterator[Job]:
        ids = self._ids
        return (job for place in places if (job := self.get(ids[place])) is not None)

    def _pack(self) -> None:
        """Pack what is over, but for the newest."""
        loose = self._loose
        for id in [*islice(loose, len(loose) - _LOOSE)]:
            job = self._jobs.get(id)
            if not isinstance(job, Job) or job.outcome is None or self.queues.has(id):
                continue
            files = [file for path in loose[id] if (file := self.file(path)) is not None]
            data = self._packing.pack(job, self._inputs.get(id, b""), files)
            if data is not None:
                self._jobs[id] = data
                self._inputs.pop(id, None)
                for file in files:
                    self._files[file.path] = id
                del loose[id]
        self._most_loose = 2 * max(_LOOSE, len(loose))

    def _loosened(self, id: str) -> Job | None:
        """Return a known job that isn't packed, or is so no longer."""
        found = self._jobs.get(id)
        if not isinstance(found, bytes):
            return found
        job, files = self._packing.job(id, found), self._packing.files(id, found)
        self._jobs[id], self._inputs[id] = job, self._packing.input(found)
        self._loose[id] = [file.path for file in files]
        for file in files:
            self._files[file.path] = file
        return job

    def _packed_file(self, path: str, owner: str) -> FileRecord:
        packed = self._jobs[owner]
        assert isinstance(packed, bytes), "its file is in it"
        return next(one for one in self._packing.files(owner, packed) if one.path == path)

    def _drop_files(self, owner: str) -> None:
        for path in self._loose.get(owner, ()):
            self._files.pop(path, None)
        if owner in self._loose:
            self._loose[owner] = []

    def _drop_job(self, id: str) -> None:
        del self._jobs[id]
        self._loose.pop(id, None)
        if len(self._ids) > 2 * len(self._jobs) + _LOOSE:
            self._tidy()

    def _tidy(self) -> None:
        """Have no ids of jobs that are gone in the order of submission."""
        pairs = zip(self._seqs, self._ids, strict=True)
        left = [(seq, id) for seq, id in pairs if id in self._jobs]
        self._seqs, self._ids = array("q", [seq for seq, _ in left]), [id for _, id in left]


def _nothing() -> None:
    """Do nothing."""


def _size(job: Job) -> int:
    return 0 if job.outcome is None else len(job.outcome.body)


def all_pieces(store: Store) -> list[Piece]:
    """Return every piece of every upload of a store."""
    return [piece for one in store.uploads.all() for piece in store.uploads.pieces(one.id).values()]
