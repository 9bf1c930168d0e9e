"""A report in SARIF 2.1.0, as GitHub's code scanning reads it."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from falkit_spec.findings import Finding, FindingKind, Report
from falkit_spec.reports.words import first_seen, plain, remarks, totals, what, worst_first
from falkit_spec.types import JSON, Object

PLACE = "falkit.toml"
"""The file to which findings of a running program belong that no test's file is known of.

GitHub shows no result without a file.
"""
# What GitHub shows of a run.
_MOST = 5_000


def as_sarif(report: Report) -> str:
    """Return a report as one run; problems make it an unsuccessful one."""
    findings = worst_first(report.findings)
    kinds = {one.kind.code: one.kind for one in findings}
    places = {code: number for number, code in enumerate(kinds)}
    seen: Counter[str] = Counter()
    results = [_result(one, places[one.kind.code], seen) for one in findings[:_MOST]]
    told = [*report.problems[:_MOST]]
    if len(findings) > _MOST:
        left = f"{len(findings) - _MOST:,} findings are left out; --format json has them all"
        told.append(left)
    notices = [_notice("error", text) for text in told]
    notices += [_notice("note", line) for line in remarks(report)]
    driver: Object = {
        "name": "falkit",
        "semanticVersion": _version(),
        "rules": [_rule(kind) for kind in kinds.values()],
    }
    run: Object = {
        "tool": {"driver": driver},
        "invocations": [
            {
                "commandLine": plain(report.command) or "falkit",
                "executionSuccessful": not report.problems,
                "toolExecutionNotifications": [*notices],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [*results],
        "properties": {"totals": totals(report), "unmatched": [*map(plain, report.unmatched)]},
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _notice(level: str, text: str) -> Object:
    return {"level": level, "message": {"text": plain(text)}}


def _rule(kind: FindingKind) -> Object:
    more = f"More: falkit explain {kind.code}"
    parts = [f"fal: {kind.fal}", f"Fix: {kind.fix}", kind.why, more]
    text = "\n\n".join(plain(part, 1000) for part in parts)
    return {
        "id": plain(kind.code),
        "shortDescription": {"text": plain(kind.title)},
        "fullDescription": {"text": plain(kind.why, 1000)},
        "help": {"text": text},
        "defaultConfiguration": {"level": kind.severity},
        "properties": {"tags": ["fal"], "problem.severity": _SEVERITIES[kind.severity]},
    }


# GitHub's words for them.
_SEVERITIES = {"error": "error", "warning": "warning", "note": "recommendation"}


def _result(one: Finding, rule: int, seen: Counter[str]) -> Object:
    kind = one.kind
    lines = [what(one), f"fal: {kind.fal}", f"Fix: {kind.fix}"]
    if first := first_seen(one):
        lines.append(f"First: {first}")
    if one.expired:
        lines.append(f"Its baseline expired on {one.expired}")
    seen[one.fingerprint] += 1
    # GitHub takes findings of one rule and one hash for the same; else it hashes the line.
    line_hash = f"{one.fingerprint}:{seen[one.fingerprint]}"
    result: Object = {
        "ruleId": plain(kind.code),
        "ruleIndex": rule,
        "level": one.severity,
        "message": {"text": "\n".join(plain(line, 1000) for line in lines)},
        "locations": [_location(one)],
        "partialFingerprints": {
            "primaryLocationLineHash": line_hash,
            "falkit/v1": one.fingerprint,
        },
        "occurrenceCount": max(one.times, 1),
    }
    if one.accepted:
        taken: JSON = {"kind": "external", "justification": plain(one.accepted)}
        result["suppressions"] = [taken]
    return result


def _location(one: Finding) -> Object:
    file, line = one.path, one.line
    if not file:
        # pytest's ids begin with the file.
        test, colons, _ = one.test.partition("::")
        file, line = (test, line) if colons and test.endswith(".py") else (PLACE, 1)
    artifact = _artifact(plain(file, 1000))
    region: Object = {"startLine": max(line, 1)}
    location: Object = {"physicalLocation": {"artifactLocation": artifact, "region": region}}
    logical: list[JSON] = [
        {"name": plain(name), "kind": kind}
        for name, kind in (
            (one.subject, "resource"),
            (one.request_id or "", "object"),
            (one.test, "function"),
        )
        if name
    ]
    return {**location, "logicalLocations": logical} if logical else location


def _artifact(file: str) -> Object:
    path = Path(file)
    if path.is_absolute():
        relative = os.path.relpath(path)
        if relative.startswith(".."):
            return {"uri": path.as_uri()}
        path = Path(relative)
    # A colon in the first part would make a scheme of it.
    uri = quote(str(PurePosixPath(path.as_posix())))
    return {"uri": uri, "uriBaseId": "%SRCROOT%"}


def _version() -> str:
    # Lazy: nothing else asks for it.
    from importlib.metadata import version

    return version("falkit")
