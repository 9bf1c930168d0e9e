"""The pytest plugin `falkit`: fal_mock, fal_server, make_fal_server, and the marker fal.

docs/pytest.md says what they do. All that they need is imported when a test first uses them.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

# Not typing's: both type checkers know the name, and this module is imported by every pytest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from falkit import InProcess
    from falkit_contract.pytest_plugin._server import FalServer as FalServer, MakeServer
    from falkit_contract.pytest_plugin._servers import Door, Servers
    from falkit_contract.pytest_plugin._told import Told
    from falkit_contract.pytest_plugin._used import Used

_MARKER = (
    "fal(timing='polls', seed=…, faults=[…], outputs={…}, documents=[…], budget='0.50', "
    "strict=True, allow=[…], …): settings of falkit.Settings for the mock of a test, what its "
    "calls may cost, whether what fal passes over in silence fails it, and codes of findings that "
    "it asks for"
)
# Properties of a test that are told to this plugin alone.
_TOLD = frozenset(("fal_findings", "fal_reports"))
# Where a run's servers are asked for; by which door workers of pytest-xdist ask for them; and the
# mocks that a test uses.
_SERVERS: pytest.StashKey[Servers] = pytest.StashKey()
_DOOR: pytest.StashKey[Door] = pytest.StashKey()
_USED: pytest.StashKey[Used] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what is to become of findings: what would fail, cost or leak at fal."""
    group = parser.getgroup("falkit-findings", "falkit: what would fail, cost or leak at fal")
    add = group.addoption
    fail_on = "fail a test that passed, for findings as bad as this (ini: fal_fail_on)"
    add("--fal-fail-on", choices=("error", "warning", "never"), help=fail_on)
    report = "write what the run found: .txt, .json, .xml, .sarif, .md, .html (ini: fal_report)"
    add("--fal-report", action="append", metavar="FILE", help=report)
    baseline = "findings that are known, and fail nothing (ini: fal_baseline)"
    add("--fal-baseline", metavar="FILE", help=baseline)
    update = "add what this run finds to the baseline; no finding fails a test then"
    add("--fal-update-baseline", action="store_true", help=update)
    parser.addini("fal_fail_on", "as --fal-fail-on", default="")
    parser.addini("fal_report", "as --fal-report, one on each line", "linelist", default=[])
    parser.addini("fal_baseline", "as --fal-baseline", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and add up what the tests would have cost, and have done wrong."""
    config.addinivalue_line("markers", _MARKER)
    url = os.environ.get("FALKIT_BASE_URL")
    if url:
        # In workers of pytest-xdist, too: what their tests found is wanted whole.
        config.option.fal_hands_over = True
    if not hasattr(config, "workerinput"):
        around: Told | None = None
        if url:
            from falkit_contract.pytest_plugin._told import Told

            around = Told(url)
            # Of tests that run at the same time nobody could tell which one makes a request.
            if config.getoption("dist", "no") == "no":
                config.pluginmanager.register(around, "falkit-told")
        config.pluginmanager.register(_Run(config, around), "falkit-run")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist by which door it asks for servers."""
    from falkit_contract.pytest_plugin._servers import Door

    stash = node.config.stash
    if _DOOR not in stash:
        stash[_DOOR] = Door(node.config)
    node.workerinput["falkit"] = stash[_DOOR].way(node.gateway.id)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers that this process has started."""
    if (door := config.stash.get(_DOOR, None)) is not None:
        door.close()
    if (servers := config.stash.get(_SERVERS, None)) is not None:
        servers.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test that passed, but not by what its marker says; tell hints if it failed."""
    try:
        yield
    except BaseException:
        if (used := item.stash.get(_USED, None)) is not None:
            used.tell()
        raise
    if (used := item.stash.get(_USED, None)) is not None:
        used.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test that passed for what was found only when its mocks ended."""
    yield
    if (used := item.stash.get(_USED, None)) is not None:
        used.conclude()


@pytest.fixture(scope="session")
def fal_settings() -> dict[str, Any]:
    """What the marker fal says where a test says nothing else; a conftest.py has its own."""
    return {}


@pytest.fixture
def fal_mock(request: pytest.FixtureRequest) -> Generator[InProcess]:
    """A mock of fal.ai in this process, without sockets: httpx's calls to fal's hosts end there.

    Those are fal_client's, falkit_client's and your own. `FAL_KEY` is this test's own; jobs,
    requests, faults, clock, webhooks and spend are as in docs/pytest.md.
    """
    from falkit_contract.pytest_plugin._used import in_process

    with _mocks_of(request).watching(in_process(_mocks_of(request))) as mock:
        yield mock


@pytest.fixture
def fal_server(request: pytest.FixtureRequest) -> Generator[FalServer]:
    """A mock of fal.ai on a real socket, and what leads this process and its children there.

    It is one for the whole run, also with pytest-xdist, in which each test has a key, and with it
    jobs, requests, faults, time and webhooks of its own.
    """
    from falkit_contract.pytest_plugin._server import serving
    from falkit_contract.pytest_plugin._servers import servers_of

    config = request.config
    if _SERVERS not in config.stash:
        config.stash[_SERVERS] = servers_of(config)
    with _mocks_of(request).watching(serving(_mocks_of(request), config.stash[_SERVERS])) as server:
        yield server


@pytest.fixture
def make_fal_server(request: pytest.FixtureRequest) -> Generator[MakeServer]:
    """A function that starts a falkit.Mock of this test's own, by its settings, and returns it.

    Nothing is led there; what a test does with its `url` or its `environ` is up to the test.
    """
    from falkit_contract.pytest_plugin._server import making

    with making(_mocks_of(request)) as make:
        yield make


def __getattr__(name: str) -> object:
    """Return the type of `fal_server`, for annotations in tests."""
    if name == "FalServer":
        from falkit_contract.pytest_plugin._server import FalServer as found

        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _mocks_of(request: pytest.FixtureRequest) -> Used:
    item: pytest.Item = request.node
    if _USED not in item.stash:
        from falkit_contract.pytest_plugin._used import Used

        item.stash[_USED] = Used(item, request.getfixturevalue("fal_settings"))
    return item.stash[_USED]


class _Run:
    """Adds up what tests would have cost and have done wrong, of all workers; tells at the end."""

    def __init__(self, config: pytest.Config, around: Told | None) -> None:
        self._config = config
        # The mock around the run.
        self._around = around
        # By the test's id: its properties as Used writes them.
        self._tests: dict[str, dict[str, Any]] = {}
        self._problems: list[str] = []
        # What is told, and no matter of the reports.
        self._notes: list[str] = []
        update = bool(config.getoption("fal_update_baseline"))
        names = ("fal_fail_on", "fal_report", "fal_baseline")
        given = [config.getoption(name) or config.getini(name) for name in names]
        self._writes = update or bool(given[1])
        if update or any(given):
            from falkit_contract.pytest_plugin._findings import judge_of

            judge_of(config).begin()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            found = {name: value for name, value in report.user_properties if name[:4] == "fal_"}
            if found:
                self._tests[report.nodeid] = found
            if not _TOLD.isdisjoint(found):
                # Other listeners show what they find there.
                from falkit_contract.pytest_plugin._findings import as_properties

                report.user_properties[:] = as_properties(report.user_properties)
        elif report.when not in ("setup", "call"):
            self._problems.append(f"{report.nodeid}: the process that ran it ended")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        around = self._around if self._tests else None
        if not self._writes and around is None:
            return
        from falkit_contract.pytest_plugin._findings import judge_of

        if exitstatus not in (0, 1, 5) or session.shouldfail or session.shouldstop:
            self._problems.append("pytest ended before all tests had run")
        judge = judge_of(self._config)
        report = judge.report(self._tests, self._problems)
        if self._writes and (unwritten := judge.finish(report)):
            self._problems += unwritten
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        if around is not None and (refusal := around.hand_over(report)):
            self._notes.append(refusal)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        lines = [*(self._problems if self._writes else ()), *self._notes]
        if self._tests:
            from falkit_contract.pytest_plugin._used import summary

            found: list[str] = []
            if any(not _TOLD.isdisjoint(one) for one in self._tests.values()):
                from falkit_contract.pytest_plugin._findings import remarks, summary as findings

                found = [*remarks(self._tests), *findings(self._tests)]
            lines = [*summary(self._tests), *found, *lines]
        if lines:
            terminalreporter.section("fal")
            for line in lines:
                terminalreporter.write_line(line)
