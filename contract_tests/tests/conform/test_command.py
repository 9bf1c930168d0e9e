"""`falkit conform` and `pytest --pyargs falkit_contract`: usage, output, exit codes, money."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.dom import minidom

import httpx
import pytest

from conform.planting import Fault, Planted, body, code
from falkit_contract.conform.checks import all_checks
from falkit_contract.conform.probe import CouldNotLook, Ledger
from falkit_contract.conform.report import exit_code
from falkit_contract.conform.running import ENDPOINT, Said, Verdict, run_one, set_up
from falkit_contract.conform.target import Elsewhere, Exchange, Target
from falkit_mock.cli import main
from falkit_mock.core.network import listen, reached
from falkit_spec import Catalog
from processes import FALKIT

_SUBMIT = f"^/queue.fal.run/{ENDPOINT}$"
A_FAULT = Fault("queue.submit.code", "201", code(201), _SUBMIT, "POST")


@contextmanager
def planting(mock: Planted, fault: Fault) -> Generator[None]:
    mock.fault = fault
    try:
        yield
    finally:
        mock.fault = None


def conform(*words: str) -> int:
    """Run the command in this process; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["conform", *words])
    return ended.value.code if isinstance(ended.value.code, int) else 0


def test_a_failed_check_says_what_was_expected_and_how_to_see_it(
    planted: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    with planting(planted, A_FAULT):
        assert conform("--target", planted.url, "--only", "queue.submit.code") == 1
        told = capsys.readouterr().out
        curl = next(line for line in told.splitlines() if line.strip().startswith("curl"))
        command = shlex.split(curl.strip().removeprefix("curl").strip())
        again = subprocess.check_output([*command, "-s"], text=True)
    assert again.startswith("HTTP/1.1 201")
    assert "expected  code 200" in told
    assert "wire.md §3.1" in told
    assert told.endswith("1 checks: 0 passed, 1 failed, 0 not applicable, 0 could not look\n")


def test_verdicts_as_json_and_junit(
    planted: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "conform.xml"
    words = [word for name in ("queue.submit.code", "queue.submit.id", "media.size")
             for word in ("--only", name)]  # fmt: skip
    with planting(planted, A_FAULT):
        assert conform("--target", planted.url, *words, "--json", "--out", str(file)) == 1
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    by_id = {one["id"]: one for one in told["checks"]}
    # What isn't looked at for a fault elsewhere is neither passed nor failed.
    assert {name: one["verdict"] for name, one in by_id.items()} == {
        "queue.submit.code": "failed",
        "queue.submit.id": "could not look",
        "media.size": "could not look",
    }
    assert by_id["queue.submit.code"]["section"] == "§3.1"
    assert by_id["queue.submit.code"]["curl"].startswith("curl -i -X POST")
    assert told["counts"]["could not look"] == 2
    (suite,) = minidom.parse(str(file)).getElementsByTagName("testsuite")
    figures = {name: suite.getAttribute(name) for name in ("tests", "failures", "errors")}
    assert figures == {"tests": "3", "failures": "1", "errors": "2"}
    (failure,) = suite.getElementsByTagName("failure")
    assert failure.getAttribute("message").startswith("expected code 200; got 201")


def test_json_and_xml_bear_whatever_a_server_answers(
    planted: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "conform.xml"
    odd = b"\x00\xff\x1b[31m</testcase>\r\n" * 200
    with planting(planted, Fault("queue.submit.code", "odd", body(odd, 500), _SUBMIT, "POST")):
        words = ("--only", "queue.submit.code", "--out", str(file), "--out", "text:-")
        assert conform("--target", planted.url, *words) == 1
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert told[: len(told) // 2] == told[len(told) // 2 :], "as it is printed"
    assert len(minidom.parse(str(file)).getElementsByTagName("failure")) == 1


def test_exit_codes_tell_findings_from_what_nobody_looked_at(planted: Planted) -> None:
    def code_of(*said: Said) -> int:
        check = all_checks()["queue.submit.code"]
        return exit_code([Verdict(check, one, 0.0) for one in said])

    assert code_of("passed", "not applicable") == 0
    assert code_of("passed", "could not look", "failed") == 1
    assert code_of("passed", "could not look") == 3
    # Nothing was looked at: that isn't clean.
    assert code_of("not applicable") == 3
    assert conform("--target", planted.url, "--only", "queue.submit.code") == 0


def test_a_server_that_does_not_answer_is_3(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as listener:
        url = reached(listener)
    assert conform("--target", url) == 3
    told = capsys.readouterr().err
    assert told.startswith(f"falkit: can't look: GET {url}")
    assert told.endswith("; start the server, or correct --target\n")


USAGE = {
    "": "--target is missing: give a server's URL",
    "--target localhost": "target is 'localhost': give a server's URL",
    "--target https://queue.fal.run": "that is fal itself, which takes money",
    "--target https://FAL.run.": "that is fal itself, which takes money",
    "--target http://127.0.0.1:1 --only queue.sub": "only is 'queue.sub': give an id",
    "--target http://127.0.0.1:1 --budget 1": "--budget is '1': only --live costs anything",
    "--target http://127.0.0.1:1 --header x": "--header is 'x': give 'NAME: TEXT'",
    "--target http://127.0.0.1:1 --endpoint a/b": "--endpoint: ",
    "--target http://127.0.0.1:1 --input []": "--input is '[]': give a JSON object",
    "--target http://127.0.0.1:1 --input {}": "Field required",
    "--target http://127.0.0.1:1 --out a.sarif": "verdicts can't be written as sarif; give .txt,",
    "--target http://127.0.0.1:1 --out a.b": "--out: 'a.b' ends in none of .txt, .json, .xml",
    "--target http://127.0.0.1:1 --out no/a.xml": "no folder no; make it, or name another file",
    "--live": "--budget is missing: say what --live may cost",
    "--live --budget x": "--budget is 'x': give US dollars",
    "--live --budget 1 --target http://127.0.0.1:1": "--live tries fal itself, leave it out",
    "--live --budget 0.01": "--budget is '0.01': ",
    "--live --budget 1 --endpoint fal-ai/ltx-2/text-to-video/fast": "--only",
}


@pytest.mark.parametrize("words", USAGE)
def test_wrong_usage_is_one_line_and_2(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_KEY", "not:real")
    assert conform(*words.split()) == 2
    told = capsys.readouterr().err
    assert USAGE[words] in told
    assert told.count("\n") == 1


def test_fal_itself_is_never_tried_without_a_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAL_KEY", raising=False)
    assert conform("--live", "--budget", "1") == 2
    assert "FAL_KEY is missing" in capsys.readouterr().err


def test_what_would_go_to_fal_itself_reaches_who_answers_for_it(authority_folder: Path) -> None:
    only = [word for name in ("queue.submit.origin", "queue.result.done", "upload.url")
            for word in ("--only", name)]  # fmt: skip
    tried = ["conform", "--live", "--budget", "0.01", *only]
    environment = {**os.environ, "FALKIT_HOME": str(authority_folder), "FAL_KEY": "not:real"}
    command = [FALKIT, "run", "--quiet", "--", FALKIT, *tried]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 jobs of fal-ai/flux/schnell at $0.003: $0.006 at most" in done.stderr
    assert done.stdout.endswith("4 passed, 0 failed, 0 not applicable, 0 could not look\n")


def test_no_job_passes_the_budget() -> None:
    ledger = Ledger(Decimal("0.4"), Decimal("1.00"))
    ledger.take()
    ledger.take()
    with pytest.raises(CouldNotLook, match="another job would pass the budget"):
        ledger.take()
    assert ledger.spent == Decimal("0.8")


def test_a_budget_needs_a_price() -> None:
    with pytest.raises(CouldNotLook, match="isn't known"):
        Ledger(None, Decimal("1.00")).take()


def test_a_real_key_is_not_shown() -> None:
    sent = {"authorization": "Key id:secret"}
    made = Exchange("GET", "https://fal.run/x", sent, b"", 200, httpx.Headers(), b"")
    shown = made.curl("id:secret", secret=True)
    assert shown == 'curl -i -X GET https://fal.run/x -H "authorization: Key $FAL_KEY"'


def test_webhooks_of_a_target_elsewhere_are_not_applicable() -> None:
    setup = set_up(Target("http://fake.example:80"), Catalog.vendored().get(ENDPOINT))
    verdict = run_one(all_checks()["webhook.fields"], setup)
    assert (verdict.said, "--webhooks-to" in verdict.reason) == ("not applicable", True)


ASKED = "https://queue.fal.run/a/b?x=1"
HERE = "http://here:1"


@pytest.mark.parametrize(
    ("by", "place", "head"),
    [
        ("path", f"{HERE}/queue.fal.run/a/b?x=1", {}),
        ("header", HERE, {"x-fal-target-url": ASKED}),
        ("host", f"{HERE}/a/b?x=1", {"host": "queue.fal.run"}),
        ("root", f"{HERE}/a/b?x=1", {}),
    ],
)
def test_how_a_host_is_named(by: Any, place: str, head: dict[str, str]) -> None:
    target = Target(HERE, by, headers={"x-for": "{host}"})
    assert target.address(ASKED) == (place, {"x-for": "queue.fal.run", **head})


@pytest.mark.parametrize("url", ["https://example.com/x", "http://here:12/x", "x", "ftp://fal.run"])
def test_a_url_elsewhere_is_not_called(url: str) -> None:
    target = Target(HERE)
    if url.startswith("ftp"):
        # fal's name is led to the target, whatever the scheme.
        assert target.address(url)[0] == f"{HERE}/fal.run"
    else:
        with pytest.raises(Elsewhere):
            target.address(url)


def test_the_checks_as_tests(planted: Planted, tmp_path: Path) -> None:
    chosen = "queue.submit.code or queue.cancel.unknown or media.size"
    option = ["-p", "falkit_contract.conform.pytest_options", "--pyargs", "falkit_contract"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    # Plugins of others only cost time here.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def told(*words: str) -> str:
        done = subprocess.run([*command, *option, *words], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, check=False)  # fmt: skip
        return done.stdout + done.stderr

    refused = Fault("queue.submit.code", "201", code(201), _SUBMIT, "POST")
    with planting(planted, refused):
        said = told("--fal-target", planted.url, "-k", chosen)
    assert "expected  code 200" in said
    assert "2 failed, 1 passed" in said, said
