"""What a state file keeps beside jobs and files, and how a mock goes on from it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Collection, Iterable, MutableMapping
from typing import Any, Protocol, cast

from falkit_mock.core import NotJson, dumps, loads
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.events import Event, RequestAnswered, RequestRecord
from falkit_mock.core.fal_errors import platform_error
from falkit_mock.core.jobs import Job, ModelRequest
from falkit_mock.core.settings import SettingsError
from falkit_mock.core.telling import RequestLog
from falkit_mock.service.facts import (
    COUNTS,
    BadFacts,
    Facts,
    check_facts,
    check_shape,
    counts_in,
    facts_of,
    take_facts,
    take_jobs,
)
from falkit_mock.service.service import Service
from falkit_mock.store import BadCopy
from falkit_mock.store.keeping import now_in
from falkit_spec import JSON

_KEPT = "what is kept of clock, seed or rules"


class LastingStore(Protocol):
    """A store that outlasts its process, as far as that goes beyond `Store`."""

    @property
    def path(self) -> object:
        """What names it in messages."""
        ...

    @property
    def facts(self) -> MutableMapping[str, bytes]:
        """What is kept beside the tables, as JSON by name."""
        ...

    @property
    def records(self) -> MutableMapping[int, RequestRecord]:
        """The newest requests, by number."""
        ...

    def undecided(self) -> Iterable[Job]:
        """Return the jobs that have no outcome yet."""
        ...


def facts_in(store: LastingStore) -> dict[str, JSON]:
    """Return the facts that a state has, none if it is new; raise BadCopy for what is none."""
    try:
        facts = {name: loads(value) for name, value in store.facts.items()}
        if facts:
            check_shape(facts)
            if not isinstance(facts.get("machine"), int | float) or "first" not in facts:
                raise BadFacts("lack when they were written, or which rules came first")
    except (NotJson, BadFacts) as error:
        why = f"aren't JSON: {error.message}" if isinstance(error, NotJson) else error
        raise BadCopy(f"{store.path}: {_KEPT} {why}") from None
    return facts


class _RequestAgain(Protocol):
    def __call__(
        self, job: Job, content_type: str, media_base: str, *, service: Service
    ) -> Awaitable[ModelRequest]: ...


class Lasting:
    """Keeps a service's facts in its store, after those that the store had."""

    def __init__(
        self, service: Service, request_log: RequestLog, request_again: _RequestAgain
    ) -> None:
        """Take the facts that the store has; raise SettingsError for such as can't be had."""
        self._service = service
        self._store = service.store
        self._kept = cast(LastingStore, service.store)
        self._sharing = service.store.sharing
        self._request_log = request_log
        self._request_again = request_again
        self._parts: dict[str, JSON] = {}
        # What the facts that were written followed from, by their names.
        self._written: dict[str, object] = {}
        try:
            if facts_in(self._kept):
                self._take()
        except BadCopy as error:
            raise SettingsError("state", str(error)) from None
        assert service.store.journal is not None, "it has one"
        self._journal = service.store.journal
        self._journal.gather = self._gather
        if self._sharing is None:
            service.events.listen(self._listen)

    def begin(self) -> None:
        """Go on with the jobs that the store has, in the mock's event loop."""
        service, store = self._service, self._store
        records = [*self._kept.records.values()]
        for id, data in [*store.later.items()]:
            job = store.get(id)
            if job is None or job.outcome is not None:
                del store.later[id]
                continue
            if not self._ours(job):
                continue
            content_type, media_base = cast("list[str]", loads(data))
            again = self._request_again(job, content_type, media_base, service=service)
            service.outcomes.decide_again(job, again)
        for job in store.open(service.clock.now()):
            if not self._ours(job):
                continue
            if job.entry == "run":
                # Its caller has gone with the mock that it called.
                service.leave(job)
        for job in self._kept.undecided():
            if not self._ours(job):
                continue
            if job.outcome is None and job.entry == "queue" and job.id not in store.later:
                store.decide(job.id, platform_error("internal_error"))
        if store.last_seq or self._parts:
            take_jobs(service, self._parts)
        self._request_log.restore(records)

    def take_up(self, names: Collection[Any] | None = None, *, missed: bool = False) -> None:
        """Take facts that others have changed, by their names, or all, with the parts.

        Of all, ids are counted anew, unless news were missed.
        """
        service, facts = self._service, self._read()
        own = Counter(cast("dict[str, int]", service.identity.dump()["counts"]))
        facts["identity"]["counts"] = {**(own | Counter(facts["identity"]["counts"]))}
        if names is None:
            if not missed:
                facts["identity"]["counts"] = {}
            take_facts(service, facts)
            take_jobs(service, facts["parts"])
            names = [*facts]
            self._journal.noted()
        else:
            take_facts(service, facts, {*names} - {"clock"})
            if "parts" in names:
                service.rules.load(facts["parts"]["rules"])
        if "clock" in names:
            self._take_clock()
        marks = self._marks()
        self._written.update((name, marks[name]) for name in names if name in marks)

    def _take_clock(self) -> None:
        """Go by the clock of the store, to the very moment; time never goes back."""
        clock = self._service.clock
        if not isinstance(clock, SimulatedClock):
            return
        kept = cast("dict[str, Any]", loads(self._kept.facts["clock"]))
        machine = cast(float, loads(self._kept.facts["machine"]))
        running, own = clock.mark
        ahead = kept["now"] - machine if running else kept["now"]
        # Of a clock that runs all are to be the same, and differ by some microseconds at first.
        if kept["running"] != running or ahead >= own - (0.001 if running else 0.0):
            clock.restore(kept["now"], running=kept["running"], at=machine)

    def _ours(self, job: Job) -> bool:
        return self._sharing is None or self._sharing.looks_after(job)

    def _read(self) -> Facts:
        """Return the facts as they are in the store, the ids of all replicas counted."""
        facts = {name: loads(value) for name, value in self._kept.facts.items()}
        facts["clock"] = {
            **cast("dict[str, JSON]", facts["clock"]),
            "now": now_in(self._kept.facts),
        }
        identity = cast("dict[str, Any]", facts["identity"])
        identity["counts"] = {**(Counter[str](identity["counts"]) | counts_in(self._kept.facts))}
        for name in [name for name in facts if name.startswith(COUNTS)]:
            del facts[name]
        facts.pop("machine")
        facts.pop("first")
        return cast(Facts, facts)

    def _take(self) -> None:
        service = self._service
        try:
            first, known = loads(self._kept.facts["first"]), self._read()
            if first != service.rules.first:
                # The rules of the settings are others now.
                known["parts"].pop("rules", None)
            check_facts(service, known)
        except BadFacts as error:
            raise BadCopy(f"{self._kept.path}: {_KEPT} {error}") from None
        take_facts(service, known)
        if self._sharing is not None:
            self._take_clock()
        if service.settings.seed is None:
            service.identity.begin_as(known["identity"]["seeds"][0][1])
        self._parts = known["parts"]
        if "rules" not in self._parts:
            self._parts["rules"] = service.rules.dump()

    def _marks(self) -> dict[str, object]:
        """Return what the facts follow from, by their names."""
        service = self._service
        clock, identity = service.clock, service.identity
        time_mark = clock.mark if isinstance(clock, SimulatedClock) else None
        marks = {
            "clock": time_mark,
            "machine": time_mark,
            "tokens": service.tokens.key,
            "identity": identity.mark if self._sharing is None else identity.seeds,
            "uploads": service.uploads.defaults,
            "parts": service.rules.mark,
            "first": None,
        }
        if self._sharing is not None:
            # Each replica has counts of its own.
            marks[f"{COUNTS}{self._sharing.number}"] = identity.mark
        return marks

    def _shared(self) -> dict[str, JSON]:
        """Return what other replicas go by: this one's counts, and the clock to the moment."""
        assert self._sharing is not None, "it was looked at"
        service = self._service
        clock = service.clock
        found = {f"{COUNTS}{self._sharing.number}": service.identity.dump()["counts"]}
        if isinstance(clock, SimulatedClock) and clock.running:
            now, ahead = clock.now(), clock.mark[1]
            found |= {"clock": {"now": now, "running": True}, "machine": now - ahead}
        return found

    def _gather(self) -> None:
        """Put facts into their table that are others than those that it has."""
        if self._kept.records and not any(True for _ in self._request_log):
            self._kept.records.clear()
        marks = self._marks()
        changed = [name for name, mark in marks.items() if self._written.get(name, self) != mark]
        if not changed:
            return
        self._written = marks
        facts = {**cast("dict[str, JSON]", facts_of(self._service))}
        facts["first"] = self._service.rules.first
        facts["machine"] = time.time()
        if self._sharing is not None:
            facts |= self._shared()
        for name in changed:
            data = dumps(facts[name])
            if self._kept.facts.get(name) != data:
                self._kept.facts[name] = data

    def _listen(self, event: Event) -> None:
        """Keep a request that was answered, and no more of them than the request log does."""
        if isinstance(event, RequestAnswered) and event.record.number:
            records, number = self._kept.records, event.record.number
            records[number] = event.record
            records.pop(number - self._service.settings.request_log, None)
