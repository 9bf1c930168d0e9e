"""How much work something is, in calls: a measure that a busy machine doesn't change."""

from __future__ import annotations

import sys
from types import FrameType


class Calls:
    """Counts the calls of functions in a thread, from `begin` to `end`, both called there."""

    def __init__(self) -> None:
        self.number = 0

    def begin(self) -> None:
        sys.setprofile(self._count)

    def end(self) -> None:
        sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, argument: object) -> None:
        if event in {"call", "c_call"}:
            self.number += 1
