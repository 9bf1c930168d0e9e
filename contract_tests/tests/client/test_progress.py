"""What is seen while a job runs, at a terminal and in a file."""

from __future__ import annotations

import io

import pytest

from falkit_client import Completed, InProgress, LogLine, Queued
from falkit_client._cli_io import Display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def screen(out: io.StringIO) -> tuple[Display, list[float]]:
    slept: list[float] = []
    return Display(out, lambda: sum(slept), slept.append), slept


def test_a_file_gets_a_line_for_each_change_and_log() -> None:
    out = io.StringIO()
    shown, slept = screen(out)
    shown.status(Queued("r", 2))
    shown.sleep(1.5)
    shown.status(InProgress("r", (LogLine("Generating 50%"),)))
    shown.status(InProgress("r", (LogLine("\x1b[31mred\x9b2J"), LogLine("x" * 200))))
    shown.status(Completed("r"))
    shown.bytes(5, 10)
    assert slept == [1.5]
    assert out.getvalue().splitlines() == [
        "    0.0 s  waiting, 2 ahead",
        "  | Generating 50%",
        "    1.5 s  running",
        "  | ?[31mred?2J",
        "  | " + "x" * 75,
    ]


def test_a_terminal_gets_one_line_that_moves() -> None:
    out = Terminal()
    shown, slept = screen(out)
    shown.status(Queued("r"))
    shown.sleep(0.25)
    shown.status(InProgress("r", (LogLine("Reading"), LogLine("Generating:  50%|###"))))
    shown.bytes(1_000, 4_000)
    shown.bytes(1_000, None)
    shown.status(Completed("r"))
    shown.clear()
    assert slept == pytest.approx([0.1, 0.1, 0.05])
    lines = out.getvalue().split("\r\x1b[K")
    assert lines[1] == "    0.0 s  / waiting"
    assert "  | Reading\n" in lines
    assert "Generating" not in out.getvalue()
    assert "running  [" + "#" * 15 + "." * 15 + "]  50%" in out.getvalue()
    assert "saving 1,000 of 4,000 bytes  [#######" in out.getvalue()
    assert "saving 1,000 bytes" in lines[-2]
    assert lines[-1] == ""
    assert max(map(len, lines)) < 80


def test_a_narrow_terminal_is_not_overrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    shown, _ = screen(out)
    shown.bytes(1_000, 4_000)
    assert max(map(len, out.getvalue().split("\r\x1b[K"))) < 20
