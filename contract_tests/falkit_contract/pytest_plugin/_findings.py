"""What a run's tests did that would fail, cost or leak at fal: judged, summed up, and reported."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from falkit_mock.core import count
from falkit_spec.errors import SpecError
from falkit_spec.findings import FailOn, Finding, Report, Severity, merged
from falkit_spec.reports import FORMATS, Format, format_of, write
from falkit_spec.reports.adding import joined
from falkit_spec.reports.baseline import Entry, apply, read, save, update
from falkit_spec.reports.words import not_done, plain, untried, what

# How many tests the summary names, and findings of one; and how many JUnit's files have of one.
_MOST_TESTS, _MOST_EACH, _MOST_PROPERTIES = 10, 5, 20
_FINDING = "fal_finding"
_ORDER: tuple[Severity, ...] = get_args(Severity)


class Judge:
    """What a run lets pass, by its options and its ini file."""

    def __init__(self, config: pytest.Config) -> None:
        """Read the options; raise pytest.UsageError for what can't be."""
        folder = config.invocation_params.dir
        beside = config.inipath.parent if config.inipath else folder
        fail_on = config.getoption("fal_fail_on") or config.getini("fal_fail_on") or "never"
        if fail_on not in get_args(FailOn):
            known = ", ".join(get_args(FailOn))
            raise pytest.UsageError(f"fal_fail_on: {fail_on!r} is none of {known}")
        self._fail_on = cast("FailOn", fail_on)
        given, at = config.getoption("fal_report"), folder
        if not given:
            given, at = config.getini("fal_report"), beside
        self._reports = [_target(word, at) for word in given]
        option, ini = config.getoption("fal_baseline"), config.getini("fal_baseline")
        self._file = folder / option if option else beside / ini if ini else None
        self.updates = bool(config.getoption("fal_update_baseline"))
        self._command = shlex.join(("pytest", *config.invocation_params.args))

    def begin(self) -> None:
        """Look before the first test whether all of it can be done; raise pytest.UsageError."""
        if self.updates and self._file is None:
            fix = "name it by --fal-baseline FILE"
            raise pytest.UsageError(f"--fal-update-baseline: there is no baseline; {fix}")
        for _, path in self._reports:
            if not path.parent.is_dir():
                fix = "make it, or name another file"
                raise pytest.UsageError(f"--fal-report: {path.parent} isn't a folder; {fix}")
        _ = self._known

    @cached_property
    def _known(self) -> Sequence[Entry]:
        """The baseline, without which all is new."""
        if self._file is None:
            return []
        if not self._file.exists():
            if self.updates:
                return []
            fix = "--fal-update-baseline writes it"
            raise pytest.UsageError(f"--fal-baseline: {self._file} isn't there; {fix}")
        try:
            return read(self._file)
        except SpecError as error:
            raise pytest.UsageError(f"--fal-baseline: {error}") from None

    def judged(
        self, findings: Iterable[Finding], allow: Iterable[str], item: pytest.Item
    ) -> list[Finding]:
        """Return what was found in a test without what it asks for, the worst first."""
        # Its file's line, counted from 0.
        _, before, _ = item.location
        test, line = item.nodeid, 0 if before is None else before + 1
        own = [replace(one, test=test, line=line) for one in findings if one.kind.code not in allow]
        return apply(merged(own), self._known, date.today())

    def check(self, findings: Iterable[Finding]) -> None:
        """Fail a test for findings that may not pass."""
        __tracebackhide__ = True
        most = {"error": 1, "warning": 2, "never": 0}[self._fail_on]
        severities = () if self.updates else _ORDER[:most]
        failing = [one for one in findings if one.severity in severities and not one.accepted]
        if failing:
            codes = ", ".join(dict.fromkeys(one.kind.code for one in failing))
            lines = [f"fal-fail-on={self._fail_on}: {codes}", *lines_of(failing, with_fal=True)]
            raise pytest.fail.Exception("\n".join(lines), pytrace=False)

    def report(self, tests: Mapping[str, Mapping[str, Any]], problems: Sequence[str]) -> Report:
        """Return the report of a run, of all mocks that its tests had."""
        runs = [Report.read(one) for test in tests.values() for one in test.get("fal_reports", ())]
        report = joined(self._command, runs)
        report.findings = _all_of(tests)
        report.problems = [*dict.fromkeys((*problems, *report.problems))]
        # Where nobody called, reports say so.
        report.requests = {"total": 0, "failed": 0, **report.requests}
        report.tests = len(tests)
        if report.spend:
            # Each test has a key of its own.
            report.spend = {**report.spend, "keys": []}
        return report

    def finish(self, report: Report) -> list[str]:
        """Write the reports and the baseline of a run; return what could not be written."""
        unwritten: list[str] = []
        if self.updates and self._file is not None:
            # A run may be one of some tests alone: what they don't find isn't gone.
            entries = update(report.findings, self._known, date.today(), drop=False)
            report.findings = apply(report.findings, entries, date.today())
            try:
                save(self._file, entries)
            except SpecError as error:
                unwritten.append(str(error))
        for form, path in self._reports:
            try:
                path.write_text(write(report, form), "utf-8", newline="\n")
            except OSError as error:
                unwritten.append(f"{path}: can't be written ({(error.strerror or '').lower()})")
        return unwritten


_JUDGE: pytest.StashKey[Judge] = pytest.StashKey()


def judge_of(config: pytest.Config) -> Judge:
    """Return what this process judges by, read once; raise pytest.UsageError."""
    if _JUDGE not in config.stash:
        config.stash[_JUDGE] = Judge(config)
    return config.stash[_JUDGE]


def _target(word: str, folder: Path) -> tuple[Format, Path]:
    """Return the format and the file that FILE or FORMAT:FILE names; raise pytest.UsageError."""
    name, _, file = word.partition(":")
    if name in FORMATS and file:
        return name, folder / file
    try:
        return format_of(word), folder / word
    except SpecError as error:
        raise pytest.UsageError(f"--fal-report: {error}") from None


def lines_of(
    findings: Sequence[Finding], explained: set[str] | None = None, *, with_fal: bool = False
) -> list[str]:
    """Return findings as indented lines, and how to fix those that aren't among the explained."""
    explained = set() if explained is None else explained
    lines: list[str] = []
    for one in findings[:_MOST_EACH]:
        code, since = one.kind.code, f"; its baseline expired on {one.expired}"
        lines.append(f"  {one.severity} {code}: {what(one)}{since if one.expired else ''}")
        if code not in explained:
            explained.add(code)
            lines += [f"    fal: {one.kind.fal}"] if with_fal else []
            lines.append(f"    fix: {one.kind.fix}")
    if len(findings) > _MOST_EACH:
        lines.append(f"  and {len(findings) - _MOST_EACH} more")
    return lines


def summary(tests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what was found, by test, the worst first."""
    found = [one for one in _all_of(tests) if one.severity != "note"]
    by_test: dict[str, list[Finding]] = {}
    for one in found:
        if not one.accepted:
            by_test.setdefault(one.test, []).append(one)
    counts = Counter(one.severity for each in by_test.values() for one in each)
    accepted = sum(bool(one.accepted) for one in found)
    said = [count(counts[each], each) for each in _ORDER if counts[each]]
    more = "`falkit explain CODE` says more"
    lines = [f"{' and '.join(said)} in {count(len(by_test), 'test')}; {more}"] if said else []
    explained: set[str] = set()
    for test, own in [*by_test.items()][:_MOST_TESTS]:
        lines += [plain(test), *lines_of(own, explained)]
    if len(by_test) > _MOST_TESTS:
        lines.append(f"and {count(len(by_test) - _MOST_TESTS, 'more test')}")
    return [*lines, f"the baseline accepts {count(accepted, 'finding')}"] if accepted else lines


def remarks(tests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what isn't wrong, and is no good news either: jobs left, webhooks never tried."""
    told = (one for test in tests.values() for one in test.get("fal_reports", ()))
    report = joined("", map(Report.read, told))
    number, price = not_done(report)
    ended = (
        "was not done when its test ended"
        if number == 1
        else "were not done when their tests ended"
    )
    left = f"{count(number, 'job')} {ended}, and would cost {price} more"
    return [*([left] if number else []), *untried(report)]


def as_properties(properties: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """Return a test's properties with a line for each finding, as reports of others show them."""
    kept: list[tuple[str, object]] = []
    for name, value in properties:
        if name == "fal_findings":
            told = cast("list[dict[str, Any]]", value)[:_MOST_PROPERTIES]
            found = map(Finding.read, told)
            kept += ((_FINDING, f"{one.severity} {one.kind.code}: {what(one)}") for one in found)
        elif name != "fal_reports":
            kept.append((name, value))
    return kept


def _all_of(tests: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return what was found in all tests, the worst first."""
    told = (one for test in tests.values() for one in test.get("fal_findings", ()))
    return merged(map(Finding.read, told))
