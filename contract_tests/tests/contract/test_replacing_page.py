"""docs/replace-your-mock.md: its Python files are written out and run as they stand.

Those in JavaScript are run by node_package/test_runners.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from falkit_mock.faults.rules import Rule
from nights import at_night

PAGE = (Path(__file__).parents[3] / "docs" / "replace-your-mock.md").read_text()
FILES: list[tuple[str, str, str]] = re.findall(
    r"```python\n# (before|after)/(\w+\.py)\n(.*?)```", PAGE, re.DOTALL
)
FAL_MOCK = "falkit_contract.pytest_plugin"
# By what the tests before name their mocks, each in a section of its own.
TECHNIQUES = {"respx_mock", "httpx_mock", "responses", "patch", "monkeypatch"}


def written(folder: Path, when: str) -> Path:
    """Write the files of one side of the page."""
    for side, name, text in FILES:
        if side == when:
            (folder / name).write_text(text)
    return folder


def number_of_tests(when: str) -> int:
    """Return how many functions of one side are tests."""
    found = [
        re.findall(r"^def test_", text, re.MULTILINE) for side, _, text in FILES if side == when
    ]
    return sum(map(len, found))


def all_passed(said: str) -> int:
    """Return how many tests pytest ran, where none did otherwise than pass."""
    (number,) = re.findall(r"^(\d+) passed in", said, re.MULTILINE) or pytest.fail(said)
    return int(number)


@pytest.fixture
def outcome(authority_folder: Path) -> Callable[..., str]:
    """Run pytest in a project, without the plugins that happen to be here; return what it says."""
    environment = {name: text for name, text in os.environ.items() if "FAL" not in name}
    environment |= {"FALKIT_HOME": str(authority_folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]

    def run(project: Path, *words: str) -> str:
        done = subprocess.run(
            [*command, *words], cwd=project, env=environment, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    return run


def test_the_mocks_pass_with_code_that_has_never_worked(
    tmp_path: Path, outcome: Callable[..., str]
) -> None:
    project = written(tmp_path, "before")
    said = outcome(project, "-p", "respx.plugin", "-p", "pytest_httpx")
    assert all_passed(said) >= number_of_tests("before")


def test_what_takes_their_place_passes(tmp_path: Path, outcome: Callable[..., str]) -> None:
    project = written(tmp_path, "after")
    (project / "sdk.py").write_text(
        next(text for side, name, text in FILES if (side, name) == ("before", "sdk.py"))
    )
    said = outcome(project, "-p", "respx.plugin", "-p", "pytest_httpx", "-p", FAL_MOCK)
    assert all_passed(said) >= number_of_tests("after")


# The pairs themselves are run each day.
@at_night
def test_the_old_code_fails_in_the_new_tests_and_the_hints_say_why(
    tmp_path: Path, outcome: Callable[..., str]
) -> None:
    project = written(tmp_path, "after")
    for side, name, text in FILES:
        if (side, name) == ("before", "clips.py"):
            (project / name).write_text(text)
    names = ["test_clips.py", "test_start.py"]
    said = outcome(project, "-p", "respx.plugin", "-p", FAL_MOCK, *names)
    assert re.search(r"^4 failed in", said, re.MULTILINE), said
    (shown,) = re.findall(r"\n\n```\n(.*?)```", PAGE, re.DOTALL)
    for line in shown.splitlines():
        for part in line.split("…"):
            assert part.strip() in said, said


@pytest.mark.parametrize("rule", sorted(set(re.findall(r'faults\.add\("([^"]+)"\)', PAGE))))
def test_the_faults_of_the_page_exist(rule: str) -> None:
    assert Rule.read(rule).text() == rule


@pytest.mark.parametrize("technique", sorted(TECHNIQUES))
def test_each_technique_has_a_test_before(technique: str) -> None:
    before = [text for side, name, text in FILES if (side, name[:5]) == ("before", "test_")]
    assert any(re.search(rf"\b{technique}\b", text) for text in before)
