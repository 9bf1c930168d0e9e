"""The list of planted faults is sound, and its runner tells caught from missed."""

from __future__ import annotations

from dataclasses import replace

import pytest

import planted

FAULTS = planted.listed()
ONE = next(fault for fault in FAULTS if fault.name == "log lines are handed on twice")


def test_every_fault_can_still_be_planted() -> None:
    assert planted.lost(FAULTS) == []
    assert len(FAULTS) >= 15
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_the_page_lists_the_faults_as_the_runner_wrote_it() -> None:
    caught = [planted.Verdict(fault, 0.0, "") for fault in FAULTS]
    assert planted.table(caught) in planted.PAGE.read_text(), "`make planted` rewrites the page"


def test_a_fault_whose_text_is_gone_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planted, "listed", lambda: [replace(ONE, before="no such text")])
    assert planted.main([]) == 1
    assert "its text is 0 times in client/falkit_client/results.py" in capsys.readouterr().out


def test_a_fault_that_changes_nothing_is_missed() -> None:
    verdict = planted.planted(replace(ONE, after=ONE.before))
    assert "passed" in verdict.trouble


def test_code_that_does_not_load_is_not_caught() -> None:
    assert planted.planted(replace(ONE, after="not python")).trouble


def test_a_test_that_does_not_exist_catches_nothing() -> None:
    assert planted.planted(replace(ONE, test=f"{ONE.test}_gone")).trouble
