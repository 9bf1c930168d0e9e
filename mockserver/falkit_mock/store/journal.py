"""Group commit: all who wait for what they changed to be on the disk share one commit."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from math import inf
from time import monotonic, perf_counter
from typing import Any, NamedTuple, Protocol, TypeAlias

from falkit_mock.core.errors import StateAway

_log = logging.getLogger("falkit_mock")
# Seconds after which what the disk did not take is tried again, if nobody asks before.
_AGAIN = 1.0

# An SQL statement, and the rows that it is to be executed with.
Row: TypeAlias = Sequence[Any]
Statement: TypeAlias = tuple[str, list[Row]]


class Changes(NamedTuple):
    """What is to be written of a table."""

    statements: list[Statement]
    # Notes it as still to be written.
    again: Callable[[], None]
    # What was wrong with rows that can't be.
    wrong: list[Exception]
    # Notes that it is written.
    written: Callable[[], None]


class Changing(Protocol):
    """A table, as far as a journal knows one."""

    name: str
    # The keys of what is still to be written, and whether all else is gone.
    changed: dict[Any, Any]
    emptied: bool

    def take_changes(self) -> Changes:
        """Return what has changed since; by now it counts as written."""
        ...


class Batch:
    """What one commit is for."""

    __slots__ = ("after", "again", "began", "error", "jobs", "waiters", "written")

    def __init__(self) -> None:
        self.waiters: list[asyncio.Future[None]] = []
        # What is done once it is on the disk, what notes that, and what notes it as still to be
        # written.
        self.after: list[Callable[[], object]] = []
        self.written: list[Callable[[], None]] = []
        self.again: list[Callable[[], None]] = []
        # The ids of jobs in it.
        self.jobs: Container[str | None] = ()
        # What was wrong with a row that had to be left out.
        self.error: Exception | None = None
        # When its writing began.
        self.began = 0.0

    def settle(self, error: OSError | None = None) -> None:
        """Let everyone go on who waits for it."""
        if error is None:
            for action in (*self.written, *self.after):
                try:
                    action()
                except OSError as why:
                    # Such as a file that can't be deleted: all is kept, and more than that.
                    _log.error("state: %s", why)
        if error is None and self.error is not None:
            error = OSError(errno.EINVAL, str(self.error))
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


class Journal:
    """Writes what tables noted, commit after commit, and tells when; at once without a loop."""

    # Whether what a commit could not write is written once there is room, and stays changed here.
    keeps_failed = True

    def __init__(self) -> None:
        self._tables: list[Changing] = []
        self._jobs: Changing | None = None
        # Called before each write, to put what is kept outside of tables into one.
        self.gather: Callable[[], object] = lambda: None
        # What the next commit is for, and whether there is something; what is being committed.
        self._next, self._planned = Batch(), False
        self._committing: Batch | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held = self._waiting = self._closed = False
        # How many commits there were, and the seconds that they took in all.
        self.commits, self.seconds = 0, 0.0
        # Why nothing can be written at present, None while it can; and when that was last seen.
        self.trouble: str | None = None
        self._failed_at = 0.0

    def watch(self, table: Changing) -> None:
        """Write what changes of a table from now on."""
        self._tables.append(table)
        if table.name == "jobs":
            self._jobs = table

    def noted(self) -> None:
        """Write soon: a table has changed."""
        if self._held or self._closed:
            return
        if self._loop is not None and self._loop.is_closed():
            self._go_on()
        if not self._planned:
            self._plan()

    def noted_later(self) -> None:
        """Write with what comes next, and within a second or so: a table has changed."""
        if not self._planned and not self._waiting and not self._closed:
            with suppress(RuntimeError):
                asyncio.get_running_loop().call_later(_AGAIN, self._waited)
                self._waiting = True

    def _waited(self) -> None:
        self._waiting = False
        self.noted()

    def after(self, action: Callable[[], object]) -> None:
        """Do something once all that has changed by now is on the disk."""
        if self._planned or self._held or self._under_way():
            self._next.after.append(action)
            self.noted()
        else:
            action()

    def make_room(self) -> None:
        """Do now what was to follow a commit that found no room, such as deleting files."""
        actions, self._next.after = self._next.after, []
        for action in actions:
            with suppress(OSError):
                action()
        self.noted()

    def unsaved(self, request_id: str | None) -> bool:
        """Tell whether a job isn't on the disk as it is now."""
        if any(request_id in batch.jobs for batch in self._under_way()):
            return True
        return self._planned and self._jobs is not None and request_id in self._jobs.changed

    async def saved(self) -> None:
        """Return once all that has changed by now is on the disk; raise OSError if it can't be."""
        if not self._planned:
            # What is outside of the tables may have changed alone.
            self.gather()
        under_way = self._under_way()
        batch = self._next if self._planned else under_way[-1] if under_way else None
        if batch is not None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            batch.waiters.append(waiter)
            await waiter

    async def told(self, request_id: str) -> None:
        """Return once a job is on the disk as it is now, or can't be: for who will tell of it."""
        if self.unsaved(request_id):
            with suppress(OSError):
                await self.saved()

    def hold(self) -> bool:
        """Write nothing until `release`; tell whether it was held already."""
        held, self._held = self._held, True
        return held

    def release(self) -> None:
        """Write what has changed since `hold`."""
        self._held = False
        self.noted()

    def close(self) -> None:
        """Write what has changed, and end."""
        self._go_on()
        self._planned = True
        try:
            self._write_now()
        except OSError as error:
            _log.error("state: the last changes can't be written (%s)", error)
        self._closed = True

    def _under_way(self) -> Sequence[Batch]:
        """Return what is being committed."""
        return () if self._committing is None else (self._committing,)

    def _plan(self) -> None:
        self._planned = True
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
            self._write_now()
            return
        if self._committing is None:
            self._loop.call_soon(self._write, self._loop)

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._committing is not None or not self._planned or self._closed:
            return
        batch = self._committing = self._begin()
        try:
            done = self._begin_commit(loop, batch)
        except Exception as error:
            self._over(loop, error)
            return
        done.add_done_callback(lambda done: self._committed(loop, batch, done))

    def _begin(self) -> Batch:
        """Take what waits for the next commit."""
        self.gather()
        batch, self._next, self._planned = self._next, Batch(), False
        batch.began = perf_counter()
        if self._jobs is not None:
            batch.jobs = self._jobs.changed
        return batch

    def _committed(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Batch,
        done: asyncio.Future[Any],
    ) -> None:
        if not done.cancelled() and self._committing is batch:
            self._over(loop, done.exception())

    def _over(self, loop: asyncio.AbstractEventLoop, error: BaseException | None) -> None:
        """Go on after a commit, or what came in its place."""
        batch, self._committing = self._committing, None
        assert batch is not None, "it was under way"
        if error is None:
            self.commits += 1
            self.seconds += perf_counter() - batch.began
            self._works()
            batch.settle()
            if self._planned:
                self._write(loop)
            return
        self._fails(loop, error)
        self._undo(batch)
        why = as_os_error(error)
        batch.settle(why)
        later, self._next.waiters = self._next.waiters, []
        self._planned = False
        for waiter in later:
            if not waiter.done():
                waiter.set_exception(why)

    def _works(self) -> None:
        """Note that the disk has taken something."""
        # What is small may find room where nothing else does; a state that was away is back.
        if monotonic() >= self._failed_at + _AGAIN:
            self.trouble = None

    def _fails(self, loop: asyncio.AbstractEventLoop, error: BaseException) -> None:
        """Say that the disk has not taken something, and try again."""
        why = getattr(error, "strerror", None) or error
        if self.trouble is None:
            _log.error("state: can't be written (%s); trying again each second", why)
        self._failed_at = -inf if isinstance(error, StateAway) else monotonic()
        self.trouble = f"the state can't be written ({why})"
        loop.call_later(_AGAIN, self._try_again)

    def _try_again(self) -> None:
        """Write what was not taken; whatever is taken now says that there is room."""
        # Timers may ring a little early.
        self._failed_at = -inf
        self.noted()

    def _undo(self, batch: Batch) -> None:
        """Have what a failed commit was for written by the next one."""
        for again in batch.again:
            again()
        self._next.after = [*batch.after, *self._next.after]

    def _go_on(self) -> None:
        """End a commit whose event loop is no more."""
        batch, self._committing = self._committing, None
        self._loop, self._planned = None, False
        if batch is not None:
            self._end(batch)
            batch.waiters = []
            batch.settle()

    # What differs by where it is kept.

    def _write_now(self) -> None:
        """Write what waits, and return when it is kept; raise OSError."""
        raise NotImplementedError

    def _begin_commit(self, loop: asyncio.AbstractEventLoop, batch: Batch) -> asyncio.Future[Any]:
        """Begin to write what tables have noted; raise what the future may."""
        raise NotImplementedError

    def _end(self, batch: Batch) -> None:
        """End a commit whose event loop is no more, one way or the other."""

    def _take_changes(self, batch: Batch) -> list[tuple[str, Changes]]:
        """Return what tables have noted for a commit, by their names."""
        found: list[tuple[str, Changes]] = []
        for table in self._tables:
            if table.changed or table.emptied:
                changes = table.take_changes()
                found.append((table.name, changes))
                batch.again.append(changes.again)
                batch.written.append(changes.written)
                for error in changes.wrong:
                    batch.error = error
                    _log.error("state: a row of %s can't be kept: %r", table.name, error)
        return found


def as_os_error(error: BaseException) -> OSError:
    """Return an error of sqlite's as one of the machine's."""
    if isinstance(error, OSError):
        return error
    code = errno.ENOSPC if "full" in str(error) else errno.EIO
    return OSError(code, os.strerror(code) if code == errno.ENOSPC else str(error))
