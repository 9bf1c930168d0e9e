"""The mocks that one test uses: what its marker asks of them, and what its calls cost."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from falkit.parts import Parts
from falkit_contract.pytest_plugin._marker import Marked, marked, refusal
from falkit_mock.core import count
from falkit_mock.core.settings import SettingsError
from falkit_mock.service.spend import Cost, Spend, said
from falkit_mock.settings import Settings
from falkit_spec.facts import dollars
from falkit_spec.findings import Report

if TYPE_CHECKING:
    from falkit import InProcess
    from falkit_contract.pytest_plugin._findings import Judge
    from falkit_mock.core.events import RequestRecord
    from falkit_spec import Catalog
    from falkit_spec.findings import Finding

_log = logging.getLogger("falkit_contract")
_Mock = TypeVar("_Mock", bound=Parts)
# The properties of a test, which JUnit's files have as well.
_COST, _JOBS, _UNKNOWN = "fal_cost_usd", "fal_jobs", "fal_jobs_of_unknown_price"
# What the controller is told, and keeps to itself.
_FINDINGS, _REPORTS = "fal_findings", "fal_reports"
_OURS = (_COST, _JOBS, _UNKNOWN, _FINDINGS, _REPORTS)
# How many of the dearest tests the summary names, and lines of hints a failure has.
_DEAREST, _MOST_HINTS = 5, 10
# Characters of a test's id that a mock is told.
_LONGEST = 1000
# How hints begin of what a test itself has asked for.
_ASKED_FOR = ("falkit made this fault", "falkit answered a pinned output")


class Used:
    """The mocks of one test."""

    def __init__(self, item: pytest.Item, usual: Mapping[str, Any]) -> None:
        self.item = item
        # The fixture fal_settings.
        self._usual = usual
        self._mocks: list[Parts] = []
        # Of the mocks that have ended: what calls would have cost, what was found, and the rest.
        self._spent: list[Spend] = []
        self._found: list[Finding] = []
        self._reports: list[Report] = []
        # Whether the test has passed.
        self._passed = False
        # The fixture that leads calls to fal to its mock.
        self._leading: str | None = None

    @cached_property
    def marked(self) -> Marked:
        """What the test's markers say; the first look fails the test if they can't work."""
        return marked(self.item, self._usual, self.item.config.invocation_params.dir)

    def lead(self, fixture: str) -> None:
        """Note which fixture leads calls to its mock; a second one fails the test."""
        if self._leading is not None:
            why = f"{self._leading} and {fixture} both lead calls to fal to a mock of theirs"
            pytest.fail(f"{why}; use one, and make_fal_server for more mocks", pytrace=False)
        self._leading = fixture

    @contextmanager
    def watching(self, mock: AbstractContextManager[_Mock]) -> Generator[_Mock]:
        """Enter a mock, and look at its end what its calls would have cost, and have done wrong."""
        with mock as entered:
            with suppress(ConnectionError, RuntimeError):
                # Not of one for many keys.
                entered.begin_test(self.item.nodeid[:_LONGEST])
            self._mocks.append(entered)
            try:
                yield entered
            finally:
                self._mocks.remove(entered)
                self._note(entered)

    def check(self) -> None:
        """Fail the test for what its marker doesn't let pass."""
        __tracebackhide__ = True
        strict, budget = self.marked.strict, self.marked.budget
        if strict and (told := [line for mock in self._mocks for line in _hints(mock)]):
            shown = "\n  ".join(told[:_MOST_HINTS])
            raise refusal(f"strict: fal would have passed over this in silence: {shown}")
        spent = [*self._spent, *(mock.spend for mock in self._mocks)] if budget is not None else []
        if budget is not None and _whole(each.cost for each in spent).total > budget:
            bill = " + ".join(str(each) for each in spent if each.total)
            raise refusal(f"budget: {dollars(budget)}, and the calls would have cost {bill}")
        if self._fails and (found := self._findings()):
            self._judge.check(found)
        self._passed = True

    def conclude(self) -> None:
        """Fail a test that passed for what was only found when its fixtures had ended."""
        __tracebackhide__ = True
        passed, self._passed = self._passed, False
        if passed and self._fails and self._found:
            self._judge.check(self._found)

    def tell(self) -> None:
        """Have the report of a test that failed say what fal's answers don't: hints, findings."""
        hinted = [one for mock in self._mocks for one in _requests(mock) if one.hint]
        hinted = hinted[-_MOST_HINTS:]
        told = [f"{one.status} {one.method} {one.host}{one.path}: {one.hint}" for one in hinted]
        # What a hint is about isn't said twice.
        about = {(one.time, one.request_id) for one in hinted}
        more = [one for one in self._findings() if (one.time, one.request_id) not in about]
        if more:
            # Lazy: most tests do nothing wrong.
            from falkit_contract.pytest_plugin._findings import lines_of

            told += lines_of(more)
        if told:
            self.item.add_report_section("call", "fal", "\n".join(told))

    @property
    def _fails(self) -> bool:
        """Whether findings may fail a test."""
        config = self.item.config
        given: str = config.getoption("fal_fail_on") or config.getini("fal_fail_on")
        return given not in ("", "never")

    @property
    def _judge(self) -> Judge:
        # Lazy: most tests do nothing wrong.
        from falkit_contract.pytest_plugin._findings import judge_of

        return judge_of(self.item.config)

    def _judged(self, findings: list[Finding]) -> list[Finding]:
        if not findings:
            return findings
        return self._judge.judged(findings, self.marked.allow, self.item)

    def _findings(self) -> list[Finding]:
        """Return what was found by now."""
        found = [*self._found]
        for mock in self._mocks:
            with suppress(ConnectionError, RuntimeError):
                found += mock.findings
        return self._judged(found)

    def _note(self, mock: Parts) -> None:
        """Write what the test's calls would have cost, and have done wrong, into its properties."""
        # A test may run again.
        self._leading = None
        try:
            report = mock.report()
        except (ConnectionError, RuntimeError):
            # Whoever ended it has said so already; or the test itself has.
            why = "a mock ended before it could be asked what it found"
            report = Report("", [], [f"{self.item.nodeid}: {why}"])
        else:
            self._spent.append(Spend.read(report.spend))
        if report.findings:
            self._found = self._judged([*self._found, *report.findings])
            report.findings = []
        self._reports.append(report)
        properties, whole = self.item.user_properties, _whole(each.cost for each in self._spent)
        properties[:] = [each for each in properties if each[0] not in _OURS]
        figures = (f"{whole.total:f}", whole.jobs, whole.unknown)
        properties += zip((_COST, _JOBS, _UNKNOWN), figures, strict=True)
        if self._found:
            properties.append((_FINDINGS, [one.to_json() for one in self._found]))
        config = self.item.config
        wanted = config.getoption("fal_report") or config.getini("fal_report")
        told = wanted or config.getoption("fal_hands_over", False)
        if told or any(one.not_done or one.untried for one in self._reports):
            properties.append((_REPORTS, [one.to_json() for one in self._reports]))


@contextmanager
def in_process(used: Used) -> Generator[InProcess]:
    """Lead this process's calls of httpx to fal's hosts to a mock in it."""
    used.lead("fal_mock")
    # Lazy: who has `fal_server` alone needs no httpx.
    from falkit import InProcess

    settings: dict[str, Any] = {**used.marked.settings}
    places, date = settings.pop("documents", ()), settings.pop("as_of", None)
    try:
        catalog = _catalog(tuple(map(str, places)), date) if places or date else None
        clock = settings.pop("clock", None)
        mock = InProcess(clock=clock, catalog=catalog, **settings).start()
    except ImportError as error:
        # It names the extra with respx in it.
        raise pytest.fail.Exception(f"fal_mock: {error}", pytrace=False) from None
    except SettingsError as error:
        # An output that its endpoint can't have, which only its document tells.
        raise refusal(str(error)) from None
    try:
        yield mock
    finally:
        mock.stop()


@cache
def _catalog(places: tuple[str, ...], date: str | None) -> Catalog:
    """Return the documents of a project, which are read for its first test."""
    catalog = Settings(documents=places, as_of=date).read_catalog()
    for line in catalog.notes:
        _log.warning("%s", line)
    return catalog


def summary(tests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what tests would have cost, by the properties of each; nothing without jobs."""
    costs = {
        id: Cost(Decimal(one[_COST]), one[_JOBS], one[_UNKNOWN])
        for id, one in tests.items()
        if one[_JOBS]
    }
    if not costs:
        return []
    whole = _whole(costs.values())
    made = f"{count(whole.jobs, 'job')} of {count(len(costs), 'test')}"
    lines = [f"{made} would have cost {said(whole)}"]
    dearest = sorted((id for id in costs if costs[id].total), key=lambda id: -costs[id].total)
    if len(dearest) > 1:
        lines += [f"  {said(costs[id])}  {id}" for id in dearest[:_DEAREST]]
    if len(dearest) > _DEAREST:
        lines.append(f"  and {len(dearest) - _DEAREST} more")
    return lines


def _whole(costs: Iterable[Cost]) -> Cost:
    """Return several costs as one."""
    totals, jobs, unknown = zip(Cost(Decimal(0), 0, 0), *costs, strict=True)
    return Cost(sum(totals, Decimal(0)), sum(jobs), sum(unknown))


def _hints(mock: Parts) -> Iterable[str]:
    """Return what fal says nothing about, of the calls that it would have answered all the same."""
    told: list[str] = []
    for one in _requests(mock):
        if one.hint and one.status is not None and one.status < 400:
            parts = [part for part in one.hint.split("; ") if not part.startswith(_ASKED_FOR)]
            told += [f"{one.method} {one.host}{one.path}: {'; '.join(parts)}"] if parts else []
    return dict.fromkeys(told)


def _requests(mock: Parts) -> list[RequestRecord]:
    try:
        return mock.requests
    except (RuntimeError, ConnectionError):
        # It is one for many keys, and whose calls are the test's own can't be told; or it is gone.
        return []
