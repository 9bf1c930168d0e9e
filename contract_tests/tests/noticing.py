"""What falkit finds wrong in a test, whichever mocks of this process it was sent to."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from typing import Any, TypeAlias

from falkit_mock import assembly
from falkit_mock.app import MockApp
from falkit_mock.findings import findings_of
from falkit_spec.findings import Finding, Severity

_Times: TypeAlias = Counter[tuple[Severity, str, str, str]]


class Noticing:
    """Knows the mocks that are made from here on, and what was found before."""

    def __init__(self) -> None:
        self._loops: weakref.WeakKeyDictionary[MockApp, asyncio.AbstractEventLoop | None]
        self._loops = weakref.WeakKeyDictionary()
        self._before: weakref.WeakKeyDictionary[MockApp, _Times] = weakref.WeakKeyDictionary()
        # Those that nothing else may hold any longer, but for the test that made them.
        self._held: list[MockApp] = []
        self._watching = assembly._watching  # pyright: ignore[reportPrivateUsage]

    def install(self) -> None:
        """Note each mock that is made."""

        def watching(app: MockApp) -> MockApp:
            app = self._watching(app)
            try:
                self._loops[app] = asyncio.get_running_loop()
            except RuntimeError:
                self._loops[app] = None
            self._held.append(app)
            return app

        assembly._watching = watching  # pyright: ignore[reportPrivateUsage]

    def found(self) -> list[Finding]:
        """Return what was found since this was last asked, by all mocks that there were since."""
        found: list[Finding] = []
        for app, loop in list(self._loops.items()):
            before = self._before.get(app, Counter())
            times: _Times = Counter()
            for one in _findings(app, loop):
                name = (one.severity, one.kind.code, one.subject, one.seen)
                times[name] += one.times
                if times[name] > before[name]:
                    found.append(one)
            self._before[app] = times
        self._held.clear()
        return found


def _findings(app: MockApp, loop: asyncio.AbstractEventLoop | None) -> list[Finding]:
    services = list({id(one): one for one in (app.service, *app.services())}.values())

    async def look() -> list[Finding]:
        return findings_of(services, conclude=True)

    if loop is not None and loop.is_running():
        return asyncio.run_coroutine_threadsafe(look(), loop).result()
    return findings_of(services, conclude=True)


def told(findings: list[Finding]) -> list[Any]:
    """Return the codes of findings, and what was seen, for a failed test to show."""
    return [f"{one.kind.code} ({one.client}): {one.seen} [{one.subject}]" for one in findings]
