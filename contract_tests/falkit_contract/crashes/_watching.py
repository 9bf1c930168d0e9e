"""A mock with a gateway, and what comes to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Literal

from falkit.views import Job, read_jobs
from falkit_mock.app import MockApp
from falkit_mock.core.events import Event, RequestAnswered, RequestRecord
from falkit_mock.core.network import listen, reached
from falkit_mock.gateway import Egress, Policy
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.environment import KEY, KEYS, variables
from falkit_mock.gateway.gateway import Gateway
from falkit_mock.mock import ServerThread
from falkit_mock.settings import Settings

Kind = Literal["submit", "status", "result", "media", "other"]
Due = Callable[[Event], bool]


class Watched:
    """A mock with a gateway, and what came to it."""

    def __init__(self, settings: Settings, egress: Policy) -> None:
        self._settings = settings
        self._egress: Policy = egress
        self._answered: list[RequestRecord] = []
        self._open = ExitStack()
        # Is told of each event first.
        self.hear: Callable[[Event], object] | None = None
        self.environ: dict[str, str] = {}

    def __enter__(self) -> Watched:
        with ExitStack() as stack:
            listener = stack.enter_context(listen("127.0.0.1", 0))
            url, authority = reached(listener), Authority.open()
            gateway = Gateway(listen("127.0.0.1", 0), url, Egress(self._egress), authority)
            around = {name: text for name, text in os.environ.items() if name not in _OF_KEYS}
            key = min(self._settings.api_keys, default=KEY)
            self.environ = variables(gateway.url, authority, self._egress, around, key, url)
            self._server = stack.enter_context(
                ServerThread(self._settings, listener, gateway, self._prepare)
            )
            self._app = self._server.wait()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def _prepare(self, app: MockApp) -> None:
        app.service.events.listen(self._hear, first=True)

    def _hear(self, event: Event) -> None:
        if isinstance(event, RequestAnswered) and event.record.fal:
            self._answered.append(event.record)
        if self.hear is not None:
            self.hear(event)

    def jobs(self) -> list[Job]:
        """Return the jobs as they are."""
        return self._server.call(lambda: read_jobs(self._app.service, self._app.catalog))

    def go_on(self, rules: int) -> int:
        """Remove the first so many rules; return how many requests were answered so far."""
        book = self._app.service.rules
        self._server.inside(lambda: [book.remove(state.id) for state in book.all()[:rules]])
        return len(self._answered)

    def seen(self, kind: Kind, status: int | None = None) -> bool:
        """Tell whether a request of a kind was answered, with a status."""
        return any(
            kind_of(one) == kind and status in (None, one.status) for one in [*self._answered]
        )

    def told(self, since: int) -> str:
        """Return the requests from one on, alike ones in a row once."""
        lines: list[str] = []
        for one in [*self._answered][since:]:
            line = f"{one.method} {one.host}{one.path} {one.status}"
            if line not in lines[-1:]:
                lines.append(line)
        return "\n".join(lines[:8] + ["…"] * (len(lines) > 8))


_OF_KEYS = {*KEYS, "FAL_KEY_ID", "FAL_KEY_SECRET"}


def kind_of(record: RequestRecord) -> Kind:
    """Return what a request is for."""
    if record.host.endswith("fal.media"):
        return "media"
    if record.host not in ("queue.fal.run", "fal.run"):
        return "other"
    _, found, tail = record.path.partition("/requests/")
    if not found:
        return "submit" if record.method == "POST" else "other"
    if "/" in tail.strip("/"):
        return "status" if "/status" in tail else "other"
    return "result" if record.method == "GET" else "other"
