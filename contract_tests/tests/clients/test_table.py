"""docs/clients.md says of the official clients what the tests here show."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

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
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    call = 'print(asyncio.run(client.run("fal-ai/ltx-2/text-to-video/fast", {"prompt": "Rain"})))'
    program = "import asyncio\n" + example.replace("    ...", f"    {call}")
    printed = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60)
    assert "https://v3b.fal.media/files/b/" in printed
