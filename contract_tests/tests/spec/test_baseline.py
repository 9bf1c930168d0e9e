"""Baselines: what is known doesn't fail, until its day has passed."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st

from falkit_spec.findings import Report, fingerprint_of
from falkit_spec.reports.baseline import (
    DAYS,
    BaselineError,
    Entry,
    apply,
    apply_to,
    read,
    save,
    update,
)
from reporting import found, full

TODAY = date(2026, 11, 30)
ERROR = found("whole-id-url", "GET …/requests/{id}: 405 (3 times)", subject="fal-ai/flux/dev")
OF_A_FILE = found("whole-id-url", "queue.fal.run/a/b/c", path="tests/test_it.py", line=3)
DAYS_AROUND = st.dates(date(2026, 1, 1), date(2028, 12, 31))


def known(day: date = TODAY, reason: str = "ticket 12") -> list[Entry]:
    """Return a baseline of one finding."""
    (entry,) = update([ERROR], [], day, reason)
    return [replace(entry, expires=day)]


@given(DAYS_AROUND, DAYS_AROUND)
@example(TODAY, TODAY)
@example(TODAY, TODAY + timedelta(days=1))
def test_an_entry_counts_to_the_end_of_its_day(expires: date, today: date) -> None:
    (one,) = apply([ERROR], known(expires), today)
    passed = today > expires
    assert one.accepted == ("" if passed else "ticket 12")
    assert one.expired == (expires.isoformat() if passed else "")
    assert Report("x", [one]).exit_code("warning") == (1 if passed else 0)


def test_numbers_lines_and_tests_do_not_make_it_another_finding() -> None:
    later = replace(ERROR, seen=ERROR.seen.replace("3", "41"), test="b.py::test_c", times=9)
    (one,) = apply([later], known(), TODAY)
    assert one.accepted
    moved = replace(OF_A_FILE, line=300)
    (one,) = apply([moved], update([OF_A_FILE], [], TODAY), TODAY)
    assert one.accepted
    (new,) = apply([replace(ERROR, subject="fal-ai/flux/schnell")], known(), TODAY)
    assert not new.accepted


TEXTS = st.text(st.characters(), min_size=1, max_size=40)


@given(
    st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, DAYS_AROUND), max_size=4),
)
@settings(max_examples=60, deadline=None)
@example([('"', "\\", "'''", '"""\n#', TODAY), ("\ud800", "\x7f", "\U0001f600", "]\r[[", TODAY)])
def test_any_text_comes_back_from_the_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str, date]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    entries = [
        Entry(
            code="early-result",
            fingerprint=fingerprint_of("early-result", b, a, c),
            subject=a,
            path=b,
            seen=c,
            reason=f"r{d}",
            expires=e,
        )
        for a, b, c, d, e in rows
    ]
    save(path, entries)
    again = read(path)
    assert [(one.fingerprint, one.expires) for one in again] == [
        (one.fingerprint, one.expires) for one in entries
    ]
    for before, after in zip(entries, again, strict=True):
        for name in ("subject", "path", "seen", "reason"):
            if (text := getattr(before, name)).isprintable():
                assert getattr(after, name) == text
    # What isn't printable is written as a sign for it, once.
    save(path, again)
    assert read(path) == again


def test_an_update_takes_what_is_new_keeps_reasons_and_drops_what_is_gone() -> None:
    gone = Entry(code="a", fingerprint="0" * 16, reason="old", expires=TODAY)
    note = found("media-no-bytes")
    new = found("input-wrapper", subject="a/b")
    before = [*known(reason="ticket 12"), gone]
    after = {one.code: one for one in update([ERROR, new, note], before, TODAY, " a reason ")}
    assert after.keys() == {"whole-id-url", "input-wrapper"}, "a note fails nothing"
    assert (after["whole-id-url"].reason, after["whole-id-url"].expires) == ("ticket 12", TODAY)
    assert after["input-wrapper"].reason == "a reason"
    assert after["input-wrapper"].expires == TODAY + timedelta(days=DAYS)
    (alone,) = update([ERROR], [], TODAY)
    assert alone.reason == "accepted by --update-baseline on 2026-11-30"
    kept = update([ERROR], before, TODAY, drop=False)
    assert gone in kept, "where not all could be looked at"


def test_an_update_renews_what_has_expired_and_is_still_there() -> None:
    old = known(TODAY - timedelta(days=1))
    (renewed,) = update([ERROR], old, TODAY)
    assert (renewed.reason, renewed.expires) == ("ticket 12", TODAY + timedelta(days=DAYS))


def test_files_and_programs_share_a_baseline() -> None:
    both = update([OF_A_FILE], known(), TODAY, files=True)
    assert len(both) == 2, "what a look at files doesn't see isn't gone"
    assert len(update([ERROR], both, TODAY)) == 2
    assert len(update([], both, TODAY, files=True)) == 1
    report = Report("falkit doctor", [OF_A_FILE])
    apply_to(report, both, TODAY, files=True)
    assert report.unmatched == []
    report.findings = []
    apply_to(report, both, TODAY, files=True)
    assert report.unmatched == ["whole-id-url: tests/test_it.py: queue.fal.run/a/b/c"]


def test_an_updated_baseline_accepts_all_of_a_report(tmp_path: Path) -> None:
    report = full()
    path = tmp_path / "falkit-baseline.toml"
    save(path, update(report.findings, [], TODAY))
    apply_to(report, read(path), TODAY + timedelta(days=DAYS), files=False)
    assert report.counts() == {"error": 0, "warning": 0, "note": 1}
    apply_to(report, read(path), TODAY + timedelta(days=DAYS + 1), files=False)
    assert report.counts()["error"] == 4
    assert tomllib.loads(path.read_text())["finding"][0]["expires"] == date(2027, 2, 28)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


GOOD = (
    '[[finding]]\ncode = "real-key"\nfingerprint = "a58cb8df66e00381"\n'
    'reason = "b"\nexpires = 2026-11-30\nseen = "3f1c…:…"\n'
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\nx y", "isn't TOML: .*line 2.*; correct it"),
        ("\n\nfindings = 3\n", ":3: there is no 'findings' in a baseline; entries are tables"),
        ("finding = 3\n", r":1: finding: write \[\[finding\]\] before each"),
        ("finding = [3]\n", r":1: finding: 3 isn't a table"),
        (GOOD + GOOD.replace('"b"', '""'), ":10: reason: '' can't be one; say why it is accepted"),
        (GOOD.replace('reason = "b"\n', ""), ":1: reason: is missing; say why"),
        (
            GOOD.replace("a58c", "ax8c"),
            ":3: fingerprint: 'ax8cb8df66e00381' can't be one; give the",
        ),
        (GOOD.replace('"real-key"', "7"), ":2: code: 7 isn't text; put it in quotes"),
        (GOOD.replace("expires", "expire"), ":5: expire: an entry has no such field; its fields"),
        (GOOD.replace("2026-11-30", '"tomorrow"'), ":5: expires: 'tomorrow' is no day; give the"),
        (GOOD.replace("2026-11-30", "2026-11-30T00:00:00Z"), ":5: expires: .* is no day"),
        (GOOD.replace("expires = 2026-11-30", ""), ":1: expires: is missing; give the last day"),
        (GOOD + GOOD.replace("real", "rael"), ":8: code: falkit has no 'rael-key'; did you mean r"),
        (GOOD.replace("real-key", "zzz"), ":2: code: falkit has no 'zzz'; take the entry out"),
        # Another code than the fingerprint's, another subject, and none of what it is of.
        (GOOD.replace("real-key", "early-result"), ":3: fingerprint: .* isn't that of the entry's"),
        (GOOD + 'subject = "a/b"\n', ":3: fingerprint: .* and let --update-baseline write it"),
        (GOOD.partition("seen")[0], ":3: fingerprint: .* isn't that"),
        ("a = " + "[" * 5_000, "isn't TOML: .*; correct it, or remove the file: --update"),
        ("\udcff", "not UTF-8, at byte 0; save it as UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_line_field_and_fix(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "b.toml"
    path.write_text(text, "utf-8", errors="surrogateescape")
    with pytest.raises(BaselineError, match=why) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:")


def test_a_day_in_quotes_counts_as_well(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text(GOOD.replace("2026-11-30", '"2026-11-30"'))
    assert read(path)[0].expires == TODAY


def test_a_baseline_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="isn't there; --update-baseline writes it"):
        read(tmp_path / "b.toml")
    with pytest.raises(BaselineError, match="can't be written"):
        save(tmp_path / "no" / "b.toml", [])
