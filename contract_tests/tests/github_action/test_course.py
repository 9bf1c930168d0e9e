"""A pull request's course, played through action.yml's own steps."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from github_action.runner import Runner
from serving import T2V

# A program with nothing wrong, and the same with a mistake.
KEYED = 'curl -sf -H "Authorization: Key $FAL_KEY"'
BODY = """-H 'Content-Type: application/json' -d '{"prompt": "Rain"}'"""
GOOD = f"{KEYED} {BODY} https://fal.run/{T2V} > clip.json"
WRONG = f"{GOOD}\n{KEYED} https://queue.fal.run/{T2V}/requests/{'0' * 8}/status || true"
INSTANT = "--timing instant"
ANY_PORT = f"{INSTANT} --port 0 --gateway-port 0"


@pytest.fixture
def runner(tmp_path: Path, authority_folder: Path) -> Runner:
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    return Runner(tmp_path, {**kept, "FALKIT_HOME": str(authority_folder)})


def test_a_green_run_says_what_it_saw(runner: Runner) -> None:
    step = runner.use(run=GOOD, options=INSTANT, budget="0.36", reports="junit.xml 'a report.html'")
    assert step.code == 0, step.log
    assert step.outputs["result"] == "clean"
    print(step)


def test_a_mock_lasts_for_the_steps_between(runner: Runner) -> None:
    before = dict(runner.environ)
    started = runner.use(mode="start", options=ANY_PORT)
    assert started.code == 0, started.log
    ran = runner.step(GOOD)
    assert ran.code == 0, ran.log
    step = runner.use(mode="report", reports="report.html")
    print(step.log)
    print(step.summary)
    print(step.outputs)
    assert step.code == 0
    for name, v in runner.environ.items():
        if v and before.get(name) != v:
            print(name, v)
