"""Verdicts for people, as JSON, and as JUnit's XML."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence

from falkit_contract.conform.probe import Setup
from falkit_contract.conform.running import Said, Verdict
from falkit_spec.findings import FINE, FOUND, NOT_LOOKED
from falkit_spec.reports.junit import Case, junit
from falkit_spec.types import JSON

_SHOWN: dict[Said, str] = {
    "passed": "passed",
    "failed": "FAILED",
    "not applicable": "n/a",
    "could not look": "NO LOOK",
}


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Return 0 if all is fine, 1 if something failed, 3 if something could not be looked at.

    Where nothing was looked at, nothing is fine.
    """
    said = {one.said for one in verdicts}
    if "failed" in said:
        return FOUND
    return NOT_LOOKED if "could not look" in said or "passed" not in said else FINE


def as_text(verdict: Verdict) -> str:
    """Return the lines of one verdict."""
    check = verdict.check
    lines = [f"{_SHOWN[verdict.said]:<8} {check.id:<28} {check.promise} (wire.md {check.section})"]
    told = {"expected": verdict.expected, "got": verdict.got, "curl": verdict.curl}
    if verdict.said != "failed":
        told = {"because": verdict.reason}
    lines += [f"         {name:<9} {text}" for name, text in told.items() if text]
    lines += [f"         note      {text}" for text in verdict.notes]
    return "\n".join(lines)


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return the last line: how many there are of each."""
    counts = Counter(one.said for one in verdicts)
    words = [f"{counts[said]} {said}" for said in _SHOWN]
    return f"{len(verdicts)} checks: {', '.join(words)}"


def as_json(verdicts: Sequence[Verdict], setup: Setup) -> str:
    """Return all verdicts, with what was tried."""
    counts = Counter(one.said for one in verdicts)
    checks = [
        {
            "id": one.check.id,
            "section": one.check.section,
            "promise": one.check.promise,
            "verdict": one.said,
            "expected": one.expected or None,
            "got": one.got or None,
            "curl": one.curl or None,
            "reason": one.reason or None,
            "notes": [*one.notes],
            "seconds": one.seconds,
        }
        for one in verdicts
    ]
    head = {"target": setup.target.url, "by": setup.target.by, "endpoint": setup.endpoint.id}
    spent: dict[str, JSON] = {"jobs": setup.ledger.jobs}
    if setup.target.live:
        spent["spent_usd_at_most"] = float(setup.ledger.spent)
    told = {**head, **spent, "counts": {said: counts[said] for said in _SHOWN}, "checks": checks}
    return json.dumps(told, indent=2) + "\n"


def as_junit(verdicts: Sequence[Verdict], setup: Setup) -> str:
    """Return JUnit's XML: what failed is a failure, what could not be looked at an error."""
    cases = [_case(one) for one in verdicts]
    told = {"target": setup.target.url, "endpoint": setup.endpoint.id}
    return junit("falkit conform", cases, told)


def as_page(verdicts: Sequence[Verdict], setup: Setup) -> str:
    """Return all verdicts as they are printed."""
    return "\n".join([*map(as_text, verdicts), summary(verdicts), ""])


FORMATS: dict[str, Callable[[Sequence[Verdict], Setup], str]] = {
    "text": as_page,
    "json": as_json,
    "junit": as_junit,
}
"""What writes each format, by its name in `falkit_spec.reports`."""

_TAGS: dict[Said, str] = {
    "failed": "failure",
    "could not look": "error",
    "not applicable": "skipped",
}


def _case(one: Verdict) -> Case:
    message = f"expected {one.expected}; got {one.got}" if one.expected else one.reason
    return Case(
        classname=f"falkit.conform.{one.check.id.partition('.')[0]}",
        name=one.check.id,
        tag=_TAGS.get(one.said, ""),
        message=message,
        text=as_text(one),
        output="\n".join(one.notes),
        seconds=one.seconds,
    )
