"""A run that has lost a combination fails, and one that was asked for a part of them does not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import conftest
import counting
from falkit_spec import Catalog

EVERY = counting.expected(Catalog.vendored())
LOST = next(iter(EVERY))


def session(tried: set[counting.Tried], **asked: Any) -> Any:
    """A run at its end, in which these were tried."""
    reports = [
        SimpleNamespace(
            when="call",
            user_properties=[(counting.PROPERTY, [one.endpoint, one.choice, one.entry, one.legal])],
        )
        for one in tried
    ]
    reporter = SimpleNamespace(stats={"passed": reports})
    narrowed = {"keyword": "", "markexpr": "", "deselect": None, "lf": False, **asked}

    def get_plugin(name: str) -> Any:
        return {"terminalreporter": reporter}[name]

    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(get_plugin=get_plugin),
        option=SimpleNamespace(**narrowed),
        args_source=narrowed.get("args_source", pytest.Config.ArgsSource.TESTPATHS),
    )
    return SimpleNamespace(config=config, exitstatus=pytest.ExitCode.OK)


def finished(run: Any) -> int:
    conftest.pytest_sessionfinish(run, run.exitstatus)
    return int(run.exitstatus)


def test_a_whole_run_passes() -> None:
    assert finished(session(EVERY)) == pytest.ExitCode.OK


def test_a_whole_run_that_lost_one_fails() -> None:
    assert finished(session(EVERY - {LOST})) == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "asked",
    [
        {"keyword": "queue"},
        {"markexpr": "slow"},
        {"lf": True},
        {"deselect": ["x"]},
        {"args_source": pytest.Config.ArgsSource.ARGS},
    ],
)
def test_a_part_may_try_a_part(asked: dict[str, Any]) -> None:
    assert finished(session({LOST}, **asked)) == pytest.ExitCode.OK


def test_there_are_as_many_as_the_documents_have() -> None:
    # 48 of each Fast, 18 of each Pro, all with sound and without; 3 retakes; each six ways.
    assert len(EVERY) == (2 * 48 * 2 + 2 * 18 * 2 + 3) * 6
    assert sum(one.legal for one in EVERY) == (2 * 23 * 2 + 2 * 18 * 2 + 3) * 6


def test_the_table_counts_each_combination_once() -> None:
    table = list(counting.table(EVERY))
    assert table[0].split()[:3] == ["endpoint", "legal", "illegal"]
    assert table[2].split() == ["fal-ai/ltx-2/image-to-video/fast", "46", "50", "576", "276"]
    assert table[-2].split() == ["all", "167", "100", "1602", "1002"]


def test_the_reports_hooks_stand_where_pytest_finds_them() -> None:
    assert Path(conftest.__file__).parent.name == "tests"
