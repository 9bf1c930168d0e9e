"""What `falkit run` says while its program runs, and that it says nothing when told to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from processes import FALKIT
from serving import PATIENCE, T2V

FAILS = f"""
import httpx, os, sys, time
url, headers = "https://queue.fal.run/{T2V}", {{"Authorization": "Key a:b"}}
for duration in (7, 7, 6):
    hook = {{"fal_webhook": "http://127.0.0.1:9/hook"}}
    body = {{"prompt": "x", "duration": duration}}
    job = httpx.post(url, headers=headers, params=hook, json=body).json()
base = os.environ["FALKIT_BASE_URL"] + "/__falkit/deliveries"
for _ in range(200):
    if httpx.get(base, trust_env=False).json()["total"] >= 3:
        break
    time.sleep(0.05)
print("the program ends", file=sys.stderr)
"""


def run(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [FALKIT, "run", "--timing", "instant", *options, "--", sys.executable, "-c", FAILS]
    environ = {**os.environ, "FALKIT_HOME": str(home)}
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=6 * PATIENCE
    )


def test_the_url_and_failures_are_printed_at_once(tmp_path: Path) -> None:
    said, _, summary = run(tmp_path).stderr.partition("the program ends\n")
    started, *lines = said.splitlines()
    assert re.fullmatch(r"falkit: mock at http://127\.0\.0\.1:\d+", started)
    text = re.sub(r"\d\d:\d\d:\d\d ", "", "\n".join(lines))
    assert text.count(f"422 JOB  {T2V}  failed  ") == 1, "those that fail alike are told once"
    assert "\n         duration: " in text
    assert text.count("--- HOOK http://127.0.0.1:9/hook  ") == 1
    assert summary.startswith("falkit: 3 requests; 3 jobs: 1 done, 2 failed; would have cost $0.36")
    assert f"  job failed: 422 {T2V}: duration: " in summary


def test_quiet_says_nothing(tmp_path: Path) -> None:
    rule = "hang endpoint=no/such/*"
    assert run(tmp_path, "--quiet", "--fault", rule).stderr == "the program ends\n"


@pytest.mark.parametrize("verbose", [True, False])
def test_each_request_is_printed_with_verbose(tmp_path: Path, verbose: bool) -> None:
    said = run(tmp_path, *(["--verbose"] if verbose else [])).stderr
    assert said.count(f" 200 POST queue.fal.run/{T2V}") == (3 if verbose else 0)
    assert said.count(" JOB  ") == (2 if verbose else 1)
