"""Group commit in Redis: all who wait for what they changed to be kept share one script."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import orjson

from falkit_mock.core.errors import StateAway
from falkit_mock.core.events import RequestRecord
from falkit_mock.store import Store
from falkit_mock.store.journal import Batch, Changes, Journal
from falkit_mock.store.redis.claims import RedisClaims
from falkit_mock.store.redis.commits import (
    COMMIT,
    KEPT,
    Committed,
    Ours,
    commands_of,
    entry_of,
    flat,
    table_key,
    write_requests,
)
from falkit_mock.store.redis.feed import Feed
from falkit_mock.store.redis.server import Command, Refused, Server
from falkit_mock.store.redis.state import LEASE, replica_key
from falkit_mock.store.redis.tables import RedisTable
from falkit_mock.store.sharing import Replica, Told


class Replicas(Protocol):
    """What replicas have in common, as far as commits go; `RedisSharing`."""

    claims: RedisClaims
    feed: Feed

    def committed(self, made: Committed, ours: Ours) -> None:
        """Note a commit of ours, and what it told."""
        ...

    def refused(self, error: Refused) -> None:
        """Go on where a commit wasn't taken: the state is another, or our number another's."""
        ...

    def doubt(self, table: str | None, keys: Iterable[Any] = ()) -> None:
        """Read rows again that we could not write in our turn; None for all there are."""
        ...


class RedisJournal(Journal):
    """Writes what the tables of a store have noted, a script for each group."""

    # A turn that fails is undone, since others may have had one meanwhile.
    keeps_failed = False

    def __init__(
        self, server: Server, store: Store, tables: Sequence[RedisTable], token: str, log: int
    ) -> None:
        """Take a store and its tables, this replica's token and how many requests are kept."""
        super().__init__()
        self._server = server
        self._store = store
        self._redis_tables = tables
        self._token = token
        self._log = log
        # Set before anything is written.
        self.replicas: Replicas
        # Commands that are done together with the next commit, whatever tables they are for.
        self._also: list[Command] = []
        # What the replica has told for commits that failed.
        self._events: list[Told] = []
        self._requests: list[RequestRecord] = []
        # The attempts that the commit under way stores.
        self._deliveries: list[str] = []
        self.replica: Replica | None = None
        # The number of our latest commit.
        self.last = 0
        # Whether the next commit asks others for what they keep back.
        self._asks = False
        # Whether it has requests that are still to be answered.
        self._tells_all = False
        # What a commit in a turn is done under; empty outside of one.
        self.turn = ""
        # Whether the latest one was, and what sends it.
        self._in_turn = False
        self._sending: asyncio.Task[None] | None = None

    def also(self, command: Command) -> None:
        """Have a command done together with the next commit, on the event loop if there is one."""
        self._also.append(command)
        self.noted()

    def also_later(self, command: Command) -> None:
        """Have a command done with any commit that comes; any thread may ask for it."""
        self._also.append(command)

    async def ask(self) -> int:
        """Ask others for what they keep back; return the number of the commit that does."""
        self._asks = self._tells_all = True
        self.noted()
        await self.saved()
        return self.last

    def answer(self) -> None:
        """Tell soon what is kept back, as another has asked."""
        self._tells_all = True
        self.noted()

    def drop_changes(self) -> None:
        """Write nothing of what is noted: the state is another."""
        self._also.clear()
        for table in self._tables:
            table.changed.clear()
            table.emptied = False

    def _write_now(self) -> None:
        batch = self._begin()
        keys, arguments = self._keys(), self._arguments(batch)
        try:
            reply = self._server.run_now(COMMIT, keys, *arguments)
        except OSError:
            self._undo(batch)
            raise
        self.replicas.committed(Committed(*reply), Ours())
        batch.settle()

    def _begin_commit(self, loop: asyncio.AbstractEventLoop, batch: Batch) -> asyncio.Future[Any]:
        if self.replica is not None:
            events, requests = self.replica.untold(all=self._tells_all)
            self._tells_all = False
            self._events += events
            self._requests += requests
        self._in_turn = bool(self.turn)
        self._sending = loop.create_task(self._send(self._keys(), self._arguments(batch)))
        return self._sending

    async def sent(self) -> None:
        """Return once no commit is under way that was begun before."""
        if self._sending is not None:
            await asyncio.wait({self._sending})

    async def _send(self, keys: list[str], arguments: list[Any]) -> None:
        replicas = self.replicas
        events, requests, deliveries = self._events, self._requests, self._deliveries
        self._events, self._requests = [], []
        try:
            async with replicas.feed.exclusive:
                made = Committed(*await self._server.run(COMMIT, keys, *arguments))
                self.last = made.number
                replicas.committed(made, Ours(events, requests, deliveries))
        except BaseException as error:
            self._events, self._requests = events, requests
            replicas.claims.committed(None)
            if isinstance(error, Refused):
                replicas.refused(error)
            elif isinstance(error, StateAway) and error.errno != errno.EIO:
                replicas.feed.gone(error)
            raise

    def _undo(self, batch: Batch) -> None:
        super()._undo(batch)
        if not self._in_turn:
            return
        # Others may have had a turn meanwhile: what they share is as they left it.
        for table in self._redis_tables:
            if table.emptied:
                self.replicas.doubt(None)
                return
            keys = table.doubtful()
            if keys:
                self.replicas.doubt(table.name, keys)

    def _keys(self) -> list[str]:
        server = self._server
        return [
            server.key("format"),
            replica_key(server, self._store.number),
            *map(server.key, ("turn", "at", "changes", "numbers")),
            table_key(server, "requests"),
        ]

    def _arguments(self, batch: Batch) -> list[Any]:
        """Return what the script is given for a commit."""
        taken = self._take_changes(batch)
        also, self._also = self._also, []
        batch.again.append(lambda: self._also.extend(also))
        self._deliveries = [
            row[0]
            for name, changes in taken
            for what, rows in changes.statements
            for row in rows
            if name == "deliveries" and what == "put"
        ]
        commands = [*commands_of(self._server, taken), *self._following(taken), *also]
        feed = self.replicas.feed
        told, new = write_requests(self._requests)
        asks, self._asks = self._asks, False
        return [
            *(feed.state, self._token, LEASE, self.turn, feed.position, KEPT, entry_of(taken)),
            *(orjson.dumps(self._events), len(self._events)),
            *(told, self._log, len(new), int(asks), *new),
            *flat(commands),
        ]

    def _following(self, taken: Iterable[tuple[str, Changes]]) -> Iterable[Command]:
        """Yield what follows from changes of rows: due webhooks, uploads that are to stay."""
        store, claims = self._store, self.replicas.claims
        for name, changes in taken:
            for what, rows in changes.statements:
                if what == "empty" and name == "jobs":
                    yield from claims.of_reset()
                    yield ("HSET", self._server.key("numbers"), "requests", 0)
                for row in rows:
                    if name == "jobs" and what == "drop":
                        yield from claims.of_dropped(row[0])
                    elif name == "jobs":
                        if (job := store.get(row[0])) is not None:
                            yield from claims.of_job(job, store.deliveries, new=row[2])
                    elif name == "deliveries" and what == "put":
                        made = store.deliveries.get(row[0])
                        last = None if made is None else store.deliveries.last(made.request_id)
                        job = (
                            None if last is not made or made is None else store.get(made.request_id)
                        )
                        if job is not None:
                            yield from claims.of_job(job, store.deliveries, new=True)
                    elif name == "pieces" and what == "put":
                        for piece in store.uploads.pieces(row[0]).values():
                            yield ("PERSIST", self._server.key(f"blob:{piece.blob}"))
