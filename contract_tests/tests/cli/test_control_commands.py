"""The commands that steer a running mock, as their users call them."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from falkit_mock.cli import main
from falkit_mock.core import parse_duration
from serving import PROMPT, T2V, VIDEO, Mock, Serve
from terminal import FakeTerminal, plain


class Command:
    """Runs `falkit` in this process, for one mock."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys

    def __call__(self, *words: str) -> str:
        """Return what a command that succeeds prints."""
        main(self._with_url(words))
        return self._capsys.readouterr().out

    def _with_url(self, words: tuple[str, ...]) -> list[str]:
        name = 2 if words[0] == "state" else 1
        return [*words[:name], "--base-url", self._url, *words[name:]]

    def refused(self, *words: str, code: int = 2) -> str:
        """Return the one line that a command which fails writes on stderr."""
        with pytest.raises(SystemExit) as exit:
            main(self._with_url(words))
        captured = self._capsys.readouterr()
        assert (exit.value.code, captured.err.count("\n")) == (code, 1 if captured.err else 0)
        return captured.err


@pytest.fixture
def falkit(
    manual: Mock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    monkeypatch.delenv("COLUMNS", raising=False)
    return Command(manual.url, capsys)


def test_spend_is_shown_in_all_by_endpoint_and_by_key(
    serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAL_KEY", raising=False)
    mock = serve(tenants=True, budget="0.5")
    falkit = Command(mock.url, capsys)
    mock.submit()
    assert falkit("spend").endswith("\nwithin the budget of $0.50\n")
    mock.run({"audio_url": VIDEO}, "fal-ai/whisper", headers={"authorization": "Key other:x"})
    mock.submit()
    assert falkit("spend").splitlines() == [
        "at least $0.72, 1 of unknown price  in all  (3 jobs)",
        f"$0.72  {T2V}  (2 jobs)",
        "an unknown price  fal-ai/whisper  (1 job)",
        "$0.72  key id  (2 jobs)",
        "an unknown price  key other  (1 job)",
        "over the budget of $0.50 by $0.22",
    ]
    assert json.loads(falkit("spend", "--key", "other", "--json"))["jobs"] == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0.5", 0.5), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("250ms", 0.25)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "1h30", "5 m", "1w", "٣s"])
def test_a_malformed_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="15m"):
        parse_duration(text)


def test_the_clock_is_shown_and_moved(falkit: Command, manual: Mock) -> None:
    assert falkit("clock") == "2027-01-15T08:00:00.000Z  (1800000000.000, paused)\n"
    assert "1800000900.000" in falkit("clock", "advance", "15m")
    assert "2027-01-16T00:00:00.000Z" in falkit("clock", "set", "2027-01-16T00:00:00Z")
    assert "running" in falkit("clock", "run")
    assert "paused" in falkit("clock", "pause")
    assert "ago" in falkit.refused("clock", "set", "1800000000")
    past = falkit.refused("clock", "set", "2020-01-01")
    assert past.startswith("falkit: set: '2020-01-01' can't be set: it is ")
    assert "set: 'some day' is not unix seconds or" in falkit.refused("clock", "set", "some day")
    assert "or a length such as 15m" in falkit.refused("clock", "advance", "soon")
    assert "give a length of time" in falkit.refused("clock", "advance")
    assert "takes nothing" in falkit.refused("clock", "run", "5")


def test_jobs_are_listed_shown_and_steered(falkit: Command, manual: Mock) -> None:
    first, second = (manual.submit()["request_id"] for _ in range(2))
    heading, _, *newest = falkit("jobs").splitlines()
    assert heading.split() == [
        *("id", "at", "status", "code", "endpoint", "prompt", "key", "age", "cost"),
    ]
    prompt = PROMPT["prompt"].split()
    assert [line.split() for line in newest] == [
        [job, "08:00:00", "IN_QUEUE", "---", T2V, *prompt, "id", "0s", "-"]
        for job in (first, second)
    ]
    assert falkit("jobs", "--limit", "1").splitlines()[-1].split()[0] == second
    assert falkit("jobs", "--status", "completed") == ""
    unknown = falkit.refused("jobs", "--status", "DONE")
    assert "'DONE' is not one of 'IN_QUEUE', 'IN_PROGRESS', 'COMPLETED'" in unknown
    assert json.loads(falkit("jobs", first))["input"] == PROMPT
    falkit("jobs", first, "fail", "generation_timeout")
    failed = falkit("jobs", "--status", "completed").splitlines()[-1]
    assert failed.split()[2:4] == ["COMPLETED", "504"]
    assert falkit("jobs", "--result", "failed").splitlines()[-1] == failed
    assert first not in falkit("jobs", "--text", second)
    manual.http.put("/__falkit/test", json={"test": "tests/a.py::test_b[x]"})
    third = manual.submit()
    of_test = json.loads(falkit("jobs", "--test", "*::test_b[x]", "--json"))["jobs"]
    assert [job["request_id"] for job in of_test] == [third["request_id"]]
    violence = "content_policy_violation categories=violence"
    falkit("jobs", third["request_id"], "fail", violence)
    refused = manual.result(third)
    assert refused.json()["detail"][0]["categories"] == ["violence"]
    # No runner had worked on it.
    assert (refused.status_code, refused.headers["x-fal-billable-units"]) == (422, "0")
    assert "content_policy_violation?" in falkit.refused(
        "jobs", first, "fail", "content_policy x=1"
    )
    falkit("jobs", second, "hold")
    assert "IN_QUEUE" in falkit("jobs", second, "release")
    assert "IN_PROGRESS" in falkit("jobs", second, "release", "--to", "in_progress")
    assert "belongs to release" in falkit.refused("jobs", second, "hold", "--to", "COMPLETED")
    assert "COMPLETED" in falkit("jobs", second, "complete")
    assert len(json.loads(falkit("jobs", "--json"))["jobs"]) == 3
    assert "name a fault" in falkit.refused("jobs", first, "fail")
    nobody = falkit.refused("jobs", "nobody")
    assert "'nobody' isn't a job of this mock; `falkit jobs` lists its jobs" in nobody


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_a_list_of_jobs_fits_its_terminal_and_is_counted(
    manual: Mock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
) -> None:
    monkeypatch.setenv("COLUMNS", f"{columns}")
    for _ in range(3):
        manual.release(manual.submit({"prompt": "a quiet harbour " * 20}))
    main(["jobs", "--base-url", manual.url, "--limit", "2"])
    told = capsys.readouterr()
    heading, _, *rows = told.out.splitlines()
    assert len(rows) == 2
    assert max(map(len, told.out.splitlines())) <= columns
    assert [name in heading for name in ("prompt", "key", "cost")] == [
        *(columns > 80, columns > 120, True),
    ]
    assert told.err == "the newest 2 of 3 jobs, $0.72; --limit shows more\n"


def test_a_state_on_its_way_is_shown_at_a_terminal_alone(
    manual: Mock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    manual.submit()
    monkeypatch.setattr("falkit_mock.cli.state._SOON", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    file = tmp_path / "state.tar"
    url = ["--base-url", manual.url]
    shown: list[str] = []
    for words in (["export"], ["import"], ["import", "--json"]):
        for terminal in (FakeTerminal(), io.StringIO()):
            monkeypatch.setattr("sys.stderr", terminal)
            main(["state", words[0], *url, *words[1:], str(file)])
            shown.append(plain(terminal.getvalue()))
            printed = capsys.readouterr().out
        assert printed.count("\n") == 1
    assert "writing " in shown[0]
    assert "100%" in shown[2]
    assert "sent; the mock reads it" in shown[2]
    assert shown[1:2] + shown[3:] == [""] * 4


def test_the_request_log_is_shown_waited_for_and_cleared(falkit: Command, manual: Mock) -> None:
    manual.submit()
    assert f"200 POST queue.fal.run/{T2V}" in falkit("requests")
    assert falkit("requests", "--method", "PUT") == ""
    waited = falkit.refused("requests", "--method", "PUT", "--wait", "0.01", code=1)
    assert waited == "no such requests\n"
    assert json.loads(falkit("requests", "--json"))["last"] == 1
    falkit("requests", "--clear")
    assert falkit("requests") == ""


@pytest.mark.parametrize("table", ["jobs", "requests", "deliveries"])
def test_an_empty_table_is_one_line_on_stderr(
    manual: Mock, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    for words, line in (((), f"no {table} yet\n"), (("--status", "500"), f"no such {table}\n")):
        fit = {"jobs": ("--key", "x"), "deliveries": ("--status", "retry")}
        main([table, "--base-url", manual.url, *(words and fit.get(table, words))])
        assert capsys.readouterr() == ("", line)
    main([table, "--base-url", manual.url, "--json"])
    told = capsys.readouterr()
    assert (json.loads(told.out)[table], told.err) == ([], "")


def test_every_command_prints_what_the_api_answers(
    falkit: Command, manual: Mock, tmp_path: Path
) -> None:
    manual.submit()
    for words in (["clock"], ["clock", "advance", "1m"], ["clock", "pause"]):
        assert json.loads(falkit(*words, "--json"))["running"] is False
    for table in ("jobs", "requests", "deliveries"):
        assert table in json.loads(falkit(table, "--json"))
    file = str(tmp_path / "state.tar")
    falkit("state", "export", file)
    assert json.loads(falkit("reset", "--json"))["seed"] == 1
    assert json.loads(falkit("state", "import", file, "--json"))["jobs"] == 1


def test_a_state_goes_out_and_in(falkit: Command, manual: Mock, tmp_path: Path) -> None:
    job = manual.submit()
    file = tmp_path / "state.tar"
    assert "bytes" in falkit("state", "export", str(file))
    assert falkit("reset") == "the mock is empty; its seed is 1\n"
    assert manual.http.get(job["status_url"]).status_code == 404
    assert falkit("state", "import", str(file)) == "1 job, seed 1\n"
    assert manual.status(job)["status"] == "IN_QUEUE"
    assert [path.name for path in tmp_path.iterdir()] == ["state.tar"]
    file.write_bytes(b"no tar")
    refused = falkit.refused("state", "import", str(file))
    assert f"falkit: {file}: isn't an export of falkit: " in refused
    assert "nothing has changed" in refused
    assert "can't be read" in falkit.refused("state", "import", str(tmp_path / "none.tar"))
    assert "can't be written" in falkit.refused(
        "state", "export", str(tmp_path / "no" / "state.tar")
    )


def test_a_state_is_written_for_its_owner_alone_and_replaces_files_only(
    falkit: Command, manual: Mock, tmp_path: Path
) -> None:
    if sys.platform == "win32":
        pytest.skip("it has no such modes, and no pipes with names")
    file, link, pipe = tmp_path / "state.tar", tmp_path / "link", tmp_path / "pipe"
    before = os.umask(0)
    try:
        falkit("state", "export", str(file))
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    link.symlink_to(file)
    os.mkfifo(pipe)
    for other in (link, pipe, Path("/dev/null")):
        refused = falkit.refused("state", "export", str(other))
        assert refused == f"falkit: {other}: is a link or no regular file; name another file\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "state.tar"]


def test_a_missing_mock_is_one_line_with_the_fix(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nobody = Command("http://127.0.0.1:9", capsys)
    told = nobody.refused("clock")
    assert "http://127.0.0.1:9 (connection refused); start one with falkit serve" in told
    bare = Command("127.0.0.1:9", capsys).refused("jobs")
    assert "base-url: '127.0.0.1:9' doesn't begin with http://; give a URL such as" in bare
    assert "base-url" in Command("http://[", capsys).refused("jobs")


def test_a_server_that_is_not_a_mock_is_reported(
    manual: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = Command(f"{manual.url}/fal.ai", capsys)
    assert "isn't falkit" in elsewhere.refused("clock")
