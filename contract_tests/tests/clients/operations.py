"""What a program of a client's does, operation by operation, and how each is judged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from clients.judging import Judge, Told
from clients.place import PLACE, under_falkit

WORKS = "works"


@dataclass(frozen=True)
class Operation:
    """One thing that a client does: its row's text, and its judge.

    `instead` is the reason why it cannot work, where it can't; the judge then knows how it fails.
    """

    name: str
    label: str
    judge: Judge
    instead: str = WORKS


@dataclass(frozen=True)
class Client:
    """A client as its program calls it; `package` has its version."""

    title: str
    package: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Program:
    """A program of one or more clients, run once for each of `runs`: options and arguments."""

    kind: str
    name: str
    clients: tuple[Client, ...]
    runs: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    # The host that isn't fal's and that it calls.
    tries: str = ""

    def told(self, home: Path) -> dict[tuple[str, str], Told]:
        """Run it; return what was printed, by client and operation."""
        command = PLACE.command(self.kind, self.name)
        lines: list[str] = []
        for options, words in self.runs:
            lines += under_falkit(home, options, [*command, *words], self.tries).stdout.splitlines()
        printed = [json.loads(line) for line in lines]
        return {(line["client"], line["operation"]): line for line in printed}

    def declared(self) -> set[tuple[str, str]]:
        """Return the clients and operations that it is expected to print."""
        return {(one.title, operation.name) for one in self.clients for operation in one.operations}
