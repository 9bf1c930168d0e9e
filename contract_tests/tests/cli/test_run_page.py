"""docs/run.md: what it shows is run, and what it names exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.environment import variables

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "run.md").read_text()
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with the page's two programs in it."""
    (tmp_path / "app.py").write_text(blocks("python")[0])
    (tmp_path / "app.mjs").write_text(blocks("js")[0])
    return tmp_path


def shell(script: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    environ = {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", "FALKIT_HOME": str(home)}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_commands_of_the_beginning_run(folder: Path, authority_folder: Path) -> None:
    python, node, pytest_ = blocks("sh")[0].splitlines()
    done = shell(python, folder, authority_folder)
    assert done.returncode == 0, done.stderr
    assert "Generating" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("https://v3b.fal.media/files/b/")
    number = re.compile(r"(falkit: |127\.0\.0\.1:)\d+")
    said, shown = (number.sub(r"\1n", text) for text in (done.stderr, _summary()))
    assert said == shown
    done = shell(node, folder, authority_folder)
    assert done.stdout.startswith("IN_QUEUE https://queue.fal.run/fal-ai/ltx-2/requests/")
    # There is no test in that folder: pytest's own code for it.
    assert shell(pytest_, folder, authority_folder).returncode == 5


def _summary() -> str:
    shown, _ = re.findall(r"```\n(falkit: .*?)```", PAGE, re.DOTALL)
    return str(shown)


def test_the_shell_of_a_mock_that_keeps_running(folder: Path, authority_folder: Path) -> None:
    serve, use = blocks("sh")[1:3]
    options = "--port 0 --gateway-port 0 --timing instant --quiet"
    script = f"""
mkfifo ready
{serve.strip()} {options} > ready 2> log.txt &
read -r line < ready
echo "$line"
port=$(echo "$line" | sed -E 's/.*"gateway": "[^"]*:([0-9]+)".*/\\1/')
{use.replace("falkit env", "falkit env --gateway-port $port")}
kill %1
"""
    done = shell(script, folder, authority_folder)
    ready, *_, url = done.stdout.splitlines()
    assert url.startswith(f"{json.loads(ready)['url']}/v3b.fal.media/"), done.stderr


def test_the_commands_for_the_certificate_run(folder: Path, tmp_path: Path) -> None:
    (commands,) = [block for block in blocks("sh") if "falkit cert" in block]
    home = tmp_path / "home"
    done = shell(f"set -e\n{commands}", folder, home)
    assert done.returncode == 0, done.stderr
    assert "BEGIN CERTIFICATE" in (folder / "ca.pem").read_text()
    (commands,) = [block for block in blocks("sh") if "falkit uninstall" in block]
    assert home.is_dir()
    done = shell(f"set -e\n{commands}", folder, home)
    assert (done.returncode, home.exists()) == (0, False), done.stderr


def test_the_table_of_variables_names_all_that_are_set(authority_folder: Path) -> None:
    table = PAGE.partition("| variable | for |")[2].partition("\n\n")[0]
    named = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1] if "|" in row else "")
    }
    found = variables("http://127.0.0.1:1", Authority.open(authority_folder), "allow", {})
    assert named == {name.upper() for name in found}


def test_every_option_that_the_page_names_exists(folder: Path, authority_folder: Path) -> None:
    helps = " ".join(
        shell(f"falkit {command} --help", folder, authority_folder).stdout
        for command in ("run", "serve", "env", "clock", "uninstall")
    )
    known = set(re.findall(r"--[a-z-]+", helps)) | {"--env-file", "--require"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= known
