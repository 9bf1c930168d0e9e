"""docs/pytest.md, followed word by word in a project of somebody else's."""

from __future__ import annotations

import os
import re
from pathlib import Path

from falkit.parts import Parts
from nights import NIGHTLY
from pytest_plugin.suites import outcome

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
PARALLEL = ("-p", "xdist", "-n", "8") if NIGHTLY else ()


def test_all_of_it_does_as_it_says(tmp_path: Path, authority_folder: Path) -> None:
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    words = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function", "-p", "anyio")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    run = outcome(tmp_path, authority_folder, *words, *PARALLEL, PYTHONPATH=path)
    assert {name for name, told in run.tests.items() if told != "passed"} == {*FAIL}, run.said
    written = "\n".join(text for _, text in FILES)
    assert {name.partition("[")[0] for name in run.tests} == {
        *re.findall(r"^(?:async )?def (test_\w+)", written, re.MULTILINE)
    }
    told = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", "\n".join(run.tests[name] for name in FAIL))
    failures = [line for block in SHOWN if "= fal =" not in block for line in block.splitlines()]
    assert len(failures) == 5
    for line in failures:
        assert line in told
    sections = [block.partition("\n")[2] for block in SHOWN if "= fal =" in block]
    assert len(sections) == 2
    for section in sections:
        assert section in run.said


def test_the_table_names_what_there_is() -> None:
    table = PAGE.partition("## What a test can do")[2].partition("\n\n`fal_server`")[0]
    named = {*re.findall(r"^\| `(\w+)", table, re.MULTILINE)}
    members = {name for name in dir(Parts) if not name.startswith("_")}
    assert named - {"key"} == members
