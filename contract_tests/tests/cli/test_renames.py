"""What was called otherwise before 0.2 is refused by one line that says what it is called now."""

from __future__ import annotations

from pathlib import Path

import pytest

from falkit_mock.cli import main


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["journal"], "'journal' is now called 'requests'"),
        (["journal", "--limit", "3"], "'journal' is now called 'requests'"),
        (["serve", "--journal", "5"], "--journal is now called --request-log"),
        (["run", "--journal=5", "--", "true"], "--journal is now called --request-log"),
        (["deliveries", "--outcome", "retry"], "--outcome is now called --status"),
        (["deliveries", "--format", "json"], "--format json is now called --json"),
        (["resend", "x", "--format=json"], "--format json is now called --json"),
        (["trigger", "failed", "--format", "json"], "--format json is now called --json"),
        (["faults", "--format", "json"], "--format json is now called --json"),
        (["listen", "--format", "json"], "--format json is now called --json"),
        (["export", "a.tar"], "'export' is now called 'state export'"),
        (["import", "a.tar", "--json"], "'import' is now called 'state import'"),
        (["jurnal"], "no command 'jurnal'; did you mean requests?"),
        (["job"], "no command 'job'; did you mean jobs?"),
        (["xyzzy"], "no command 'xyzzy'; `falkit --help` lists the commands"),
        (
            ["run", "--log-format", "json", "--", "true"],
            "--log-format is an option of falkit serve; falkit run has none of this name",
        ),
        (
            ["run", "--port=5", "--", "true"],
            "--port is an option of falkit serve; falkit run has none of this name",
        ),
        (["conform", "--junit", "a.xml"], "--junit is now called --out"),
        (["conform", "--report", "a.xml"], "--report is called --out by falkit conform"),
        (["run", "--out", "a.xml", "--", "true"], "--out is called --report by falkit run"),
        (["clock", "stand"], "'stand' is now called 'pause'"),
    ],
    ids=str,
)
def test_an_old_word_is_refused_with_the_new_one(
    capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(words)
    assert (exit.value.code, capsys.readouterr().err) == (2, f"falkit: {line}\n")


def test_an_old_key_of_a_file_is_refused_with_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "falkit.toml").write_text("journal = 5\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["serve", "--port", "0"])
    told = "falkit: falkit.toml: journal: is now called request-log\n"
    assert capsys.readouterr().err == told


def test_an_old_word_is_unknown_where_the_new_one_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--outcome", "retry"])
    assert "is now called" not in capsys.readouterr().err
