"""Attempts to deliver webhooks, and the keys that sign them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable
from dataclasses import dataclass
from itertools import dropwhile, islice

from falkit_mock.core.events import Cause, Delivery, Verdict
from falkit_mock.store.tables import MakeTable


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A signing key by its number, from which the key itself follows."""

    number: int
    created: float
    withdrawn: bool


class DeliveryStore:
    """Attempts in the order in which they ended, and the signing keys by number."""

    def __init__(self, table: MakeTable) -> None:
        self._all: dict[str, Delivery] = table("deliveries", Delivery)
        self._keys: dict[int, KeyRecord] = table("webhook_keys", KeyRecord)
        self._of_job: dict[str, list[Delivery]] = {}
        # The receivers that were probed, as `receiver` has them.
        self.probed: set[str] = set()
        # The ids of attempts whose place is still to be known, since others may come before them.
        self.unplaced: Callable[[], Container[str]] = tuple
        self.reloaded()

    def add(self, delivery: Delivery) -> None:
        self._all[delivery.id] = delivery
        self._note(delivery)

    def _note(self, delivery: Delivery) -> None:
        self._of_job.setdefault(delivery.request_id, []).append(delivery)
        if delivery.cause == "probe" and delivery.status_code is not None:
            self.probed.add(delivery.receiver)

    def all(self) -> list[Delivery]:
        """Return every delivery, probes included, in the order in which they ended."""
        return [*self._all.values()]

    def unprobed(self) -> set[str]:
        """Return the receivers that have answered no probe that was sent to them."""
        return {each.receiver for each in self.select(cause="probe")} - self.probed

    def get(self, delivery_id: str) -> Delivery | None:
        return self._all.get(delivery_id)

    def select(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
        cause: Cause | None = None,
        before: str | None = None,
        limit: int | None = None,
        placed: bool = False,
    ) -> list[Delivery]:
        """Return the newest deliveries that match, `limit` of them; the newest is the last.

        With the id of a delivery as `before`, those that were logged before it; with `placed` those
        that all who share the store list in the same order. Probes, which are no webhooks of their
        jobs, are among them only where they are the cause that is asked for.
        """
        unplaced = self.unplaced() if placed else ()
        of_job = self._of_job.get(request_id, []) if request_id and before is None else None
        newest_first = reversed(self._all.values() if of_job is None else of_job)
        if before is not None:
            newest_first = dropwhile(lambda delivery: delivery.id != before, newest_first)
            next(newest_first, None)
        found = (
            delivery
            for delivery in newest_first
            if delivery.id not in unplaced
            and request_id in (None, delivery.request_id)
            and url in (None, delivery.url)
            and verdict in (None, delivery.status)
            and (delivery.cause != "probe" if cause is None else delivery.cause == cause)
        )
        return [*islice(found, limit)][::-1]

    def count(
        self,
        *,
        request_id: str | None = None,
        url: str | None = None,
        verdict: Verdict | None = None,
        cause: Cause | None = None,
        placed: bool = False,
    ) -> int:
        """Return how many deliveries match, as `select` finds them."""
        found = self.select(
            request_id=request_id, url=url, verdict=verdict, cause=cause, placed=placed
        )
        return len(found)

    def last(self, request_id: str) -> Delivery | None:
        """Return the newest attempt that a job's end caused, whatever copies of it came after.

        What was refused or lost, which has the number 0, is the last word.
        """
        made = [each for each in self._of_job.get(request_id, []) if each.cause == "job"]
        return max(
            made,
            key=lambda each: (each.number == 0, each.number, each.next is not None),
            default=None,
        )

    def forget(self, request_ids: set[str]) -> None:
        """Forget the attempts of some jobs."""
        for id in request_ids & self._of_job.keys():
            for delivery in self._of_job.pop(id):
                del self._all[delivery.id]

    def refreshed(self, before: Iterable[Delivery | None], ids: Collection[str]) -> None:
        """Go by attempts that another process has stored or forgotten."""
        for gone in before:
            if gone is not None and gone in self._of_job.get(gone.request_id, ()):
                self._of_job[gone.request_id].remove(gone)
        for id in ids:
            if (found := self._all.get(id)) is not None:
                self._note(found)
        # What is still to be stored comes behind what others have.
        unplaced = self.unplaced()
        for job in {self._all[id].request_id for id in ids if id in self._all}:
            self._of_job[job].sort(key=lambda each: each.id in unplaced)

    def come_last(self, ids: Iterable[str]) -> None:
        """Have attempts be the newest, whenever they were made."""
        for id in ids:
            if (attempt := self._all.pop(id, None)) is not None:
                self._all[id] = attempt
                self._of_job[attempt.request_id].remove(attempt)
                self._of_job[attempt.request_id].append(attempt)

    def reloaded(self) -> None:
        """Go by attempts that are all others."""
        self._of_job = {}
        self.probed = set()
        self.refreshed((), self._all)

    def keys(self) -> list[KeyRecord]:
        """Return every key, the oldest first."""
        return [self._keys[number] for number in sorted(self._keys)]

    def put_key(self, key: KeyRecord) -> None:
        """Store a key, new or changed."""
        self._keys[key.number] = key

    def forget_keys(self) -> None:
        """Forget the keys, which `clear` leaves."""
        self._keys.clear()

    def clear(self) -> None:
        """Forget every attempt; the keys stay."""
        self._all.clear()
        self._of_job.clear()
        self.probed.clear()
