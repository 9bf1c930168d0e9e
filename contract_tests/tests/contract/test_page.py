"""The page for other teams: its files are written out and run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving import Mock

PAGE = (Path(__file__).parents[3] / "docs" / "contract.md").read_text()
QUICK = """
from hypothesis import settings
settings.register_profile("quick", max_examples=20, deadline=None)
settings.load_profile("quick")
"""
# Thorough, and the same inputs in every run, so that a planted slip is met for certain.
THOROUGH = """
from hypothesis import settings
settings.register_profile("thorough", max_examples=400, deadline=None, derandomize=True)
settings.load_profile("thorough")
"""
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that holds the page's files."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def outcome(project: Path, mock: Mock, *words: str) -> subprocess.CompletedProcess[str]:
    # Hypothesis works without its plugin; those of others only cost time here.
    environment = {
        **os.environ,
        "FALKIT_BASE_URL": mock.url,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "-W", "error", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_pages_tests_pass(project: Path, mock: Mock) -> None:
    assert set(FILES) == {"backend.py", "test_backend.py", "test_prompts.py", "test_mock.py"}
    (project / "conftest.py").write_text(QUICK)
    done = outcome(project, mock)
    assert done.returncode == 0, done.stdout


def test_a_failure_looks_as_the_page_shows(project: Path, mock: Mock) -> None:
    backend = project / "backend.py"
    backend.write_text(backend.read_text().replace("10, 12, 14", "10, 14"))
    (project / "conftest.py").write_text(THOROUGH)
    done = outcome(project, mock, "test_backend.py", "-k", "whatever_fal_takes")
    (shown,) = re.findall(r"```\n(AssertionError.*?)```", PAGE, re.DOTALL)
    for line in shown.splitlines():
        assert line in done.stdout
