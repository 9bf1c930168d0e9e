"""A store that several machines share: rows in a Redis, of which each replica has all in memory."""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from secrets import token_hex
from typing import Any

from falkit_mock.core.errors import StateAway
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.jobs import Job, Moments
from falkit_mock.store import BadCopy, Store, all_pieces, bare
from falkit_mock.store.blobs import Blobs
from falkit_mock.store.durable import LastingBlobs
from falkit_mock.store.records import by_owner
from falkit_mock.store.redis.address import Address
from falkit_mock.store.redis.blobs import RedisBlobs
from falkit_mock.store.redis.commits import Change
from falkit_mock.store.redis.journal import RedisJournal
from falkit_mock.store.redis.server import Command, NotLetIn, Server
from falkit_mock.store.redis.sharing import RedisSharing
from falkit_mock.store.redis.state import (
    check_state,
    do_now,
    made,
    read_rows,
    replica_key,
    take_number,
)
from falkit_mock.store.redis.tables import REQUESTS, Layout, Quiet, RedisTable
from falkit_mock.store.rows import read_record
from falkit_mock.store.sharing import MOST


class RedisStore(Store):
    """A store in Redis. What changes is committed soon; `journal` tells when.

    `facts` is what is kept beside the tables, `records` the newest requests when it was opened.
    """

    kept: int

    def __init__(self, url: str, request_log: int = 1000, *, new: bool = True) -> None:
        """Open a state, or make one if it may be `new`.

        Raise BadCopy, and leave all as it was, if it can't be had.
        """
        address = Address.read(url)
        self.path = address.shown
        self.request_log = request_log
        self._server = Server(address)
        self._token = token_hex(8)
        self._layout = Layout()
        self.tables: list[RedisTable] = []
        self._quiet = Quiet()
        # The ids of jobs that had no outcome when all was read.
        self._undecided: list[str] = []
        try:
            self._open(new=new)
        except OSError as error:
            self._server.close()
            raise BadCopy(
                f"{self.path} can't be opened ({error.strerror}); {_fix(error)}"
            ) from None
        except BadCopy as error:
            self._server.close()
            text = str(error)
            raise BadCopy(text if text.startswith(self.path) else f"{self.path} {text}") from None

    def _open(self, *, new: bool) -> None:
        if not check_state(self._server, self._layout.names) and not new:
            raise BadCopy("has no state; name the URL that a mock was given")
        self.number: int = do_now(self._server, take_number(self._server, self._token))
        self.step = MOST
        self.journal = self.redis_journal = RedisJournal(
            self._server, self, self.tables, self._token, self.request_log
        )
        super().__init__(self._table, self._uploads_of(self._server.address.uploads))
        # What may be kept otherwise than it is written.
        whole = {"jobs": self.get, "inputs": self._whole_input, "files": self.file}
        for table in self.tables:
            table.whole = whole.get(table.name, table.whole)
        self.facts: dict[str, bytes] = self._table("facts", bare)
        self.records: dict[int, RequestRecord] = self._table(REQUESTS, read_record)
        state = made(self._server)
        self.sharing = self.replicas = RedisSharing(self._server, self, self._token, state)
        self.redis_journal.replicas = self.replicas
        self.replicas.feed.position, rows = do_now(
            self._server, read_rows(self._server, self.tables)
        )
        self.replace(rows)
        for table in self.tables:
            self.redis_journal.watch(table)
            if table.name == "deliveries":
                self.deliveries.unplaced = partial(self.replicas.unplaced, table)

    def _uploads_of(self, folder: str | None) -> Blobs:
        if folder is None:
            return RedisBlobs(self._server, self.also, self.redis_journal.also_later)
        if not Path(folder).is_dir():
            why = f"there is no folder {folder}; make it, on a disk that all replicas see"
            raise BadCopy(f"{self.path}: uploads: {why}")
        return LastingBlobs(Path(folder), self.redis_journal.after)

    def check_blobs(self) -> None:
        """Read every upload; raise BadCopy for one that isn't what was sent."""
        for piece in all_pieces(self):
            digest = sha256()
            try:
                for data in self.uploads.blobs.read([piece], 0, piece.size):
                    digest.update(data)
            except (EOFError, FileNotFoundError):
                raise BadCopy(f"{self.path} lacks {piece.blob}, which was uploaded") from None
            if digest.hexdigest()[:32] != piece.etag:
                raise BadCopy(f"{self.path} is damaged: {piece.blob} is not what was uploaded")

    def close(self) -> None:
        self.replicas.claims.give_back()
        self.redis_journal.close()
        # Others needn't wait until it is seen that we are gone.
        self._server.leave(replica_key(self._server, self.number), self._token)
        self._server.close()

    def reschedule(self, planned: Mapping[str, Moments]) -> None:
        with self._at_once():
            super().reschedule(planned)

    def undecided(self) -> Iterable[Job]:
        """Return the jobs that had no outcome yet when all was read."""
        jobs = [job for id in self._undecided if (job := self.get(id)) is not None]
        return [job for job in jobs if job.outcome is None]

    def drop(self, gone: Iterable[str]) -> None:
        with self._at_once():
            super().drop(gone)

    def clear(self) -> None:
        with self._at_once():
            super().clear()
            self.records.clear()

    def take(self, other: Store, blobs: Mapping[str, str]) -> None:
        # Lazy: it imports what writes images.
        from falkit_mock.store.sqlite import write_image

        # What can't be stored shows before anything has changed.
        write_image(other)
        with self._at_once():
            super().take(other, blobs)

    def also(self, command: Command) -> None:
        """Have a command done together with the next commit, unless others have seen to it."""
        if not self._quiet.on:
            self.redis_journal.also(command)

    def replace(self, rows: dict[str, dict[Any, Any]]) -> None:
        """Have rows in place of all there are, but for those that are new here."""
        for table in self.tables:
            table.doubtful()
            for key in table.ours():
                if (value := table.whole(key)) is not None:
                    rows[table.name][key] = value
                else:
                    rows[table.name].pop(key, None)
        self._undecided = [job.id for job in rows["jobs"].values() if job.outcome is None]
        with self._quietly():
            Store.clear(self)
            self.deliveries.forget_keys()
            self._have_all(rows)

    def have(self, changes: Sequence[Change]) -> dict[str, list[Any]] | None:
        """Have what another replica has committed.

        Return the keys of changed rows by their tables, or None where all are others.
        """
        known = {table.name for table in self.tables}
        rows = {change.table: dict(change.rows) for change in changes if change.table in known}
        emptied = {change.table for change in changes if change.emptied}
        found: dict[str, dict[Any, Any]] = {table.name: {} for table in self.tables}
        gone: dict[str, list[Any]] = {table.name: [] for table in self.tables}
        for table in self.tables:
            ours = {*table.ours()}
            for key, data in rows.get(table.name, {}).items():
                if not isinstance(data, bytes):
                    gone[table.name].append(key)
                elif key not in ours:
                    found[table.name][key] = table.read(str(key).encode(), data)[1]
        with self._quietly():
            if "jobs" in emptied:
                Store.clear(self)
            if "webhook_keys" in emptied:
                self.deliveries.forget_keys()
            self._lose(gone)
            self._have(found)
        if "jobs" in emptied:
            return None
        return {name: [*found[name], *gone[name]] for name in rows}

    def is_new(self, request_id: str) -> bool:
        """Tell whether a job is still to be committed for the first time."""
        jobs = next(table for table in self.tables if table.name == "jobs")
        return jobs.changed.get(request_id, False)

    def is_over(self, request_id: str, number: int) -> bool:
        """Tell whether an attempt at a job's webhook was made, or the job is no more."""
        last = self.deliveries.last(request_id)
        made = last is not None and (last.number >= number or not last.number)
        return made or self.get(request_id) is None

    def reorder(self, deliveries: Iterable[str]) -> None:
        """Have attempts be the last ones: in the order in which all replicas have them."""
        with self._quietly():
            self.deliveries.come_last(deliveries)

    def _have_all(self, rows: Mapping[str, Mapping[Any, Any]]) -> None:
        for table in (self.facts, self.records):
            table.clear()
        self.later.clear()
        ordered = {
            **rows,
            "jobs": dict(sorted(rows["jobs"].items(), key=lambda item: item[1].seq)),
            "deliveries": dict(
                sorted(rows["deliveries"].items(), key=lambda item: (item[1].sent, item[1].number))
            ),
        }
        self._have(ordered)
        self.records.update(sorted(rows[REQUESTS].items()))

    def _have(self, rows: Mapping[str, Mapping[Any, Any]]) -> None:
        """Have rows as others have written them, by their tables."""
        files = by_owner(rows["files"].values())
        for id, job in rows["jobs"].items():
            # Before the job, which may be packed at once.
            for record in files.pop(id, ()):
                self.add_file(record)
            if (before := self.get(id)) is None:
                if job.seq < self.last_seq:
                    self.late = min(self.late, job.seq)
                self.add(job, rows["inputs"].get(id, b""))
                self.last_seq = max(self.last_seq, job.seq)
            else:
                self.kept += _size(job) - _size(before)
                self.update(job)
        for record in chain(*files.values()):
            self.add_file(record)
        for upload in rows["uploads"].values():
            if self.uploads.get(upload.id) is None:
                self.uploads.add(upload)
            else:
                self.uploads.update(upload)
        for id, pieces in rows["pieces"].items():
            self.uploads.keep_pieces(id, {*pieces})
            for number, piece in pieces.items():
                self.uploads.put_piece(id, number, piece)
        for id, delivery in rows["deliveries"].items():
            if self.deliveries.get(id) is None:
                self.deliveries.add(delivery)
        for key in rows["webhook_keys"].values():
            self.deliveries.put_key(key)
        self.later.update(rows["later"])
        self.facts.update(rows["facts"])

    def _lose(self, gone: Mapping[str, Sequence[Any]]) -> None:
        """Forget rows that others have taken out, by their tables."""
        known = {id for id in gone["jobs"] if self.get(id) is not None}
        Store.drop(self, known)
        for id in {*gone["inputs"]} - known:
            self.erase(id)
        for id in gone["uploads"]:
            self.uploads.remove(id)
        for name, table in (("later", self.later), ("facts", self.facts)):
            for key in gone[name]:
                table.pop(key, None)

    def _table(self, name: str, kind: Callable[..., Any]) -> RedisTable:
        table = RedisTable(name, kind, self._layout, self._noted, self._quiet)
        self.tables.append(table)
        return table

    def _noted(self) -> None:
        self.redis_journal.noted()

    @contextmanager
    def _quietly(self) -> Generator[None]:
        """Note nothing of what the block changes: it is in Redis already."""
        before, self._quiet.on = self._quiet.on, True
        try:
            yield
        finally:
            self._quiet.on = before

    def _pack(self) -> None:
        with self._quietly():
            super()._pack()

    def _loosened(self, id: str) -> Job | None:
        with self._quietly():
            return super()._loosened(id)

    def _whole_input(self, request_id: str) -> bytes | None:
        if request_id in self._inputs or isinstance(self._jobs.get(request_id), bytes):
            return self.input(request_id)
        return None

    @contextmanager
    def _at_once(self) -> Generator[None]:
        """Write all of the block in one commit."""
        held = self.redis_journal.hold()
        try:
            yield
        finally:
            if not held:
                self.redis_journal.release()


def _size(job: Job) -> int:
    return 0 if job.outcome is None else len(job.outcome.body)


def _fix(error: OSError) -> str:
    """Return what to do about a Redis that doesn't let us in."""
    if isinstance(error, NotLetIn):
        return "write redis://USER:PASSWORD@HOST:PORT/DB, or redis://:PASSWORD@… without a user"
    if isinstance(error, StateAway) and error.errno != errno.EIO:
        return "start it, or name the one that runs"
    return "make room in it" if error.errno == errno.ENOSPC else "name another database"
