"""What belongs to a job that is over, packed: a fifth of what its objects take.

A job, its outcome, its input and the descriptions of its files become one row of bytes. What many
jobs have in common is in it as a number.
"""

from __future__ import annotations

import marshal
from dataclasses import fields
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from falkit_fixtures.wanted import Wanted
from falkit_mock.core.jobs import NO_FAULTS, Job, JobFaults, Outcome, RequestOptions
from falkit_mock.store.records import FileRecord, Given

# How many things in common are remembered; what comes after them is written out.
_MOST = 1024
# The version of marshal in which equal values are equal bytes.
_PLAIN = 2
_OPTIONS = attrgetter(*(field.name for field in fields(RequestOptions)))
# Of a file: all that follows from the model and the input, and not from the request.
_LOOKS = [each.name for each in fields(Wanted) if each.name not in ("request_id", "digest")]
_LOOK = attrgetter(*_LOOKS)

_Values: TypeAlias = tuple[Any, ...]


class Packed(NamedTuple):
    """What belongs to one job."""

    job: Job
    input: bytes
    files: list[FileRecord]


class Packing:
    """Packs, and gives back what was packed. What is packed is of use to it alone."""

    def __init__(self) -> None:
        # By what marshal makes of them: 25 and 25.0 are two things.
        self._numbers: dict[bytes, int] = {}
        self._common: list[_Values] = []

    def pack(self, packed: Packed) -> bytes | None:
        """Return all of a job that has an outcome as bytes; None for what can't be packed."""
        job, input, files = packed
        outcome = job.outcome
        assert outcome is not None, "it is over"
        body = outcome.body
        faults = None if job.faults is NO_FAULTS else job.faults
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
            _OPTIONS(job.options),
        )
        try:
            row = (
                self._number(common),
                job.seq,
                job.created,
                job.starts,
                job.ends,
                job.run,
                job.ready,
                body,
                input,
                None if faults is None else _faults_row(faults),
                *[self._file(record, job.id, body) for record in files],
            )
            return marshal.dumps(row)
        except ValueError:
            # Something has a subclass of a plain type in it, or half a character.
            return None

    def job(self, id: str, data: bytes) -> Job:
        """Return the job of an id."""
        return self._job(id, marshal.loads(data))

    def input(self, data: bytes) -> bytes:
        """Return what the job was sent."""
        found: bytes = marshal.loads(data)[8]
        return found

    def all(self, id: str, data: bytes) -> Packed:
        """Return the job of an id, and what belongs to it."""
        row = marshal.loads(data)
        files = [self._record(file, id, row[7]) for file in row[10:]]
        return Packed(self._job(id, row), row[8], files)

    def _job(self, id: str, row: _Values) -> Job:
        number, seq, created, starts, ends, run, ready, body, _, faults = row[:10]
        found = self._thing(number)
        path, app, entry, progression, cancelled, attempts, code, headers, error, kind = found[:10]
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
            RequestOptions(*found[10]),
            attempts,
            NO_FAULTS if faults is None else _faults_of(faults),
        )

    def _file(self, record: FileRecord, id: str, body: bytes) -> _Values:
        """Return a file's row: its path is mostly to be found in the body."""
        path, wanted, digest, owner = record.path, record.wanted, "", None
        name = path.encode()
        at: int | str = body.find(name)
        if at == -1:
            at = path
        if isinstance(wanted, Given):
            look: _Values = (wanted.path, wanted.content_type)
        else:
            look, digest = _LOOK(wanted), wanted.digest
            owner = None if wanted.request_id == id else wanted.request_id
        common = (look, record.lifetime, record.acl)
        large = not isinstance(wanted, Given) and wanted.picture
        return common if large else self._number(common), at, len(name), digest, owner

    def _record(self, row: _Values, id: str, body: bytes) -> FileRecord:
        number, at, length, digest, owner = row
        look, lifetime, acl = self._thing(number)
        path = at if isinstance(at, str) else body[at : at + length].decode()
        wanted: Wanted | Given
        if len(look) == len(_LOOKS):
            facts = dict(zip(_LOOKS, look, strict=True))
            wanted = Wanted(**facts, request_id=id if owner is None else owner, digest=digest)
        else:
            wanted = Given(*look)
        return FileRecord(path, id, wanted, lifetime, acl)

    def _thing(self, number: Any) -> _Values:
        """Return what jobs have in common, given what `_number` returned."""
        found: _Values = self._common[number] if isinstance(number, int) else number
        return found

    def _number(self, common: _Values) -> int | _Values:
        """Return the number of something that jobs have in common; itself where it has none."""
        key = marshal.dumps(common, _PLAIN)
        found = self._numbers.get(key)
        if found is None:
            if len(self._common) >= _MOST:
                return common
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
