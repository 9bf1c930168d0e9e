"""The worker, killed at each step of a job and started again."""

import sys
from pathlib import Path

import pytest
from falkit_contract.crashes import CrashStep, crash_steps

from clips.store import Store

HERE = Path(__file__).parents[1]


@pytest.mark.parametrize("step", crash_steps)
def test_a_crash_costs_nothing(step: CrashStep, store: Store) -> None:
    clip = store.add("Rain on a tin roof")
    # No webhook reaches it: it is the worker alone that finds out.
    environ = {
        "CLIPS_FOLDER": str(store.folder),
        "CLIPS_URL": "http://127.0.0.1:9",
        "CLIPS_PATIENCE": "0",
    }
    step.check(
        [sys.executable, "-m", "clips.worker"],
        stored=store.path(clip).exists,
        cwd=HERE,
        env=environ,
        egress="block",
        timing="0,0.1",
    )
