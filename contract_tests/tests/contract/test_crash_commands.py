"""The crash pack with commands of every kind, and what it says where one can't be tried."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import SkipTest

import pytest

from clients.javascript_client import node
from contract.test_crash_pack import STEPS, WORKER
from falkit_contract import BadArgument, ContractError
from falkit_contract.crashes import CrashFinding

# A worker in JavaScript that keeps nothing: it submits, polls and reads each time.
NODE = """
const { writeFileSync } = require("node:fs");
const headers = { Authorization: `Key ${process.env.FAL_KEY}`, "Content-Type": "application/json" };
const ask = async (url, rest) => (await fetch(url, { headers, ...rest })).json();
(async () => {
  const model = "https://queue.fal.run/fal-ai/ltx-2/text-to-video";
  const input = { method: "POST", body: '{"prompt":"Rain"}' };
  const { status_url, response_url } = await ask(model, input);
  for (;;) {
    if ((await ask(status_url)).status === "COMPLETED") break;
    await new Promise((done) => setTimeout(done, 50));
  }
  writeFileSync("clip.json", JSON.stringify(await ask(response_url)));
})();
"""
# One that makes its clip and goes on, as a server does.
FOREVER = "import threading, worker\nworker.main()\nthreading.Event().wait()\n"
PLAIN = WORKER.replace("from __future__ import annotations\n", "")
AFTER_A_CRASH = "import os, sys, threading\nos.path.exists('order.json')"


def test_a_program_in_javascript(tmp_path: Path) -> None:
    (tmp_path / "worker.cjs").write_text(NODE)
    stored = (tmp_path / "clip.json").exists
    with pytest.raises(CrashFinding) as found:
        STEPS["polling"].check([node(), "worker.cjs"], cwd=tmp_path, stored=stored, egress="block")
    told = str(found.value)
    assert found.value.step == "polling"
    assert found.value.problem.startswith("paid twice: 2 submits")
    for line in ("POST queue.fal.run/fal-ai/ltx-2/text-to-video 200", "write the request id down"):
        assert line in told


def test_all_that_a_command_has_started_is_killed_with_it(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    # The shell waits for the worker; were it alone killed, the worker would go on beside its twin.
    command = f"sh -c '{sys.executable} worker.py; exit $?'"
    stored = (tmp_path / "clip.mp4").exists
    STEPS["polling"].check(command, cwd=tmp_path, stored=stored, timing="0,0.1", egress="block")


def test_a_worker_that_goes_on_is_ended_once_its_result_is_there(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "server.py").write_text(FOREVER)
    stored = (tmp_path / "clip.mp4").exists
    for id in ("completed", "finished"):
        for path in (tmp_path / "clip.mp4", tmp_path / "order.json"):
            path.unlink(missing_ok=True)
        command = [sys.executable, "server.py"]
        STEPS[id].check(command, cwd=tmp_path, stored=stored, timing="0,0.1", egress="block")


def test_without_a_look_at_the_result_it_has_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "worker.py"]
    STEPS["replied"].check(command, cwd=tmp_path, timing="0,0.1", egress="block")
    (tmp_path / "gives_up.py").write_text(f"{AFTER_A_CRASH} and sys.exit(3)\n{PLAIN}")
    (tmp_path / "clip.mp4").unlink()
    (tmp_path / "order.json").unlink()
    command = [sys.executable, "gives_up.py"]
    with pytest.raises(CrashFinding, match="the result is lost: it was never read") as found:
        STEPS["replied"].check(command, cwd=tmp_path, timing="0,0.1", egress="block")
    assert "ended with exit code 3" in str(found.value)


def test_a_step_to_which_a_worker_never_comes_is_skipped(tmp_path: Path) -> None:
    head, found, _ = WORKER.partition("    with urllib.request.urlopen(call(job)")
    assert found
    (tmp_path / "worker.py").write_text(f"{head}    call(job)\n    CLIP.touch()\n\n\nmain()\n")
    command, stored = [sys.executable, "worker.py"], (tmp_path / "clip.mp4").exists
    with pytest.raises(SkipTest, match="never came to this step: in the middle of the file"):
        STEPS["downloading"].check(command, cwd=tmp_path, stored=stored, timing="0,0.1")


def test_the_mock_has_settings_and_faults_of_the_tests_own(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    command, stored = [sys.executable, "worker.py"], (tmp_path / "clip.mp4").exists
    # It takes the first refusal for the job's end, in the first run as in the second.
    with pytest.raises(CrashFinding, match="the result is lost: it is never stored"):
        STEPS["before-submit"].check(
            command,
            cwd=tmp_path,
            stored=stored,
            egress="block",
            timing="instant",
            faults=["content_policy_violation"],
        )


def test_what_can_not_be_tried_is_told(tmp_path: Path) -> None:
    step = STEPS["polling"]
    with pytest.raises(ContractError, match=r"(?s)nothing: it ended with exit code 1.*no such key"):
        step.check([sys.executable, "-c", "raise SystemExit('no such key')"])
    with pytest.raises(ContractError, match="/no/such/program can't be started"):
        step.check("/no/such/program")
    with pytest.raises(ContractError, match="submits nothing: it did not end in time"):
        step.check("sleep 60", timeout=0.5)
    with pytest.raises(ContractError, match="submits nothing: it ended with exit code 0"):
        STEPS["finished"].check("true")
    with pytest.raises(BadArgument, match=r"^command is ''"):
        step.check("")


def test_a_worker_that_never_ends_after_the_restart_is_told(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(f"{AFTER_A_CRASH} and threading.Event().wait()\n{PLAIN}")
    command, stored = [sys.executable, "worker.py"], (tmp_path / "clip.mp4").exists
    with pytest.raises(CrashFinding, match="it doesn't come to its end after the restart"):
        STEPS["replied"].check(command, cwd=tmp_path, stored=stored, timeout=8.0, egress="block")
