"""What a rule is held against: one request, or one job's attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from falkit_mock.platform.rules.fault import Operation
from falkit_spec import JSON

Input = Callable[[], Mapping[str, JSON]]


def no_input() -> Mapping[str, JSON]:
    """Return the input of a request that has none."""
    return {}


@dataclass(frozen=True, slots=True)
class Subject:
    """One request as rules see it; of a request about a job, that job's endpoint, input and key."""

    operation: Operation
    # As posted; empty where no model is called.
    endpoint: str = ""
    # The key's id; its secret is nowhere kept.
    key: str = ""
    # Faults that the request itself names, by header, URL or prompt.
    named: tuple[str, ...] = ()
    # Read only by rules that ask, since most don't.
    input: Input = no_input
