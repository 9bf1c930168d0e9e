"""What is found wrong in a test, whichever mocks of this process it called."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from typing import Any, TypeAlias

import pytest

from falkit_mock.findings import Watcher
from falkit_spec.findings import Finding

_Times: TypeAlias = Counter[tuple[str, str, str, str]]


class Noticing:
    """Knows who watches in the mocks that are made from here on, and what was found before."""

    def __init__(self) -> None:
        self._loops: weakref.WeakKeyDictionary[Watcher, asyncio.AbstractEventLoop | None]
        self._loops = weakref.WeakKeyDictionary()
        self._before: weakref.WeakKeyDictionary[Watcher, _Times] = weakref.WeakKeyDictionary()
        # Those that nothing else may hold any longer, but for the test that made them.
        self._held: list[Watcher] = []
        made = Watcher.__init__

        def make(watcher: Watcher, *of: Any, **more: Any) -> None:
            made(watcher, *of, **more)
            self._held.append(watcher)
            try:
                self._loops[watcher] = asyncio.get_running_loop()
            except RuntimeError:
                self._loops[watcher] = None

        pytest.MonkeyPatch().setattr(Watcher, "__init__", make)

    def found(self) -> list[Finding]:
        """Return what was found since this was last asked."""
        found: list[Finding] = []
        for watcher, loop in list(self._loops.items()):
            before, times = self._before.get(watcher, Counter()), _Times()
            for one in _findings(watcher, loop):
                name = (one.severity, one.kind.code, one.subject, one.seen)
                times[name] += one.times
                if times[name] > before[name]:
                    found.append(one)
            self._before[watcher] = times
        self._held.clear()
        return found


def _findings(watcher: Watcher, loop: asyncio.AbstractEventLoop | None) -> list[Finding]:
    async def look() -> list[Finding]:
        return watcher.findings(conclude=True)

    if loop is not None and loop.is_running():
        return asyncio.run_coroutine_threadsafe(look(), loop).result()
    return watcher.findings(conclude=True)


def told(findings: list[Finding]) -> list[str]:
    """Return findings as a failed test shows them."""
    return [f"{one.kind.code} ({one.client}): {one.seen} [{one.subject}]" for one in findings]
