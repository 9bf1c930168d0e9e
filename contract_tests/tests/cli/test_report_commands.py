"""`falkit report`, and the reports of `falkit run` and `falkit serve`: output and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Generator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from click.testing import CliRunner, Result

from falkit_mock.cli import falkit
from falkit_spec.cli import reporting
from falkit_spec.reports import write
from processes import FALKIT, started
from reporting import clean, full
from serving import KEY, PATIENCE, PROMPT, T2V, Mock, running

WHOLE = f"/queue.fal.run/{T2V}/requests/0/status"
PROGRAM = f"""
import json, os, sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen
url = os.environ["FALKIT_BASE_URL"]
for kind in sys.argv[2:]:
    path, body = "{WHOLE}", None
    if kind == "wrapped":
        path, body = "/fal.run/{T2V}", json.dumps({{"input": {PROMPT!r}}}).encode()
    if kind == "handed":
        url, path, body = url + "/__falkit/report", "", open("handed.json", "rb").read()
    if kind == "fields":
        fields = {{f"{{'a_field_that_no_model_has_' * 4}}{{n}}": n for n in range(20)}}
        path, body = "/fal.run/{T2V}", json.dumps({PROMPT!r} | fields).encode()
    try:
        urlopen(Request(url + path, body, {{"Authorization": "Key a:b"}}))
    except HTTPError:
        pass
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def mock() -> Generator[Mock]:
    """A mock that somebody called at a URL that fal doesn't have."""
    with running() as mock:
        assert mock.http.get(WHOLE).status_code == 405
        yield mock


def report(*words: str) -> Result:
    result = CliRunner().invoke(falkit, ["report", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def saved(what: Any = full) -> str:
    Path("saved.json").write_text(write(what(), "json"))
    return "saved.json"


def run(*words: str, calls: tuple[str, ...] = ("whole",), code: int = 0) -> Any:
    program = [sys.executable, "-c", PROGRAM, str(code), *calls]
    command = [FALKIT, "run", "--timing", "instant", *words, "--", *program]
    environ = {**os.environ, "FALKIT_HOME": str(Path.cwd())}
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=6 * PATIENCE
    )


def test_a_running_mock_is_reported_in_all_formats_at_once(mock: Mock) -> None:
    outs = ["a.txt", "b.json", "c.xml", "d.sarif", "e.md", "f.html", "junit:g", "github:-"]
    done = report("--base-url", mock.url, *(word for out in outs for word in ("--out", out)))
    assert done.exit_code == 1
    assert done.stdout.startswith(f"error whole-id-url: GET /{T2V}/requests/0/status")
    assert "::error title=whole-id-url" in done.stdout
    assert Path("a.txt").read_text() == done.stdout[: done.stdout.index("::error")]
    assert json.loads(Path("b.json").read_text())["counts"]["error"] == 1
    assert json.loads(Path("d.sarif").read_text())["version"] == "2.1.0"
    assert Path("c.xml").read_text() == Path("g").read_text()
    assert ElementTree.parse("g").getroot().tag == "testsuites"
    assert Path("f.html").read_text().startswith("<!doctype html>")
    # What was saved says the same.
    again = report("b.json")
    assert (again.exit_code, again.stdout) == (1, Path("a.txt").read_text())


@pytest.mark.parametrize(
    ("what", "fail_on", "code"),
    [(full, "error", 1), (full, "never", 3), (clean, "warning", 0), (clean, "never", 0)],
)
def test_the_exit_code_goes_by_fail_on(what: Any, fail_on: str, code: int) -> None:
    assert report(saved(what), "--fail-on", fail_on).exit_code == code


def test_what_cannot_be_looked_at_is_3(mock: Mock) -> None:
    told = clean()
    told.problems.append("nobody was watched")
    assert report(saved(lambda: told)).exit_code == 3
    for words, why in (
        (["--base-url", "http://127.0.0.1:9"], "no mock answers at http://127.0.0.1:9"),
        (["nowhere.json"], "nowhere.json: no such file or directory; `falkit run --report nowh"),
        (["text.json"], "text.json: isn't JSON"),
        (["other.json"], "other.json: isn't a report of falkit's: command: is missing; write"),
    ):
        Path("text.json").write_text("x")
        Path("other.json").write_text("{}")
        done = report(*words)
        assert (
            done.exit_code,
            f"falkit: can't look: {why}" in done.stderr.replace("base-url: ", ""),
        ) == (3, True), done.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--out", "a.pdf"], "out: 'a.pdf' ends in none of .txt"),
        (["--out", "junit:"], "out: 'junit:' names no file; write junit:FILE"),
        (["--out", "no/a.xml"], "out: no/a.xml: there is no folder no; make it"),
        (["--format", "pdf"], "'pdf' is not one of"),
        (["--update-baseline"], "update-baseline: there is no baseline; give its file with"),
        (["--reason", "x"], "reason: there is no baseline"),
        (["--baseline", "b.toml", "--reason", "x"], "reason: 'x': it is for --update-baseline"),
        (["--baseline", "b.toml"], "baseline: b.toml: isn't there; --update-baseline writes it"),
        (["--baseline", "bad.toml"], "baseline: bad.toml:1: there is no 'x' in a baseline"),
        (["--base-url", "x"], "base-url: 'x' doesn't begin with http://"),
    ],
)
def test_usage_that_is_wrong_is_2_and_names_the_fix(words: list[str], why: str) -> None:
    Path("bad.toml").write_text("x = 1\n")
    done = report(saved(clean), *words)
    assert done.exit_code == 2
    assert why in done.output


def test_a_finding_is_baselined_then_a_new_one_fails_and_the_old_one_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["--baseline", "known.toml", "--fail-on", "warning"]
    first = run(*words, "--update-baseline", "--reason", "ticket 12", "--report", "a.json")
    assert first.returncode == 0
    (entry,) = tomllib.loads(Path("known.toml").read_text())["finding"]
    assert (entry["code"], entry["reason"]) == ("whole-id-url", "ticket 12")
    new = run(*words, calls=("whole", "wrapped"))
    assert new.returncode == 1
    assert "\nerror input-wrapper: " in new.stderr
    assert "\nerror whole-id-url: " not in new.stderr
    told = " ".join(new.stderr.split())
    assert " found 1 error, 1 more in the baseline: input-wrapper: " in told
    known = run(*words)
    assert known.returncode == 0
    assert "\n  found 1 finding that the baseline accepts\n" in known.stderr
    # A command that failed may not have come to all that is known.
    assert run(*words, "--update-baseline", calls=(), code=3).returncode == 3
    assert len(tomllib.loads(Path("known.toml").read_text())["finding"]) == 1

    later = date.today() + timedelta(days=91)
    monkeypatch.setattr(reporting, "_today", lambda: later)
    expired = report("a.json", "--baseline", "known.toml")
    assert expired.exit_code == 1
    assert f"    its baseline expired on {entry['expires']}\n" in expired.stdout
    assert report("a.json", "--baseline", "known.toml", "--update-baseline").exit_code == 0
    (renewed,) = tomllib.loads(Path("known.toml").read_text())["finding"]
    assert (renewed["reason"], renewed["expires"]) == ("ticket 12", later + timedelta(days=90))
    gone = report(saved(clean), "--baseline", "known.toml")
    assert (gone.exit_code, "in the baseline, and gone: whole-id-url" in gone.stdout) == (0, True)


def test_a_run_reports_but_fails_only_if_told_to() -> None:
    # And what its tests' own mocks saw is of the run, too.
    handed = replace(full(), findings=[], problems=[], spend={}, unmatched=[], tests=3)
    Path("handed.json").write_text(write(handed, "json"))
    done = run("--report", "a.json", "--report", "b.md", calls=("whole", "wrapped", "handed"))
    assert done.returncode == 0
    assert "falkit: 43 requests, 5 failed; 13 jobs: 10 done, 2 failed, 1 cancelled; " in done.stderr
    assert "\n  found 2 errors: " in done.stderr
    told = " ".join(done.stderr.split())
    assert "; also whole-id-url (falkit explain input-wrapper)" in told
    assert "report in a.json, b.md" in told
    assert "3 tests had mocks of their own, with 41 requests and 12 jobs of these: pytest" in told
    told = json.loads(Path("a.json").read_text())
    assert (told["counts"]["error"], told["requests"]["total"]) == (2, 43)
    assert told["command"].startswith(sys.executable)
    assert "whole-id-url" in Path("b.md").read_text()


def test_a_runs_own_exit_code_comes_first() -> None:
    done = run("--fail-on", "error", "--quiet", "--report", "a.xml", code=7)
    assert done.returncode == 7
    assert done.stderr.lstrip().startswith("error whole-id-url: "), "also with --quiet"
    assert 'failures="1"' in Path("a.xml").read_text()


def test_a_run_whose_report_cannot_be_written_is_no_success() -> None:
    Path("a.json").mkdir()
    done = run("--report", "a.json")
    assert done.returncode == 3
    assert "report: a.json: can't be written (is a directory)" in done.stderr


def test_a_file_of_settings_says_what_fails() -> None:
    Path("falkit.toml").write_text('fail-on = "error"\nreport = "a.md"\n')
    assert run().returncode == 1
    assert Path("a.md").exists()
    for text, why in (
        ('report = "a.pdf"\n', "falkit.toml: report: 'a.pdf' ends in none of"),
        ("update-baseline = true\n", "falkit.toml: update-baseline: it is of the command line"),
    ):
        Path("falkit.toml").write_text(text)
        done = CliRunner().invoke(falkit, ["run", "true"])
        assert (done.exit_code, why in done.output) == (2, True)


def test_a_summary_leaves_off_what_is_too_long_but_not_how_to_learn_more() -> None:
    lines = run(calls=("fields",)).stderr.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("  found 1 warning: "))
    assert lines[first + 3].endswith(" …")
    assert lines[first + 4] == "    (falkit explain unknown-field)"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_mock_that_is_ended_writes_its_report() -> None:
    words = ["--port", "0", "--report", "a.json", "--fail-on", "error", "--quiet"]
    with started([FALKIT, "serve", *words], stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        httpx.get(url + WHOLE, headers=KEY, trust_env=False)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "error whole-id-url: " in errors
    assert json.loads(Path("a.json").read_text())["counts"]["error"] == 1


def test_workers_do_not_report_what_each_knows_a_part_of() -> None:
    words = ["serve", "--workers", "2", "--state", "s.db", "--report", "a.json"]
    done = CliRunner().invoke(falkit, words)
    assert done.exit_code == 2
    assert "report: each process knows its own calls alone" in done.output


def test_a_session_is_saved_beside_the_report(mock: Mock) -> None:
    result = report("--base-url", mock.url, "--session", "all.html", "--fail-on", "never")
    assert result.exit_code == 0
    page = Path("all.html").read_text()
    assert WHOLE.removeprefix("/queue.fal.run") in page
    assert "Requests: 1" in page
    assert "whole-id-url" in result.stdout
    result = report("--base-url", mock.url, "--session", "no/folder.html")
    assert (result.exit_code, result.stderr) == (
        3,
        "falkit: can't look: --session no/folder.html: can't be written (no such file or "
        "directory); name another file\n",
    )
    assert report(saved(), "--session", "all.html").exit_code == 2
