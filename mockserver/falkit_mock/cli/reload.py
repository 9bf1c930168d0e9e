"""`falkit serve --reload`: takes changes of documents and outputs while the mock serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import click

from falkit_mock.cli.config import in_file
from falkit_mock.cli.options import note
from falkit_mock.core import reason

if TYPE_CHECKING:
    from falkit_mock.app import MockApp
    from falkit_mock.cli.console import Level
    from falkit_spec import Catalog

# Seconds between two looks, which take some 20 ms for a thousand files; and lines of one look.
_INTERVAL, _SHOWN = 1.0, 10


class Reload:
    """Looks at the files once a second, in a thread of its own, from the block's start to its end.

    `say` gets each line; `wait` waits between two looks and tells whether it is to end; `outputs`
    looks at those that rules pin, as Watch.check does.
    """

    def __init__(
        self,
        catalog: Catalog,
        say: Callable[[str, Level], object],
        wait: Callable[[float], bool] | None = None,
        outputs: Callable[[], tuple[list[str], list[str]]] = lambda: ([], []),
    ) -> None:
        self._catalog = catalog
        self._outputs = outputs
        self._say = say
        self._ended = threading.Event()
        self._wait = wait or self._ended.wait
        self._failure = ""
        self._thread = threading.Thread(target=self._look, name="falkit reload", daemon=True)

    def __enter__(self) -> Reload:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()

    def check(self) -> None:
        """Look once, and take what has changed."""
        try:
            changes, notes = self._catalog.reread()
            for lines, more in zip((changes, notes), self._outputs(), strict=True):
                lines += more
        except Exception as error:
            # Whatever it is, what was read before goes on to count; and it is said once.
            if (failure := reason(error)) != self._failure:
                self._say(f"documents: can't be read again ({failure})", "warning")
            self._failure = failure
            return
        self._failure = ""
        self._tell(changes, "info")
        self._tell(notes, "warning")

    def _tell(self, lines: Sequence[str], level: Level) -> None:
        for line in lines[:_SHOWN]:
            self._say(line, level)
        if (more := len(lines) - _SHOWN) > 0:
            self._say(f"documents: {more} more such lines are left out", level)

    def _look(self) -> None:
        while not self._wait(_INTERVAL):
            self.check()


def reload_of(catalog: Catalog, app: MockApp, *, tells: bool) -> Reload:
    """Return what takes changes of a mock's files; a UsageError says that there are none."""
    from falkit_mock.service.pins import Watch

    ctx = click.get_current_context()
    pins = any(kept.rule.pin is not None for kept in app.service.rules.all())
    if not ctx.params["documents"] and not pins:
        fix = "give it folders or files with --documents or --output"
        raise click.UsageError(in_file(f"reload: there are no documents of yours to watch; {fix}"))

    def say(line: str, level: Level) -> None:
        # Click's context is of the thread that began.
        if not tells:
            return
        with ctx.scope(cleanup=False):
            note(line, level, always=level == "warning")

    watches: list[Watch] = []
    app.attend(lambda one, key: watches.append(Watch(one.service.rules, one.service.pins)))

    def outputs() -> tuple[list[str], list[str]]:
        # What all tenants have is said once.
        found = [watch.check() for watch in [*watches]]
        changes = dict.fromkeys(line for lines, _ in found for line in lines)
        problems = dict.fromkeys(line for _, lines in found for line in lines)
        return [*changes], [*problems]

    return Reload(catalog, say, outputs=outputs)
