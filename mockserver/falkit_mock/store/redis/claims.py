"""Who makes which attempt at a webhook: due times in a sorted set, claims in a consumer group.

An attempt that nobody makes yet is a member of the sorted set, its score the moment at which it is
due. Whoever takes it out adds it to a stream and reads it as a consumer of the stream's group, all
in one script. It stays pending there until it is acknowledged with the commit of what came of it;
its consumer claims it again and again meanwhile, and others claim what a dead one left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from falkit_mock.core.jobs import Job
from falkit_mock.store import DeliveryStore
from falkit_mock.store.redis.server import Command, Server

_GROUP = "falkit"
# Seconds after which an attempt without a sign of life from whoever makes it is another's.
LEFT = 12.0
# Attempts that are asked for, and taken over, at a time.
_COUNT = 500

# Takes what is still in the sorted set; tells the entry in the stream of each, or nothing.
_TAKE = """
local found = {}
for i = 2, #ARGV do
  found[#found + 1] = false
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    found[#found] = redis.call('XADD', KEYS[2], '*', 'attempt', ARGV[i])
    redis.call('XREADGROUP', 'GROUP', 'falkit', ARGV[1], 'COUNT', '1', 'STREAMS', KEYS[2], '>')
  end
end
return found
"""


class RedisClaims:
    """The attempts of one replica. `also` has a command done together with the next commit."""

    def __init__(
        self,
        server: Server,
        consumer: str,
        also: Callable[[Command], object],
        is_new: Callable[[str], bool],
        is_over: Callable[[str, int], bool],
    ) -> None:
        """Take what tells whether a job is still to be committed, and whether an attempt was made.

        One of a job that is no more is over, too.
        """
        self._server = server
        self._consumer = consumer
        self._also = also
        self._is_new = is_new
        self._is_over = is_over
        self._due, self._deliver = server.key("due"), server.key("deliveries")
        # Our entries in the stream, by request id: the attempt and the entry.
        self._ours: dict[str, tuple[str, bytes]] = {}
        # Those that the next commit takes, and that one under way does.
        self._reserved: set[str] = set()
        self._taking: list[str] = []
        # Who waits for an attempt, and what has been asked for since the last script.
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._asked: dict[str, None] = {}
        self._asking: asyncio.Task[None] | None = None

    def reserve(self, request_id: str) -> None:
        """Have the first attempt, with the commit of a job that this replica has just taken."""
        if self._is_new(request_id):
            self._reserved.add(_attempt(request_id, 1))

    async def take(self, request_id: str, number: int) -> None:
        """Return once this replica is the one that makes an attempt; the first is 1."""
        name = _attempt(request_id, number)
        if self._ours.get(request_id, ("",))[0] == name:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[name] = waiter
        if name not in self._reserved and name not in self._taking:
            self._ask_for([name])
        try:
            await waiter
        finally:
            if self._waiting.get(name) is waiter:
                del self._waiting[name]

    def end(self, request_id: str) -> None:
        """Give up what was taken: the attempt is over, and its row goes with the same commit."""
        if (ours := self._ours.pop(request_id, None)) is not None:
            self._also(("XACK", self._deliver, _GROUP, ours[1]))
            self._also(("XDEL", self._deliver, ours[1]))

    def drop(self, request_id: str, *, ours: bool) -> None:
        """Have nobody make the first attempt; `ours` if this replica is to see to it."""
        self.end(request_id)
        if ours:
            self._also(("ZREM", self._due, _attempt(request_id, 1)))

    def give_back(self) -> None:
        """Have others make our attempts, with the last commit."""
        for request_id, (name, _) in [*self._ours.items()]:
            self.end(request_id)
            self._also(("ZADD", self._due, 0, name))

    def forget(self) -> None:
        """Have no attempts: the state is another."""
        self._ours.clear()
        self._reserved.clear()

    async def beat(self) -> None:
        """Tell that we live, and take over what others have left; raise OSError."""
        try:
            await self._renew()
        except OSError as error:
            if "NOGROUP" not in str(error):
                raise
            # Somebody has deleted it.
            for command in setup(self._server):
                await self._server.ask(*command)

    async def _renew(self) -> None:
        ours = [entry for _, entry in self._ours.values()]
        for at in range(0, len(ours), _COUNT):
            some = ours[at : at + _COUNT]
            await self._server.ask("XCLAIM", self._deliver, _GROUP, self._consumer, 0, *some)
        start: bytes | str = "0-0"
        while True:
            start, found, _ = await self._server.ask(
                "XAUTOCLAIM",
                *(self._deliver, _GROUP, self._consumer, int(LEFT * 1000), start),
                *("COUNT", _COUNT),
            )
            for entry, fields in found:
                self._take_over(fields.get(b"attempt", b"").decode(errors="replace"), entry)
            if start == b"0-0":
                break
        # What was not to be had yet, or could not be asked for, may be there now.
        self._ask_for([name for name in self._waiting if name not in self._reserved])

    # What a commit does beside its rows; `commits.COMMIT` answers the entry of each XADD.

    def of_job(self, job: Job, deliveries: DeliveryStore, *, new: bool) -> list[Command]:
        """Return what has the next attempt at a job's webhook be made when it is due."""
        if job.options.webhook is None or job.entry != "queue":
            return []
        last = deliveries.last(job.id)
        number, moment = (1, job.ends) if last is None else (last.number + 1, last.next)
        if moment is None:
            return []
        name = _attempt(job.id, number)
        if name in self._reserved:
            self._reserved.discard(name)
            self._taking.append(name)
            read = ("XREADGROUP", "GROUP", _GROUP, self._consumer, "COUNT", 1)
            return [
                ("XADD", self._deliver, "*", "attempt", name),
                (*read, "STREAMS", self._deliver, ">"),
            ]
        # What has been taken by now isn't put there again.
        how = () if new else ("XX",)
        return [("ZADD", self._due, *how, repr(moment), name)]

    def of_dropped(self, request_id: str) -> list[Command]:
        """Return what has no attempt be made for a job that is no more."""
        self.end(request_id)
        self._reserved.discard(_attempt(request_id, 1))
        # Later ones go when somebody takes them.
        return [("ZREM", self._due, _attempt(request_id, 1))]

    def of_reset(self) -> list[Command]:
        """Return what has no attempt be made at all."""
        self.forget()
        return [("UNLINK", self._due, self._deliver), *setup(self._server)]

    def committed(self, entries: Sequence[bytes] | None) -> None:
        """Have what a commit took, by the entries that it tells; None where it failed."""
        taking, self._taking = self._taking, []
        if entries is None:
            self._reserved.update(taking)
            return
        for name, entry in zip(taking, entries, strict=True):
            self._have(name, entry)

    def _ask_for(self, names: Sequence[str]) -> None:
        self._asked.update(dict.fromkeys(names))
        if self._asked and self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        try:
            while self._asked:
                names = [*self._asked][:_COUNT]
                for name in names:
                    del self._asked[name]
                found = await self._server.run(
                    _TAKE, (self._due, self._deliver), self._consumer, *names
                )
                for name, entry in zip(names, found, strict=True):
                    if entry is not None:
                        self._have(name, entry)
        except OSError:
            # Whoever waits goes on to; the next beat asks again.
            pass
        finally:
            self._asking = None

    def _take_over(self, name: str, entry: bytes) -> None:
        """Have an attempt that another left, unless there is nothing left to do."""
        id, _, number = name.rpartition("#")
        self._have(name, entry)
        if not (number.isascii() and number.isdigit()) or self._is_over(id, int(number)):
            self.end(id)

    def _have(self, name: str, entry: bytes) -> None:
        self._ours[name.rpartition("#")[0]] = name, entry
        waiter = self._waiting.get(name)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _attempt(request_id: str, number: int) -> str:
    return f"{request_id}#{number}"


def setup(server: Server) -> list[Command]:
    """Return what makes the stream and its group, for a new state."""
    return [("XGROUP", "CREATE", server.key("deliveries"), _GROUP, "0", "MKSTREAM")]
