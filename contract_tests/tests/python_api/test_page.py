"""docs/python.md: its programs run, and its tables name what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from inspect import signature
from pathlib import Path

import pytest

import falkit
from falkit import views
from falkit_mock.core.events import RequestRecord

PAGE = (Path(__file__).parents[3] / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = {
    "internal_server_error times=1": "500\n200\n[500, 200]\n",
    "clock_start": "IN_QUEUE\nIN_PROGRESS\nCOMPLETED\n",
    "egress": "['Rain']\n",
    "asyncio.run": "https://v3b.fal.media/files/FILE\n['Rain', 'Snow']\n",
    "mock.receive": "ID OK\n[204]\n",
    "mock.pin(": "True\nFalse\n",
    "PAINT =": "200\n422\n",
    "falkit.Settings(": "Seconds(queue=0.0, run=0.0, progression='clock')\n"
    "api_keys: 'abc' is a string; give a list such as ['abc']\n",
}


def block(word: str) -> str:
    (found,) = [each for each in BLOCKS if word in each]
    return str(found)


def table(heading: str) -> list[str]:
    """Return the first column of the table below a header row."""
    rows = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`(\w+)", row.split(" | ")[0])]


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("word", PRINTED)
def test_a_program_prints_what_it_should(word: str) -> None:
    command = [sys.executable, "-c", block(word)]
    printed = subprocess.check_output(command, text=True, timeout=60)
    for changing, name in ((r"(?<=/files/)\S+", "FILE"), (r"^[0-9a-f-]{36}", "ID")):
        printed = re.sub(changing, name, printed)
    assert printed == PRINTED[word]


@pytest.mark.usefixtures("authority")
def test_the_test_for_code_in_this_process_passes(tmp_path: Path) -> None:
    (tmp_path / "test_video.py").write_text(block("# test_video.py"))
    # The plugins that happen to be installed here are of no concern to it, and take seconds.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    assert "1 passed" in subprocess.check_output(command, text=True, timeout=60, env=environment)


def test_every_program_of_the_page_is_run() -> None:
    assert len(BLOCKS) == len(PRINTED) + 1


def test_the_tables_name_what_there_is() -> None:
    assert set(table("name")) == set(falkit.__all__)
    assert table("setting") == [each.name for each in fields(falkit.Settings)]
    members = {name for name in dir(falkit.Mock) if not name.startswith("_")}
    assert set(table("attribute")) == members - {"start", "stop"} | {"settings"}
    arguments = {*signature(falkit.Mock).parameters} - {"options"}
    assert set(table("argument")) == arguments


def test_what_a_mock_without_a_socket_has_is_named() -> None:
    has, lacks = (
        {name for name in dir(kind) if not name.startswith("_")}
        for kind in (falkit.InProcess, falkit.Mock)
    )
    told = PAGE.partition("the same attributes, but for ")[2].partition(".")[0]
    assert lacks - has == set(re.findall(r"`(\w+)`", told))
    arguments = {*signature(falkit.InProcess).parameters} - {"options"}
    assert set(table("argument in process")) == arguments


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("job", views.Job),
        ("delivery", views.Delivery),
        ("rule", views.FaultRule),
        ("video", views.Video),
    ],
)
def test_the_fields_of_a_value_are_named(word: str, kind: type) -> None:
    told = re.split(r"\n\* |\n\n", PAGE.partition(f"* A **{word}** has")[2])[0]
    named = set(re.findall(r"`(\w+)`", told))
    assert {each.name for each in fields(kind)} <= named


def test_the_fields_of_a_request_are_there() -> None:
    told = re.split(r"\n\* |\n\n", PAGE.partition("* A **request** has")[2])[0]
    assert set(re.findall(r"`(\w+)`", told)) <= {each.name for each in fields(RequestRecord)}
