"""docs/clients.md says of the official clients what the tests here show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from clients.place import PLACE, under_falkit
from clients.table import (
    OPERATIONS,
    PAGE,
    SUITES,
    UNCHANGED,
    operations_of,
    page_with,
    table,
)
from clients.unchanged import expected

EXAMPLES: list[str] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
MEND = "run: PYTHONPATH=contract_tests/tests python contract_tests/tests/clients/table.py"


def test_the_page_is_in_step_with_the_tests() -> None:
    text = PAGE.read_text()
    assert text == page_with(text, table()), MEND


def test_the_page_says_of_each_client_what_its_run_shows() -> None:
    text = PAGE.read_text()
    assert text == page_with(text, expected(), UNCHANGED), MEND


@pytest.mark.parametrize("suite", SUITES)
def test_every_test_has_its_row(suite: str) -> None:
    assert operations_of(suite) <= set(OPERATIONS)


def test_the_pages_example_runs() -> None:
    example, _ = EXAMPLES
    call = 'print(asyncio.run(client.run("fal-ai/ltx-2/text-to-video/fast", {"prompt": "Rain"})))'
    program = "import asyncio\n" + example.replace("    ...", f"    {call}")
    printed = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60)
    assert "https://v3b.fal.media/files/b/" in printed


def test_the_pages_example_of_hugging_face_runs(tmp_path: Path) -> None:
    _, example = EXAMPLES
    python = PLACE.command("sdk", "")[0]
    # Its list of agents is not to be had, and it does without.
    tries = "huggingface.co"
    done = under_falkit(tmp_path, ["--timing", "instant"], [python, "-c", example], tries)
    assert done.stdout == "True\n"
