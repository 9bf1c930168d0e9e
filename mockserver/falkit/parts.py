"""What a program reads and changes of a mock, or of one key's in a mock with tenants."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, cast

from falkit.views import Clock, FaultRule, Faults, Job, Webhooks, read_jobs, wait_until
from falkit_mock.core.settings import SettingsError

if TYPE_CHECKING:
    import asyncio

    from falkit_mock.app import MockApp
    from falkit_mock.core.events import RequestRecord
    from falkit_mock.mock import LoopThread
    from falkit_spec import JSON

# Held while all is forgotten.
_turn = threading.Lock()


class Parts:
    """Jobs, requests, webhooks, faults and time; each is read at its use, from any thread."""

    @abstractmethod
    def _own(self) -> tuple[LoopThread, MockApp]: ...

    @property
    def jobs(self) -> list[Job]:
        """The jobs as they are now, the newest last."""
        server, app = self._own()
        return server.call(lambda: read_jobs(app.service, app.catalog))

    @property
    def requests(self) -> list[RequestRecord]:
        """The newest requests, as many as the setting `request_log` says, the newest last."""
        server, app = self._own()
        return server.inside(lambda: [replace(one) for one in app.request_log])

    @property
    def webhooks(self) -> Webhooks:
        """The deliveries of webhooks, to list, wait for and send again."""
        return Webhooks(*self._own())

    @property
    def faults(self) -> Faults:
        """The rules that make things go wrong, to list, add and remove."""
        return Faults(*self._own())

    @property
    def clock(self) -> Clock:
        """The mock's time, to read and move."""
        return Clock(*self._own())

    def pin(
        self, endpoint: str, output: str | PathLike[str] | Mapping[str, JSON], **matching: JSON
    ) -> FaultRule:
        """Have an endpoint answer an output: JSON, or the path of its file or of a folder of them.

        `endpoint` is an id or a glob, `matching` as a rule has it: `times=2`, `prompt="cat"`. The
        rule is one of `mock.faults`, the last. Raise a ValueError that names what can't work.
        """
        given: JSON = {**output} if isinstance(output, Mapping) else _path_of(output)
        return self.faults.add({"output": given, "endpoint": endpoint, **matching})

    def receive(
        self, url: str, app: object, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Have webhooks whose URL begins with this delivered to an ASGI or WSGI application.

        No socket is opened, and the host may be any. An ASGI application runs on an event loop of
        ours, or on the one that is given, and its lifespan is left to the test; a WSGI application
        runs in a thread. Another `url` of the same replaces the application. Raise a ValueError
        that names what can't work.
        """
        # Lazy: it imports httpx.
        from falkit.receiving import receive

        server, mock = self._own()
        receive(server, mock.service.webhooks, url, app, loop)

    def reset(self, *, keep_faults: bool = False) -> None:
        """Forget jobs, files, requests and webhooks, and have the rules of the settings again.

        Ids are those of the start again. The time and the keys of webhooks stay.
        """
        # Lazy: it imports what reads archives.
        from falkit_mock.service.state import reset_state

        server, app = self._own()
        with _turn:
            server.call(lambda: reset_state(app.service, keep_rules=keep_faults))

    def wait_for(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """Return once `condition()` holds: `mock.wait_for(lambda: len(mock.jobs) == 2)`.

        Raise TimeoutError after `timeout` real seconds.
        """
        wait_until(condition, timeout, lambda: "the condition did not hold")


class Tenant(Parts):
    """What one key has to itself."""

    def __init__(self, server: LoopThread, app: MockApp) -> None:
        self._server = server
        self._app = app

    def _own(self) -> tuple[LoopThread, MockApp]:
        return self._server, self._app


def _path_of(output: object) -> str:
    if isinstance(output, str | PathLike):
        return fspath(cast("str | PathLike[str]", output))
    fix = "give an output's object, or the path of a file or folder"
    raise SettingsError("output", f"{output!r} is no output; {fix}")
