"""What the pytest plugin makes of findings: by test, in reports, by a baseline, and failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

import falkit
from falkit_spec.findings import Report
from pytest_plugin.suites import outcome
from receiver import Reply, receiving
from serving import T2V

SUITE = f"""
import json
import os
from http.client import HTTPConnection

import httpx
import pytest

T2V = "{T2V}"


@pytest.fixture
def ask(request):
    # By sockets where there is one, so that fal_mock and fal_server are asked alike.
    def ask(method, path, body=None):
        headers = {{"Authorization": "Key " + os.environ["FAL_KEY"]}}
        # A run may have a mock around it, which is no matter of fal_mock's.
        base = "fal_server" in request.fixturenames and os.environ["FALKIT_BASE_URL"]
        url = f"{{base}}/queue.fal.run{{path}}" if base else f"https://queue.fal.run{{path}}"
        return httpx.request(method, url, json=body, headers=headers)

    return ask


def submit(ask, **input):
    return ask("POST", f"/{{T2V}}", {{"prompt": "Rain", **input}}).json()["request_id"]


@pytest.mark.parametrize("number", range(12))
def test_wrong_url(fal_mock, ask, number):
    for _ in range(2):
        ask("GET", f"/{{T2V}}/requests/{{submit(ask)}}/status")


def test_known(fal_mock, ask):
    submit(ask, sparkle=True)
    assert [job.test for job in fal_mock.jobs] == ["test_suite.py::test_known"]


@pytest.mark.fal(allow=["unknown-field"])
def test_allowed(fal_server, ask):
    submit(ask, shine=True)
    assert [one.kind.code for one in fal_server.findings] == ["unknown-field"]
    assert [job.test for job in fal_server.jobs] == ["test_suite.py::test_allowed"]


@pytest.fixture
def late(fal_server, ask):
    yield
    ask("GET", f"/{{T2V}}/requests/{{submit(ask)}}/status")


def test_late(late):
    pass


@pytest.mark.fal(timing="instant", faults=["content_policy_violation"])
def test_fails(fal_mock, ask):
    ask("GET", f"/{{T2V}}/requests/{{submit(ask)}}")
    ask("GET", f"/fal-ai/ltx-2/requests/{{submit(ask)}}/status")
    assert not "a failure of its own"


@pytest.mark.fal(allow=["unknown-feld"])
def test_misspelt(fal_mock):
    pass


@pytest.mark.fal(allow="unknown-field")
def test_no_list(fal_mock):
    pass


def test_stopped(make_fal_server):
    make_fal_server().stop()


def test_clean(make_fal_server):
    with httpx.Client() as client:
        mock = make_fal_server(timing="instant")
        url = f"{{mock.url}}/fal.run/{{T2V}}"
        assert client.post(url, json={{"prompt": "Rain"}}, headers={{"Authorization": "Key a"}})
"""
INI = """\
[pytest]
fal_fail_on = warning
fal_report =
    made/run.json
    junit:made/report
fal_baseline = known.toml
"""
WORDS = ("-p", "falkit", "-p", "no:cacheprovider")


# In one test, since a run takes more than a second.
def test_findings_are_told_by_test_and_fail_it_unless_they_are_known(
    tmp_path: Path, authority_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "made").mkdir()
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert pytest.main([*WORDS, "-k", "known", "--fal-update-baseline", str(tmp_path)]) == 0
    assert 'code = "unknown-field"' in (tmp_path / "known.toml").read_text()

    with falkit.Mock() as around:
        environ = {"FALKIT_BASE_URL": around.url}
        run = outcome(tmp_path, authority_folder, "-p", "xdist", "-n", "2", **environ)
        handed = around.report()
    wrong = [f"test_wrong_url[{number}]" for number in range(12)]
    failed = {name: told for name, told in run.tests.items() if told != "passed"}
    assert failed.keys() == {*wrong, "test_late", "test_fails", "test_misspelt", "test_no_list"}, (
        run.said
    )
    assert run.counts.startswith("13 failed, 5 passed, 3 errors")
    seen = f"whole-id-url: GET /{T2V}/requests/{{id}}/status, answered 405"
    assert failed[wrong[0]].splitlines()[:2] == [
        "fal-fail-on=warning: whole-id-url",
        f"  error {seen} (2 times)",
    ]
    # Of its teardown: the test itself had passed.
    assert f"  error {seen}" in failed["test_late"].splitlines()
    mark = "pytest.mark.fal: allow: 'unknown-f"
    assert failed["test_misspelt"].startswith(
        f"{mark}eld' isn't the code of a finding; did you mean unknown-field?"
    )
    assert failed["test_no_list"].startswith(f"{mark}ield' isn't a list of codes; write allow=[")
    # What a hint is about isn't said twice, and what none is about is said once.
    captured = run.said.partition("- Captured fal call -")[2].splitlines()[1:]
    about = [line for line in captured[:5] if line.startswith((" ", "405 "))]
    assert [line.partition(":")[0] for line in about] == [
        about[0].partition(":")[0],
        "  error failure-not-read",
        "    fix",
    ]
    assert about[0].startswith(f"405 GET queue.fal.run/{T2V}/requests/")

    section = run.said.rpartition("= fal =")[2].partition("\n=")[0].splitlines()[1:]
    jobs = 12 * 2 + 1 + 1 + 1
    price = f"{jobs * 0.36:.2f}"
    assert (
        f"{jobs} jobs were not done when their tests ended, and would cost ${price} more" in section
    )
    assert "15 errors in 14 tests; `falkit explain CODE` says more" in section
    assert len([line for line in section if line.startswith("test_suite.py::")]) == 10
    assert len([line for line in section if "fix: leave out what follows" in line]) == 1
    assert "and 4 more tests" in section
    assert "the baseline accepts 1 finding" in section
    assert run.properties["test_known"]["fal_finding"].startswith("warning unknown-field: ")
    assert run.properties["test_clean"] == {
        "fal_cost_usd": "0.36",
        "fal_jobs": "1",
        "fal_jobs_of_unknown_price": "0",
    }

    report = Report.read(json.loads((tmp_path / "made" / "run.json").read_text()))
    assert report.command.startswith("pytest -W error ")
    why = "a mock ended before it could be asked what it found"
    assert report.problems == [f"test_suite.py::test_stopped: {why}"]
    accepted = [one for one in report.findings if one.accepted]
    assert [one.test for one in accepted] == ["test_suite.py::test_known"]
    assert {one.test for one in report.findings if one.kind.code == "whole-id-url"} == {
        f"test_suite.py::{name}" for name in (*wrong, "test_late", "test_fails")
    }
    assert not [one for one in report.findings if one.test == "test_suite.py::test_allowed"]
    lines = (tmp_path / "test_suite.py").read_text().splitlines()
    # A test begins at its first mark.
    (of_late,) = [one for one in report.findings if one.test.endswith("test_late")]
    assert lines[of_late.line - 1] == "def test_late(late):"
    assert (report.spend["cost"], report.spend["jobs"]) == ("1.08", 3)
    assert report.spend["endpoints"] == [
        {"endpoint_id": T2V, "jobs": 3, "billed": 3, "unpriced": 0, "cost": "1.08"}
    ]
    assert report.requests == {"total": 12 * 4 + 1 + 1 + 2 + 4 + 1, "failed": 12 * 2 + 1 + 1}
    assert report.jobs["total"] == 12 * 2 + 1 + 1 + 1 + 2 + 1
    assert report.not_done == {"jobs": jobs, "billed": jobs, "unpriced": 0, "cost": price}
    assert "test_wrong_url[11]" in (tmp_path / "made" / "report").read_text()

    # The mock around it has all of it, once, and the baseline's word on what is known.
    assert handed.findings == report.findings
    assert handed.counts()["error"] == 15
    assert (handed.requests, handed.problems) == (report.requests, report.problems)
    assert handed.jobs == {"done": 0, "failed": 0, "cancelled": 0, **report.jobs}
    assert (handed.not_done, handed.spend) == (report.not_done, report.spend)
    (told,) = handed.handed
    assert (told["command"], told["tests"]) == (report.command, report.tests)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--fal-report=run.pdf", "run.pdf' ends in none of .txt, .json"),
        ("--fal-report=nowhere/run.json", "nowhere isn't a folder"),
        ("--fal-baseline=none.toml", "none.toml isn't there; --fal-update-baseline writes it"),
        ("--fal-update-baseline", "there is no baseline; name it by --fal-baseline FILE"),
        ("--override-ini=fal_fail_on=errors", "fal_fail_on: 'errors' is none of error, warning"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_first_test(
    option: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    words = [*WORDS, "--rootdir", str(tmp_path), option, str(tmp_path)]
    assert pytest.main(words) == pytest.ExitCode.USAGE_ERROR
    assert said in capfd.readouterr().err


def test_a_run_that_nobody_called_or_that_was_cut_short_is_not_called_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_short.py").write_text("def test_a(): assert 0\n\ndef test_b(): pass\n")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    file = tmp_path / "run.json"
    words = [*WORDS, "--rootdir", str(tmp_path), f"--fal-report={file}", str(tmp_path)]
    for more, problems in ((), []), (("-x",), ["pytest ended before all tests had run"]):
        assert pytest.main([*words, *more]) == 1
        report = Report.read(json.loads(file.read_text()))
        assert (report.requests["total"], report.problems) == (0, problems)


class Twice:
    """Runs each test twice, as plugins do that run failed tests again."""

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        for _ in range(2):
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                item.ihook.pytest_runtest_logreport(report=report)
        return True


def test_a_test_that_runs_again_has_a_mock_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code = f"httpx.post('https://fal.run/{T2V}', json={{'prompt': 'Rain'}}, "
    code += "headers={'Authorization': 'Key a'})"
    test = f"import httpx\n\ndef test_twice(fal_mock):\n    assert {code}\n"
    (tmp_path / "test_twice.py").write_text(test)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    words = [*WORDS, "--rootdir", str(tmp_path), str(tmp_path)]
    assert pytest.main(words, plugins=[Twice()]) == 0
    said = capfd.readouterr().out
    assert "2 jobs of 1 test would have cost $0.72" in said


AROUND = f"""
import json
import os
from http.client import HTTPConnection

HOST = os.environ["FALKIT_BASE_URL"].removeprefix("http://")
HEADERS = {{"Authorization": "Key a", "Content-Type": "application/json"}}


def ask(method, path, body=None):
    connection = HTTPConnection(HOST)
    connection.request(method, f"/queue.fal.run{{path}}", body, HEADERS)
    told = connection.getresponse().read()
    connection.close()
    return told


def test_one():
    told = ask("POST", "/{T2V}", '{{"prompt": "Rain", "sparkle": true}}')
    for _ in range(3):
        ask("GET", f"/fal-ai/ltx-2/requests/{{json.loads(told)['request_id']}}/status")


def test_two():
    ask("GET", "/{T2V}/requests/019b76da-a801-7053-aea4-f8da393fcffb")
"""
OWN = f"""
import httpx


def test_three(fal_mock):
    url, body = "https://queue.fal.run/{T2V}", {{"input": {{"prompt": "Rain"}}}}
    assert httpx.post(url, json=body, headers={{"Authorization": "Key a"}}).is_success


def test_four(fal_mock):
    url, body = "https://fal.run/{T2V}", {{"prompt": "Rain"}}
    assert httpx.post(url, json=body, headers={{"Authorization": "Key a"}}).is_success
"""


def test_a_mock_around_the_run_knows_which_test_made_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_around.py").write_text(AROUND)
    own = tmp_path / "test_own.py"
    own.write_text(OWN)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    words = [*WORDS, "--rootdir", str(tmp_path), str(tmp_path)]
    with falkit.Mock(timing="held", control_token="open") as mock:
        monkeypatch.setenv("FALKIT_BASE_URL", mock.url)
        monkeypatch.setenv("FALKIT_CONTROL_TOKEN", "open")
        assert pytest.main(words) == 0
        found = {one.kind.code: one.test for one in mock.findings}
        (job,) = mock.jobs
        report = mock.report()
        assert "didn't take" not in capfd.readouterr().out
        # Without its token nothing is handed over, and is said not to be.
        monkeypatch.delenv("FALKIT_CONTROL_TOKEN")
        words[-1] = str(own)
        assert pytest.main(words) == 0
        assert mock.report() == report
        why = f"{mock.url} didn't take this run's report: the control API of this mock needs its"
        assert why in capfd.readouterr().out
    assert job.test == "test_around.py::test_one"
    assert found == {
        "unknown-field": "test_around.py::test_one",
        # Which is only known at the end.
        "abandoned-job": "test_around.py::test_one",
        "whole-id-url": "test_around.py::test_two",
        # In a mock of the test's own.
        "input-wrapper": "test_own.py::test_three",
    }
    assert report.requests == {"total": 4 + 1 + 1 + 1, "failed": 1}
    assert (report.jobs["total"], report.not_done["jobs"], report.tests) == (3, 2, 2)
    assert report.spend["cost"] == "0.36"
    answers: list[Reply] = []
    # It is no longer there, or isn't a mock, which is no matter of the tests'.
    assert pytest.main(words) == 0
    for answer in (Reply(405, body=b'{"detail": "Method Not Allowed"}'), Reply(500, body=b"[")):
        answers.append(answer)
        with receiving(lambda _: answers[-1]) as other:
            monkeypatch.setenv("FALKIT_BASE_URL", other.url.removesuffix("/hook"))
            assert pytest.main(words) == 0
            assert [one.path for one in other.received][-1] == "/__falkit/report"
    assert "didn't take" not in capfd.readouterr().out
