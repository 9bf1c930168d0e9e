"""A state file that the workers of one machine share: as store/sharing.py says, over sqlite.

`store/shared_journal.py` has the commits, and what one worker takes up of another's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Any, cast

from falkit_mock.core.clock import Notifier
from falkit_mock.core.errors import StateAway
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.jobs import Job
from falkit_mock.store import Store
from falkit_mock.store.durable import DurableStore, LastingBlobs, open_reader
from falkit_mock.store.link import Link
from falkit_mock.store.records import Claim
from falkit_mock.store.rows import read_record
from falkit_mock.store.shared_journal import OWN_FACTS, SharedJournal
from falkit_mock.store.sharing import MOST, Claims, Replica, turn
from falkit_mock.store.sqlite import SqliteStore, connect, reading

# Seconds for which other workers are waited for that have something to tell.
_PATIENCE = 2.0
# What is added to a worker's number where it has told; the bare number asks to tell.
_HAS_TOLD = 128


class SharedStore(DurableStore):
    """A state file that other processes have, too. It was checked by the one that started them."""

    edited: dict[str, int] | None

    def __init__(self, path: str, link: Link) -> None:
        self.step, self.number = MOST, link.number
        self._link = link
        self.fresh: dict[str, int] = {}
        self.edits: dict[str, int] = {}
        super().__init__(path)

    def _open(self) -> None:
        db = connect(str(self.path))
        try:
            db.execute("PRAGMA busy_timeout = 10000")
            # The journal waits for the disk itself.
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")
            self.journal = self._journal = self.own = SharedJournal(db, self, self._link)
            self._shared = FileSharing(self, self._link)
            self.sharing = self._shared
            self._blobs = LastingBlobs(self._folder, self._journal.after)
            with self.own.turns.alone(), reading():
                SqliteStore.__init__(self, db, self._blobs, open_reader(self.path))
                self.claims = cast("dict[str, Claim]", self._table("claims", Claim))
                # Those of the request log are read when they are asked for.
                self.records: dict[int, RequestRecord] = {}
                self.own.begin(self._reader)
        except BaseException:
            db.close()
            raise
        for table in self._tables:
            self._journal.watch(table)
            if table.name == "deliveries":
                self.deliveries.unplaced = partial(getattr, table, "changed")

    def add(self, job: Job, input: bytes) -> None:
        self.fresh[job.id] = job.seq
        super().add(job, input)

    def clear(self) -> None:
        with self._transaction():
            super().clear()
            self.claims.clear()

    def records_told(self) -> list[RequestRecord]:
        """Return the newest requests of all workers."""
        rows = self._reader.execute("SELECT number, record FROM requests ORDER BY number")
        return [read_record(*row) for row in rows.fetchall()]

    def heard(self, edits: Mapping[str, int], first: int | None) -> None:
        """Note the places of jobs that others have changed, and of their first new one."""
        for id, seq in edits.items():
            Store._edit(self, id, seq)
        if first is not None:
            self.late = min(self.late, first)

    def refresh(self, changed: Mapping[str, Mapping[Any, None]]) -> None:
        """Take up rows that others have committed, by table and key."""
        deliveries = changed.get("deliveries", {})
        before = [self.deliveries.get(id) for id in deliveries]
        moved = changed.get("jobs", {})
        known = [self._shelf.at_hand.get(id) for id in moved]
        pieces = changed.get("pieces", {})
        bytes_before = self.uploads.size(pieces)
        for table in self._tables:
            if keys := changed.get(table.name):
                table.refresh(keys)
        self.deliveries.refreshed(before, deliveries)
        self.uploads.refreshed(changed.get("uploads", {}))
        self.uploads.kept += self.uploads.size(pieces) - bytes_before
        for id, old in zip(moved, known, strict=True):
            job = self.get(id)
            if job is None and isinstance(old, Job) and self.queues.has(id):
                # It is gone, and waits for nothing.
                old.starts = old.ends = 0.0
                job = old
            if job is not None and (job.ends > job.created or self.queues.has(id)):
                self.queues.note(job)
                self._shelf.hold(id, job)

    def reload(self) -> None:
        """Take up all rows, which may be others."""
        for table in self._tables:
            table.reload()
        self.edited = None
        self.queues.clear()
        own = self._shelf.own()
        SqliteStore._begin(self)
        self._shelf.at_hand.update(own)
        for job in own.values():
            if job is not None:
                self.last_seq = max(self.last_seq, job.seq)
                if job.ends > job.created:
                    self.queues.note(job)
        self.deliveries.reloaded()
        self.uploads.reloaded()

    def _edit(self, id: str, seq: int) -> None:
        super()._edit(id, seq)
        if id not in self.fresh:
            self.edits[id] = seq

    def close(self) -> None:
        self._shared.close()
        self.own.close()
        self._reader.close()
        self.db.close()


class FileSharing:
    """How a worker is told of others, and tells; a `sharing.Sharing`."""

    def __init__(self, store: SharedStore, link: Link) -> None:
        self.number = link.number
        self._claims = FileClaims(store, link)
        self.claims: Claims = self._claims
        self.listed: Callable[[], Iterable[RequestRecord]] | None = store.records_told
        self._store = store
        self._link = link
        # The workers that are still to tell what they keep back, and who waits for them.
        self._asked: set[int] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard = Notifier()

    def begin(self, replica: Replica) -> None:
        self._store.own.tell(replica)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._link.ear, self._called)
        self._claims.begin()

    @property
    def away(self) -> StateAway | None:
        """The file is always there."""
        return None

    async def stop(self) -> None:
        """Leave all to the store, which is closed."""

    def close(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._link.ear)

    async def sync(self) -> None:
        self._store.own.sync()

    def turn(self) -> AbstractAsyncContextManager[None]:
        return self._store.own.turns.turn()

    def looks_after(self, job: Job) -> bool:
        place = job.seq % MOST
        # Those of workers that there are no longer are the first one's.
        return self.number == (place if 1 <= place <= self._link.workers else 1)

    async def hear_all(self) -> None:
        own = self._store.own
        self._asked |= {*self._link.others()}
        for number in self._asked:
            self._link.call(number, self.number)
        own.everything = True
        own.noted()
        await own.saved()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._asked:
                    await self._heard.waiter().wait()
        own.sync()
        # Counts of ids, which are told to nobody else.
        self._store.refresh({"facts": {f"{OWN_FACTS}{number}": None for number in self._link.ears}})

    def forget_requests(self) -> None:
        self._store.own.forget_requests()

    def _called(self) -> None:
        """Hear what other workers have sent: that they have committed, ask, or have told."""
        try:
            data = {*os.read(self._link.ear, 1 << 16)}
        except BlockingIOError:
            return
        own = self._store.own
        own.sync()
        asking = [number for number in data if 0 < number < _HAS_TOLD]
        for number in asking:
            own.at_commit.append(partial(self._link.call, number, self.number + _HAS_TOLD))
        if asking:
            own.everything = True
            own.noted()
        self._asked -= {number - _HAS_TOLD for number in data}
        self._heard.ring()


class FileClaims:
    """Claims as rows that all workers have; a `sharing.Claims`."""

    def __init__(self, store: SharedStore, link: Link) -> None:
        self._store = store
        self._number = link.number

    def begin(self) -> None:
        """Give up what the worker had that was here before."""
        claims = self._store.claims
        for id in [id for id, claim in claims.items() if claim.replica == self._number]:
            del claims[id]

    def reserve(self, request_id: str) -> None:
        self._store.claims[request_id] = Claim(request_id, 1, self._number)

    async def take(self, request_id: str, number: int) -> None:
        claims = self._store.claims
        while True:
            known = claims.get(request_id)
            if known is not None and known.number == number and known.replica == self._number:
                return
            async with turn(self._store):
                known = claims.get(request_id)
                if known is None or known.number < number:
                    claims[request_id] = Claim(request_id, number, self._number)
                    return
            await self._store.own.freed.waiter().wait()

    def end(self, request_id: str) -> None:
        self._store.claims.pop(request_id, None)

    def drop(self, request_id: str, *, ours: bool) -> None:
        self.end(request_id)
