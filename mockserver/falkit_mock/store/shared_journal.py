"""The commits of workers that share a state file, and what one takes up of another's.

Each commit is a turn: with the lock a worker takes up what others have committed since, writes its
rows and a row of `changes` that names them, and gives the lock back. It waits for the disk after
that, so that others need not. Whoever has committed wakes the others.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import orjson

from falkit_mock.core.clock import Notifier
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.jobs import Job
from falkit_mock.store.file_journal import FileJournal
from falkit_mock.store.journal import Batch, Changing, as_os_error
from falkit_mock.store.link import Link, ToldEvents
from falkit_mock.store.records import FileRecord
from falkit_mock.store.rows import row_of
from falkit_mock.store.sharing import Replica, Told
from falkit_mock.store.sqlite import connect
from falkit_mock.store.turns import Turns

# How many of the newest changes are kept for workers that are behind.
_CHANGES = 4096
# Seconds after which is told what need not be on the disk.
_SOON = 0.05
# After so many commits the write-ahead log is put into the file, and beyond so many pages nobody
# writes meanwhile, so that the log begins anew.
_COMMITS, _PAGES = 500, 16_000
# Counts of ids, which each worker has for itself.
OWN_FACTS = "counts."


class _Kept(Protocol):
    """The store, as far as its journal knows it."""

    path: Path
    kept: int
    last_seq: int
    # The places of jobs that were added, and changed, since the last commit, by id.
    fresh: dict[str, int]
    edits: dict[str, int]

    def get(self, request_id: str) -> Job | None: ...

    def file(self, path: str) -> FileRecord | None: ...

    def heard(self, edits: Mapping[str, int], first: int | None) -> None:
        """Note the places of jobs that others have changed, and of their first new one."""
        ...

    def refresh(self, changed: Mapping[str, Mapping[Any, None]]) -> None:
        """Take up rows that others have committed, by table and key."""
        ...

    def reload(self) -> None:
        """Take up all rows, which may be others."""
        ...


class SharedJournal(FileJournal):
    """Commits in turns, and tells other workers which rows."""

    def __init__(self, db: sqlite3.Connection, store: _Kept, link: Link) -> None:
        super().__init__(db)
        self._store = store
        self._link = link
        self.turns = Turns(link.lock, self.sync_now, self._commit, self._not_begun)
        # Rings where another worker's claim may be no more.
        self.freed = Notifier()
        # What is called after the next commit, or once there is nothing to commit.
        self.at_commit: list[Callable[[], None]] = []
        self._reader = db
        self._replica: Replica | None = None
        # What others committed before there was a replica to be told.
        self._missed: dict[str, dict[Any, None]] = {}
        self._missed_all = False
        # The newest change that was taken up.
        self._seen = 0
        # The numbers of the newest event and request, and the bytes kept that others know of.
        self._events = self._requests = self._told = 0
        # What is to be told with the next commit, and whether requests are to be forgotten.
        self._news: list[Told] = []
        self._records: dict[int, RequestRecord] = {}
        self._forget = False
        # Whether requests are told that are still to be answered.
        self.everything = False
        # Commits that aren't on the disk yet; those that a thread waits for.
        self._written: list[Batch] = []
        self._flushing: list[Batch] = []
        self._wal = -1
        self._too_long = self._calling = False

    def begin(self, reader: sqlite3.Connection) -> None:
        """Know where others are by now; call it with the lock."""
        self._reader = reader
        self._told = self._store.kept
        self._wal = os.open(f"{self._store.path}-wal", os.O_RDWR)
        newest = "SELECT number, change FROM changes ORDER BY number DESC LIMIT 1"
        for number, data in reader.execute(newest).fetchall():
            self._seen, self._events = number, orjson.loads(data)["last"]
        self._requests = reader.execute("SELECT max(number) FROM requests").fetchone()[0] or 0

    def tell(self, replica: Replica) -> None:
        """Tell a replica of what others commit, and have committed since the tables were read."""
        self._replica = replica
        replica.tell(self._events + 1, ())
        if self._missed_all:
            replica.began_anew()
        elif self._missed:
            replica.took(self._missed)
        self._missed, self._missed_all = {}, False
        self.sync_now()

    def forget_requests(self) -> None:
        """Have no request listed any more."""
        self._forget = True
        self.noted()

    def noted_later(self) -> None:
        if not self._planned and not self._waiting and not self._closed:
            with suppress(RuntimeError):
                asyncio.get_running_loop().call_later(_SOON, self._waited)
                self._waiting = True

    def sync(self) -> None:
        """Take up what others had committed when this was called."""
        if self._link.newest() != self._seen:
            self.sync_now()

    def sync_now(self) -> None:
        """Take up what is committed, whatever is known of it."""
        newer = "SELECT number, change, events FROM changes WHERE number > ? ORDER BY number"
        if rows := self._reader.execute(newer, (self._seen,)).fetchall():
            anew = rows[0][0] != self._seen + 1
            self._seen = rows[-1][0]
            self._take_up([(orjson.loads(change), events) for _, change, events in rows], anew=anew)

    def close(self) -> None:
        self.turns.close()
        super().close()
        if self._wal >= 0:
            os.close(self._wal)
            self._wal = -1

    def _take_up(self, changes: list[tuple[dict[str, Any], bytes]], *, anew: bool) -> None:
        store, replica = self._store, self._replica
        changed: dict[str, dict[Any, None]] = {}
        for change, _ in changes:
            anew = anew or change["anew"]
            for name, keys in change["rows"].items():
                changed.setdefault(name, {}).update(dict.fromkeys(keys))
            store.kept += change["kept"]
            self._told += change["kept"]
            store.heard(change["edits"], change["fresh"])
            store.last_seq = max(store.last_seq, change["seq"])
        if anew:
            untold = store.kept - self._told
            store.reload()
            self._told = store.kept
            store.kept += untold
        elif changed:
            store.refresh(changed)
        if "claims" in changed or anew:
            self.freed.ring()
        newest = changes[-1][0]
        self._events, self._requests = newest["last"], newest["requests"]
        if replica is None:
            self._missed_all = self._missed_all or anew
            for name, keys in changed.items():
                self._missed.setdefault(name, {}).update(keys)
            return
        if anew:
            replica.began_anew()
        elif changed:
            replica.took(changed)
        for change, events in changes:
            if change["last"] >= change["first"]:
                replica.tell(change["first"], ToldEvents(events, change))
        replica.tell_requests(())

    def _under_way(self) -> Sequence[Batch]:
        return [*self._flushing, *self._written]

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._planned and not self._closed and not self._flushing:
            self.turns.soon()

    def _write_now(self) -> None:
        with self.turns.alone():
            self.sync_now()
            self._commit()
        self._sync_disk()
        written, self._written = self._written, []
        for batch in written:
            batch.settle()

    def _commit(self) -> None:
        """Write what there is to write, at the end of a turn."""
        calls, self.at_commit = self.at_commit, []
        batch: Batch | None = None
        try:
            batch = self._begin()
            changed = any(table.changed or table.emptied for table in self._tables)
            # While there is trouble only a commit shows that it is over.
            if self._has_news() or changed or self.trouble is not None:
                self._commit_rows(batch)
            self._written.append(batch)
        except Exception as error:
            self._failed(batch, error)
        finally:
            for call in calls:
                call()
        self._flush()

    def _has_news(self) -> bool:
        """Collect what is to be told; tell whether there is something."""
        if self._replica is not None:
            events, records = self._replica.untold(all=self.everything)
            self._news += events
            self._records.update((id(record), record) for record in records)
        return bool(self._news or self._records or self._forget)

    def _commit_rows(self, batch: Batch) -> None:
        anew = any(table.emptied for table in self._tables)
        if anew or self._forget:
            self._requests = 0 if anew else self._requests
        # Where all is read anew nobody asks for names.
        named = () if anew else self._tables
        rows = {table.name: self._keys(table) for table in named if table.changed}
        new = [record for record in self._records.values() if not record.number]
        last = self._requests
        change = {
            "rows": {name: keys for name, keys in rows.items() if keys},
            "anew": anew,
            "seq": self._store.last_seq,
            "kept": self._store.kept - self._told,
            # For whoever keeps sums.
            "fresh": min(self._store.fresh.values(), default=None),
            "edits": self._store.edits,
            "first": self._events + 1,
            "last": self._events + len(self._news),
            "requests": last + len(new),
        }
        for number, record in enumerate(new, last + 1):
            record.number = number
        try:
            self._execute(batch)
            if anew or self._forget:
                self._db.execute("DELETE FROM requests")
            records = [row_of(record.number, record) for record in self._records.values()]
            self._db.executemany("INSERT OR REPLACE INTO requests VALUES (?, ?)", records)
            number = self._seen + 1
            events = orjson.dumps(self._news)
            row = (number, self._link.number, orjson.dumps(change), events)
            self._db.execute("INSERT INTO changes VALUES (?, ?, ?, ?)", row)
            if number % _COMMITS == 0:
                self._db.execute("DELETE FROM changes WHERE number <= ?", (number - _CHANGES,))
                oldest = self._requests + len(new) - self._link.requests
                self._db.execute("DELETE FROM requests WHERE number <= ?", (oldest,))
            self._db.execute("COMMIT")
        except BaseException:
            for record in new:
                record.number = 0
            raise
        self._committed_rows(batch, change, events)

    def _committed_rows(self, batch: Batch, change: dict[str, Any], events: bytes) -> None:
        """Go on after a commit, which others see by now."""
        self._seen += 1
        self._link.tell_newest(self._seen)
        self.everything = False
        self._told = self._store.kept
        self._store.fresh.clear()
        self._store.edits.clear()
        self._events = change["last"]
        self._requests = change["requests"]
        self._news, self._records, self._forget = [], {}, False
        self.commits += 1
        for act in batch.written:
            act()
        batch.written = []
        if change["rows"] or change["anew"] or self._loop is None:
            self._call_others()
        elif not self._calling:
            # They have nothing to do but to tell of it.
            self._calling = True
            self._loop.call_later(_SOON, self._call_others)
        if self._replica is not None:
            if change["last"] >= change["first"]:
                self._replica.tell(change["first"], ToldEvents(events, change))
            self._replica.tell_requests(())
        if self._too_long:
            # Nobody writes meanwhile, so the next commit begins the log anew.
            self._too_long = False
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        elif self._seen % _COMMITS == 0 and self._loop is not None:
            self._loop.run_in_executor(None, self._checkpoint)

    def _call_others(self) -> None:
        self._calling = False
        for other in self._link.others():
            self._link.call(other, 0)

    def _keys(self, table: Changing) -> list[Any]:
        """Return the keys of changed rows that others have to know of."""
        if table.name == "facts":
            return [name for name in table.changed if not name.startswith(OWN_FACTS)]
        if table.name == "jobs":
            return [id for id in table.changed if self._matters(id)]
        fresh = self._store.fresh
        if table.name == "inputs":
            return [id for id in table.changed if id not in fresh]
        if table.name == "files":
            files = ((path, self._store.file(path)) for path in table.changed)
            return [path for path, file in files if file is None or file.request_id not in fresh]
        return [*table.changed]

    def _matters(self, id: str) -> bool:
        """Tell whether others have to look at a job: not at one that has come and is over."""
        job = self._store.get(id) if id in self._store.fresh else None
        return (
            job is None
            or job.outcome is None
            or not (job.ends <= job.created and job.options.webhook is None)
        )

    def _not_begun(self, error: Exception) -> None:
        if self._planned:
            self._failed(None, error)

    def _failed(self, batch: Batch | None, error: Exception) -> None:
        if batch is None:
            batch, self._next, self._planned = self._next, Batch(), False
        if self._loop is None:
            self._undo(batch)
            raise as_os_error(error) from None
        self._committing = batch
        self._over(self._loop, error)

    def _flush(self) -> None:
        """Have what was committed on the disk, and tell those who wait for it."""
        if self._flushing or not self._written or self._loop is None or self._loop.is_closed():
            return
        self._flushing, self._written = self._written, []
        if not any(batch.again for batch in self._flushing):
            # Nothing that anybody was told to be kept.
            self._loop.call_soon(self._flushed, None)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="falkit state")
        done = self._loop.run_in_executor(self._thread, self._sync_disk)
        done.add_done_callback(self._flushed)

    def _flushed(self, done: asyncio.Future[None] | None) -> None:
        if done is not None and done.cancelled():
            return
        error = None if done is None else done.exception()
        flushed, self._flushing = self._flushing, []
        self.seconds += sum(perf_counter() - batch.began for batch in flushed if batch.again)
        if error is None:
            self._works()
        elif self._loop is not None:
            self._fails(self._loop, error)
        for batch in flushed:
            batch.settle(None if error is None else as_os_error(error))
        self._flush()
        if self._planned and self._loop is not None and not self._flushing:
            self._write(self._loop)

    def _sync_disk(self) -> None:
        _to_disk(self._wal)

    def _checkpoint(self) -> None:
        """Put the write-ahead log into the file, as far as nobody is in the way; blocks."""
        with suppress(sqlite3.Error), closing(connect(str(self._store.path))) as db:
            _, pages, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._too_long = pages > _PAGES

    def _go_on(self) -> None:
        super()._go_on()
        for batch in [*self._flushing, *self._written]:
            batch.waiters = []
            batch.settle()
        self._flushing, self._written = [], []


# macOS has no other.
_to_disk: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
