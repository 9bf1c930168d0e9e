"""What each job comes to, in some forty bytes a job: lists and sums that needn't read the jobs."""

from __future__ import annotations

import asyncio
import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import compress, islice

from falkit_mock.core.breaks import PAGE, Breaks
from falkit_mock.core.fal_errors import BILLED_UNITS
from falkit_mock.core.jobs import Job
from falkit_mock.service.billing import Charge, Result, Sums, charge, entry_of
from falkit_mock.service.service import Service
from falkit_spec import Catalog

# What the account has at the start, US dollars; an assumption of docs/fidelity.md.
_CREDIT = Decimal(100)
# How many likenesses of jobs are remembered, with inputs of so many bytes.
_KNOWN, _SHORT = 4096, 512
# How many rows are looked at before others have their turn: some milliseconds' worth.
ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Kind:
    """What many jobs have in common: what they were, and what each cost, US dollars."""

    endpoint_id: str
    key: str
    # None for jobs that are not done.
    result: Result | None
    cancelled: bool
    billed: bool
    # None where it isn't billed or has no known price.
    unit: str | None
    quantity: Decimal
    cost: Decimal
    unit_price: Decimal

    def count(self, jobs: int, sums: Sums) -> None:
        """Add so many jobs of this kind to sums."""
        cost = None if self.unit is None else self.cost
        sums.of(self.endpoint_id, self.key).count(jobs, self.result, cost, billed=self.billed)


class Ledger:
    """A row for each job, in the order of submission.

    It is made when somebody first asks, and brought up to date each time: from then on the store
    notes which jobs have changed. Rows of jobs that are gone have no kind.
    """

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        self._turn = asyncio.Lock()
        self._begin()

    def _begin(self) -> None:
        self._endpoints = self._catalog.endpoints
        self._seqs, self._created = array("q"), array("d")
        # Infinite, and 0, for jobs that are not done.
        self._ended, self._durations = array("d"), array("d")
        self._kinds, self._gone = array("l"), 0
        self._numbers: dict[Kind, int] = {}
        # The numbers of kinds, by what jobs are alike in.
        self._known: dict[tuple[object, ...] | None, int] = {}
        self.kinds: list[Kind] = []
        # How many jobs are of each kind.
        self._counts: list[int] = []
        # The ids of jobs that were not done, by their places in the order of submission.
        self._open: dict[int, str] = {}
        self._service.store.edited, self._service.store.late = {}, math.inf

    async def sums(self) -> list[tuple[Kind, int]]:
        """Return the kinds that there are, and how many jobs are of each."""
        await self._catch_up()
        return [(kind, n) for kind, n in zip(self.kinds, self._counts, strict=True) if n]

    async def balance(self) -> float:
        """Return what is left of the account's credit after all that was billed."""
        return float(_CREDIT - sum(jobs * kind.cost for kind, jobs in await self.sums()))

    async def minutes(
        self, wanted: Callable[[Kind], bool], start: float, end: float
    ) -> Counter[tuple[int, Kind]]:
        """Count the jobs that ended between two moments, by the minute and the kind."""
        await self._catch_up()
        chosen, found = self._chosen(wanted), Counter[tuple[int, int]]()
        for first in range(0, len(self._seqs), ROWS):
            rows = slice(first, first + ROWS)
            found.update(
                (int(at // 60), kind)
                for at, kind in zip(self._ended[rows], self._kinds[rows], strict=True)
                if kind in chosen and start <= at < end and at < math.inf
            )
            await asyncio.sleep(0)
        return Counter({(at, self.kinds[kind]): n for (at, kind), n in found.items()})

    async def newest(
        self,
        wanted: Callable[[Kind], bool],
        *,
        created: tuple[float, float] = (-math.inf, math.inf),
        ended: tuple[float, float] = (-math.inf, math.inf),
        ids: Iterable[str] | None = None,
        by_duration: bool = False,
    ) -> list[int]:
        """Return places in the order of submission: of those that ended last, or took longest.

        Of jobs of certain kinds, created and ended from one moment to before another; those that
        are not done end at infinity, which is let in where the moment is infinite.
        """
        await self._catch_up()
        chosen = self._chosen(wanted)
        known = None if ids is None else {job.seq for id in ids if (job := self._job(id))}
        keys: list[float] = []
        places: list[int] = []
        column = self._durations if by_duration else self._ended
        for first in range(0, len(self._seqs), ROWS):
            rows = slice(first, first + ROWS)
            for seq, at, end, kind, key in zip(
                self._seqs[rows],
                self._created[rows],
                self._ended[rows],
                self._kinds[rows],
                column[rows],
                strict=True,
            ):
                if (
                    kind in chosen
                    and created[0] <= at < created[1]
                    and (ended[0] <= end < ended[1] or end == ended[1] == math.inf)
                    and (known is None or seq in known)
                ):
                    places.append(seq)
                    keys.append(key)
            await asyncio.sleep(0)
        # In a thread, since many take longer than the event loop may stand still.
        order = await asyncio.to_thread(
            sorted, range(len(places)), key=keys.__getitem__, reverse=True
        )
        return [places[place] for place in order]

    async def rows(
        self, wanted: Callable[[Kind], bool], after: int, limit: int
    ) -> list[tuple[int, Kind]]:
        """Return places behind one in the order of submission, and kinds; the oldest first."""
        await self._catch_up()
        chosen, found = self._chosen(wanted), list[tuple[int, Kind]]()
        for first in range(bisect_right(self._seqs, after), len(self._seqs), ROWS):
            rows = slice(first, first + ROWS)
            here = (
                (seq, self.kinds[kind])
                for seq, kind in zip(self._seqs[rows], self._kinds[rows], strict=True)
                if kind in chosen
            )
            found += islice(here, limit - len(found))
            if len(found) >= limit:
                break
            await asyncio.sleep(0)
        return found

    async def places(self, wanted: Callable[[Kind], bool], since: float) -> array[int]:
        """Return all places of jobs of certain kinds, submitted at a moment or later; in order."""
        await self._catch_up()
        chosen, found = self._chosen(wanted), array("q")
        for first in range(0, len(self._seqs), ROWS):
            rows = slice(first, first + ROWS)
            columns = (self._seqs[rows], self._created[rows], self._kinds[rows])
            found.extend(
                seq
                for seq, created, kind in zip(*columns, strict=True)
                if kind in chosen and created >= since
            )
            await asyncio.sleep(0)
        return found

    async def jobs(self, places: Iterable[int]) -> AsyncGenerator[Job]:
        """Yield the jobs that are still at these places."""
        breaks = Breaks()
        for place in places:
            await breaks.due()
            for job in self._service.store.after(place - 1, 1):
                if job.seq == place:
                    yield job

    def _chosen(self, wanted: Callable[[Kind], bool]) -> set[int]:
        return {number for number, kind in enumerate(self.kinds) if wanted(kind)}

    def _job(self, id: str) -> Job | None:
        return self._service.store.get(id)

    async def _catch_up(self) -> None:
        """Have a row for each job as it is now."""
        async with self._turn:
            store = self._service.store
            edited = store.edited
            if edited is None or self._endpoints is not self._catalog.endpoints:
                self._begin()
                edited = {}
            store.edited, last = {}, store.last_seq
            newest = self._seqs[-1] if self._seqs else -1
            first, store.late = store.late, math.inf
            breaks = Breaks()
            for id, seq in [*edited.items(), *_swapped(self._open)]:
                await breaks.due()
                if seq <= newest:
                    await self._look(seq, self._job(id))
            if first <= newest:
                newest = int(first) - 1
            while newest < last and (page := store.after(newest, PAGE)):
                for job in page:
                    if not self._has(job.seq) and not self._seen(job):
                        await self._look(job.seq, job)
                    await breaks.due()
                newest = page[-1].seq

    def _seen(self, job: Job) -> bool:
        """Make the row of a job that has none, if it is over and one like it was seen before."""
        number = self._known.get(self._likeness(job), -1)
        if number < 0 or self._service.clock.now() < job.ends:
            return False
        self._insert(job, job.ends, round(job.ends - job.starts, 6), number)
        return True

    def _insert(self, job: Job, ended: float, duration: float, kind: int) -> None:
        at = bisect_left(self._seqs, job.seq)
        self._seqs.insert(at, job.seq)
        self._created.insert(at, job.created)
        self._ended.insert(at, ended)
        self._durations.insert(at, duration)
        self._kinds.insert(at, kind)
        self._counts[kind] += 1

    def _has(self, seq: int) -> bool:
        """Tell whether the job at a place has a row."""
        at = bisect_left(self._seqs, seq)
        return at < len(self._seqs) and self._seqs[at] == seq

    def _likeness(self, job: Job) -> tuple[object, ...] | None:
        """Return what jobs that are over have in common if they cost the same; None for unknown."""
        outcome, input = job.outcome, self._service.store.input(job.id)
        if outcome is None or job.given_up or len(input) > _SHORT:
            return None
        said = outcome.headers.get(BILLED_UNITS)
        return job.path, job.options.key, outcome.status_code, job.cancelled, said, input

    async def _look(self, seq: int, job: Job | None) -> None:
        """Make the row of a job, or make it anew, or have it go."""
        at, new = bisect_left(self._seqs, seq), not self._has(seq)
        if job is None:
            self._open.pop(seq, None)
            if not new and self._kinds[at] >= 0:
                self._counts[self._kinds[at]] -= 1
                self._kinds[at] = -1
                self._gone += 1
                if self._gone > 1000 + len(self._seqs) // 2:
                    self._compact()
            return
        now = self._service.clock.now()
        if now < job.ends and not new and seq in self._open:
            return
        entry = await entry_of(job, now, self._service, self._catalog)
        number = self._number(
            _kind(
                entry.endpoint_id,
                entry.result,
                job,
                charge(entry, self._catalog),
                billed=entry.billed,
            )
        )
        if entry.outcome is None:
            self._open[seq] = job.id
        else:
            self._open.pop(seq, None)
            if len(self._known) < _KNOWN and (likeness := self._likeness(job)):
                self._known[likeness] = number
        if new:
            self._insert(job, entry.ended, entry.duration or 0.0, number)
            return
        # While an outcome was waited for, others may have come.
        at = bisect_left(self._seqs, seq)
        self._counts[number] += 1
        if self._kinds[at] >= 0:
            self._counts[self._kinds[at]] -= 1
        else:
            self._gone -= 1
        self._ended[at], self._durations[at] = entry.ended, entry.duration or 0.0
        self._kinds[at] = number

    def _number(self, kind: Kind) -> int:
        found = self._numbers.get(kind)
        if found is None:
            found = self._numbers[kind] = len(self.kinds)
            self.kinds.append(kind)
            self._counts.append(0)
        return found

    def _compact(self) -> None:
        left = [kind >= 0 for kind in self._kinds]
        for name in ("_seqs", "_created", "_ended", "_durations", "_kinds"):
            column: array[float] = getattr(self, name)
            setattr(self, name, array(column.typecode, compress(column, left)))
        self._gone = 0


def ledger_of(service: Service, catalog: Catalog) -> Ledger:
    """Return the ledger of a service; it is made when it is first asked for."""
    found = service.hooks.ledger
    if not isinstance(found, Ledger):
        found = service.hooks.ledger = Ledger(service, catalog)
    return found


def _kind(
    endpoint_id: str, result: Result | None, job: Job, paid: Charge | None, *, billed: bool
) -> Kind:
    key = job.options.key
    if paid is None:
        none = Decimal(0)
        return Kind(endpoint_id, key, result, job.cancelled, billed, None, none, none, none)
    return Kind(
        endpoint_id,
        key,
        result,
        job.cancelled,
        billed,
        paid.unit,
        paid.quantity,
        paid.cost,
        paid.unit_price,
    )


def _swapped(found: dict[int, str]) -> list[tuple[str, int]]:
    return [(id, seq) for seq, id in found.items()]
