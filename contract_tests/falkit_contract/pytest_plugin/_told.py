"""A mock around the whole run, as `falkit run -- pytest` starts one.

It is told which test runs, and what tests with mocks of their own have done.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from falkit_spec.findings import Report

# Real seconds for an answer, which comes at once where there is one; and to a whole report.
_PATIENCE, _LONG = 5.0, 30.0
# By which a server says that it has no such operation, as mocks of before do.
_UNKNOWN = (404, 405, 501)


class Told:
    """Tells a mock which test runs, so that it can say which made a finding."""

    def __init__(self, url: str) -> None:
        self._url, found = url, urlsplit(url)
        headers = {"content-type": "application/json"}
        if key := os.environ.get("FAL_KEY"):
            # Whose mock it is, where each key has its own.
            headers["authorization"] = f"Key {key.partition(':')[0]}"
        if token := os.environ.get("FALKIT_CONTROL_TOKEN"):
            headers["x-falkit-token"] = token
        self._headers = headers
        self._there = found.scheme == "http"
        try:
            port = found.port
        except ValueError:
            port, self._there = None, False
        # Whether it takes which test runs.
        self._heard = self._there
        self._connection = HTTPConnection(found.hostname or "", port, timeout=_PATIENCE)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell(nodeid)

    def pytest_sessionfinish(self) -> None:
        self._tell("")
        self._connection.close()

    def hand_over(self, report: Report) -> str:
        """Have the mock add a report to its own; return why it doesn't, if it says so."""
        if not self._there:
            return ""
        # Lazy: most suites have no mocks of their own, or none around them.
        from falkit_spec.reports.adding import bounded

        body = json.dumps(bounded(report).to_json())
        self._connection.close()
        self._connection.timeout = _LONG
        try:
            self._connection.request("POST", "/__falkit/report", body, self._headers)
            reply = self._connection.getresponse()
            status, told = reply.status, reply.read()
        except (OSError, ValueError, HTTPException):
            return ""
        finally:
            self._connection.close()
        if status < 400 or status in _UNKNOWN:
            return ""
        with suppress(ValueError, KeyError, TypeError):
            # Another server's words are no matter of the run's.
            return f"{self._url} didn't take this run's report: {json.loads(told)['detail']}"
        return ""

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
