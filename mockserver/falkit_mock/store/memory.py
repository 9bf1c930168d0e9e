"""A store that forgets everything at the end: dicts and lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from falkit_mock.core.events import Delivery, Verdict
from falkit_mock.core.jobs import Job, Moments, Outcome
from falkit_mock.store import FileRecord, KeyRecord, Store, Upload, copy_all
from falkit_mock.store.blobs import Blobs, Piece
from falkit_mock.store.queues import Queues


class MemoryStore:
    """Jobs and files in memory; `get` returns the very job that was added."""

    def __init__(self) -> None:
        self.queues = Queues()
        self.uploads = MemoryUploads(Blobs())
        self.deliveries = MemoryDeliveries()
        self.last_seq = 0
        self._jobs: dict[str, Job] = {}
        # The dictionary's own, since every request about a job asks for one.
        self.get: Callable[[str], Job | None] = self._jobs.get
        self._inputs: dict[str, bytes] = {}
        self._files: dict[str, FileRecord] = {}

    def next_seq(self) -> int:
        self.last_seq += 1
        return self.last_seq

    def add(self, job: Job, input: bytes) -> None:
        self._jobs[job.id] = job
        self._inputs[job.id] = input
        if job.ends > job.created:
            # One that is done when it is submitted never waits or runs.
            self.queues.note(job)

    def input(self, request_id: str) -> bytes:
        return self._inputs.get(request_id, b"")

    def jobs(self) -> list[Job]:
        return [*self._jobs.values()]

    def update(self, job: Job) -> None:
        if job.id in self._jobs:
            self._jobs[job.id] = job
            self.queues.note(job)

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        self.queues.reschedule(planned)

    def decide(self, request_id: str, outcome: Outcome) -> None:
        if (job := self._jobs.get(request_id)) is not None:
            job.outcome = outcome

    def erase(self, request_id: str) -> None:
        job = self._jobs.get(request_id)
        if job is not None and job.outcome is not None:
            job.outcome = replace(job.outcome, body=b"")
        self._inputs.pop(request_id, None)
        self._drop_files({request_id})

    def purge(self, before: float) -> None:
        gone = {id for id, job in self._jobs.items() if job.ends < before}
        for id in gone:
            del self._jobs[id]
            self._inputs.pop(id, None)
        self._drop_files(gone)

    def add_file(self, record: FileRecord) -> None:
        self._files[record.path] = record

    def file(self, path: str) -> FileRecord | None:
        return self._files.get(path)

    def files(self) -> list[FileRecord]:
        return [*self._files.values()]

    def clear(self) -> None:
        self.last_seq = 0
        self._jobs.clear()
        self._inputs.clear()
        self._files.clear()
        self.queues.clear()
        self.uploads.clear()
        self.deliveries.clear()

    def take(self, other: Store, blobs: Mapping[str, str]) -> None:
        self.clear()
        self.deliveries.forget_keys()
        copy_all(other, self, blobs)
        self.last_seq = other.last_seq

    def close(self) -> None:
        self.uploads.blobs.close()

    def _drop_files(self, owners: set[str]) -> None:
        paths = [path for path, file in self._files.items() if file.request_id in owners]
        for path in paths:
            del self._files[path]


class MemoryUploads:
    """Uploads, and the pieces of each by number."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self._uploads: dict[str, Upload] = {}
        self._paths: dict[str, str] = {}
        self._pieces: dict[str, dict[int, Piece]] = {}

    def add(self, upload: Upload) -> None:
        self._uploads[upload.id] = upload
        self._paths[upload.path] = upload.id

    def update(self, upload: Upload) -> None:
        if upload.id in self._uploads:
            self._uploads[upload.id] = upload

    def get(self, upload_id: str) -> Upload | None:
        return self._uploads.get(upload_id)

    def at(self, path: str) -> Upload | None:
        return self._uploads.get(self._paths.get(path, ""))

    def put_piece(self, upload_id: str, number: int, piece: Piece) -> None:
        pieces = self._pieces.setdefault(upload_id, {})
        before = pieces.get(number)
        pieces[number] = piece
        if before is not None:
            self.blobs.remove([before])

    def pieces(self, upload_id: str) -> dict[int, Piece]:
        return dict(sorted(self._pieces.get(upload_id, {}).items()))

    def keep_pieces(self, upload_id: str, numbers: set[int]) -> None:
        pieces = self._pieces.get(upload_id, {})
        other = [number for number in pieces if number not in numbers]
        self.blobs.remove([pieces.pop(number) for number in other])

    def remove(self, upload_id: str) -> None:
        self.keep_pieces(upload_id, set())
        self._pieces.pop(upload_id, None)
        if (upload := self._uploads.pop(upload_id, None)) is not None:
            del self._paths[upload.path]

    def due(self, now: float) -> list[str]:
        return [id for id, upload in self._uploads.items() if upload.expires <= now]

    def clear(self) -> None:
        """Forget every upload; the blobs stay."""
        self._uploads.clear()
        self._paths.clear()
        self._pieces.clear()


class MemoryDeliveries:
    """Attempts in the order in which they ended, and the signing keys by number."""

    def __init__(self) -> None:
        self._all: list[Delivery] = []
        # Where each is in that list, by its id and by its job.
        self._indexes: dict[str, int] = {}
        self._of_job: dict[str, list[int]] = {}
        self._keys: dict[int, KeyRecord] = {}

    def add(self, delivery: Delivery) -> None:
        index = len(self._all)
        self._all.append(delivery)
        self._indexes[delivery.id] = index
        self._of_job.setdefault(delivery.request_id, []).append(index)

    def get(self, delivery_id: str) -> Delivery | None:
        index = self._indexes.get(delivery_id)
        return None if index is None else self._all[index]

    def select(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[Delivery]:
        end = len(self._all) if before is None else self._indexes.get(before, 0)
        found = self._newest_first(request_id, url, verdict, end)
        return [*islice(found, limit)][::-1]

    def count(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
    ) -> int:
        return len(self.select(request_id=request_id, url=url, verdict=verdict))

    def last(self, request_id: str) -> Delivery | None:
        found = self._newest_first(request_id, None, None, len(self._all))
        return next((delivery for delivery in found if delivery.cause == "job"), None)

    def keys(self) -> list[KeyRecord]:
        return [self._keys[number] for number in sorted(self._keys)]

    def put_key(self, key: KeyRecord) -> None:
        self._keys[key.number] = key

    def forget_keys(self) -> None:
        """Forget the keys, which `clear` leaves."""
        self._keys.clear()

    def clear(self) -> None:
        """Forget every attempt; the keys stay."""
        self._all.clear()
        self._indexes.clear()
        self._of_job.clear()

    def _newest_first(
        self, request_id: str | None, url: str | None, verdict: Verdict | None, end: int
    ) -> Iterator[Delivery]:
        """Yield those that match and stand before an index."""
        indexes = range(end) if request_id is None else self._of_job.get(request_id, [])
        for index in reversed(indexes):
            delivery = self._all[index]
            if index < end and url in (None, delivery.url) and verdict in (None, delivery.status):
                yield delivery
