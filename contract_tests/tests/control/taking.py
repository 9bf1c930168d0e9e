"""Waiting until a call from another thread has become a job."""

from __future__ import annotations

import time

from serving import PATIENCE, Mock


def until_taken(mock: Mock) -> None:
    """Return once a job is in progress, which a request that has arrived may not be yet."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page = mock.http.get("/__falkit/jobs", params={"status": "IN_PROGRESS"}).json()
        if page["jobs"]:
            return
    raise AssertionError("no job is in progress")
