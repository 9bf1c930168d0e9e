"""Reports for tests: findings of all kinds of look, a full report, and one of nothing."""

from __future__ import annotations

from typing import Any

from falkit_spec import JSON
from falkit_spec.findings import Finding, Report, finding_kinds


def found(code: str, seen: str = "GET queue.fal.run/…: 405", **more: Any) -> Finding:
    """Return a finding of a kind."""
    kind = finding_kinds()[code]
    return Finding(kind=kind, severity=more.pop("severity", kind.severity), seen=seen, **more)


SPEND: dict[str, JSON] = {
    "currency": "USD",
    "jobs": 12,
    "billed": 10,
    "unpriced": 1,
    "cost": "2.88",
    "endpoints": [
        {"endpoint_id": "fal-ai/ltx-2/text-to-video/fast", "jobs": 9, "cost": "2.16"},
        {"endpoint_id": "fal-ai/flux/dev", "jobs": 3, "cost": "0.72"},
    ],
    "keys": [],
    "budget": "2.50",
}


def full() -> Report:
    """Return a report that has something of all there can be: 3 errors, a warning and a note."""
    findings = [
        found(
            "whole-id-url",
            "GET queue.fal.run/fal-ai/flux/dev/requests/{id}/status: 405",
            subject="fal-ai/flux/dev",
            request_id="019b76da-a801-74c7-aab7-01d3c98e3dee",
            key="falkit",
            test="tests/test_video.py::test_polls[a]",
            line=7,
            client="python-httpx/0.28.1",
            times=12,
        ),
        found("input-wrapper", 'POST with {"input": …} | <b>x</b> @a $x$', subject="fal-ai/ltx-2"),
        found("whole-id-url", path="tests/test it.py", line=12, expired="2026-11-01"),
        found("submit-code", "201", subject="fal-ai/flux/dev"),
        found("media-no-bytes", "https://v3.fal.media/x.png", path="tests/test_it.py", line=40),
        found("early-result", "GET result: 400", subject="a/b", accepted="ticket 12"),
    ]
    return Report(
        "pytest -q",
        findings,
        ["tests/bad.py: line 2: '(' was never closed"],
        {"total": 41, "failed": 3},
        {"total": 12, "done": 10, "failed": 1, "cancelled": 1},
        SPEND,
        ["result-wrapped: fal-ai/flux/dev: a status beside it"],
    )


def clean() -> Report:
    """Return a report of a run in which nothing was wrong."""
    return Report("pytest -q", [], [], {"total": 4, "failed": 0}, {"total": 2, "done": 2})
