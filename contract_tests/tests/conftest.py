"""Reports what the whole run has tried, and fails it if a combination was lost."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import Phase, settings

import counting
import processes
from falkit_spec import Catalog

# The same inputs in every `make test`, so that it is never red for what nobody changed; new ones,
# and more of them, by night.
settings.register_profile("daily", max_examples=60, derandomize=True, deadline=None)
settings.register_profile("nightly", max_examples=300, deadline=None)
# A planted fault is to be found, not made small; and many run at once, each of them slowly.
settings.register_profile(
    "planted", phases=[Phase.explicit, Phase.generate], database=None, deadline=None
)
if os.environ.get("FALKIT_PLANTED"):
    settings.load_profile("planted")
else:
    settings.load_profile("nightly" if os.environ.get("FALKIT_NIGHTLY") == "1" else "daily")

processes.let_programs_heed_signals()


def _tried(config: pytest.Config) -> set[counting.Tried]:
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    return counting.noted(reporter.stats.get("passed", ())) if reporter else set()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a whole run that has not tried every combination."""
    config = session.config
    if _is_worker(config) or exitstatus != pytest.ExitCode.OK or not counting.is_whole(config):
        return
    if counting.expected(Catalog.vendored()) - _tried(config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print how many combinations were tried, and which are missing."""
    tried = _tried(config)
    if not tried:
        return
    terminalreporter.section("combinations tried")
    for line in counting.table(tried):
        terminalreporter.line(line)
    missing = counting.expected(Catalog.vendored()) - tried
    if missing and counting.is_whole(config):
        terminalreporter.line(f"MISSING: {len(missing)} were not tried or failed", red=True)
        for one in sorted(missing, key=str)[:20]:
            terminalreporter.line(f"  {one.endpoint} {one.choice} through {one.entry}", red=True)
