"""--budget and --alert-at of `falkit run` and `falkit serve`: lines and exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from falkit import Settings
from falkit_mock.cli import falkit
from falkit_mock.cli.console import ConsoleLog
from falkit_mock.cli.summary import Summary
from processes import FALKIT, started
from serving import I2V_FAST, KEY, PATIENCE, PROMPT, T2V, running

PAGE = (Path(__file__).parents[3] / "docs" / "spend.md").read_text()
# By their language, which what a command prints has none of.
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
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


def test_a_runs_own_exit_code_counts_and_quiet_tells_of_the_budget_alone(tmp_path: Path) -> None:
    done = run(tmp_path, "--budget", "0", "--quiet", code=3)
    assert done.returncode == 3
    assert done.stderr.startswith("falkit: over the budget of $0.00 by $0.60: ")
    assert done.stderr.count("\n") == 1


def test_a_server_over_its_budget_exits_with_1_at_its_end(tmp_path: Path) -> None:
    command = [FALKIT, "serve", "--port", "0", "--timing", "instant", "--budget", "0.35"]
    with started(command, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        for _ in range(2):
            reply = httpx.post(f"{url}/fal.run/{T2V}", json=PROMPT, headers=KEY, trust_env=False)
            assert reply.status_code == 200, "no call is refused"
            httpx.post(f"{url}/__falkit/reset", trust_env=False).raise_for_status()
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 1
    last = f"falkit: over the budget of $0.35 by $0.37: {T2V} $0.72 (2 jobs)"
    assert said.splitlines()[-1] == last


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


def test_a_file_of_settings_can_say_both(tmp_path: Path) -> None:
    file = tmp_path / "falkit.toml"
    file.write_text('timing = "instant"\nbudget = 0.5\nalert-at = [0.2, 1]\n')
    with started([FALKIT, "serve", "--port=0", "--quiet"], cwd=tmp_path) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        settings = httpx.get(f"{url}/__falkit/health", trust_env=False).json()["settings"]
    assert (settings["budget"], settings["alert_at"]) == ("0.5", ["0.2", "1"])


@pytest.mark.parametrize("command", [["serve"], ["run"]])
def test_what_is_no_amount_is_one_line(command: list[str]) -> None:
    words = [*command, "--budget", "2,50", *(["--", "true"] if command == ["run"] else [])]
    done = CliRunner().invoke(falkit, words)
    assert done.exit_code == 2
    assert "budget: '2,50' isn't an amount; give US dollars such as 2.50" in done.output


MANY = CALLS.replace("httpx.post(", "for _ in range(6): httpx.post(", 1).replace(
    "\nhttpx.post(", "\nfor _ in range(3): httpx.post("
)


def test_the_page_shows_what_is_said(tmp_path: Path) -> None:
    shown = next(text for language, text in BLOCKS if not language and "$$$" in text)
    program = [sys.executable, "-c", MANY, "0"]
    options = ["--timing", "instant", "--budget", "2.50", "--alert-at", "1.00"]
    done = subprocess.run(
        [FALKIT, "run", *options, "--", *program],
        env={**os.environ, "FALKIT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    said = done.stderr.partition("\n")[2]
    masks = {r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "ID", r"^\d\d:\d\d:\d\d": "TIME"}
    for mask, name in masks.items():
        said, shown = (re.sub(mask, name, text, flags=re.MULTILINE) for text in (said, shown))
    assert said == shown


def test_the_pages_other_examples_run(tmp_path: Path) -> None:
    (code,) = (text for language, text in BLOCKS if language == "python")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == f"$0.36: {T2V} $0.36 (1 job)\n0.36\n"
    command, shown = (text for _, text in BLOCKS if "falkit cost" in text or "1 call: " in text)
    path = f"{Path(FALKIT).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path}
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (shown, "")


def test_a_summary_counts_and_prices_this_runs_jobs_alone(tmp_path: Path) -> None:
    options = Settings(timing="0,5", clock="manual", state=tmp_path / "falkit.state")
    said: list[str] = []
    for _ in range(2):
        with running(options) as mock:
            summary = Summary(mock.service, mock.server.wait().catalog)
            mock.inside(lambda heard=summary: mock.service.events.listen(heard))  # type: ignore[misc]
            mock.submit()
            mock.http.post("/__falkit/clock/advance", json={"seconds": 5}).raise_for_status()
            # Open at the end of the first run, it ends in the second.
            mock.submit()
            said.append(mock.server.call(summary.text).splitlines()[0])
    assert said == [
        "2 requests; 2 jobs: 1 done; would have cost $0.36; nothing tried to leave",
        "2 requests; 3 jobs: 2 done; would have cost $0.72; nothing tried to leave",
    ]
