"""Reports of several mocks as one, and what one that is handed over has to be for that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from falkit_spec.errors import SpecError
from falkit_spec.findings import Finding, FindingKind, Report, merged
from falkit_spec.reports.words import counted, plain
from falkit_spec.types import JSON, is_array, is_object

# Findings that are taken from others, lines and parts of sums; and characters of a text.
_FINDINGS, _LINES, _LENGTH = 5_000, 1_000, 1_000
# Reports that are told apart.
_HANDED = 100
_COUNTS = {
    "requests": ("total", "failed"),
    "jobs": ("total", "done", "failed", "cancelled"),
}
_SUM = ("jobs", "billed", "unpriced")
_DOLLARS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,20})?")


def joined(command: str, reports: Iterable[Report]) -> Report:
    """Return several reports as one: what was found, what wasn't looked at, and sums."""
    each = [*reports]
    return Report(
        command,
        merged(one for report in each for one in report.findings),
        [*dict.fromkeys(problem for report in each for problem in report.problems)],
        _counts(report.requests for report in each),
        _counts(report.jobs for report in each),
        summed([report.spend for report in each if report.spend]),
        not_done=_sum([report.not_done for report in each if report.not_done]),
        untried=sorted({receiver for report in each for receiver in report.untried}),
        tests=sum(report.tests for report in each),
        handed=[one for report in each for one in report.handed],
    )


def taken(report: Report) -> Report:
    """Return a report that is handed over, within bounds; raise SpecError for sums that are none.

    Keys are left out: tests with mocks of their own have a key each. The report says of itself
    what it is of, so that whoever reads both as one can tell.
    """
    for name, known in _COUNTS.items():
        counts = {"requests": report.requests, "jobs": report.jobs}[name]
        for kind, number in counts.items():
            if kind not in known:
                raise SpecError(f"{name}: there is no {plain(kind, 80)!r}; give {', '.join(known)}")
            _check_number(number, f"{name}.{kind}")
    spend = {**report.spend}
    if spend:
        parts = spend.get("endpoints")
        if not is_array(parts) or len(parts) > _LINES:
            raise SpecError(f"spend.endpoints: give a list of at most {_LINES:,}")
        _check_sum(spend, "spend")
        for place, part in enumerate(parts):
            where = f"spend.endpoints[{place}]"
            id = part.get("endpoint_id") if is_object(part) else None
            if not is_object(part) or not isinstance(id, str) or len(id) > _LENGTH:
                raise SpecError(f"{where}.endpoint_id: give the id of an endpoint")
            _check_sum(part, where)
        spend |= {"keys": [], "budget": None}
    if report.not_done:
        _check_sum(report.not_done, "not_done")
    _check_number(report.tests, "tests")
    told: dict[str, JSON] = {
        "command": plain(report.command),
        "tests": report.tests,
        "requests": report.requests.get("total", 0),
        "jobs": report.jobs.get("total", 0),
    }
    own = replace(
        report,
        findings=[*map(_cut, report.findings)],
        problems=[*map(plain, report.problems)],
        spend=spend,
        untried=[plain(one, _LENGTH) for one in report.untried],
        # Entries of a baseline of its own are no matter of another's.
        unmatched=[],
        handed=[told],
    )
    return bounded(own)


def bounded(report: Report) -> Report:
    """Return a report without what is too much of it to be kept, which it says."""
    problems, handed, spend = report.problems, report.handed, {**report.spend}
    if (left := len(report.findings) - _FINDINGS) > 0:
        problems = [*problems, f"{counted(left, 'finding')} could not be kept: too many of them"]
    if len(handed) > _HANDED:
        sums = _counts(handed)
        handed = [{"command": f"{counted(len(handed), 'report')}", **sums}]
    if is_array(parts := spend.get("endpoints")):
        spend["endpoints"] = parts[:_LINES]
    return replace(
        report,
        findings=report.findings[:_FINDINGS],
        problems=problems[:_LINES],
        spend=spend,
        untried=report.untried[:_LINES],
        handed=handed,
    )


def _counts(counts: Iterable[Mapping[str, JSON]]) -> dict[str, JSON]:
    whole = Counter[str]()
    for one in counts:
        whole.update({name: value for name, value in one.items() if isinstance(value, int)})
    return {**whole}


def summed(spends: Sequence[Mapping[str, Any]]) -> dict[str, JSON]:
    """Return what the jobs of several mocks have cost, in all and in parts, the dearest first."""
    if not spends:
        return {}
    parts: dict[str, list[JSON]] = {}
    for name, of in (("endpoints", "endpoint_id"), ("keys", "key")):
        found: dict[str, list[Mapping[str, Any]]] = {}
        for one in spends:
            for part in one.get(name, ()):
                found.setdefault(part[of], []).append(part)
        sums: list[dict[str, Any]] = [{of: id, **_sum(each)} for id, each in found.items()]
        sums.sort(key=lambda one: Decimal(one["cost"]), reverse=True)
        parts[name] = [*sums]
    budget = next((one["budget"] for one in spends if one.get("budget") is not None), None)
    return {"currency": "USD", **_sum(spends), **parts, "budget": budget}


def _sum(parts: Sequence[Mapping[str, Any]]) -> dict[str, JSON]:
    if not parts:
        return {}
    counts = _counts({name: one.get(name, 0) for name in _SUM} for one in parts)
    cost = sum((Decimal(one.get("cost", 0)) for one in parts), Decimal(0))
    return {**counts, "cost": f"{cost:f}"}


def _check_sum(sums: Mapping[str, JSON], where: str) -> None:
    for name in _SUM:
        _check_number(sums.get(name), f"{where}.{name}")
    cost = sums.get("cost")
    if not isinstance(cost, str) or not _DOLLARS.fullmatch(cost):
        what = plain(repr(cost), 80)
        raise SpecError(f'{where}.cost: {what} is no amount of US dollars; give one as "0.36"')


def _check_number(number: JSON, where: str) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**53:
        raise SpecError(f"{where}: {plain(repr(number), 80)} is no count; give a whole number")


def _cut(finding: Finding) -> Finding:
    """Return a finding whose texts are no longer than those that the mock itself makes."""
    own = asdict(finding)
    kind: dict[str, Any] = own.pop("kind")
    return Finding(kind=FindingKind(**_short(kind)), **_short(own))


def _short(values: Mapping[str, Any]) -> dict[str, Any]:
    return {n: value[:_LENGTH] if isinstance(value, str) else value for n, value in values.items()}
