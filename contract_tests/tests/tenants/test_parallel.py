"""Ten keys run one suite against one mock at the same time, and see nothing of one another."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from nights import NIGHTLY
from receiver import receiving
from rerouting import rerouted
from serving import Mock, running
from tenants.suite import SETTINGS, Report, Suite

TEN = [f"worker-{number}" for number in range(10)]
ROUNDS = 5 if NIGHTLY else 1


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Generator[Mock]:
    with running(SETTINGS) as mock, rerouted(mock, monkeypatch, []):
        yield mock


def together(mock: Mock, keys: list[str]) -> dict[str, Report]:
    """Run the suite of each key in a thread of its own; raise what is wrong with any."""
    with ExitStack() as stack:
        suites = [Suite(mock.url, key, stack.enter_context(receiving())) for key in keys]
        with ThreadPoolExecutor(len(keys)) as pool:
            return dict(zip(keys, pool.map(Suite.run, suites), strict=True))


@pytest.mark.timeout(120 * ROUNDS)
def test_ten_tenants_run_one_suite_in_parallel(shared: Mock) -> None:
    reports = dict[str, Report]()
    for _ in range(ROUNDS):
        reports = together(shared, TEN)
    ids = [id for report in reports.values() for id in report.ids]
    paths = [path for report in reports.values() for path in report.paths]
    assert len(set(ids)) == len(ids) == 5 * len(TEN)
    assert len(set(paths)) == len(paths) == 4 * len(TEN)
    for key, report in reports.items():
        told = str((report.requests, report.deliveries, report.events))
        others = {id for other in TEN if other != key for id in reports[other].ids}
        assert not [id for id in others if id in told], f"{key} was told of another's jobs"
    costs = {report.billing["cost"] for report in reports.values()}
    assert len(costs) == 1
    listed = httpx.get(f"{shared.url}/__falkit/tenants").json()["tenants"]
    assert sorted(one["key"] for one in listed) == TEN


def test_a_tenant_is_told_what_it_would_be_told_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[Report] = []
    for keys in (TEN[:3], TEN[2:3]):
        with running(SETTINGS) as mock, monkeypatch.context() as patch, rerouted(mock, patch, []):
            report = together(mock, keys)[TEN[2]]
            reports.append(report)
    assert reports[0] == reports[1]
