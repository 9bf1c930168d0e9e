"""Access rules and lifetimes of files; what is reset, exported and imported with the jobs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, TypeAlias, cast

from falkit_mock.core import NotJson, dumps, loads
from falkit_spec import JSON


class Resettable(Protocol):
    """A part of the mock's state, such as its rules; `platform.parts` has them by name."""

    def reset(self) -> None:
        """Be as at the start; end what is under way."""
        ...

    def dump(self) -> JSON:
        """Return what an export keeps beside the store's tables; None for nothing."""
        ...

    def check(self, value: JSON) -> None:
        """Raise ValueError, with field, value and fix, if load() could not take this."""
        ...

    def load(self, value: JSON) -> None:
        """Take what dump() gave, in place of all there is; the store's tables are new by now."""
        ...


Act: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Hooks:
    """What is done with a mock at certain moments, by whoever serves it."""

    # Before it answers, before it ends, and after each reset.
    opening: list[Act] = field(default_factory=list[Act])
    ending: list[Act] = field(default_factory=list[Act])
    replayed: list[Act] = field(default_factory=list[Act])
    # Before all jobs are forgotten, as by a reset.
    leaving: list[Act] = field(default_factory=list[Act])
    # Why it should be asked nothing more; None while it may be.
    unready: str | None = None
    # Lists and sums of jobs (ledger), and what they have cost since the start (spend), once
    # somebody has asked for one.
    ledger: object = None
    meter: object = None
    # Waits for probes of receivers that are under way, where they are probed.
    probing: Act | None = None
    # What watches the program that calls the mock (findings).
    watcher: object = None


Decision: TypeAlias = Literal["allow", "forbid", "hide"]
_DECISIONS: tuple[Decision, ...] = ("allow", "forbid", "hide")
# A century of seconds; what lives longer than that lives for ever as far as tests go.
_LONGEST = 3_155_760_000


class BadLifecycle(ValueError):
    """A preference that can't be read: where it is wrong, the value there, and what would do."""

    def __init__(self, field: str, value: JSON, fix: str) -> None:
        super().__init__(f"{field}: {value!r} {fix}")
        self.field = field
        self.value = value
        self.fix = fix


class Acl(NamedTuple):
    """Who may read a file: a decision for everybody, and one each for named users."""

    default: Decision = "allow"
    rules: tuple[tuple[str, Decision], ...] = ()

    @classmethod
    def read(cls, value: JSON, field: str = "initial_acl") -> Acl:
        """Read `{default, rules: [{user, decision}]}`; raise BadLifecycle."""
        if not isinstance(value, dict):
            raise BadLifecycle(field, value, "must be an object")
        rules = value.get("rules")
        if rules is None:
            rules = []
        if not isinstance(rules, list):
            raise BadLifecycle(f"{field}.rules", rules, "must be a list")
        return cls(
            _decision(value.get("default", "allow"), f"{field}.default"),
            tuple(_rule(rule, f"{field}.rules.{place}") for place, rule in enumerate(rules)),
        )

    @classmethod
    def stored(cls, text: str) -> Acl:
        return cls.read(json.loads(text)) if text else cls()

    def as_json(self) -> dict[str, JSON]:
        """Return it in the shape that it is read from."""
        rules: list[JSON] = [{"user": user, "decision": what} for user, what in self.rules]
        return {"default": self.default, "rules": rules}

    def text(self) -> str:
        return "" if self == Acl() else dumps(self.as_json()).decode()


class Lifecycle(NamedTuple):
    """A preference: seconds to live (None for ever) and the access rules to begin with."""

    seconds: float | None = None
    acl: Acl = Acl()

    @classmethod
    def parse(cls, header: str, default: Lifecycle) -> Lifecycle:
        """Read the header's JSON, `default` filling in what it leaves open; raise BadLifecycle."""
        try:
            value = loads(header.encode("latin-1", "replace"))
        except NotJson:
            raise BadLifecycle("lifecycle", header, "isn't JSON") from None
        return cls.read(value, default)

    @classmethod
    def read(cls, value: JSON, default: Lifecycle) -> Lifecycle:
        """Read `{expiration_duration_seconds, initial_acl}`; raise BadLifecycle."""
        if not isinstance(value, dict):
            raise BadLifecycle("lifecycle", value, "must be an object")
        seconds, acl = default.seconds, default.acl
        if "expiration_duration_seconds" in value:
            seconds = _seconds(value["expiration_duration_seconds"])
        if value.get("initial_acl") is not None:
            acl = Acl.read(value["initial_acl"])
        return cls(seconds, acl)

    def as_json(self) -> dict[str, JSON]:
        """Return it in the shape of `GET /storage/settings` (wire.md §10)."""
        return {"expiration_duration_seconds": self.seconds, "initial_acl": self.acl.as_json()}


# What an account has that never set anything.
USUAL_LIFECYCLE = Lifecycle()


def _seconds(value: JSON) -> float | None:
    # PY says that no number and 0 both mean for ever.
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST:
        field = "expiration_duration_seconds"
        raise BadLifecycle(field, value, f"must be a number of seconds from 1 to {_LONGEST}")
    return value


def _decision(value: JSON, field: str) -> Decision:
    for decision in _DECISIONS:
        if value == decision:
            return decision
    raise BadLifecycle(field, value, "must be allow, forbid or hide")


def _rule(value: JSON, field: str) -> tuple[str, Decision]:
    if not isinstance(value, dict) or not isinstance(value.get("user"), str):
        raise BadLifecycle(field, value, "must be an object with user and decision")
    return cast(str, value["user"]), _decision(value.get("decision"), f"{field}.decision")
