"""The mocks that one test uses: what its marker asks of them, and what its calls cost."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from falkit.parts import Parts
from falkit_contract.pytest_plugin._marker import Marked, marked, refusal
from falkit_mock.core import count
from falkit_mock.core.settings import SettingsError

if TYPE_CHECKING:
    from falkit import InProcess
    from falkit.views import Job

_Mock = TypeVar("_Mock", bound=Parts)
# The properties of a test, which JUnit's files have as well.
_COST, _JOBS, _UNPRICED = "fal_cost_usd", "fal_jobs", "fal_jobs_without_price"
# How many of the dearest tests the summary names, and lines of hints a failure has.
_DEAREST, _MOST_HINTS = 5, 10


class Used:
    """The mocks of one test."""

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self._mocks: list[Parts] = []
        # Of the mocks that have ended.
        self._jobs: list[Job] = []
        # The fixture that leads calls to fal to its mock.
        self._leading: str | None = None

    @cached_property
    def marked(self) -> Marked:
        """What the test's markers say; the first look fails the test if they can't work."""
        return marked(self.item, self.item.config.invocation_params.dir)

    def lead(self, fixture: str) -> None:
        """Note which fixture leads calls to its mock; a second one fails the test."""
        if self._leading is not None:
            why = f"{self._leading} and {fixture} both lead calls to fal to a mock of theirs"
            pytest.fail(f"{why}; use one, and make_fal_server for more mocks", pytrace=False)
        self._leading = fixture

    @contextmanager
    def watching(self, mock: AbstractContextManager[_Mock]) -> Generator[_Mock]:
        """Enter a mock, and look at its end what its calls would have cost."""
        with mock as entered:
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
        if budget is not None:
            jobs = [job for mock in self._mocks for job in mock.jobs]
            if _total(jobs) > budget:
                bill = f"{budget} US dollars, and the calls would have cost {_bill(jobs)}"
                raise refusal(f"budget: {bill}")

    def _note(self, mock: Parts) -> None:
        """Write what the test's calls would have cost into its properties."""
        try:
            self._jobs += mock.jobs
        except ConnectionError:
            # Whoever ended it has said so already.
            return
        jobs, properties = self._jobs, self.item.user_properties
        # A test that runs again has those of before.
        properties[:] = [each for each in properties if each[0] not in (_COST, _JOBS, _UNPRICED)]
        properties += [
            (_COST, f"{_total(jobs):f}"),
            (_JOBS, len(jobs)),
            (_UNPRICED, sum(map(_is_unpriced, jobs))),
        ]


@contextmanager
def in_process(used: Used) -> Generator[InProcess]:
    """Lead this process's calls of httpx to fal's hosts to a mock in it."""
    used.lead("fal_mock")
    settings: dict[str, Any] = {**used.marked.settings}
    try:
        from falkit.inprocess import InProcess
    except ImportError as error:
        # It names the extra with respx in it.
        raise pytest.fail.Exception(f"fal_mock: {error}", pytrace=False) from None
    try:
        mock = InProcess(**settings).start()
    except SettingsError as error:
        # An output that its endpoint can't have, which only its document tells.
        raise refusal(str(error)) from None
    try:
        yield mock
    finally:
        mock.stop()


def summary(tests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what tests would have cost, by the properties of each; nothing without jobs."""
    jobs, unpriced = (sum(one[name] for one in tests.values()) for name in (_JOBS, _UNPRICED))
    if not jobs:
        return []
    costs = {id: Decimal(one[_COST]) for id, one in tests.items() if one[_JOBS]}
    told = f"{count(jobs, 'job')} in {count(len(costs), 'test')} would have cost "
    lines = [f"{told}{_dollars(sum(costs.values()))}{_and_unpriced(unpriced)}"]
    dearest = sorted((id for id in costs if costs[id]), key=lambda id: -costs[id])
    if len(dearest) > 1:
        lines += [f"  {_dollars(costs[id])}  {id}" for id in dearest[:_DEAREST]]
    if len(dearest) > _DEAREST:
        lines.append(f"  and {len(dearest) - _DEAREST} more")
    return lines


def _hints(mock: Parts) -> Iterable[str]:
    """Return what fal says nothing about, of the calls that it would have answered all the same."""
    found = [
        f"{one.method} {one.host}{one.path}: {one.hint}"
        for one in mock.requests
        if one.hint and one.status is not None and one.status < 400
    ]
    return dict.fromkeys(found)


def _total(jobs: Iterable[Job]) -> Decimal:
    return sum((job.cost for job in jobs if job.cost is not None), Decimal(0))


def _is_unpriced(job: Job) -> bool:
    return job.cost is None and job.status == "COMPLETED" and job.error is None


def _bill(jobs: list[Job]) -> str:
    """Return what jobs cost in all, and which of them how much."""
    by_endpoint: dict[str, list[Job]] = {}
    for job in jobs:
        if job.cost is not None:
            by_endpoint.setdefault(job.endpoint_id, []).append(job)
    lines = sorted(((_total(own), id, len(own)) for id, own in by_endpoint.items()), reverse=True)
    told = ", ".join(
        f"{count(number, 'job')} of {id} {_dollars(cost)}" for cost, id, number in lines
    )
    return f"{_dollars(_total(jobs))}: {told}{_and_unpriced(sum(map(_is_unpriced, jobs)))}"


def _and_unpriced(number: int) -> str:
    return f"; the price of {count(number, 'job')} is unknown" if number else ""


def _dollars(amount: Decimal | int) -> str:
    cents = Decimal(amount).quantize(Decimal("0.01"))
    return f"${cents}" if cents == amount else f"${Decimal(amount).normalize():f}"
