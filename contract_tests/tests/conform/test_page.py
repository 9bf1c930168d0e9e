"""docs/conform.md is followed: its output, its table, its programs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from conform.faults_of_the_wire import FAULTS
from conform.planting import Planted
from falkit_contract.conform.checks import all_checks
from falkit_contract.conform.cli import conform
from falkit_contract.conform.pytest_options import pytest_addoption

PAGE = (Path(__file__).parents[3] / "docs" / "conform.md").read_text()
(SHOWN,) = re.findall(r"```\n(passed .*?)```", PAGE, re.DOTALL)


def test_the_output_is_as_shown(planted: Planted) -> None:
    (command, *_) = re.findall(r"```sh\nfalkit conform (.*)\n", PAGE)
    words = shlex.split(command.replace("http://127.0.0.1:4325", planted.url))
    planted.fault = next(one for one in FAULTS if one.what == "200 while it runs")
    try:
        told = CliRunner().invoke(conform, words)
    finally:
        planted.fault = None
    assert told.exit_code == 1
    for line in SHOWN.splitlines():
        # From the ellipsis on it differs from run to run, as does where the server is.
        shown = line.partition("…")[0].partition("http:")[0]
        assert shown in told.output, told.output


def test_the_table_has_each_check() -> None:
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+) \| (§.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(one.id, one.promise, one.section) for one in all_checks().values()]


def test_each_section_is_one_of_the_page_on_the_wire() -> None:
    wire = (Path(__file__).parents[3] / "docs" / "wire.md").read_text()
    for one in all_checks().values():
        section, _, row = one.section.partition(" row ")
        assert re.search(rf"^##+ {section} ", wire, re.MULTILINE), one.id
        assert not row or f"\n| {row} |" in wire, one.id


def test_the_program_that_reads_the_vectors_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    printed = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert printed == "22 deliveries judged as fal would\n"


class Options:
    """Takes a plugin's options, as pytest's own parser does."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def getgroup(self, *_: str) -> Options:
        return self

    def addoption(self, name: str, **_: object) -> None:
        self.names.add(name)


def test_the_options_that_the_page_names_are_there() -> None:
    options = Options()
    pytest_addoption(cast("pytest.Parser", options))
    here = {word for param in conform.params for word in param.opts} | options.names
    named = {*re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)}
    # Of pytest, and of `falkit serve`.
    assert named - here == {"--pyargs", "--timing"}
