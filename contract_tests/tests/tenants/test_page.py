"""What docs/tenants.md shows is run."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

from processes import FALKIT
from serving import T2V

PAGE = (Path(__file__).parents[3] / "docs" / "tenants.md").read_text()
PYTHON, FIXTURE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TESTS = f"""
import os

import fal_client
import httpx
import pytest


@pytest.mark.parametrize("place", range(4))
def test_a_call(place, worker_id):
    fal_client.run("{T2V}", {{"prompt": "rain"}})
    control = os.environ["FALKIT_BASE_URL"] + "/__falkit"
    jobs = httpx.get(control + "/jobs", params={{"key": worker_id}}).json()["jobs"]
    assert len(jobs) == 1
"""


def test_the_program_runs() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(PYTHON, {})
    assert out.getvalue() == "0\n"


def test_workers_of_a_test_run_see_nothing_of_one_another(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(FIXTURE)
    (tmp_path / "test_calls.py").write_text(TESTS)
    pytest = (sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider")
    command = [FALKIT, "run", "--tenants", "--timing", "instant", "--", *pytest, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=100)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert "nothing tried to leave" in done.stderr
