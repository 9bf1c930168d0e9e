"""What is seen while a job runs, at a terminal and in a file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from falkit_client import Completed, InProgress, LogLine, Queued
from falkit_client._cli_io import Display
from falkit_spec import Catalog
from falkit_spec.cli.progress import Progress
from falkit_spec.cli.spec import spec
from terminal import FakeTerminal, plain


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


class Times:
    """A clock that goes on by what is slept."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def screen(out: io.StringIO, *, moves: bool = True) -> tuple[Display, Times]:
    times = Times()
    return Display(out, times, times.sleep, moves=moves, ticks=False), times


def follow(shown: Display, times: Times) -> None:
    shown.status(Queued("r", 2))
    times.sleep(1.5)
    shown.status(InProgress("r", (LogLine("Generating 50%"),)))
    shown.status(InProgress("r", (LogLine("\x1b[31mred\x9b2J"), LogLine("x" * 200))))
    shown.status(Completed("r"))
    shown.saved(5, 10)
    shown.clear()


LINES = [
    "    0.0 s  waiting, 2 ahead",
    "  | Generating 50%",
    "    1.5 s  running",
    "  | ?[31mred?2J",
    "  | " + "x" * 75,
]


def test_a_file_gets_a_line_for_each_change_and_log() -> None:
    out = io.StringIO()
    follow(*screen(out))
    assert out.getvalue().splitlines() == LINES


@pytest.mark.parametrize("why", ["dumb", "json", "no rich"])
def test_a_terminal_gets_the_same_where_no_line_is_to_move(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    if why == "no rich":
        monkeypatch.setattr("falkit_spec.cli.progress.has_rich", lambda: False)
    out = FakeTerminal()
    follow(*screen(out, moves=why != "json"))
    assert out.getvalue().splitlines() == LINES


def test_a_terminal_gets_one_line_that_moves() -> None:
    out = FakeTerminal()
    shown, times = screen(out)
    shown.status(Queued("r", 3))
    times.sleep(0.25)
    shown.status(InProgress("r", (LogLine("Reading"), LogLine("Generating:  50%|###"))))
    times.sleep(4)
    shown.status(InProgress("r", (LogLine("75%"),)))
    shown.status(Completed("r"))
    shown.sent(1_000, 4_000)
    shown.saved(1_000, None)
    shown.clear()
    lines = [re.sub(r" s [-|/\\] ", " s * ", line) for line in out.lines() if line]
    # Each once: it is drawn again before it is removed.
    assert list(dict.fromkeys(re.sub(" *[━╸╺]+", " ━━━", line) for line in lines)) == [
        "    0.0 s * waiting, 3 ahead",
        "    0.2 s * waiting, 3 ahead",
        "  | Reading",
        "    0.2 s * running ━━━  50%",
        "    4.2 s * running ━━━  75%, 1 s left",
        "    4.2 s * uploading 1,000 of 4,000 bytes ━━━  25%",
        "    4.2 s * saving 1,000 bytes",
    ]
    # It is gone at the end, and the cursor was never hidden.
    assert out.getvalue().endswith("\x1b[1A\x1b[2K")
    assert "\x1b[?25l" not in out.getvalue()


def test_no_color_leaves_colours_out_and_the_bar_in(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured, bare = FakeTerminal(), FakeTerminal()
    screen(coloured)[0].saved(1, 2)
    monkeypatch.setenv("NO_COLOR", "1")
    screen(bare)[0].saved(1, 2)
    colours = re.compile(r"\x1b\[[\d;]*[349]\d[;m]")
    assert colours.search(coloured.getvalue())
    assert "━" in bare.getvalue()
    assert not colours.search(bare.getvalue())


@pytest.mark.parametrize("columns", [20, 40, 60])
def test_a_narrow_terminal_is_not_overrun(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", f"{columns}")
    out = FakeTerminal()
    shown, _ = screen(out)
    shown.saved(1_000, 4_000)
    # A wide letter takes two cells.
    shown._line.show("雨" * 90, 0.5)  # pyright: ignore[reportPrivateUsage]
    assert max(len(line) + line.count("雨") for line in out.lines()) <= columns


def test_what_is_soon_done_is_not_shown() -> None:
    out, times = FakeTerminal(), Times()
    with Progress(out, clock=times, after=0.3, ticks=False) as line:
        line.show("quick", 0.5)
        assert out.getvalue() == ""
        times.sleep(0.5)
        line.show("slow", 0.6)
        assert "slow" in plain(out.getvalue())
        line.print("told")
    assert plain(out.getvalue()).rstrip().endswith("told")


def test_adding_several_documents_shows_how_far_it_is_and_prints_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    endpoints = Catalog.vendored().endpoints
    for name, (_, endpoint) in zip("ab", endpoints.items(), strict=False):
        Path(f"{name}.json").write_bytes(endpoint.document.raw)

    def add(*words: str) -> Result:
        return CliRunner().invoke(spec, ["add", *words, "--force"])

    add("a.json", "b.json")
    piped = add("a.json", "none.json", "b.json")
    monkeypatch.setattr("falkit_spec.cli.progress.can_move", bool)
    shown = add("a.json", "none.json", "b.json")
    assert (shown.stdout, shown.exit_code) == (piped.stdout, piped.exit_code)
    assert piped.stderr == "falkit: none.json: isn't there\n"
    lines = re.split("[\r\n]", plain(shown.stderr))
    assert [line for line in lines if line.startswith("falkit: ")] == [piped.stderr.strip()]
    for place, word in enumerate(("a.json", "none.json", "b.json"), 1):
        assert any(f"adding {place} of 3: {word}" in line for line in lines)
    assert add("a.json").stderr == ""
