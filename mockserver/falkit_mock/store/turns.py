"""Turns among the workers of one machine: a lock that the kernel takes back from who dies."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager


class Turns:
    """One worker's side: whoever of it waits shares a turn, which is over once the loop goes on.

    The lock is a record lock, which belongs to the process, on a file that all workers inherited.
    """

    def __init__(
        self,
        lock: int,
        begin: Callable[[], None],
        end: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Call `begin` and `end` at each turn's own, with the lock; `end` leaves nothing unsaid.

        `failed` is called with what keeps a turn of `soon` from beginning.
        """
        self._lock = lock
        self._begin = begin
        self._end = end
        self._failed = failed
        self.held = False
        # Whose blocks are inside, and who waits for the lock.
        self._blocks: set[asyncio.Task[object] | None] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._asking = self._closed = False
        self._thread: ThreadPoolExecutor | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Have the turn for the block."""
        task = asyncio.current_task()
        if task in self._blocks:
            yield
            return
        if not self.held and not self._take():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            self._ask()
            await waiter
        self._blocks.add(task)
        try:
            yield
        finally:
            self._blocks.discard(task)
            if not self._blocks:
                asyncio.get_running_loop().call_soon(self._release)

    def soon(self) -> None:
        """Have a turn as soon as can be, or end what was done of this one by a block that waits."""
        if self.held:
            if self._blocks:
                self._end()
            return
        try:
            taken = self._take()
        except Exception as error:
            self._failed(error)
            return
        if taken:
            self._release()
        else:
            self._ask()

    @contextmanager
    def alone(self) -> Generator[None]:
        """Have the lock for the block, without beginning or ending a turn; blocks until it can."""
        if not self.held:
            _lock(self._lock)
        try:
            yield
        finally:
            if not self.held:
                _unlock(self._lock)

    def close(self) -> None:
        """Wait for no turn any more."""
        self._closed = True
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> bool:
        """Take the lock if it is free and nobody here waits for it; tell whether it was."""
        if self._asking:
            return False
        try:
            _lock(self._lock, wait=False)
        except OSError:
            return False
        self._start()
        return True

    def _start(self) -> None:
        self.held = True
        try:
            self._begin()
        except BaseException:
            self._let_go()
            raise

    def _ask(self) -> None:
        if self._asking:
            return
        self._asking = True
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="falkit turn")
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._thread, _lock, self._lock)
        asked.add_done_callback(self._given)

    def _given(self, asked: asyncio.Future[None]) -> None:
        self._asking = False
        if asked.cancelled() or self._closed:
            return
        waiting, self._waiting = self._waiting, []
        why: Exception | None = None
        try:
            asked.result()
            self._start()
        except Exception as error:
            why = error
            self._failed(error)
        for waiter in waiting:
            if not waiter.done():
                if why is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(why)
        asyncio.get_running_loop().call_soon(self._release)

    def _release(self) -> None:
        """End the turn, unless a block is inside that has to wait for something."""
        if self.held and not self._blocks:
            try:
                self._end()
            finally:
                self._let_go()

    def _let_go(self) -> None:
        self.held = False
        _unlock(self._lock)


def _lock(file: int, *, wait: bool = True) -> None:
    """Lock a file for this process; raise OSError if another has it and it isn't waited for."""
    if sys.platform != "win32":
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(file: int) -> None:
    if sys.platform != "win32":
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_UN)
