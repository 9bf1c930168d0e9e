"""What belongs to a job that is over, packed: a fifth of what its objects take.

A job, its outcome, its input and the descriptions of its files become one row of bytes. What many
jobs have in common is in it as a number.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeAlias

from falkit_fixtures.wanted import Wanted
from falkit_mock.core.jobs import NO_FAULTS, Job, JobFaults, Outcome, RequestOptions
from falkit_mock.store.records import FileRecord, Given

# How many things in common are remembered, and how long a text may be that is one; what comes after
# them is written out.
_MOST, _TEXT = 1024, 512
_OPTIONS = attrgetter(*(field.name for field in fields(RequestOptions)))
# Of a file: all that follows from the model and the input, and not from the request.
_LOOK = attrgetter(
    *(each.name for each in fields(Wanted) if each.name not in ("request_id", "digest"))
)

_Values: TypeAlias = tuple[Any, ...]


class Packing:
    """Packs, and gives back what was packed. What is packed is of use to it alone."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._common: list[Any] = []

    def pack(self, job: Job, input: bytes, files: Sequence[FileRecord]) -> bytes | None:
        """Return all of a job that has an outcome as bytes; None for what can't be packed."""
        outcome, options = job.outcome, job.options
        assert outcome is not None, "it is over"
        body: bytes | _Values = outcome.body
        common = (
            job.path,
            job.app,
            job.entry,
            job.progression,
            job.cancelled,
            job.attempts,
            outcome.status_code,
            (*outcome.headers.items(),),
            outcome.error,
            outcome.error_type,
            options,
        )
        # 25 and 25.0 are equal, and two things.
        number = self._number(common, (type(options.start_within), type(options.media_for)))
        shared = (*common[:-1], _OPTIONS(options)) if number is None else number
        try:
            rows = [self._file(record, job.id) for record in files]
            if rows and files[0].path:
                # Mostly the body of one job is that of the next, but for the path of its file.
                before, path, after = outcome.body.partition(files[0].path.encode())
                if path:
                    body = (self._text(before), self._text(after))
            faults = None if job.faults is NO_FAULTS else _faults_row(job.faults)
            moments = (job.created, job.starts, job.ends, job.run, job.ready)
            return marshal.dumps((shared, job.seq, *moments, faults, input, body, *rows))
        except ValueError:
            # Something has a subclass of a plain type in it, or half a character.
            return None

    def job(self, id: str, data: bytes) -> Job:
        """Return the job of an id."""
        number, seq, created, starts, ends, run, ready, faults, _, body, *files = marshal.loads(
            data
        )
        if isinstance(number, int):
            *found, options = self._common[number]
        else:
            *found, given = number
            options = RequestOptions(*given)
        path, app, entry, progression, cancelled, attempts, code, headers, error, kind = found
        if not isinstance(body, bytes):
            before, after = map(self._whole, body)
            body = before + files[0][1].encode() + after
        return Job(
            id,
            seq,
            path,
            app,
            entry,
            progression,
            created,
            starts,
            ends,
            run,
            ready,
            Outcome(code, body, dict(headers), error, kind),
            cancelled,
            options,
            attempts,
            NO_FAULTS if faults is None else _faults_of(faults),
        )

    def input(self, data: bytes) -> bytes:
        """Return what the job was sent."""
        found: bytes = marshal.loads(data)[8]
        return found

    def files(self, id: str, data: bytes) -> list[FileRecord]:
        """Return the descriptions of the files of the job of an id."""
        return [self._record(id, *row) for row in marshal.loads(data)[10:]]

    def _file(self, record: FileRecord, id: str) -> _Values:
        wanted, digest, owner = record.wanted, "", None
        if isinstance(wanted, Given):
            look: _Values = (wanted.path, wanted.content_type)
            kinds: _Values = (type(record.lifetime),)
        else:
            look, digest = _LOOK(wanted), wanted.digest
            kinds = (type(record.lifetime), type(wanted.fps), type(wanted.seconds))
            owner = None if wanted.request_id == id else wanted.request_id
        common = (look, record.lifetime, record.acl)
        pictured = not isinstance(wanted, Given) and wanted.picture
        number = None if pictured else self._number(common, kinds)
        return (common if number is None else number), record.path, digest, owner

    def _record(
        self, id: str, number: Any, path: str, digest: str, owner: str | None
    ) -> FileRecord:
        look, lifetime, acl = self._common[number] if isinstance(number, int) else number
        if len(look) == 2:
            return FileRecord(path, id, Given(*look), lifetime, acl)
        format, endpoint, *rest = look
        wanted = Wanted(format, endpoint, id if owner is None else owner, digest, *rest)
        return FileRecord(path, id, wanted, lifetime, acl)

    def _whole(self, text: bytes | int) -> bytes:
        found: bytes = self._common[text] if isinstance(text, int) else text
        return found

    def _text(self, text: bytes) -> bytes | int:
        number = self._number(text, None) if len(text) <= _TEXT else None
        return text if number is None else number

    def _number(self, common: object, kinds: _Values | None) -> int | None:
        """Return the number of something that jobs have in common; None where it has none."""
        key = (common, kinds)
        found = self._numbers.get(key)
        if found is None and len(self._common) < _MOST:
            found = self._numbers[key] = len(self._common)
            self._common.append(common)
        return found


def _faults_row(faults: JobFaults) -> bytes:
    # Lazy: few jobs have faults.
    from falkit_mock.core import dumps

    return dumps(faults.to_json())


def _faults_of(data: bytes) -> JobFaults:
    from falkit_mock.core import loads
    from falkit_spec.types import is_object

    found = loads(data)
    assert is_object(found), "it was written so"
    return JobFaults.from_json(found)
