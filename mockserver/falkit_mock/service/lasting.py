"""What a state file keeps beside jobs and files, and how a mock goes on from it."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Protocol, cast

from falkit_mock.core import NotJson, dumps, loads
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.events import Event, RequestAnswered, RequestLog
from falkit_mock.core.fal_errors import platform_error
from falkit_mock.core.jobs import Job, ModelRequest
from falkit_mock.core.settings import SettingsError
from falkit_mock.service.facts import (
    BadFacts,
    Facts,
    check_facts,
    check_shape,
    facts_of,
    take_facts,
    take_jobs,
)
from falkit_mock.service.service import Service
from falkit_mock.store import BadCopy
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.keeping import now_in
from falkit_spec import JSON

_KEPT = "what is kept of clock, seed or rules"


def facts_in(store: DurableStore) -> dict[str, JSON]:
    """Return the facts that a state file has, none if it is new; raise BadCopy for what is none."""
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
        assert isinstance(service.store, DurableStore), "others have no journal"
        self._service = service
        self._store = service.store
        self._request_log = request_log
        self._request_again = request_again
        self._parts: dict[str, JSON] = {}
        self._written: object = None
        try:
            if facts := facts_in(self._store):
                self._take(facts)
        except BadCopy as error:
            raise SettingsError("state", str(error)) from None
        assert service.store.journal is not None, "it has one"
        service.store.journal.gather = self._gather
        service.events.listeners.append(self._listen)

    def begin(self) -> None:
        """Go on with the jobs that the store has, in the mock's event loop."""
        service, store = self._service, self._store
        records = [*store.records.values()]
        for id, data in [*store.later.items()]:
            job = store.get(id)
            if job is None or job.outcome is not None:
                del store.later[id]
                continue
            content_type, media_base = cast("list[str]", loads(data))
            again = self._request_again(job, content_type, media_base, service=service)
            service.outcomes.decide_again(job, again)
        for job in store.open(service.clock.now()):
            if job.entry == "run":
                # Its caller has gone with the mock that it called.
                service.leave(job)
        for job in store.undecided():
            if job.outcome is None and job.entry == "queue" and job.id not in store.later:
                store.decide(job.id, platform_error("internal_error"))
        if store.last_seq or self._parts:
            take_jobs(service, self._parts)
        self._request_log.restore(records)

    def _take(self, facts: dict[str, JSON]) -> None:
        service, first = self._service, facts.pop("first")
        facts.pop("machine")
        known = cast(Facts, facts)
        try:
            if first != service.rules.first:
                # The rules of the settings are others now.
                known["parts"].pop("rules", None)
            check_facts(service, known)
        except BadFacts as error:
            raise BadCopy(f"{self._store.path}: {_KEPT} {error}") from None
        known["clock"]["now"] = now_in(self._store.facts)
        take_facts(service, known)
        if service.settings.seed is None:
            service.identity.begin_as(known["identity"]["seeds"][0][1])
        self._parts = known["parts"]
        if "rules" not in self._parts:
            self._parts["rules"] = service.rules.dump()

    def _gather(self) -> None:
        """Put the facts into their table, if they are others than those that it has."""
        service = self._service
        clock = service.clock
        mark = (
            clock.mark if isinstance(clock, SimulatedClock) else None,
            service.identity.mark,
            service.tokens.key,
            service.uploads.defaults,
            service.rules.mark,
        )
        if self._store.records and not any(True for _ in self._request_log):
            self._store.records.clear()
        if mark == self._written:
            return
        self._written = mark
        facts = {**facts_of(service), "machine": time.time(), "first": service.rules.first}
        for name, value in facts.items():
            data = dumps(cast(JSON, value))
            if self._store.facts.get(name) != data:
                self._store.facts[name] = data

    def _listen(self, event: Event) -> None:
        """Keep a request that was answered, and no more of them than the request log does."""
        if isinstance(event, RequestAnswered) and event.record.number:
            records, number = self._store.records, event.record.number
            records[number] = event.record
            records.pop(number - self._service.settings.request_log, None)
