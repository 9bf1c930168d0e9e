"""Where the clients are installed, and their programs run under `falkit run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.javascript_client import node
from falkit_spec.findings import Finding, Report
from processes import FALKIT

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
# A user's own, of what no vendored document is.
DOCUMENTS = HERE / "documents"
# What falkit run has found, in the order of the runs; whoever looks at it empties it.
FOUND: list[Finding] = []
_VERSION = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


@dataclass(frozen=True)
class Place:
    """The interpreters with the Python clients, and the folder with the JavaScript ones.

    The SDK, huggingface_hub and litellm have one of their own: they want older packages than the
    tests do, or many. JavaScript programs look for packages beside themselves.
    """

    python: Path
    sdk: Path
    javascript: Path

    def command(self, kind: str, program: str) -> list[str]:
        """Return the command of a program; fail with what installs its clients."""
        if kind == "sh":
            return ["sh", str(PROGRAMS / program)]
        if kind == "node":
            ready = self.javascript / "node_modules" / ".ready"
            assert ready.exists(), "fal's JavaScript clients aren't installed; run: make javascript"
            return [node(), str(self.javascript / program)]
        python = {"python": self.python, "sdk": self.sdk}[kind]
        assert python.exists(), f"the clients aren't installed in {python.parent}; run: make sdk"
        return [str(python), str(PROGRAMS / program)]

    def version(self, kind: str, package: str) -> str:
        """Return the version of an installed package; empty for what has none of its own."""
        if kind == "sh" or not package:
            return ""
        self.command(kind, "")
        if kind == "node":
            about = self.javascript / "node_modules" / package / "package.json"
            return str(json.loads(about.read_text())["version"])
        python = {"python": self.python, "sdk": self.sdk}[kind]
        words = [str(python), "-c", _VERSION, package]
        return subprocess.check_output(words, text=True).strip()


def _place() -> Place:
    python = Path("bin", "python")
    if newest := os.environ.get("FALKIT_CLIENTS"):
        folder = Path(newest)
        return Place(folder / "python" / python, folder / "sdk" / python, folder / "javascript")
    return Place(Path(sys.executable), HERE / "sdk" / ".venv" / python, HERE / "javascript")


PLACE = _place()


def under_falkit(
    home: Path, options: Sequence[str], command: Sequence[str], tries: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command as in a shell that has neither key nor settings, and lets nothing out.

    `tries` is the one other host that it calls in vain.
    """
    report = home / "report.json"
    environ = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "PYTHONPATH": str(HERE.parent),
    }
    done = subprocess.run(
        [FALKIT, "run", "--egress", "block", "--report", str(report), *options, "--", *command],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    FOUND.extend(Report.read(json.loads(report.read_text("utf-8"))).findings)
    left = f"\n  kept from leaving to {tries}:443\n" if tries else "; nothing tried to leave\n"
    assert left in done.stderr, done.stderr
    return done
