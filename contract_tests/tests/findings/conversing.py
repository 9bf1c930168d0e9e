"""Programs that call a mock, rightly or wrongly, and what was found of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import httpx

from falkit_mock.findings import findings_of
from falkit_spec.findings import Finding, Report
from serving import I2V_FAST, PROMPT, T2V, Mock

WHOLE = f"/queue.fal.run/{T2V}/requests/{{}}/status"
Program: TypeAlias = Callable[[Mock], object]


def found(mock: Mock, *, conclude: bool = True) -> list[Finding]:
    """Return what is wrong with those who called a mock, by now."""
    told: list[Finding] = []
    mock.inside(lambda: told.extend(findings_of([mock.service], conclude=conclude)))
    return told


def codes(mock: Mock, *, conclude: bool = True) -> dict[str, str]:
    """Return the codes that were found, with their severities."""
    return {one.kind.code: one.severity for one in found(mock, conclude=conclude)}


def astray(mock: Mock) -> None:
    """Ask at a whole id."""
    mock.http.get(WHOLE.format(mock.submit()["request_id"]))


def report(mock: Mock, **query: str) -> Report:
    """Return the report of a mock, by its control API."""
    reply = mock.http.get("/__falkit/report", params=query)
    assert reply.status_code == 200, reply.text
    return Report.read(reply.json())


def queue(path: str) -> str:
    """Return the URL of a path of the queue's."""
    return f"/queue.fal.run/{path}"


def lost(mock: Mock, input: Any = PROMPT, **headers: str) -> None:
    """Submit, and never get the reply."""
    with suppress(httpx.TransportError):
        mock.submit(input, headers={"x-falkit-fault": "reply_lost", **headers})


def well(mock: Mock) -> None:
    """Submit, wait, and fetch the result."""
    job = mock.submit()
    while mock.status(job)["status"] != "COMPLETED":
        mock.release(job)
    assert mock.result(job).status_code == 200


__all__ = [
    "I2V_FAST",
    "PROMPT",
    "T2V",
    "WHOLE",
    "Program",
    "astray",
    "codes",
    "found",
    "lost",
    "queue",
    "report",
    "well",
]
