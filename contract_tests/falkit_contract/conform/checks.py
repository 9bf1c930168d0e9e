"""The table of checks: a name that stays, what fal promises, and where that is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TypeAlias

from falkit_contract import BadArgument
from falkit_contract.conform.probe import Probe

Look: TypeAlias = Callable[[Probe], None]
_KINDS = ("queue", "results", "errors", "uploads", "media", "webhooks", "realtime")


@dataclass(frozen=True)
class Check:
    """One promise of fal's. `id` doesn't change; `section` is one of docs/wire.md.

    `jobs` is how many jobs it makes at most, refused ones included.
    """

    id: str
    section: str
    promise: str
    jobs: int
    look: Look


class Table:
    """The checks of one kind, in the order in which they are written."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def add(self, id: str, section: str, promise: str, jobs: int = 0) -> Callable[[Look], Look]:
        """Put a function into the table."""

        def put(look: Look) -> Look:
            self.checks.append(Check(id, section, promise, jobs, look))
            return look

        return put


@cache
def all_checks() -> Mapping[str, Check]:
    """Return the checks by their ids."""
    found: dict[str, Check] = {}
    for kind in _KINDS:
        table = import_module(f"falkit_contract.conform.kinds.{kind}").TABLE
        assert isinstance(table, Table)
        found |= {one.id: one for one in table.checks}
    return found


def chosen(names: Iterable[str]) -> list[Check]:
    """Return the checks that names choose, ids or what ids begin with; without a name all."""
    checks, names = [*all_checks().values()], [*names]
    for name in names:
        if not any(_is(name, one) for one in checks):
            fix = "give an id or what ids begin with, such as queue.status; --list has them"
            raise BadArgument("only", name, fix)
    return [one for one in checks if not names or any(_is(name, one) for name in names)]


def _is(name: str, check: Check) -> bool:
    return check.id == name or check.id.startswith(f"{name.rstrip('.')}.")
