"""How several processes, called replicas, share one state: what a store can have beside its tables.

Each replica works on a store of its own in memory, brought up to date before a request (`sync`) and
committed before its reply (`Store.journal`). What replicas do at once must not contradict each
other. Most requests only add rows under keys of their own; whatever else is done in a `turn`, which
one replica has at a time, so that nothing has to be repaired afterwards.

An implementation is a store with these beside its tables: `Store.sharing`, an object as `Sharing`
says; `Store.journal`, with the methods that `journal.Journal` has for others (`saved`, `unsaved`,
`told`, `after`, `noted`, `noted_later`, `gather`), which passes on what it committed; `Store.step`
and `Store.number`, MOST and the replica's number, by which places in the order of submission and
ids are dealt out; and `facts`, `records` and `path` (`service/lasting.py`). What it hears of others
it puts into the tables, without noting it as ours, and into the indexes beside them (`queues`,
`last_seq`, `kept`, `uploads.kept`, `edited` and `late`, `deliveries.refreshed`,
`uploads.refreshed`), and then it tells the `Replica`, which is `service/following.py`.
`store/shared.py` does so over a state file.

What must hold, whatever the implementation:

* A reply is sent after the commit of all that it tells of, and `sync` brings all that was committed
  before it was called.
* What was committed at a replica arrives at another in the order of the commits, each once.
* All is told on the event loop, and between two steps of a coroutine, so that handlers see either
  none or all of a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Protocol, TypeAlias

from falkit_mock.core.errors import StateAway
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.jobs import Job
from falkit_spec import JSON

# How many replicas there may be. A replica has the places in the order of submission and the
# counts of ids whose remainder is its number, so that no two give the same.
MOST = 64

# The keys of changed rows, by the names of their tables.
Changed: TypeAlias = Mapping[str, Collection[Any]]
# What happened, as `/__falkit/events` has it: its kind and its fields.
Told: TypeAlias = tuple[str, JSON]


def after(last: int, number: int) -> int:
    """Return the first number above the last one that is a replica's own."""
    return last + 1 + (number - last - 1) % MOST


class Replica(Protocol):
    """What a sharing tells of what others did, and asks for what only this process knows."""

    def took(self, changed: Changed) -> None:
        """Go by rows that others have changed; the tables have them, and lack those that went."""
        ...

    def began_anew(self, *, missed: bool = False) -> None:
        """Go by tables that are others, as after a reset or an import, or because news were missed.

        Ids are counted anew, but where news were missed.
        """
        ...

    def renumbered(self) -> None:
        """Count by the number that the store has now: ours is another replica's."""
        ...

    def untold(self, *, all: bool) -> tuple[Sequence[Told], Sequence[RequestRecord]]:
        """Return what happened and which requests were answered since this was asked, for a commit.

        With `all` requests that are still to be answered are among them. A request that has a
        number was told before.
        """
        ...

    def tell(self, first: int, events: Sequence[Told]) -> None:
        """List events, of this replica or another, from the number that the commit gave on."""
        ...

    def tell_requests(self, records: Sequence[RequestRecord]) -> None:
        """List requests, of this replica or another, by the numbers that the commit gave.

        Where `Sharing.listed` has them there is nothing to hand over, but that there are some.
        """
        ...

    def forget_requests(self) -> None:
        """List none of the requests that were told."""
        ...


class Claims(Protocol):
    """Who makes which attempt at a webhook. Every replica follows every webhook."""

    def reserve(self, request_id: str) -> None:
        """Have the first attempt, with the commit of a job that this replica has just taken."""
        ...

    async def take(self, request_id: str, number: int) -> None:
        """Return once this replica is the one that makes an attempt; the first is 1.

        While another has it this waits, in case that one dies. Whoever waits is cancelled when
        the attempt becomes known, as a row in `deliveries`.
        """
        ...

    def end(self, request_id: str) -> None:
        """Give up what was taken: the attempt is over, and its row goes with the same commit."""
        ...

    def drop(self, request_id: str, *, ours: bool) -> None:
        """Have nobody make the first attempt; `ours` if this replica is to see to it."""
        ...


class Sharing(Protocol):
    """What replicas of a state have in common."""

    # This replica's, from 1 to MOST, unlike those of all others that live.
    number: int
    # Returns the requests that were told, where a replica needn't keep them itself.
    listed: Callable[[], Iterable[RequestRecord]] | None

    @property
    def claims(self) -> Claims:
        """Who makes which attempt at a webhook."""
        ...

    @property
    def away(self) -> StateAway | None:
        """Why nothing can be asked or committed now; None while it can."""
        ...

    def begin(self, replica: Replica) -> None:
        """Tell a replica from now on; called once, on the event loop, before the first request."""
        ...

    async def stop(self) -> None:
        """Hear no more: called on the event loop, before the store is closed."""
        ...

    async def sync(self) -> None:
        """Return once all that others had committed by now is here, and was told.

        Raise StateAway where that can't be known now.
        """
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Have the block be the only one of its kind, among all replicas, from `sync` to commit.

        Blocks of one replica may share a turn, and so may a block within a block: they are apart
        as coroutines are, no more. The commit follows the block, and no other replica's turn
        comes before it. Nothing in a block may wait for another replica or for the clock.
        """
        ...

    def looks_after(self, job: Job) -> bool:
        """Tell whether this replica tells of a job's start and end, and ends what it left open.

        Exactly one of those alive does, in normal running the one that took it.
        """
        ...

    def forget_requests(self) -> None:
        """Have no request listed any more, at any replica, from the next commit on."""
        ...

    async def hear_all(self) -> None:
        """Return once others have told what they may keep back: requests that changed nothing."""
        ...


async def synced(sharing: Sharing) -> StateAway | None:
    """Have all that others have committed; return why that can't be known now, if it can't."""
    try:
        await sharing.sync()
    except StateAway as error:
        return error
    return None


class MayBeShared(Protocol):
    """A store."""

    @property
    def sharing(self) -> Sharing | None:
        """What it has in common with others; None where there are none."""
        ...


def turn(store: MayBeShared) -> AbstractAsyncContextManager[None]:
    """Take a turn where a store is shared; elsewhere there is nobody to wait for."""
    return nullcontext() if store.sharing is None else store.sharing.turn()
