"""A report in Markdown, for GitHub's job summary or a comment."""

from __future__ import annotations

import re

from falkit_spec.findings import Finding, Report
from falkit_spec.reports.words import (
    MOST,
    counted,
    first_seen,
    place,
    plain,
    remarks,
    totals,
    verdict,
    what,
    worst_first,
)

# Anything that Markdown, HTML or GitHub (mentions, issues, formulas, links) makes more of.
_SPECIAL = re.compile(r"[^\w\s.,;/()'?=%-]|_|(?<!\w)-|(?<=\d)\.|(?<=www)\.", re.ASCII | re.I)
_SHAPES = {"error": "✖", "warning": "▲", "note": "●", "fine": "✔"}
# A job summary may be of a megabyte.
_LARGEST = 800_000


def as_markdown(report: Report) -> str:
    """Return a report as a table, and what each code means folded away."""
    findings = worst_first(report.findings)
    new = [one for one in findings if not one.accepted]
    accepted = findings[len(new) :]
    shape, said = verdict(report)
    parts = [f"### falkit: {_SHAPES[shape]} {said}", _safe(totals(report))]
    if report.problems:
        parts.append(_list("Could not be looked at", report.problems))
    if new:
        rows = [_row(one) for one in new[:MOST]]
        head = "| | code | what was seen | first |\n|---|---|---|---|\n"
        parts.append(head + "\n".join(rows))
        if len(new) > MOST:
            parts.append(f"… and {counted(len(new) - MOST, 'more finding')}")
        parts.append(_meanings(new[:MOST]))
    if accepted:
        lines = [_accepted(one) for one in accepted[:MOST]]
        lines += [f"- … and {len(accepted) - MOST:,} more"] if len(accepted) > MOST else []
        parts.append(_folded(f"{len(accepted):,} accepted by the baseline", "\n".join(lines)))
    if report.unmatched:
        parts.append(_list("In the baseline, and gone: these entries can go", report.unmatched))
    if lines := remarks(report):
        parts.append("\n".join(f"- {_safe(line)}" for line in lines[:MOST]))
    parts.append(f"<sub>{_code(plain(report.command))}</sub>")
    return _bounded(parts)


def _bounded(parts: list[str]) -> str:
    text = "\n\n".join(parts) + "\n"
    if len(text.encode()) <= _LARGEST:
        return text
    # The verdict and the totals stay.
    left = "The findings are too long for this page; `--format json` has them all"
    return "\n\n".join([*parts[:2], left]) + "\n"


def _row(one: Finding) -> str:
    seen = _code(what(one))
    if where := place(one):
        seen = f"{_code(where)}<br>{seen}"
    if one.expired:
        seen += f"<br>its baseline expired on {_safe(one.expired)}"
    first = _code(told) if (told := first_seen(one)) else ""
    severity, code = f"{_SHAPES[one.severity]} {one.severity}", _code(plain(one.kind.code))
    return f"| {severity} | {code} | {seen} | {first} |"


def _meanings(findings: list[Finding]) -> str:
    lines: list[str] = []
    for kind in {one.kind.code: one.kind for one in findings}.values():
        told = {"fal": kind.fal, "fix": kind.fix, "why": kind.why}
        lines.append(f"**{_safe(plain(kind.code))}**: {_prose(kind.title)}")
        lines += [f"- {name}: {_prose(text)}" for name, text in told.items()]
        lines.append("")
    return _folded("What fal does, and the fix", "\n".join(lines).rstrip())


def _accepted(one: Finding) -> str:
    where = ": ".join(filter(None, (place(one), what(one))))
    return f"- {_code(f'{plain(one.kind.code)}: {where}')}: {_safe(plain(one.accepted))}"


def _list(head: str, lines: list[str]) -> str:
    shown = [f"- {_code(plain(line))}" for line in lines[:MOST]]
    shown += [f"- … and {len(lines) - MOST:,} more"] if len(lines) > MOST else []
    return f"**{head}**\n\n" + "\n".join(shown)


def _folded(head: str, text: str) -> str:
    return f"<details><summary>{head}</summary>\n\n{text}\n\n</details>"


def _code(text: str) -> str:
    """Return a text as code, in which GitHub finds nobody mentioned."""
    return f"<code>{_safe(text)}</code>"


def _prose(text: str) -> str:
    """Return words of the table, in which what stands in backticks is code."""
    parts = plain(text, 1000).split("`")
    if len(parts) % 2 == 0:
        return _safe(text)
    return "".join(_code(part) if at % 2 else _safe(part) for at, part in enumerate(parts))


def _safe(text: str) -> str:
    """Return a text that is nothing but text in Markdown."""
    shown = plain(text, 3_000)
    return _SPECIAL.sub(lambda one: f"&#{ord(one[0])};" if one[0].isascii() else one[0], shown)
