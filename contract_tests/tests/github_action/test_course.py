"""A pull request's course, played through action.yml's own steps."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from scripts import action

from falkit_mock.cli import falkit
from falkit_spec.findings import Report
from falkit_spec.reports import write
from github_action.runner import FILES, ROOT, Runner, Step
from serving import T2V

KEYED = 'curl -s -H "Authorization: Key $FAL_KEY"'
BODY = """-H 'Content-Type: application/json' -d '{"prompt": "Rain"}'"""
# A program with nothing wrong, and one that asks for a status by the whole id.
GOOD = f"{KEYED} -f {BODY} https://fal.run/{T2V} > clip.json"
WRONG = f"{GOOD}\n{KEYED} https://queue.fal.run/{T2V}/requests/{'0' * 8}/status"
INSTANT = "--timing instant"
FREE = f"{INSTANT} --port 0 --gateway-port 0"


@pytest.fixture
def runner(tmp_path: Path, authority_folder: Path) -> Generator[Runner]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    with Runner(tmp_path, {**kept, "FALKIT_HOME": str(authority_folder)}) as made:
        yield made


def started(runner: Runner) -> Step:
    """Start a mock for the steps that follow."""
    step = runner.use(mode="start", options=FREE)
    assert step.code == 0, step.log
    return step


def assert_not_looked(step: Step, why: str) -> None:
    """Hold that a step is never taken for clean, and says why."""
    assert step.code == 3
    (said,) = step.annotations("error")
    assert why in said
    assert "Nothing was looked at" in step.summary
    assert why in step.summary
    assert step.outputs["result"] == "not-looked"
    assert step.outputs["errors"] == ""


def shown(after: str) -> list[str]:
    """Return the lines of the page's first block after some words, as patterns."""
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    block = page.partition(f"\n{after}")[2].split("```\n")[1]
    plain = (
        re.sub(" {2,}", " ", line).removeprefix("\N{BLACK RIGHT-POINTING SMALL TRIANGLE} ")
        for line in block.splitlines()
    )
    return [re.escape(line).replace("…", r"\S+") for line in plain]


def test_a_green_run_says_what_it_saw_and_writes_the_reports(runner: Runner) -> None:
    alone = "! env | grep ^INPUT_ > inputs.txt"
    reports = "junit.xml 'a page.html'"
    step = runner.use(run=f"{GOOD}\n{alone}", options=INSTANT, budget="0.36", reports=reports)
    assert (runner.workspace / "inputs.txt").read_text() == "", "they are the action's own"
    assert step.code == 0, step.log
    assert step.annotations("error") == step.annotations("warning") == []
    assert "Nothing is wrong" in step.summary
    assert step.summary.endswith(f"<pre>\n{GOOD}\n{alone}\n</pre>\n\n")
    assert "run.sh" not in step.summary
    report = json.loads(Path(step.outputs.pop("report")).read_text())
    assert report["spend"]["cost"] == "0.36"
    counts = {"errors": "0", "warnings": "0", "notes": "0", "accepted": "0", "spend": "0.36"}
    assert step.outputs == {"result": "clean", **counts, "url": "", "node-options": ""}
    assert ElementTree.parse(runner.workspace / "junit.xml").getroot().tag == "testsuites"
    assert (runner.workspace / "a page.html").exists()
    assert "video" in json.loads((runner.workspace / "clip.json").read_text())


def test_a_finding_fails_until_it_is_accepted_and_again_after_its_day(runner: Runner) -> None:
    step = runner.use(run=WRONG, options=INSTANT)
    assert step.code == 1
    assert (step.outputs["result"], step.outputs["errors"]) == ("findings", "1")
    (said,) = step.annotations("error")
    assert "whole-id-url" in said
    told = said.partition("title=")[2].replace("%3A", ":").replace("::", "%0A").split("%0A")
    assert [*map(re.fullmatch, shown("An annotation"), told)].count(None) == 0
    assert "whole-id-url" in step.summary
    for line in shown("The job's summary"):
        assert re.search(line, re.sub("<.*?>|[|]", "", step.summary).replace("  ", " ")), line

    baseline = runner.workspace / "falkit-baseline.toml"
    accept = ["--baseline", str(baseline), "--update-baseline", "--reason", "the next release"]
    result = CliRunner().invoke(falkit, ["report", *accept, step.outputs["report"]])
    assert result.exit_code == 0, result.output
    step = runner.use(mode="report", file=step.outputs["report"], baseline=baseline.name)
    assert (step.code, step.outputs["accepted"]) == (0, "1"), step.log
    step = runner.use(run=WRONG, options=INSTANT, baseline=baseline.name)
    assert step.code == 0, step.log
    assert step.annotations("error") == []
    assert (step.outputs["errors"], step.outputs["accepted"]) == ("0", "1")
    assert "accepted by the baseline" in step.summary
    assert "the next release" in step.summary

    entries = baseline.read_text()
    baseline.write_text(re.sub(r"expires = \S+", "expires = 2020-01-31", entries))
    step = runner.use(run=WRONG, options=INSTANT, baseline=baseline.name)
    assert step.code == 1
    (said,) = step.annotations("error")
    assert "its baseline expired on 2020-01-31" in said


def test_what_a_command_ends_with_counts_before_its_findings(runner: Runner) -> None:
    step = runner.use(run=f"{WRONG}\nexit 5", options=INSTANT)
    assert step.code == 5
    assert step.outputs["result"] == "findings"
    assert len(step.annotations("error")) == 1


def test_calls_beyond_the_budget_fail_what_is_fine_otherwise(runner: Runner) -> None:
    step = runner.use(run=GOOD, options=INSTANT, budget="0.35", fail_on="never")
    assert step.code == 1
    assert "over the budget of $0.35 by $0.01" in step.log
    assert step.outputs["spend"] == "0.36"


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"run": GOOD, "options": "--nope $(touch made)`touch made`; touch made"}, "--nope"),
        ({"run": GOOD, "options": "--fault 'stuck"}, "options: \"--fault 'stuck\" can't be read"),
        ({"run": GOOD, "baseline": "gone.toml"}, "gone.toml: isn't there"),
        ({"run": GOOD, "reports": "gone/report.html"}, "gone/report.html: there is no folder gone"),
        ({"run": " \n"}, "run: there is nothing to run"),
        ({"mode": "report"}, "no mock was started in this job"),
        (
            {"mode": "report", "file": "gone.json"},
            "gone.json: no such file or directory; `falkit run --report gone.json` or `pytest --",
        ),
        ({"mode": "stop"}, "mode: 'stop' is none"),
        (
            {"mode": "start", "baseline": "known.toml"},
            "baseline: mode: start has no use for it; give it to mode: run or report",
        ),
        (
            {"mode": "report", "budget": "1.00"},
            "budget: mode: report has no use for it; give it to mode: run or start",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_never_clean(
    runner: Runner, inputs: dict[str, str], why: str
) -> None:
    assert_not_looked(runner.use(**inputs), why)
    assert not (runner.workspace / "made").exists()


def test_a_report_of_less_than_all_is_never_clean(runner: Runner) -> None:
    told = Report("pytest", [], ["2 jobs could not be followed"], {"total": 3})
    (runner.workspace / "falkit.json").write_text(write(told, "json"))
    step = runner.use(mode="report", file="falkit.json")
    assert (step.code, step.outputs["result"]) == (3, "not-looked")
    (said,) = step.annotations("error")
    assert "2 jobs could not be followed" in said
    assert "2 jobs could not be followed" in step.summary


def test_a_broken_falkit_toml_is_never_clean(runner: Runner) -> None:
    (runner.workspace / "falkit.toml").write_text("timing = 'instant\n")
    assert_not_looked(runner.use(run=GOOD), "falkit.toml")
    assert_not_looked(runner.use(mode="start"), "falkit.toml")
    assert_not_looked(runner.use(mode="report"), "the mock could not be started: falkit.toml")


def test_a_port_in_use_is_never_clean_nor_is_the_report_after_it(runner: Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        step = runner.use(mode="start", options=f"--port {port}")
    assert_not_looked(step, f"port: can't listen on 127.0.0.1:{port}")
    # As after `continue-on-error: true`.
    assert_not_looked(runner.use(mode="report"), "the mock could not be started: port: can't")


def test_a_mock_lasts_for_the_steps_between_and_leaves_no_trace(runner: Runner) -> None:
    before = dict(runner.environ)
    url = started(runner).outputs["url"]
    assert runner.environ["FALKIT_BASE_URL"].startswith("http://127.0.0.1:")
    assert_not_looked(runner.use(mode="start"), "a mock of this job runs already")
    assert runner.step(WRONG).code == 0
    step = runner.use(mode="report", reports="falkit.sarif")
    assert step.code == 1
    assert (step.outputs["errors"], step.outputs["spend"]) == ("1", "0.36")
    assert len(step.annotations("error")) == 1
    assert url in step.summary
    assert (runner.workspace / "falkit.sarif").exists()
    assert runner.step(f"{KEYED} {url}/health").code == 7, "nobody listens any more"
    # What can't be unset leads nowhere, and trusts what the system trusts.
    assert Path(runner.environ["SSL_CERT_FILE"]).is_file()
    assert "falkit" not in runner.environ["SSL_CERT_FILE"]
    changed = {name: text for name, text in runner.environ.items() if before.get(name) != text}
    assert {text for text in changed.values() if not Path(text or "/").is_file()} == {""}
    assert_not_looked(runner.use(mode="report"), "no mock was started")


def test_a_mock_that_died_in_between_is_never_clean(runner: Runner) -> None:
    started(runner)
    state = json.loads((runner.temp / "falkit" / "mock.json").read_text())
    os.kill(state["pid"], signal.Signals["SIGKILL"])
    assert_not_looked(runner.use(mode="report"), "no mock answers at")
    assert runner.environ["HTTPS_PROXY"] == ""


def test_a_mock_that_answers_no_more_is_never_clean(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: str(runner.temp / name) for name in FILES}
    monkeypatch.setattr(action, "PATIENCE", 0.1)
    monkeypatch.setattr(os, "environ", {**runner.environ, **files, "INPUT_MODE": "report"})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        job = action.Job(os.environ)
        job.log.touch()
        job.state.write_text(json.dumps({"url": url, "pid": os.getpid(), "before": {}}))
        assert action.main() == 3
    assert "timed out" in Path(files["GITHUB_STEP_SUMMARY"]).read_text()


def test_a_mock_beyond_its_budget_fails_and_its_log_gives_the_runner_no_commands(
    runner: Runner,
) -> None:
    step = runner.use(mode="start", options=FREE, budget="0.35")
    assert step.code == 0
    runner.step(f"{GOOD}\n{KEYED} {BODY} https://fal.run/::error::x/y")
    step = runner.use(mode="report", fail_on="never")
    assert step.code == 1
    _, token, log = re.split(r"::stop-commands::(\w+)\n", step.log)
    assert "::error" in log.partition(f"::{token}::")[0]
    assert "::error" not in log.partition(f"::{token}::")[2]


def test_a_run_that_called_nothing_says_so(runner: Runner) -> None:
    step = runner.use(run="true", options=INSTANT)
    assert (step.code, step.outputs["result"]) == (0, "not-called")
    (said,) = step.annotations("warning")
    assert "no call reached the mock" in said
    assert "no call reached the mock" in step.summary


def test_the_pages_script_ends_its_mock_and_says_where_there_is_none(runner: Runner) -> None:
    page = (ROOT / "docs" / "ci.md").read_text("utf-8").partition("\n## Any other")[2]
    (script,) = [one for one in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "serve" in one]
    tests = runner.workspace / "pytest"
    tests.write_text(f"#!/bin/sh\n{WRONG} && echo $FALKIT_GATEWAY > gateway && exit $CODE\n")
    tests.chmod(0o755)
    (runner.workspace / "script.sh").write_text(script)
    # A shell waits for all that hold the pipe.
    lines = 'PATH="$PWD:$PATH" sh script.sh 2>&1 | cat'
    for code, ends in ("0", 1), ("7", 7):
        step = runner.step(lines, CODE=code)
        assert step.code == ends, step.log
        assert "error whole-id-url" in step.log
        gateway = (runner.workspace / "gateway").read_text().strip()
        assert runner.step(f"curl -s {gateway}/health").code == 7, "nobody listens any more"
    (runner.workspace / "falkit.toml").write_text("port = 'x\n")
    step = runner.step(lines)
    assert (step.code, "falkit: falkit.toml: isn't TOML" in step.log) == (3, True)
