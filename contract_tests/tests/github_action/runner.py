"""One of GitHub's runners, as far as action.yml can tell: it runs the file's own steps.

Expressions are those of inputs and of steps' outputs; anything else in action.yml is an error here.
"""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from processes import FALKIT

ROOT = Path(__file__).parents[3]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
# Files of commands, new for each step, which the runner reads after it.
FILES = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
PATIENCE = 60
_INSTALLS = re.compile(r"^(npm ci|npx playwright install|pip install)", re.MULTILINE)
_EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")
_BLOCK = re.compile(r"([\w-]+)<<(\S+)\n(.*?)\n\2\n", re.DOTALL)


@dataclass
class Step:
    """What came of a step."""

    code: int
    log: str
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    summary: str = ""

    def annotations(self, level: str) -> list[str]:
        """Return the texts that the log has as annotations."""
        return re.findall(rf"^::{level} .*$", self.log, re.MULTILINE)


class Runner:
    """One job; what a step exports, later steps have."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, installed: bool = True) -> None:
        self.workspace, self.temp = folder / "workspace", folder / "temp"
        for made in (self.workspace, self.temp):
            made.mkdir()
        programs = [str(Path(FALKIT).parent)] if installed else []
        self.environ = {
            **environ,
            "PATH": os.pathsep.join([*programs, environ["PATH"]]),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
        }
        self._pids: list[int] = []

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exception: object) -> None:
        """End what the job has left, as a runner does."""
        for pid in self._pids:
            with suppress(OSError):
                # The number may be another program's by now.
                if b"falkit" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGTERM)

    def use(self, **inputs: str) -> Step:
        """Use the action with inputs (`fail_on` is fail-on), where falkit is installed already."""
        given = {name.replace("_", "-"): text for name, text in inputs.items()}
        given = {"install": "none", "python": "", **given}
        assert given.keys() <= ACTION["inputs"].keys()
        defaults = {name: str(one["default"]) for name, one in ACTION["inputs"].items()}
        values = {**defaults, **given}
        outputs: dict[str, dict[str, str]] = {}
        assert ACTION["runs"]["using"] == "composite"
        last = Step(0, "")
        for step in ACTION["runs"]["steps"]:
            outputs[step["id"]] = {}
            if "uses" in step:
                # Of the actions that it uses nothing is here.
                assert step["if"] == "inputs.python != ''"
                assert values["python"] == ""
                continue
            assert step["shell"] == "bash"
            assert "${{" not in step["run"], "an input would be read as bash"
            environ = {
                name: filled(text, values, outputs) for name, text in step.get("env", {}).items()
            }
            folder = filled(step["working-directory"], values, outputs)
            last = self.step(step["run"], folder, GITHUB_ACTION_PATH=str(ROOT), **environ)
            state = self.temp / "falkit" / "mock.json"
            if state.exists() and (pid := json.loads(state.read_text()).get("pid")):
                self._pids.append(pid)
            outputs[step["id"]] = last.outputs
            if last.code:
                break
        told = {
            name: filled(one["value"], values, outputs) for name, one in ACTION["outputs"].items()
        }
        return Step(last.code, last.log, told, last.summary)

    def step(self, run: str, folder: str = ".", **environ: str) -> Step:
        """Run lines of bash as a step, and take up what it leaves for later ones."""
        files = {name: self.temp / name.lower() for name in FILES}
        for file in files.values():
            file.write_text("")
        script = self.temp / "step.sh"
        script.write_text(run)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=self.workspace / folder,
            env={**self.environ, **environ, **{name: str(file) for name, file in files.items()}},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
        )
        variables = _values(files["GITHUB_ENV"])
        assert "NODE_OPTIONS" not in {name.upper() for name in variables}, "runners refuse it"
        self.environ |= variables
        for path in files["GITHUB_PATH"].read_text().splitlines():
            self.environ["PATH"] = os.pathsep.join((path, self.environ["PATH"]))
        outputs = _values(files["GITHUB_OUTPUT"])
        # Runners read the two apart, line by line.
        log, summary = f"{done.stdout}\n{done.stderr}", files["GITHUB_STEP_SUMMARY"].read_text()
        return Step(done.returncode, log, outputs, html.unescape(summary))

    def job(self, steps: list[dict[str, Any]], options: str = "", **environ: str) -> list[Step]:
        """Run a workflow's steps that use the action or have lines that don't install anything.

        `options` are added to those of `mode: start`, and `environ` to each step's variables.
        """
        done: list[Step] = []
        outputs: dict[str, dict[str, str]] = {}
        for step in steps:
            ours = step.get("uses", "./").startswith(("falkit/", "./"))
            if not ours or _INSTALLS.search(step.get("run", "")):
                continue
            if "uses" in step:
                given = {name.replace("-", "_"): text for name, text in step["with"].items()}
                if given.get("mode") == "start":
                    given["options"] = f"{given.get('options', '')} {options}"
                came = self.use(**given)
            else:
                own = {
                    name: filled(text, {}, outputs) for name, text in step.get("env", {}).items()
                }
                came = self.step(step["run"], **{**own, **environ})
            outputs[step.get("id", "")] = came.outputs
            done.append(came)
        return done


def _values(file: Path) -> dict[str, str]:
    """Return what a file of variables or outputs sets; each is a block here."""
    text = file.read_text("utf-8")
    assert not _BLOCK.sub("", text)
    return {name: value for name, _, value in _BLOCK.findall(text)}


def filled(text: str, inputs: Mapping[str, str], outputs: Mapping[str, Mapping[str, str]]) -> str:
    """Return a text with its expressions worked out."""

    def value(found: re.Match[str]) -> str:
        match found[1].split("."):
            case ["inputs", name]:
                return inputs[name]
            case ["steps", step, "outputs", name]:
                return outputs[step].get(name, "")
            case _:
                raise AssertionError(f"action.yml: {found[0]} is unknown here")

    return _EXPRESSION.sub(value, text)
