"""The shop as a program, with real sockets and in real time, under `falkit run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from falkit_spec.findings import FINE, FOUND, Report
from processes import FALKIT

_TRUSTS_ALL = ["webhook-unverified", "whole-id-url"]


@pytest.mark.parametrize(
    ("module", "code", "codes"),
    [("clipshop", FINE, list[str]()), ("mistakes", FOUND, _TRUSTS_ALL)],
)
def test_a_run_fails_for_what_is_found(
    module: str, code: int, codes: list[str], tmp_path: Path, authority_folder: Path
) -> None:
    report = tmp_path / "report.json"
    options = ["--timing", "instant", "--probe-webhooks", "--egress", "block"]
    options += ["--report", str(report), "--fail-on", "warning"]
    program = [sys.executable, "-m", f"applications.{module}"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FAL")}
    tests = {"PYTHONPATH": str(Path(__file__).parents[1]), "FALKIT_HOME": str(authority_folder)}
    done = subprocess.run(
        [FALKIT, "run", *options, "--", *program],
        env={**clean, **tests},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    found = Report.read(json.loads(report.read_text("utf-8"))).findings
    assert sorted(one.kind.code for one in found) == codes
