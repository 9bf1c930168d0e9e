"""A mock around the whole run, as `falkit run -- pytest` starts one: it is told which test runs."""

from __future__ import annotations

import json
import os
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

# Real seconds for an answer, which comes at once where there is one.
_PATIENCE = 5.0


class Told:
    """Tells a mock which test runs, so that it can say which made a finding."""

    def __init__(self, url: str) -> None:
        found = urlsplit(url)
        headers = {"content-type": "application/json"}
        if key := os.environ.get("FAL_KEY"):
            # Whose mock it is, where each key has its own.
            headers["authorization"] = f"Key {key.partition(':')[0]}"
        if token := os.environ.get("FALKIT_CONTROL_TOKEN"):
            headers["x-falkit-token"] = token
        self._headers = headers
        self._heard = found.scheme == "http"
        try:
            port = found.port
        except ValueError:
            port, self._heard = None, False
        self._connection = HTTPConnection(found.hostname or "", port, timeout=_PATIENCE)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell(nodeid)

    def pytest_sessionfinish(self) -> None:
        self._tell("")
        self._connection.close()

    def _tell(self, test: str) -> None:
        if not self._heard:
            return
        body = json.dumps({"test": test[:1000]})
        try:
            self._connection.request("PUT", "/__falkit/test", body, self._headers)
            reply = self._connection.getresponse()
            reply.read()
            self._heard = reply.status < 400
        except (OSError, ValueError, HTTPException):
            # Nothing is there, or something else; the tests themselves will see.
            self._heard = False
