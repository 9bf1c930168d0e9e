"""Several replicas over one Redis: what they have in common, and how each hears of the others."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Container, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from falkit_mock.core.errors import StateAway
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.jobs import Job
from falkit_mock.store import BadCopy
from falkit_mock.store.redis.claims import RedisClaims
from falkit_mock.store.redis.commits import Change, Committed, Entry, Ours, table_key
from falkit_mock.store.redis.feed import Feed
from falkit_mock.store.redis.journal import RedisJournal
from falkit_mock.store.redis.server import Command, Refused, Server, end
from falkit_mock.store.redis.state import LEASE, do, made_again, read_rows, replica_key, take_number
from falkit_mock.store.redis.tables import REQUESTS, RedisTable
from falkit_mock.store.sharing import MOST, Changed, Replica, Told

if TYPE_CHECKING:
    from redis.asyncio.lock import Lock

_log = logging.getLogger("falkit_mock")
# Seconds between two signs of life; for which a turn is ours without one; between two attempts to
# have it; and after which it is given up.
_BEAT, _TURN, _POLL, _WAITS = 2.0, 6.0, 0.004, 15.0
# Seconds for which a turn takes in others who come, and for which others are waited for.
_SHARED, _HEARD = 0.05, 1.0
# Rows that are read at a time.
_ROWS = 100


class SharedStore(Protocol):
    """What is shared, as far as its rows are had from others; `RedisStore`."""

    number: int
    tables: list[RedisTable]
    facts: dict[str, bytes]
    records: dict[int, RequestRecord]
    redis_journal: RedisJournal

    def also(self, command: Command) -> None:
        """Have a command done together with the next commit."""
        ...

    def have(self, changes: Sequence[Change]) -> Changed | None:
        """Have what another replica has committed; return the keys, or None if all is other."""
        ...

    def is_new(self, request_id: str) -> bool:
        """Tell whether a job is still to be committed for the first time."""
        ...

    def is_over(self, request_id: str, number: int) -> bool:
        """Tell whether an attempt at a job's webhook was made, or the job is no more."""
        ...

    def reorder(self, deliveries: Iterable[str]) -> None:
        """Have attempts be the last ones."""
        ...

    def replace(self, rows: dict[str, dict[Any, Any]]) -> None:
        """Have rows in place of all there are, but for those that are new here."""
        ...


class _Turn:
    """A turn, which those share who come while it lasts."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.users = 1
        # When nobody comes in any more.
        self.until = loop.time() + _WAITS
        self.begun: asyncio.Future[None] = loop.create_future()
        # Set when nobody is in it, and when another may begin.
        self.left, self.over = asyncio.Event(), asyncio.Event()


_inside: ContextVar[_Turn | None] = ContextVar("_inside", default=None)


class RedisSharing:
    """What this replica has in common with the others; a `sharing.Sharing`."""

    def __init__(self, server: Server, store: SharedStore, token: str, state: bytes) -> None:
        self.number = store.number
        self._server = server
        self._store = store
        self._token = token
        self._replica: Replica | None = None
        # All replicas list requests from memory.
        self.listed: Callable[[], Iterable[RequestRecord]] | None = None
        self._running: asyncio.Task[None] | None = None
        self._mending: asyncio.Task[None] | None = None
        self.claims = RedisClaims(server, token, store.also, store.is_new, store.is_over)
        self.feed = Feed(server, self, state)
        self._beating: asyncio.Task[None] | None = None
        self._turn: _Turn | None = None
        self._lock: Lock | None = None
        self._turns = 0
        # The numbers of those that live.
        self._alive: Collection[int] = {self.number}
        # Rows that may be others than here, by table; None in it where all may be.
        self._doubted: dict[str | None, set[Any]] = {}
        # What our commits told that came before others' that aren't here yet, by their numbers.
        self._later: dict[int, tuple[int, Ours]] = {}
        # By the tokens of others: the number of their latest commit.
        self._heard: dict[bytes, int] = {}
        self._hearing = asyncio.Event()

    def begin(self, replica: Replica) -> None:
        """Tell a replica from now on; called once, on the event loop, before the first request."""
        self._replica = self._store.redis_journal.replica = replica
        self.feed.start()
        self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def stop(self) -> None:
        """End, and let others have what was ours."""
        for task in (self._beating, self._mending, self._running):
            await end(task)
        await self.feed.stop()
        await self._store.redis_journal.sent()
        await self._server.aclose()

    @property
    def away(self) -> StateAway | None:
        """Why Redis can't be asked; None while it can."""
        return self.feed.away

    async def sync(self) -> None:
        """Return once all that others had committed by now is here, and was told."""
        await self.feed.sync()

    def looks_after(self, job: Job) -> bool:
        """Tell whether this replica tells of a job's start and end, and ends what it left open."""
        owner = job.seq % MOST or MOST
        if owner == self.number or owner in self._alive:
            return owner == self.number
        return self.number == min(self._alive, default=self.number)

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Have the block be the only one of its kind, among all replicas, from `sync` to commit."""
        turn = _inside.get()
        inner = turn is not None and turn is self._turn and turn.users > 0
        if turn is None or not inner:
            turn = await self._join()
        else:
            turn.users += 1
        mark = _inside.set(turn)
        try:
            await asyncio.shield(turn.begun)
            yield
        finally:
            _inside.reset(mark)
            try:
                begun = turn.begun.done() and turn.begun.exception() is None
                if begun and (not inner or turn.users == 1):
                    await self._store.redis_journal.saved()
            finally:
                turn.users -= 1
                if not turn.users:
                    turn.left.set()

    async def _join(self) -> _Turn:
        """Return the turn that there is, or the next one, with us in it."""
        loop = asyncio.get_running_loop()
        while (turn := self._turn) is not None:
            if turn.users and loop.time() < turn.until:
                turn.users += 1
                return turn
            await turn.over.wait()
        turn = self._turn = _Turn(loop)
        self._running = loop.create_task(self._run(turn))
        return turn

    async def _run(self, turn: _Turn) -> None:
        """Have a turn until all have left it."""
        self._turns += 1
        journal, name = self._store.redis_journal, f"{self._token}:{self._turns}"
        lock = self._server.lock("turn", _TURN, _POLL)
        try:
            if self.feed.away is not None:
                raise self.feed.away
            await self._server.locked(lock, name, _WAITS)
            self._lock, journal.turn = lock, name
            await self.feed.sync()
            turn.until = asyncio.get_running_loop().time() + _SHARED
            turn.begun.set_result(None)
            await turn.left.wait()
        except OSError as error:
            turn.begun.set_exception(error)
            # Even where nobody waits for it any more.
            turn.begun.exception()
        finally:
            was, self._lock, journal.turn = self._lock, None, ""
            if was is not None:
                # What is sent in it comes before its end.
                await journal.sent()
                await self._server.unlocked(was)
            self._turn = None
            turn.over.set()

    # What the journal tells.

    def committed(self, made: Committed, ours: Ours) -> None:
        """Note a commit of ours, and what it told."""
        self.claims.committed(made.added)
        number = made.request
        for record in ours.requests:
            if not record.number:
                record.number, number = number, number + 1
        if made.number == self.feed.position + 1:
            self.feed.position = made.number
            self._tell_ours(made.event, ours)
        elif made.number > self.feed.position:
            # It comes after some of others' that are still to come.
            self._later[made.number] = made.event, ours
        else:
            # The feed had it before its answer came, and told copies of the requests.
            self._tell(made.event, (), ours.requests)

    def refused(self, error: Refused) -> None:
        """Go on where a commit wasn't taken: the state is another, or our number another's."""
        if "FALKIT-TURN" not in str(error):
            self._mending = asyncio.get_running_loop().create_task(self._mend(str(error)))

    async def _mend(self, why: str) -> None:
        with suppress(OSError, BadCopy):
            if "FALKIT-NUMBER" in why:
                self._store.number = await do(self._server, take_number(self._server, self._token))
                self.number = self._store.number
                if self._replica is not None:
                    self._replica.renumbered()
            await self.feed.sync()

    def doubt(self, table: str | None, keys: Iterable[Any] = ()) -> None:
        """Read rows again that we could not write in our turn; None for all there are."""
        self._doubted.setdefault(table, set()).update(keys)

    def unplaced(self, deliveries: RedisTable) -> Container[str]:
        """Return the ids of our attempts that may still come behind others'."""
        return {
            *deliveries.ours(),
            *(id for _, ours in self._later.values() for id in ours.deliveries),
        }

    # What the feed tells.

    def apply(self, entry: Entry) -> None:
        """Have what another replica has committed, or tell now what we did."""
        if entry.by == self._token.encode():
            stored = [
                row[0] for one in entry.changes if one.table == "deliveries" for row in one.rows
            ]
            known = (entry.event, Ours(entry.events, entry.requests, stored))
            self._tell_ours(*self._later.pop(entry.number, known))
            return
        self._heard[entry.by] = entry.number
        self._hearing.set()
        self._took(entry.changes)
        self._tell(entry.event, entry.events, entry.requests)
        if entry.asks:
            self._store.redis_journal.answer()

    async def whole(self, entries: Sequence[Entry]) -> None:
        """Read the rows that entries of others' commits are too small for."""
        for entry in entries:
            for change in () if entry.by == self._token.encode() else entry.changes:
                places = [place for place, row in enumerate(change.rows) if row[1] is True]
                for at in range(0, len(places), _ROWS):
                    some = places[at : at + _ROWS]
                    fields = [str(change.rows[place][0]) for place in some]
                    found = await self._server.ask(
                        "HMGET", table_key(self._server, change.table), *fields
                    )
                    for place, row in zip(some, found, strict=True):
                        change.rows[place] = change.rows[place][0], row

    async def anew(self, *, same: bool) -> int:
        """Read all there is in place of what was known; return the number of the last commit."""
        server, store = self._server, self._store
        facts = {**store.facts}
        if not same:
            self.feed.state = await made_again(server)
            self.claims.forget()
            store.redis_journal.drop_changes()
        number, rows = await do(server, read_rows(server, store.tables))
        self._doubted.clear()
        self._later.clear()
        store.replace(rows)
        if not store.facts:
            # Nothing is there: time, seed and rules go on.
            store.facts.update(facts)
            for name, value in facts.items():
                store.facts[name] = value
        if self._replica is not None:
            # Where another state is there, its ids are none of ours: they go on, too.
            self._replica.began_anew(missed=True)
        return int(number)

    def _took(self, changes: Sequence[Change]) -> None:
        changed = self._store.have(changes)
        if self._replica is None:
            return
        if any(change.table == REQUESTS and change.emptied for change in changes):
            self._replica.forget_requests()
        if changed is None:
            self._replica.began_anew()
        else:
            self._replica.took(changed)

    def _tell_ours(self, first: int, ours: Ours) -> None:
        # Attempts are listed in the order of the commits, ours as others'.
        self._store.reorder(ours.deliveries)
        self._tell(first, ours.events, ours.requests)

    def _tell(self, first: int, events: Sequence[Told], requests: Sequence[RequestRecord]) -> None:
        if self._replica is not None:
            if events:
                self._replica.tell(first, events)
            if requests:
                self._replica.tell_requests(requests)

    def forget_requests(self) -> None:
        """Have no request listed any more, at any replica, from the next commit on."""
        self._store.records.clear()

    async def hear_all(self) -> None:
        """Return once others have told what they may keep back: requests that changed nothing."""
        await self._look_around()
        others = {*self._alive} - {self.number}
        asked = await self._store.redis_journal.ask()
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARD):
                while sum(number > asked for number in self._heard.values()) < len(others):
                    self._hearing.clear()
                    await self._hearing.wait()

    async def _beat(self) -> None:
        """Tell that we live, see who else does, and take over what others left."""
        known = ""
        while True:
            try:
                await self._look()
                known = ""
            except OSError as error:
                # Of a Redis that is away the feed says so.
                if error.errno == errno.EIO and known != str(error):
                    _log.error("state: %s", error.strerror)
                    known = str(error)
            except Exception:
                _log.exception("state: a sign of life failed")
            await asyncio.sleep(_BEAT)

    async def _look(self) -> None:
        await self._look_around()
        if self._lock is not None:
            await self._server.kept(self._lock)
        await self.settle()
        await self.claims.beat()

    async def _look_around(self) -> None:
        """Tell that we live, and see who else does."""
        server = self._server
        keys = [replica_key(server, number) for number in range(1, MOST + 1)]
        holders = await server.ask("MGET", *keys)
        if holders[self.number - 1] in (None, self._token.encode()):
            await server.ask("SET", keys[self.number - 1], self._token, "PX", LEASE)
        self._alive = {n for n, one in enumerate(holders, 1) if one is not None} | {self.number}

    async def settle(self) -> None:
        """Read again what is in doubt."""
        if not self._doubted or self.feed.away is not None:
            return
        doubted, self._doubted = self._doubted, {}
        try:
            if None in doubted:
                self._store.redis_journal.drop_changes()
                self.feed.position = await self.anew(same=True)
                return
            changes = [
                Change(name, False, [(key, True) for key in keys])
                for name, keys in doubted.items()
                if name is not None
            ]
            entry = Entry(0, b"", changes, [], 0, [], False)
            await self.whole([entry])
            self._took(entry.changes)
        except OSError:
            for name, keys in doubted.items():
                self.doubt(name, keys)
            raise
