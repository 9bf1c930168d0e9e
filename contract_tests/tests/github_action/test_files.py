"""What CI systems read: action.yml, the examples' workflows, and the blocks of docs/ci.md."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from falkit_mock.cli import falkit
from github_action.runner import ACTION, ROOT, Runner
from nights import at_night

PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
WORKFLOWS = sorted((ROOT / "examples").glob("*/.github/workflows/*.yml"))
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
# Which schema of check-jsonschema's is for which files.
SCHEMAS = {
    "github-actions": [ROOT / "action.yml"],
    "github-workflows": [*WORKFLOWS, *(ROOT / ".github" / "workflows").glob("*.yml")],
}


def blocks(language: str, word: str = "") -> list[str]:
    return [text for name, text in BLOCKS if name == language and word in text]


def steps() -> Iterator[dict[str, Any]]:
    """Yield the steps of the page's workflows, and of the examples'."""
    for block in blocks("yaml", "uses:"):
        yield from yaml.safe_load(block)
    for workflow in WORKFLOWS:
        for job in yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values():
            yield from job["steps"]


def table(name: str) -> dict[str, str]:
    """Return the second cells of a table of the page, by the words in the first ones."""
    section = PAGE.partition(f"<!-- {name}: start -->")[2].partition(f"<!-- {name}: end -->")[0]
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]*)", section, re.MULTILINE)
    return {word: text.strip(" `") for names, text in rows for word in re.findall("`(.+?)`", names)}


def test_the_page_has_all_inputs_and_outputs() -> None:
    defaults = {name: str(one["default"]) for name, one in ACTION["inputs"].items()}
    assert table("inputs") == {**defaults, "install": "the action's own version"}
    assert table("outputs").keys() == ACTION["outputs"].keys()


def test_the_script_gets_each_input_by_the_environment_and_none_in_a_line() -> None:
    (setup,) = [step for step in ACTION["runs"]["steps"] if "uses" in step]
    assert re.fullmatch(r"actions/setup-python@v\d+", setup["uses"])
    assert setup["with"]["update-environment"] is False
    (step,) = [step for step in ACTION["runs"]["steps"] if "run" in step]
    given = {name.removeprefix("INPUT_").lower().replace("_", "-") for name in step["env"]}
    assert given | {"working-directory"} == ACTION["inputs"].keys()
    script = (ROOT / "scripts" / "action.py").read_text("utf-8")
    for name in given - {"python"}:
        assert f'"{name}"' in script or f'"INPUT_{name.upper()}"' in script


def test_whoever_uses_the_action_names_inputs_modes_and_options_that_exist() -> None:
    used = [step for step in steps() if step.get("uses", "").startswith("falkit/")]
    assert len(used) > 5
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = ".".join(project["version"].split(".")[:2])
    for step in used:
        assert step["uses"] == f"falkit/falkit@v{version}"
        given = step["with"]
        assert given.keys() <= ACTION["inputs"].keys()
        mode = given.get("mode", "run")
        command = {"run": "run", "start": "serve", "report": "report"}[mode]
        assert_options(command, shlex.split(given.get("options", "")))
        assert ("if" in step) == (mode == "report")


def assert_options(name: str, words: list[str]) -> None:
    """Hold that a command of falkit's takes these words; raise click.UsageError."""
    context = click.Context(falkit)
    command = falkit.get_command(context, name)
    assert command is not None
    command.make_parser(click.Context(command, parent=context)).parse_args([*words])


def test_the_commands_on_the_page_have_options_that_exist() -> None:
    lines = re.findall(r"(?:^|- |'|/|\()(falkit [^'\n)#&]+)", "".join(t for _, t in BLOCKS), re.M)
    asked = [line for line in lines if not line.startswith(("falkit run -- falkit", "falkit/"))]
    assert len(asked) >= 8
    for line in asked:
        _, name, *words = shlex.split(line)
        assert_options(name, words)


def test_gitlabs_job_names_the_reports_that_it_writes() -> None:
    (block,) = blocks("yaml", "gitlab")
    job = yaml.safe_load(block)["test"]
    (line,) = [line for line in job["script"] if "falkit run" in line]
    written = set(re.findall(r"--report (\S+)|--junitxml=(\S+)", line))
    kept = {*job["artifacts"]["paths"], *job["artifacts"]["reports"]["junit"]}
    assert {a or b for a, b in written} == kept
    assert job["artifacts"]["when"] == "always"


# Starts programs of Node's.
@at_night
def test_our_own_workflow_uses_the_action_as_it_says(
    tmp_path: Path, authority_folder: Path
) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    job = workflow["jobs"]["action"]
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    runner = Runner(tmp_path, {**kept, **job["env"], "FALKIT_HOME": str(authority_folder)})
    with runner:
        done = runner.job(job["steps"], "--port 0 --gateway-port 0")
    assert [step.code for step in done] == [0] * 5, done


# Installs from the package registry.
@at_night
def test_what_ci_systems_read_is_valid_by_their_schemas(tmp_path: Path) -> None:
    # Beside the tests, since some of the schemas that it brings are under the GPL.
    venv.create(tmp_path / "env", with_pip=True)
    programs = str(tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin"))
    pip = [f"{programs}/python", "-m", "pip", "install", "--quiet", "check-jsonschema==0.39.0"]
    subprocess.run(pip, check=True)
    (gitlab,) = blocks("yaml", "gitlab")
    (tmp_path / ".gitlab-ci.yml").write_text(gitlab)
    for name, files in {**SCHEMAS, "gitlab-ci": [tmp_path / ".gitlab-ci.yml"]}.items():
        command = [f"{programs}/check-jsonschema", "--builtin-schema", f"vendor.{name}"]
        subprocess.run([*command, *map(str, files)], check=True)


# Installs falkit and all that it needs.
@at_night
def test_the_action_installs_its_own_version(tmp_path: Path) -> None:
    # With a Python, but no falkit.
    path = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), "/usr/bin", "/bin"])
    runner = Runner(tmp_path, {"PATH": path, "HOME": str(tmp_path)}, installed=False)
    runner.step("! command -v falkit")
    python = runner.step("command -v python").log
    step = runner.use(run="falkit --version; command -v python", install="", options="--quiet")
    assert step.code == 0, step.log
    assert re.search(r"^falkit, version", step.log, re.MULTILINE)
    assert python.strip() in step.log, "the tests' own"
    assert runner.step("falkit --version").code == 0
    # It is there by now.
    assert runner.use(run="true", install="no-such-package==1.0").code == 0


# Asks the package registry.
@at_night
def test_an_installation_that_fails_is_never_clean(tmp_path: Path) -> None:
    runner = Runner(tmp_path, dict(os.environ), installed=False)
    step = runner.use(run="true", install="./no-such-folder")
    assert (step.code, step.outputs["result"]) == (3, "not-looked")
    assert "falkit can't be installed" in step.summary
