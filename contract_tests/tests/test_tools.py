"""scripts/tools.sh, with nothing on its path but what a test puts there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "tools.sh"
NEEDED = ("ffprobe", "chromium-headless-shell", "node", "curl")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the script for a user, 0 being root, where some programs are there."""

    def run_(*there: str, user: int = 0, wanted: str = "") -> subprocess.CompletedProcess[str]:
        programs = dict.fromkeys(there, ":") | {"id": f"echo {user}"}
        programs |= {"env": 'shift; exec "$@"', "sudo": 'echo "as root: $*" >&2; exec "$@"'}
        programs["apt-get"] = 'echo "apt-get $*" >&2'
        for name, does in programs.items():
            if name in {"id", "env"} or name in there:
                (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
                (tmp_path / name).chmod(0o755)
        return subprocess.run(
            ["/bin/sh", str(SCRIPT), *wanted.split()],
            env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_


def test_complete_tools_install_and_print_nothing(run: Run) -> None:
    done = run(*NEEDED, "apt-get")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_tools_are_named_and_installed(run: Run) -> None:
    done = run("curl", "node", "apt-get", "apt-cache", wanted="wrk")
    names = "ffmpeg chromium-headless-shell wrk"
    assert (done.returncode, done.stdout) == (0, f"Installing with apt-get: {names}\n")
    installs = f"apt-get install -qq -y --no-install-recommends {names}"
    # Its own output is noise, as long as it succeeds.
    assert done.stderr.splitlines() == ["apt-get update -qq", installs]


def test_a_system_without_the_shell_gets_the_browser(run: Run) -> None:
    done = run("curl", "node", "apt-get", wanted="wrk")
    assert done.stderr.endswith(" --no-install-recommends ffmpeg chromium wrk\n")


@pytest.mark.parametrize("browser", ["chromium", "chromium-browser"])
def test_a_browser_that_is_there_is_enough(run: Run, browser: str) -> None:
    done = run(NEEDED[0], browser, *NEEDED[2:], "apt-get")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_user_without_rights_installs_by_sudo(run: Run) -> None:
    done = run(*NEEDED[1:], "apt-get", "sudo", user=1000)
    assert done.returncode == 0
    assert "as root: apt-get update -qq" in done.stderr
    assert "apt-get install -qq -y --no-install-recommends ffmpeg" in done.stderr


@pytest.mark.parametrize(
    ("there", "says"),
    [(NEEDED[2:], "this system's package manager"), ((*NEEDED[2:], "apt-get"), "as root: apt-get")],
)
def test_tools_that_cannot_be_installed_are_named(
    run: Run, there: tuple[str, ...], says: str
) -> None:
    done = run(*there, user=1000)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Missing: ffmpeg chromium-headless-shell." in done.stderr
    assert says in done.stderr
