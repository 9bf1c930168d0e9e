"""Verdicts for people, as JSON, and as JUnit's XML."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from falkit_contract.conform.probe import Setup
from falkit_contract.conform.running import Said, Verdict
from falkit_spec.types import JSON

_SHOWN: dict[Said, str] = {
    "passed": "passed",
    "failed": "FAILED",
    "not applicable": "n/a",
    "could not look": "NO LOOK",
}
FINDINGS, NO_LOOK = 1, 3
# What XML can't have.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Return 0 if all is fine, 1 if something failed, 3 if something could not be looked at.

    Where nothing was looked at, nothing is fine.
    """
    said = {one.said for one in verdicts}
    if "failed" in said:
        return FINDINGS
    return NO_LOOK if "could not look" in said or "passed" not in said else 0


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
    return json.dumps(
        {**head, **spent, "counts": {said: counts[said] for said in _SHOWN}, "checks": checks},
        indent=2,
    )


def as_junit(verdicts: Sequence[Verdict], setup: Setup) -> str:
    """Return JUnit's XML: what failed is a failure, what could not be looked at an error."""
    counts = Counter(one.said for one in verdicts)
    suite = ElementTree.Element(
        "testsuite",
        name="falkit conform",
        tests=str(len(verdicts)),
        failures=str(counts["failed"]),
        errors=str(counts["could not look"]),
        skipped=str(counts["not applicable"]),
        time=f"{sum(one.seconds for one in verdicts):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"target": setup.target.url, "endpoint": setup.endpoint.id}.items():
        ElementTree.SubElement(properties, "property", name=name, value=_xml(value))
    for one in verdicts:
        kind = one.check.id.partition(".")[0]
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"falkit.conform.{kind}",
            name=one.check.id,
            time=f"{one.seconds:.3f}",
        )
        tag = {"failed": "failure", "could not look": "error", "not applicable": "skipped"}
        if one.said in tag:
            text = f"expected {one.expected}; got {one.got}" if one.expected else one.reason
            told = ElementTree.SubElement(case, tag[one.said], message=_xml(text))
            told.text = _xml(as_text(one))
        if one.notes:
            ElementTree.SubElement(case, "system-out").text = _xml("\n".join(one.notes))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
