"""URLs of a request that fal doesn't have (wire.md §3.1, §3.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from falkit_mock.core.errors import WireError
from falkit_mock.core.network import QUEUE, ROLES
from falkit_mock.findings.rules import Look, Rule
from falkit_mock.hosts.addresses import split_app

if TYPE_CHECKING:
    from falkit_mock.core.events import RequestRecord

# What stands for ids in a path: those of fal's, of ours, and others that are no words.
_ID = re.compile(r"(?<=/)(?=[^/]*[0-9])[0-9A-Za-z_-]{16,}(?=/|$)")
_METHODS = {"": "GET", "status": "GET", "status/stream": "GET", "cancel": "PUT"}


class Urls(Rule):
    """whole-id-url, response-url, invented-url."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._lenient = look.service.settings.assumptions.queue_urls == "lenient"

    def submitted(self, record: RequestRecord) -> None:
        if "/requests" in record.path or record.status == 405:
            self._judge(record)

    def asked(self, record: RequestRecord) -> None:
        # What fal hasn't is refused, unless an assumption says otherwise.
        status = record.status or 0
        refused = status >= 400 or self._lenient
        if refused and ROLES.get(record.host) == QUEUE and record.method != "OPTIONS":
            self._judge(record)

    def _judge(self, record: RequestRecord) -> None:
        path, method = record.path, record.method
        shown = _ID.sub("{id}", path)[:200]
        seen = f"{method} {shown}, answered {record.status or 'nothing'}"
        try:
            app, rest = split_app(path)
        except WireError:
            app, rest = "", path.strip("/").split("/")
        if "requests" not in rest:
            # GET of a model is another mistake, and whatever else names no request is none of it.
            if _ID.search(path) and not self.look.endpoint(path[1:]):
                self.look.found("invented-url", seen, subject=app, record=record)
            return
        place = rest.index("requests")
        if len(rest) < place + 2:
            self.look.found("invented-url", seen, subject=app, record=record)
            return
        operation = "/".join(rest[place + 2 :])
        if place and app:
            whole = "/".join((app, *rest[:place]))
            self.look.found("whole-id-url", seen, subject=whole, record=record)
        if operation.removesuffix("/") == "response":
            self.look.found("response-url", seen, subject=app, record=record)
        elif not app or operation not in _METHODS:
            self.look.found("invented-url", seen, subject=app, record=record)
        elif not place and method not in (_METHODS[operation], "HEAD", "OPTIONS"):
            words = f"{seen}: it is a {_METHODS[operation]}"
            self.look.found("invented-url", words, subject=app, record=record)
