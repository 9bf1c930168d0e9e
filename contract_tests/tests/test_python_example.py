"""examples/python passes its own tests, as its developer and its workflow run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from falkit_contract.crashes import crash_steps
from github_action.runner import Runner
from nights import NIGHTLY

EXAMPLE = Path(__file__).parents[2] / "examples" / "python"
WORKFLOW = EXAMPLE / ".github" / "workflows" / "test.yml"
# Two programs for each step: by night at all of them, else at the one where most goes wrong.
SPARED = [step.id for step in crash_steps if step.id != "submitted" and not NIGHTLY]


@pytest.mark.skipif(sys.platform == "win32", reason="it kills by SIGKILL, and passes on a socket")
def test_the_service_passes_its_tests(authority_folder: Path, tmp_path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if "FAL" not in name}
    environment |= {"FALKIT_HOME": str(authority_folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    plugins = ("-p", "falkit_contract.pytest_plugin", "-p", "anyio.pytest_plugin")
    tests, report = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["suite"]["steps"][-2:]
    runner = Runner(tmp_path, environment)
    program, *options = (
        tests["run"].replace("falkit.json", str(runner.workspace / "falkit.json")).split()
    )
    assert program == "pytest"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, *options]
    for step in SPARED:
        command += ["--deselect", f"tests/test_crashes.py::test_a_crash_costs_nothing[{step}]"]
    done = subprocess.run(command, cwd=EXAMPLE, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (passed,) = re.findall(r"^(\d+) passed(?:, \d+ deselected)? in", done.stdout, re.MULTILINE)
    assert int(passed) > 20
    told = runner.use(**report["with"])
    assert (told.code, told.outputs["result"]) == (0, "clean"), told.log
    assert float(told.outputs["spend"]) > 1
