"""The example in Node: its own suite, and the cases of webhooks on its handler."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from github_action.runner import Runner
from nights import at_night
from node_package.installed import (
    HERE,
    PACKAGE,
    PATIENCE,
    ROOT,
    environ,
    npm,
    passed,
)
from processes import chromium

EXAMPLE = ROOT / "examples" / "node"
MADE = shutil.ignore_patterns("node_modules", "public", "clips", "test-results", "__pycache__")


@pytest.fixture(scope="module")
def example(installed: Path) -> Path:
    """The example, with the package from its tarball."""
    folder = Path(tempfile.mkdtemp(dir=installed.parent))
    shutil.copytree(EXAMPLE, folder, ignore=MADE, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(installed / "node_modules")
    return folder


def run_suite(folder: Path, home: Path) -> None:
    """Run the example's suite in a folder."""
    printed = npm("test", "--prefix", folder, env=environ(home, CHROMIUM=chromium()))
    assert re.search(r"Tests +9 passed", printed), printed
    assert re.search(r"^ +2 passed", printed, re.MULTILINE), printed


def test_the_suite_of_the_example_passes(example: Path, authority_folder: Path) -> None:
    run_suite(example, authority_folder)


# Installs the packages of the example.
@at_night
def test_the_example_is_installed_as_its_page_says(tmp_path: Path, authority_folder: Path) -> None:
    # With the package beside it, as in a clone.
    for folder in (EXAMPLE, PACKAGE):
        shutil.copytree(folder, tmp_path / folder.relative_to(ROOT), ignore=MADE)
    folder = tmp_path / EXAMPLE.relative_to(ROOT)
    npm("ci", "--prefix", folder, offline=False)
    run_suite(folder, authority_folder)


def test_the_webhook_of_the_example_takes_every_case(example: Path, authority_folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "test_fal_webhook.py",
    ]
    done = subprocess.run(
        command,
        cwd=example,
        env=environ(authority_folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    # The one is `lost`, which the suite above has.
    assert "13 passed, 1 skipped" in passed(done)


def test_the_workflow_has_a_mock_around_the_service_as_it_is_deployed(
    example: Path, tmp_path: Path, authority_folder: Path
) -> None:
    workflow = yaml.safe_load((EXAMPLE / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    runner = Runner(tmp_path, environ(authority_folder))
    runner.workspace.rmdir()
    runner.workspace.symlink_to(example)
    port = free_port()
    steps = workflow["jobs"]["deployed"]["steps"]
    free = "--port 0 --gateway-port 0"
    served = {"PORT": port, "URL": f"http://127.0.0.1:{port}", "CLIPS": str(tmp_path / "clips")}
    with runner:
        started, ordered, reported = runner.job(steps, free, **served)
    assert (started.code, ordered.code, reported.code) == (0, 0, 0), reported.log
    assert reported.outputs["result"] == "clean"
    assert reported.outputs["spend"] == "0.36"
    assert (example / "clip.mp4").read_bytes()[4:8] == b"ftyp"


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def test_what_the_example_locks_is_what_the_tests_install() -> None:
    def locked(folder: Path) -> set[tuple[str, str, str]]:
        packages = json.loads((folder / "package-lock.json").read_text())["packages"]
        registry = {name: one for name, one in packages.items() if "integrity" in one}
        assert not [name for name, one in registry.items() if "resolved" in one]
        return {
            (name.rpartition("node_modules/")[2], one["version"], one["integrity"])
            for name, one in registry.items()
        }

    theirs = locked(EXAMPLE)
    assert {"express", "vitest", "@fal-ai/server-proxy"} <= {name for name, *_ in theirs}
    assert theirs <= locked(HERE)
