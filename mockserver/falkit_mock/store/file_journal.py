"""Group commit in an sqlite database: statements on the event loop, the wait for the disk apart."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from falkit_mock.store.journal import Batch, Journal, Row, as_os_error

_log = logging.getLogger("falkit_mock")
# What sqlite raises for a single row that it can't hold, and not for want of a disk.
_ROW = (sqlite3.IntegrityError, sqlite3.DataError, ValueError, TypeError, OverflowError)


class FileJournal(Journal):
    """Writes to an sqlite database.

    Statements are executed on the event loop, where nothing changes meanwhile; the commit, which
    waits for the disk, is a thread's.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__()
        self._db = db
        self._thread: ThreadPoolExecutor | None = None
        # Where the file is, if there is one, and which file that was at first.
        self._file: str = db.execute("PRAGMA database_list").fetchone()[2]
        self._known: os.stat_result | None = None

    def _write_now(self) -> None:
        batch = self._begin()
        try:
            self._execute(batch)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo(batch)
            raise as_os_error(error) from None
        batch.settle()

    def _begin_commit(self, loop: asyncio.AbstractEventLoop, batch: Batch) -> asyncio.Future[Any]:
        self._execute(batch)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="falkit state")
        return loop.run_in_executor(self._thread, self._db.execute, "COMMIT")

    def _execute(self, batch: Batch) -> None:
        taken = self._take_changes(batch)
        statements = [statement for _, changes in taken for statement in changes.statements]
        self._look_for_file()
        self._db.execute("BEGIN IMMEDIATE")
        for sql, rows in statements:
            try:
                self._db.executemany(sql, rows)
            except _ROW:
                for row in rows:
                    self._execute_one(batch, sql, row)

    def _look_for_file(self) -> None:
        """Raise an error of sqlite's where what is written now would be gone with the process."""
        if not self._file:
            return
        try:
            found = os.stat(self._file)
        except OSError as error:
            raise sqlite3.OperationalError(f"{self._file}: {error.strerror}") from None
        if self._known is None:
            self._known = found
        elif not os.path.samestat(found, self._known):
            raise sqlite3.OperationalError(f"{self._file} is another file by now")

    def _execute_one(self, batch: Batch, sql: str, row: Row) -> None:
        try:
            self._db.execute(sql, row)
        except _ROW as error:
            _log.error("state: a row can't be kept: %r", error)
            batch.error = error

    def _undo(self, batch: Batch) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        super()._undo(batch)

    def _go_on(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        super()._go_on()

    def _end(self, batch: Batch) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("COMMIT")
