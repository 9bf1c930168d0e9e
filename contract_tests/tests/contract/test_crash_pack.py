"""The crash pack finds what a killed worker pays twice or loses, and nothing in the right one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from falkit_contract.crashes import CrashFinding, CrashStep, crash_steps

WORKER = (Path(__file__).parent / "handlers" / "worker.py").read_text()
STEPS = {step.id: step for step in crash_steps}


def tried(source: str, step: CrashStep, folder: Path) -> str | None:
    """Return what is found in a worker at a step; None if nothing is."""
    (folder / "worker.py").write_text(source)
    command, clip = [sys.executable, "worker.py"], folder / "clip.mp4"
    try:
        step.check(command, cwd=folder, stored=clip.exists, timing="0,0.1", egress="block")
    except CrashFinding as finding:
        return finding.problem
    return None


@pytest.mark.parametrize("step", crash_steps)
def test_the_right_worker_passes(step: CrashStep, tmp_path: Path) -> None:
    assert tried(WORKER, step, tmp_path) is None


TWICE = "paid twice: 2 submits where 1 would do, $0.72 in all"
LOST = "the result is lost: it is never stored"
# What is written in the place of what, and what is then found at some of the steps.
MISTAKES = {
    "it submits again after a restart": (
        'noted.get("request_id") or looked_for()',
        "None",
        {"before-submit": None, "submitted": TWICE, "polling": TWICE, "downloading": TWICE},
    ),
    "it looks for nothing that was noted without an id": (
        'noted.get("request_id") or looked_for()',
        'noted.get("request_id")',
        {"before-submit": None, "submitted": TWICE, "polling": None},
    ),
    "it loses the id": (
        '    write(NOTE, json.dumps({"request_id": request_id}).encode())\n',
        "    if noted is not None:\n        raise SystemExit('no id: a person has to look')\n",
        {"before-submit": LOST, "completed": LOST, "finished": None},
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found(mistake: str, tmp_path: Path) -> None:
    before, after, expected = MISTAKES[mistake]
    assert WORKER.count(before) == 1
    for id, problem in expected.items():
        folder = tmp_path / id
        folder.mkdir()
        assert tried(WORKER.replace(before, after), STEPS[id], folder) == problem, id
