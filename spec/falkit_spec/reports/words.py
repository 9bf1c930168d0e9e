"""What all reports say alike: texts made harmless, counts, and who was seen where."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import get_args

from falkit_spec.findings import Finding, Report, Severity

LONGEST = 300
"""Characters of a text from outside that are shown."""
MOST = 500
"""Findings that a page or a table has."""


def plain(text: object, most: int = LONGEST) -> str:
    """Return a text as one line that does nothing to a terminal, cut where it is long."""
    words = str(text)
    shown = words if len(words) <= most else f"{words[:most]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)


def logged(text: str) -> str:
    """Return a plain line that GitHub's runner takes for no command in a log."""
    line = plain(text).replace("##[", "# #[")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def counted(number: int, word: str) -> str:
    """Return a number of things: `1 job`, `2,000 jobs`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def what(finding: Finding) -> str:
    """Return what was seen, with what it is about where that isn't said already."""
    about = "" if finding.subject in finding.seen else f"{finding.subject}: "
    times = f" ({finding.times:,} times)" if finding.times > 1 else ""
    return f"{plain(about + finding.seen)}{times}"


def place(finding: Finding) -> str:
    """Return the file and line, or nothing where a running program was seen."""
    if not finding.path:
        return ""
    return plain(f"{finding.path}:{finding.line}" if finding.line else finding.path)


def first_seen(finding: Finding) -> str:
    """Return where a running program was first seen doing it, in words."""
    told = {
        "request": finding.request_id,
        "in": finding.test,
        "by": finding.client,
        "key": finding.key,
    }
    return ", ".join(f"{name} {plain(text)}" for name, text in told.items() if text)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings the worst first, and those last that a baseline accepts."""
    order = get_args(Severity)
    return sorted(findings, key=lambda one: (bool(one.accepted), order.index(one.severity)))


def verdict(report: Report) -> tuple[str, str]:
    """Return what came of it: a severity, or `fine`, and the words for it."""
    counts = report.counts()
    wrong = [counted(counts[one], one) for one in ("error", "warning") if counts[one]]
    if wrong:
        return ("error" if counts["error"] else "warning"), " and ".join(wrong)
    if report.problems:
        return "warning", "Could not look at all of it"
    if report.requests.get("total") == 0:
        return "note", "Nobody called"
    return "fine", "Nothing is wrong"


def totals(report: Report) -> str:
    """Return what a report counts, in words."""
    accepted = sum(bool(one.accepted) for one in report.findings)
    parts = [
        ", ".join(counted(number, severity) for severity, number in report.counts().items()),
        f"{accepted:,} accepted by the baseline" if accepted else "",
        _of(report, "requests"),
        _of(report, "jobs"),
        cost(report),
        counted(len(report.problems), "problem") if report.problems else "",
    ]
    return "; ".join(filter(None, parts))


def remarks(report: Report) -> list[str]:
    """Return what whoever reads a report should know, though nothing of it is wrong."""
    return [*untried(report), *handed(report)]


def untried(report: Report) -> list[str]:
    """Return a line for receivers of which nobody knows whether they verify anything."""
    if not (number := len(report.untried)):
        return []
    were = f"{counted(number, 'receiver')} of webhooks {'was' if number == 1 else 'were'}"
    fix = "--probe-webhooks does that, in pytest the marker's probe_webhooks=True"
    return [f"{were} not tried with forged copies; {fix}"]


def handed(report: Report) -> list[str]:
    """Return what of it others handed over, a line for each."""
    lines: list[str] = []
    for one in report.handed:
        numbers = {noun: one.get(f"{noun}s") for noun in ("request", "job", "test")}
        requests, jobs, tests = (
            counted(number if isinstance(number, int) else 0, noun)
            for noun, number in numbers.items()
        )
        own = f"{tests} had mocks of their own, with {requests} and {jobs} of these"
        lines.append(f"{own}: {plain(one.get('command'))}")
    return lines


def not_done(report: Report) -> tuple[int, str]:
    """Return how many jobs hadn't ended, and what they'd cost besides, such as `$0.48`."""
    number, total = report.not_done.get("jobs"), _dollars(report.not_done.get("cost"))
    if not isinstance(number, int) or not number:
        return 0, ""
    # Lazy, as below.
    from falkit_spec.facts import in_words

    unknown = report.not_done.get("unpriced")
    return number, in_words(total or Decimal(0), unknown if isinstance(unknown, int) else 0)


def cost(report: Report) -> str:
    """Return what the jobs would have cost, in words; nothing where nobody counted."""
    if "cost" not in report.spend:
        return ""
    # Lazy: a look at files has no prices.
    from falkit_spec.facts import in_words, over, read_dollars

    total, unknown = _dollars(report.spend["cost"]), report.spend.get("unpriced")
    if total is None:
        return ""
    budget = read_dollars(report.spend.get("budget"))
    said = in_words(total, unknown if isinstance(unknown, int) else 0)
    more = over(budget, total) if budget is not None else ""
    open_jobs, price = not_done(report)
    due = f"plus {price} for what isn't done" if open_jobs else ""
    return ", ".join(filter(None, (f"would have cost {said}", more, due)))


def _of(report: Report, noun: str) -> str:
    """Return a report's requests or jobs: `4 jobs (3 done, 1 failed)`."""
    total = _numbers(report, noun).get("total")
    if total is None:
        return ""
    kinds = [f"{n:,} {logged(name)}" for name, n in kinds_of(report, noun).items()]
    of = f" ({', '.join(kinds)})" if kinds else ""
    return counted(total, noun.removesuffix("s")) + of


def kinds_of(report: Report, noun: str) -> dict[str, int]:
    """Return how many of a report's requests or jobs came to what; nothing of what none did."""
    kinds = {name: n for name, n in _numbers(report, noun).items() if n and name != "total"}
    open_jobs = not_done(report)[0] if noun == "jobs" else 0
    return {**kinds, "not done": open_jobs} if open_jobs else kinds


def _numbers(report: Report, noun: str) -> dict[str, int]:
    counts = {"requests": report.requests, "jobs": report.jobs}[noun]
    return {name: number for name, number in counts.items() if isinstance(number, int)}


def _dollars(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < 10**15 else None
