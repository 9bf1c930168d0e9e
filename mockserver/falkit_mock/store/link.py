"""What workers that share a state file have of one another, apart from the file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from falkit_mock.store.sharing import Told


@dataclass(frozen=True, slots=True)
class Link:
    """What a worker has of its siblings: made by the process that starts them."""

    # From 1, and how many workers there are.
    number: int
    workers: int
    # Whether it takes the place of one that died.
    again: bool
    # A file that is locked for a turn, and this worker's end of a pipe; the others' by number.
    lock: int
    ear: int
    ears: dict[int, int]
    # A pipe that ends with the process that made all this.
    parent: int
    # Memory that all share: the number of the newest change; and what service/spend.py keeps.
    memory: memoryview
    spent: memoryview
    # How many requests the request log lists.
    requests: int

    def call(self, number: int, message: int) -> None:
        """Send a worker a byte; one that has too many unread is awake anyway."""
        with suppress(OSError):
            os.write(self.ears[number], bytes([message]))

    def newest(self) -> int:
        """Return the number of the newest change, which may not be told yet if its worker died."""
        number: int = self.memory[0]
        return number

    def tell_newest(self, number: int) -> None:
        """Say the number of the newest change; with the lock."""
        self.memory[0] = number

    def watch_parent(self, gone: Callable[[], object]) -> None:
        """Call something once the process that made all this is gone; call it on the loop."""
        loop = asyncio.get_running_loop()

        def noticed() -> None:
            loop.remove_reader(self.parent)
            gone()

        loop.add_reader(self.parent, noticed)

    def others(self) -> list[int]:
        return [number for number in self.ears if number != self.number]


class ToldEvents(Sequence[Told]):
    """Events of a commit, which are read once somebody follows events."""

    def __init__(self, data: bytes, change: Mapping[str, Any]) -> None:
        self._data = data
        self._count: int = change["last"] + 1 - change["first"]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return orjson.loads(self._data)[index]

    def __iter__(self) -> Iterator[Told]:
        return iter(orjson.loads(self._data))
