"""`falkit open` and `falkit run --page`: how a person gets to the page."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from falkit import Settings
from falkit_mock.cli import main
from processes import FALKIT, started
from serving import PATIENCE, Mock, running

HTML = {"accept": "text/html"}


@pytest.fixture
def without_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "FAL_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("without_browser")
def test_where_there_is_no_browser_the_url_is_printed(
    mock: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], ["--print"]):
        main(["open", "--base-url", f"{mock.url}/", *words])
        assert capsys.readouterr().out == f"{mock.url}/\n"
    # A key is whose mock is meant where there are tenants, and else hides other keys' jobs.
    main(["open", "--base-url", mock.url, "--key", "a b"])
    assert capsys.readouterr().out == f"{mock.url}/\n"
    with running(Settings(tenants=True)) as served:
        main(["open", "--base-url", served.url, "--key", "a b"])
        assert capsys.readouterr().out == f"{served.url}/#/jobs?key=a%20b\n"


@pytest.mark.usefixtures("without_browser")
def test_the_token_is_not_in_the_url_and_the_url_lets_one_browser_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running(Settings(control_token="s3cret")) as served:
        main(["open", "--base-url", served.url, "--control-token", "s3cret"])
        url = capsys.readouterr().out.strip()
        assert "s3cret" not in url
        with httpx.Client(trust_env=False, headers=HTML, follow_redirects=True) as browser:
            reply = browser.get(url)
        assert (reply.status_code, str(reply.url)) == (200, f"{served.url}/")
        assert httpx.get(url, headers=HTML, trust_env=False).status_code == 401


def test_a_browser_is_given_the_url(mock: Mock, environ: dict[str, str], tmp_path: Path) -> None:
    browser, log = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {log}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IEXEC)
    done = subprocess.run(
        [FALKIT, "open", "--base-url", mock.url],
        env={**environ, "BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert log.read_text() == f"{mock.url}/\n"
    assert (done.stdout, done.stderr) == ("", f"opened {mock.url}/\n")


def test_a_mock_without_the_page_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with running(Settings(page=False)) as served:
        with pytest.raises(SystemExit):
            main(["open", "--base-url", served.url])
        assert "--no-page" in capsys.readouterr().err


PROGRAM = "import sys; print('ran'); sys.exit(3)"


@pytest.mark.parametrize("more", [[], ["--quiet"]])
def test_the_mock_stays_after_its_command_until_enter(
    environ: dict[str, str], more: list[str]
) -> None:
    command = [FALKIT, "run", "--page", *more, "--", sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environ}
    with started(command, **pipes) as program:
        assert program.stderr is not None
        found = None
        while found is None:
            line = program.stderr.readline()
            assert line, "it ended"
            found = re.search(r"the page is at (http://\S+/);", line)
        assert httpx.get(found[1], headers=HTML, trust_env=False).status_code == 200
        assert program.poll() is None
        program.communicate("\n", timeout=PATIENCE)
        assert program.returncode == 3


def test_it_does_not_wait_for_a_person_who_is_not_there(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [FALKIT, "run", "--page", "--control-token", "s3cret", "--", sys.executable, "-c", PROGRAM],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "ran\n")
    assert "/__falkit/page/session?code=" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [("page = true", "command line alone"), ('no-page = "yes"', "neither true nor false")],
)
def test_a_file_can_leave_the_page_out_and_not_keep_every_run_open(
    environ: dict[str, str], tmp_path: Path, line: str, words: str
) -> None:
    (tmp_path / "falkit.toml").write_text(line)
    done = subprocess.run(
        [FALKIT, "run", "--", sys.executable, "-c", PROGRAM],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_what_the_page_does_is_not_logged_as_what_programs_do(environ: dict[str, str]) -> None:
    with started(
        [FALKIT, "serve", "--port", "0", "--no-page"], stderr=subprocess.PIPE, env=environ
    ) as without:
        assert without.stdout is not None
        assert '"page"' not in without.stdout.readline()
    command = [FALKIT, "serve", "--port", "0"]
    with started(command, stderr=subprocess.PIPE, env=environ) as server:
        assert server.stdout is not None
        found = re.search(r'"page": "(http://[^"]+)/"', server.stdout.readline())
        assert found is not None
        with httpx.Client(base_url=found[1], trust_env=False) as browser:
            assert browser.get("/", headers=HTML).status_code == 200
            assert browser.get("/__falkit/page/tokens.css").status_code == 200
            own = {"x-falkit-client": "page"}
            assert browser.get("/__falkit/jobs", headers=own).status_code == 200
            assert browser.get("/__falkit/clock").status_code == 200
        server.terminate()
        _, log = server.communicate(timeout=PATIENCE)
    assert f"page to look at             {found[1]}/" in log
    assert "GET  /__falkit/clock" in log
    assert not re.search(r"GET +(/ |/__falkit/(page|jobs))", log)
