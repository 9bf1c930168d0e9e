"""docs/pytest.md, followed word by word in a project of somebody else's."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from falkit.parts import Parts
from pytest_plugin.suites import Outcome, outcome

PAGE = (Path(__file__).parents[3] / "docs" / "pytest.md").read_text()
FILES: list[tuple[str, str]] = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL)
# What it shows of pytest's own words.
SHOWN = [
    text
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    if not language
]
FAIL = ("test_nothing_is_ignored", "test_two_clips_cost_too_much", "test_the_prompt_is_sent")
# As many as the page says take seconds to start.
PARALLEL = ("-p", "xdist", "-n", "8") if os.environ.get("FALKIT_NIGHTLY") == "1" else ()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, authority_folder: Path) -> Outcome:
    """The page's project, run as it says."""
    project = tmp_path_factory.mktemp("page")
    for name, text in FILES:
        (project / name).write_text(text)
    plugins = ("-p", "asyncio", "-p", "anyio")
    path = os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    words = (*plugins, "-o", "asyncio_default_fixture_loop_scope=function", *PARALLEL)
    return outcome(project, authority_folder, *words, PYTHONPATH=path)


def test_all_of_its_tests_do_as_it_says(run: Outcome) -> None:
    assert {name for name, told in run.tests.items() if told != "passed"} == {*FAIL}, run.said
    written = "\n".join(text for _, text in FILES)
    assert {name.partition("[")[0] for name in run.tests} == {
        *re.findall(r"^(?:async )?def (test_\w+)", written, re.MULTILINE)
    }


@pytest.mark.parametrize("test", FAIL)
def test_failures_look_as_it_shows(run: Outcome, test: str) -> None:
    lines = [line for block in SHOWN for line in block.splitlines()]
    told = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", run.tests[test])
    found = [line for line in lines if line and line in told]
    assert len(found) == (3 if test == FAIL[2] else 1), told


def test_costs_look_as_it_shows(run: Outcome) -> None:
    (shown,) = [block.splitlines()[1:] for block in SHOWN if "= fal =" in block]
    assert "\n".join(shown) in run.said


def test_the_table_names_what_there_is() -> None:
    table = PAGE.partition("## What a test can do")[2].partition("\n\n`fal_server`")[0]
    named = {*re.findall(r"^\| `(\w+)", table, re.MULTILINE)}
    members = {name for name in dir(Parts) if not name.startswith("_")}
    assert named - {"key"} == members
