"""What the mock keeps beside the store's tables: clock, seed, rules; and going on from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, MutableMapping
from typing import Protocol, TypedDict, cast

from falkit_mock.core import loads
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.settings import LAST_MOMENT
from falkit_mock.service import USUAL_LIFECYCLE, BadLifecycle, Lifecycle
from falkit_mock.service.service import Service
from falkit_spec import JSON
from falkit_spec.validation import describe_errors

# What the names of counts begin with that replicas of a shared state have for themselves.
COUNTS = "counts."


class KeepsFacts(Protocol):
    """A store that outlasts its process."""

    # What is kept beside the tables, as JSON by name.
    facts: MutableMapping[str, bytes]


class BadFacts(ValueError):
    """Facts that can't be taken; the message says why."""


class _ClockState(TypedDict):
    # Unix seconds, and whether time passes by itself.
    now: float
    running: bool


class _IdentityState(TypedDict):
    # From which job on which seed counts, and how many ids there were of each kind.
    seeds: list[tuple[int, int]]
    counts: dict[str, int]


class Facts(TypedDict):
    """What is in no table."""

    clock: _ClockState
    # What signs tokens and URLs, as hex.
    tokens: str
    identity: _IdentityState
    # As Lifecycle writes itself.
    uploads: dict[str, JSON]
    parts: dict[str, JSON]


_SCHEMA: dict[str, JSON] = {
    "required": ["clock", "tokens", "identity", "uploads", "parts"],
    "properties": {
        "clock": {
            "type": "object",
            "required": ["now", "running"],
            "properties": {
                "now": {"type": "number", "minimum": 0, "maximum": LAST_MOMENT},
                "running": {"type": "boolean"},
            },
        },
        "tokens": {"type": "string", "pattern": "^([0-9a-f]{2})+$"},
        "identity": {
            "type": "object",
            "required": ["seeds", "counts"],
            "properties": {
                "seeds": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "array",
                        "items": {"type": "integer"},
                        "minItems": 2,
                        "maxItems": 2,
                    },
                },
                "counts": {
                    "type": "object",
                    "additionalProperties": {"type": "integer", "minimum": 0},
                },
            },
        },
        "uploads": {"type": "object"},
        "parts": {"type": "object"},
    },
}


def counts_in(facts: Mapping[str, bytes]) -> Counter[str]:
    """Return how many ids the replicas of a shared state have given, by kind."""
    found = Counter[str]()
    for name, data in facts.items():
        if name.startswith(COUNTS):
            found |= Counter(cast("dict[str, int]", loads(data)))
    return found


def facts_of(service: Service) -> Facts:
    """Return the facts as they are now."""
    clock = service.clock
    return {
        "clock": {
            "now": clock.now(),
            "running": clock.running if isinstance(clock, SimulatedClock) else True,
        },
        "tokens": service.tokens.key.hex(),
        "identity": cast(_IdentityState, service.identity.dump()),
        "uploads": service.uploads.defaults.as_json(),
        "parts": {name: part.dump() for name, part in service.parts.items()},
    }


def check_shape(facts: object) -> None:
    """Raise BadFacts for what can't be facts, whatever the service is like."""
    if errors := describe_errors(_SCHEMA, cast(JSON, facts)):
        raise BadFacts(f"can't be used: {errors[0]}")


def check_facts(service: Service, facts: Facts) -> None:
    """Raise BadFacts for what `take_facts` could not take."""
    check_shape(facts)
    try:
        Lifecycle.read(facts["uploads"], USUAL_LIFECYCLE)
    except BadLifecycle as error:
        raise BadFacts(f"has uploads.{error}") from None
    if unknown := sorted(facts["parts"].keys() - service.parts.keys()):
        raise BadFacts(f"has {unknown[0]!r}, which this version doesn't know")
    for name, value in facts["parts"].items():
        try:
            service.parts[name].check(value)
        except ValueError as error:
            raise BadFacts(f"can't be used: {error}") from None


def take_facts(service: Service, facts: Facts, names: Container[str] | None = None) -> None:
    """Have these facts in the place of the mock's own, but for its parts; all, or some by name."""
    clock, all = service.clock, names is None
    names = names or ()
    if isinstance(clock, SimulatedClock) and (all or "clock" in names):
        clock.restore(facts["clock"]["now"], running=facts["clock"]["running"])
    if all or "tokens" in names:
        service.tokens.key = bytes.fromhex(facts["tokens"])
    if all or "identity" in names:
        service.identity.load(**facts["identity"])
        service.identity.skip(service.store.last_seq)
    if all or "uploads" in names:
        service.uploads.defaults = Lifecycle.read(facts["uploads"], USUAL_LIFECYCLE)


def take_jobs(service: Service, parts: dict[str, JSON]) -> None:
    """Go on with the jobs that the store has, and with parts that `dump` gave; others are new."""
    for restart in service.restarted:
        restart()
    for name, part in service.parts.items():
        if name in parts:
            part.load(parts[name])
        else:
            part.reset()
    service.clock.notifier.ring()
