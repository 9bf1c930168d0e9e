"""A report as GitHub's workflow commands, which annotate lines of a pull request."""

from __future__ import annotations

from typing import get_args

from falkit_spec.findings import Finding, Report, Severity
from falkit_spec.reports.words import counted, first_seen, logged, plain, remarks, totals, what

# GitHub shows ten of each level for a step.
_MOST = 10
_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(report: Report) -> str:
    """Return a command for each of the worst that isn't accepted, then a line that counts all."""
    lines: list[str] = []
    found = [one for one in report.findings if not one.accepted]
    for severity in get_args(Severity):
        # Problems are errors, and come first: without them nothing is clean.
        said = [_problem(text) for text in report.problems] if severity == "error" else []
        said += [_line(one) for one in found if one.severity == severity]
        lines += said[:_MOST]
        if (more := len(said) - _MOST) > 0:
            lines.append(f"falkit: {counted(more, f'more {severity}')} without an annotation")
    lines += [logged(f"falkit: {line}") for line in remarks(report)[:_MOST]]
    lines.append(logged(f"falkit: {plain(report.command, 100)}: {totals(report)}"))
    return "\n".join(lines) + "\n"


def _line(one: Finding) -> str:
    kind = one.kind
    told = [what(one), f"fal: {kind.fal}", f"fix: {kind.fix}"]
    if first := first_seen(one):
        told.append(f"first: {first}")
    if one.expired:
        told.append(f"its baseline expired on {one.expired}")
    where = {"file": one.path, "line": str(one.line) if one.path and one.line else ""}
    title = f"{kind.code}: {kind.title}"
    return _command(_LEVELS[one.severity], {**where, "title": title}, told)


def _problem(text: str) -> str:
    return _command("error", {"title": "falkit could not look"}, [text])


def _command(level: str, properties: dict[str, str], lines: list[str]) -> str:
    told = ",".join(f"{name}={_property(plain(x))}" for name, x in properties.items() if x)
    return f"::{level} {told}::" + "%0A".join(_message(plain(line)) for line in lines)


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
