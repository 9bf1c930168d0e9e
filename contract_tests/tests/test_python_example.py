"""examples/python passes its own tests, as its developer runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from falkit_contract.crashes import crash_steps

EXAMPLE = Path(__file__).parents[2] / "examples" / "python"
# Two programs for each step: all of them by night, those at which most goes wrong always.
STEPS = {"submitted", "polling"}


def passed(*words: str) -> int:
    """Run the example's tests; return how many passed, where all did."""
    environment = {name: text for name, text in os.environ.items() if "FAL" not in name}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(command, cwd=EXAMPLE, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"(\d+) passed", done.stdout)[-1])


def test_the_service_and_its_handler_pass() -> None:
    assert passed("--ignore", "tests/test_crashes.py") > 15


@pytest.mark.skipif(sys.platform == "win32", reason="a worker is killed by SIGKILL")
def test_its_worker_survives_a_crash() -> None:
    steps = {step.id for step in crash_steps}
    chosen = steps if os.environ.get("FALKIT_NIGHTLY") == "1" else STEPS
    assert passed("tests/test_crashes.py", "-k", " or ".join(chosen)) == len(chosen)
