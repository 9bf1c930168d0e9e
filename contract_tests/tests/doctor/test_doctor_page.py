"""docs/doctor.md: what it shows is run, and what it lists is compared with the code."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from falkit_contract import doctor
from falkit_contract.doctor import _files
from falkit_contract.doctor._environment import Verdict
from falkit_mock.cli import falkit
from finding_codes import kinds_in, row_of, rows_of
from processes import FALKIT

PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text("utf-8")


def shown(command: str) -> str:
    """Return what the page has a command print."""
    (found,) = re.findall(rf"```\n\$ {re.escape(command)}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_example_is_found_to_be_wrong_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    Path("test_video.py").write_text(example)
    result = CliRunner().invoke(falkit, ["doctor", "test_video.py"])
    assert result.output == shown("falkit doctor test_video.py")
    assert result.exit_code == 1


def test_each_code_is_in_the_table_as_it_is_explained() -> None:
    assert rows_of(PAGE) == [row_of(kind) for kind in kinds_in(Path(doctor.__file__).parent)]


def test_the_commands_of_the_beginning_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tests").mkdir()
    Path("tests/test_it.py").touch()
    for line in re.findall(r"^falkit (.*?)(?:  +#.*)?$", PAGE, re.MULTILINE):
        assert CliRunner().invoke(falkit, line.split()).exit_code in (0, 1), line


def test_a_shell_within_falkit_run_is_judged_as_shown(authority_folder: Path) -> None:
    command = ["falkit", "run", "--", "falkit", "doctor", "env"]
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("FAL")},
        "FALKIT_HOME": str(authority_folder),
    }
    words = [FALKIT if word == "falkit" else word for word in command]
    done = subprocess.run(
        words, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.sub(r"(127\.0\.0\.1:)\d+", r"\1…", done.stdout) == shown(" ".join(command))


def test_what_it_says_of_limits_and_verdicts_is_so() -> None:
    for name in (*_files.PYTHON, *_files.JAVASCRIPT):
        assert f"`{name}`" in PAGE
    assert f"{_files._MOST_FILES:,} files" in PAGE  # pyright: ignore[reportPrivateUsage]
    for verdict in get_args(Verdict):
        assert f"| `{verdict}` |" in PAGE
