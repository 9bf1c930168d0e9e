"""A report for a terminal, or a log."""

from __future__ import annotations

from falkit_spec.findings import Report
from falkit_spec.reports.words import first_seen, logged, place, plain, remarks, totals, what

_MOST_LINES = 1_000


def as_text(report: Report, of: str = "") -> str:
    """Return a report as lines; `of` is what the last one says was looked at."""
    lines: list[str] = []
    explained: set[str] = set()
    for one in report.findings:
        kind = one.kind
        if one.accepted:
            continue
        head = [place(one), f"{one.severity} {kind.code}", what(one)]
        lines.append(": ".join(filter(None, head)))
        if told := first_seen(one):
            lines.append(f"    first: {told}")
        if one.expired:
            lines.append(f"    its baseline expired on {one.expired}")
        if kind.code not in explained:
            explained.add(kind.code)
            lines += [f"    {kind.title}", f"    fal: {kind.fal}", f"    fix: {kind.fix}"]
    for one in report.findings:
        if one.accepted:
            head = [f"accepted {one.kind.code}", place(one), f"{what(one)} ({plain(one.accepted)})"]
            lines.append(": ".join(filter(None, head)))
    lines += [f"falkit: in the baseline, and gone: {entry}" for entry in report.unmatched]
    lines += [f"falkit: not looked at: {problem}" for problem in report.problems]
    lines += [f"falkit: {line}" for line in remarks(report)]
    shown = [logged(line) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append(f"… and {len(lines) - _MOST_LINES:,} more lines; --format json has them all")
    shown.append(f"{logged(of or report.command)}: {totals(report)}")
    return "\n".join(shown) + "\n"
