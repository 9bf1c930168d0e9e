"""Following what other replicas commit, in the order in which they did."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from falkit_mock.core.errors import StateAway
from falkit_mock.store import BadCopy
from falkit_mock.store.redis.commits import Entry, read_entry
from falkit_mock.store.redis.server import Server, end
from falkit_mock.store.sqlite import reading
from falkit_mock.store.tables import shown

_log = logging.getLogger("falkit_mock")
# Seconds after which whoever reads goes on without an answer, which may still come.
_PATIENCE = 2.5
# Milliseconds for which Redis holds back an answer while nothing happens; entries read at a time.
_BLOCK, _COUNT = 2000, 200
# Seconds between two attempts to reach a Redis that is away.
_AGAIN = 0.5


class Follower(Protocol):
    """What a feed tells of others' commits."""

    async def whole(self, entries: Sequence[Entry]) -> None:
        """Read what others' entries are too small for."""
        ...

    def apply(self, entry: Entry) -> None:
        """Have what another replica has committed."""
        ...

    async def anew(self, *, same: bool) -> int:
        """Read all there is in place of what was known; return the number of the last commit.

        `same` tells whether it is the state that was known, and only too much of it was missed.
        """
        ...


class Feed:
    """Applies others' commits: in the background, and before whoever asks for it goes on."""

    def __init__(self, server: Server, follower: Follower, state: bytes) -> None:
        """Take what tells this state from others."""
        self._server = server
        self._follower = follower
        self.state = state
        # The number of the last commit that is applied here.
        self.position = 0
        # Why Redis can't be asked; None while it can.
        self.away: StateAway | None = None
        self._run: str | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._catching: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        # Nothing of ours is committed while all is read anew.
        self.exclusive = asyncio.Lock()

    async def sync(self) -> None:
        """Return once all is applied that was committed by the time of the call; raise OSError.

        All who wait share one question. While Redis is away it is told at once.
        """
        if self.away is not None:
            raise self.away
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if self._catching is None:
            self._catching = asyncio.create_task(self._catch_up())
        try:
            async with asyncio.timeout(_PATIENCE):
                await waiter
        except TimeoutError:
            raise StateAway(errno.EAGAIN, "Redis takes long to answer") from None

    def start(self) -> None:
        """Follow in the background, from now on."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follow no longer."""
        await end(self._following)
        await end(self._catching)
        self._following = self._catching = None

    def gone(self, error: StateAway) -> None:
        """Note that Redis is away; the background tells when it is back."""
        if self.away is None:
            _log.error("state: %s; trying again twice a second", error.strerror)
            self.away = error

    async def _catch_up(self) -> None:
        try:
            while self._waiters:
                waiters, self._waiters = self._waiters, []
                error: OSError | None = None
                try:
                    await self.catch_up()
                except Exception as why:
                    error = self._troubled(why)
                for waiter in waiters:
                    if waiter.done():
                        continue
                    if error is None:
                        waiter.set_result(None)
                    else:
                        waiter.set_exception(error)
        finally:
            self._catching = None

    def _troubled(self, why: Exception) -> StateAway:
        """Note what keeps us from following; return it as who asks is told of it."""
        if isinstance(why, StateAway):
            self.gone(why)
            return why
        if self.away is None and not isinstance(why, (OSError, ValueError)):
            _log.error("state: following others failed", exc_info=why)
        away = StateAway(errno.EIO, f"it can't be followed ({shown(why)})")
        self.gone(away)
        return away

    async def catch_up(self) -> None:
        """Apply all that others have committed so far."""
        keys = (self._server.key("format"), self._server.key("at"))
        # Ours may be committed while we ask.
        known = self.position
        state, at = await self._server.ask("MGET", *keys)
        with reading():
            number = int(at or 0)
        if state != self.state or number < known:
            await self._anew(same=state == self.state)
        while self.position < number:
            before = self.position
            await self._take(await self._read())
            if self.position == before:
                # None is left of what we lack.
                await self._anew(same=True)
                return

    async def _anew(self, *, same: bool) -> None:
        async with self.exclusive:
            self.position = await self._follower.anew(same=same)

    async def _read(self, *block: str | int) -> list[Entry]:
        changes = self._server.key("changes")
        after = f"{self.position}-0"
        read = ("XREAD", "COUNT", _COUNT, *block, "STREAMS", changes, after)
        try:
            found: Any = await self._server.ask(*read)
        except StateAway as error:
            if error.errno != errno.EIO:
                raise
            # It is no stream, and made anew as by a commit. Who finds nothing in it reads all rows.
            _log.error("state: %s; making it anew", error.strerror)
            await self._server.ask("UNLINK", changes)
            return []
        try:
            return [read_entry(id, fields) for _, entries in found for id, fields in entries]
        except BadCopy as error:
            # Rows are what counts.
            _log.error("state: %s %s; reading all of it", changes, error)
            await self._anew(same=True)
            return []

    async def _take(self, entries: list[Entry]) -> None:
        await self._follower.whole(entries)
        for entry in entries:
            if entry.number <= self.position:
                continue
            if entry.number > self.position + 1:
                # The stream doesn't reach back so far any more.
                await self._anew(same=True)
                return
            self.position = entry.number
            try:
                self._follower.apply(entry)
            except Exception as error:
                known = error if not isinstance(error, BadCopy) else None
                _log.error(
                    "state: commit %d can't be taken up (%s); reading all of it",
                    *(entry.number, shown(error)),
                    exc_info=known,
                )
                await self._anew(same=True)
                return

    async def _follow(self) -> None:
        while True:
            try:
                if self.away is not None or self._run is None:
                    await self._come_back()
                before = self.position
                entries = await self._read("BLOCK", _BLOCK)
                await self._take(entries)
                if entries and self.position <= before:
                    # There is something that nobody committed.
                    await asyncio.sleep(_AGAIN)
            except Exception as error:
                self._troubled(error)
                await asyncio.sleep(_AGAIN)

    async def _come_back(self) -> None:
        """Go on with a Redis that was away: one that was started again may have lost something."""
        info: dict[str, Any] = await self._server.ask("INFO", "server")
        run = str(info["run_id"])
        if self._run is not None and run != self._run:
            await self._anew(
                same=await self._server.ask("GET", self._server.key("format")) == self.state
            )
        else:
            await self.catch_up()
        self._run = run
        if self.away is not None:
            _log.warning("state: Redis is back")
            self.away = None
