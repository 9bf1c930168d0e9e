"""--budget and --alert-at of `falkit run` and `falkit serve`: lines and exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from falkit import Settings
from falkit_mock.cli.console import ConsoleLog
from processes import FALKIT, started
from serving import I2V_FAST, KEY, PATIENCE, PROMPT, T2V, running

CALLS = f"""
import httpx, sys
headers = {{"Authorization": "Key a:b"}}
image = {{"prompt": "x", "image_url": "https://example.com/a.png"}}
httpx.post("https://fal.run/{T2V}", headers=headers, json={{"prompt": "x"}})
httpx.post("https://fal.run/{I2V_FAST}", headers=headers, json=image)
sys.exit(int(sys.argv[1]))
"""


def run(home: Path, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", CALLS, str(code)]
    command = [FALKIT, "run", "--timing", "instant", *options, "--", *program]
    environ = {**os.environ, "FALKIT_HOME": str(home)}
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=6 * PATIENCE
    )


def test_a_run_over_its_budget_exits_with_1_and_names_the_dearest(tmp_path: Path) -> None:
    done = run(tmp_path, "--budget", "0.5", "--alert-at", "0.3")
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    dearest = f"{T2V} $0.36 (1 job), {I2V_FAST} $0.24 (1 job)"
    assert last == f"falkit: over the budget of $0.50 by $0.10: {dearest}"
    assert "calls would have cost $0.36 so far: the alert at $0.30" in done.stderr
    assert "calls would have cost $0.60 so far: over the budget of $0.50" in done.stderr
    told = " ".join(done.stderr.split())
    assert f"would have cost $0.60; nothing tried to leave $0.36 {T2V} (1 job)" in told
    assert f"cost alert: $0.30 was reached by {T2V}" in told


def test_a_runs_own_exit_code_counts_and_quiet_tells_of_the_budget_alone(tmp_path: Path) -> None:
    done = run(tmp_path, "--budget", "0", "--quiet", code=3)
    assert done.returncode == 3
    assert done.stderr.startswith("falkit: over the budget of $0.00 by $0.60: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("budget", "code"), [("0.36", 0), ("0.35", 1)])
def test_a_server_over_its_budget_exits_with_1_at_its_end(budget: str, code: int) -> None:
    command = [FALKIT, "serve", "--port", "0", "--timing", "instant", "--budget", budget]
    with started(command, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        for _ in range(2):
            reply = httpx.post(f"{url}/fal.run/{T2V}", json=PROMPT, headers=KEY, trust_env=False)
            assert reply.status_code == 200
            httpx.post(f"{url}/__falkit/reset", trust_env=False).raise_for_status()
            if code == 0:
                break
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == code
    last = f"falkit: over the budget of $0.35 by $0.37: {T2V} $0.72 (2 jobs)"
    assert (said.splitlines()[-1] == last) is (code == 1)


def test_the_log_tells_each_amount_once_in_words_or_as_json() -> None:
    for form in ("text", "json"):
        out = io.StringIO()
        with running(Settings(timing="instant", budget="0.5", alert_at=["0.1"])) as mock:
            log = ConsoleLog("json" if form == "json" else "text", out)
            mock.inside(lambda log=log: mock.service.events.listen(log))  # type: ignore[misc]
            jobs = [mock.submit()["request_id"] for _ in range(3)]
            mock.stop()
        if form == "text":
            text = " ".join(out.getvalue().split())
            for told, job in (
                ("$0.36 so far: the alert at $0.10", jobs[0]),
                ("$0.72 so far: over the budget of $0.50", jobs[1]),
            ):
                line = f"$$$ COST {T2V} {job} calls would have cost {told}"
                assert text.count(line) == 1
            continue
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        amounts = {one["event"]: one for one in lines if one["level"] == "warning"}
        alert = amounts["cost_alert"]
        assert (alert["amount"], alert["cost"]) == ("0.1", "0.36")
        assert amounts["budget_exceeded"]["request_id"] == jobs[1]


@pytest.mark.parametrize("command", [["serve"], ["run"]])
def test_what_is_no_amount_is_one_line(command: list[str]) -> None:
    words = [FALKIT, *command, "--budget", "2,50", *(["--", "true"] if command == ["run"] else [])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    line = "falkit: budget: '2,50' isn't an amount; give US dollars such as 2.50\n"
    assert (done.returncode, done.stderr) == (2, line)
