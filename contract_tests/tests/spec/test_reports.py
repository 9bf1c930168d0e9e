"""Reports in each format, read again by readers that aren't ours."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from html import unescape
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import example, given, settings, strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from markdown_it import MarkdownIt

from falkit_spec.errors import SpecError
from falkit_spec.findings import Finding, FindingKind, Report
from falkit_spec.reports import FORMATS, format_of, write
from falkit_spec.reports.reading import read_report
from reporting import clean, found, full

SARIF = Path(__file__).with_name("sarif") / "sarif-2.1.0-rtm.5.json"
HOSTILE = [
    "\x1b[2J\x07",
    "]]><!--</code></details><script>alert(1)</script><img src=x onerror=y>",
    "::error::\r\n::stop-commands::x\n##[error]y",
    "a|b `c` *d* _e_ [f](http://g) <h> #1 @i $j$ ~~k~~ www.l.m http://n.o &amp; \\",
    "%0A%25,:=",
    "\ud800 \udfff\x00\ufffe\u2028\u202e",
    "- 1. > # +",
    "x" * 5_000,
]
TEXTS = st.sampled_from(HOSTILE) | st.text(st.characters(), max_size=30)


@cache
def validator() -> Any:
    schema = json.loads(SARIF.read_text("utf-8"))
    jsonschema.Draft4Validator.check_schema(schema)
    return jsonschema.Draft4Validator(schema)


def sarif(report: Report) -> dict[str, Any]:
    """Return the one run of a report in SARIF, which is valid."""
    told = json.loads(write(report, "sarif"))
    validator().validate(told)
    (run,) = told["runs"]
    return dict(run)


def cases(report: Report) -> list[Any]:
    """Return the cases of a report in JUnit, as another reader has them."""
    (suite,) = JUnitXml.fromstring(write(report, "junit").encode())
    assert isinstance(suite, TestSuite)
    return [*suite]


def test_text_has_the_findings_what_they_mean_once_and_the_totals() -> None:
    lines = write(full(), "text").splitlines()
    assert lines[0] == (
        "error whole-id-url: GET queue.fal.run/fal-ai/flux/dev/requests/{id}/status: 405 (12 times)"
    )
    assert lines[1].startswith("    first: request 019b76da-a801-74c7-aab7-01d3c98e3dee, in tests/")
    meaning = [line for line in lines if line.startswith("    fal: 405: a request's URLs")]
    assert len(meaning) == 1, "what fal does is said once for each code"
    at = lines.index("tests/test it.py:12: error whole-id-url: GET queue.fal.run/…: 405")
    assert lines[at + 1] == "    its baseline expired on 2026-11-01"
    assert lines[-4:] == [
        "accepted early-result: a/b: GET result: 400 (ticket 12)",
        "falkit: in the baseline, and gone: result-wrapped: fal-ai/flux/dev: a status beside it",
        "falkit: not looked at: tests/bad.py: line 2: '(' was never closed",
        "pytest -q: 3 errors, 1 warning, 1 note; 1 accepted by the baseline; 41 requests (3 "
        "failed); 12 jobs (10 done, 1 failed, 1 cancelled); would have cost at least $2.88, 1 of "
        "unknown price, over the budget of $2.50 by $0.38; 1 problem",
    ]


def test_json_is_read_again_as_it_was() -> None:
    for report in (full(), clean()):
        assert read_report(json.loads(write(report, "json"))) == report


def test_junit_fails_what_is_wrong_and_skips_what_is_accepted() -> None:
    results: list[list[object]] = [[type(one) for one in case.result] for case in cases(full())]
    assert results == [[Failure]] * 4 + [[], [Skipped], [Error]]
    first = cases(full())[0]
    assert (first.classname, first.result[0].message) == (
        "falkit.whole-id-url",
        "error whole-id-url: a request's URL has the whole endpoint id",
    )
    assert first.name.startswith("tests/test_video.py::test_polls[a]: GET queue.fal.run/")
    assert cases(full())[5].result[0].message == "ticket 12"


def test_junit_of_nothing_is_one_case_that_passes() -> None:
    (case,) = cases(clean())
    assert (case.is_passed, case.name) == (True, "nothing found")


def test_sarif_names_rules_places_and_what_is_accepted() -> None:
    run = sarif(full())
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert rules[result["ruleIndex"]]["help"]["text"]
    assert [result["level"] for result in run["results"]] == [
        *("error", "error", "error", "warning", "note", "error")
    ]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False, "not all could be looked at"
    assert "never closed" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    physical = [one["locations"][0]["physicalLocation"] for one in run["results"]]
    places = [(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in physical]
    # The test that did it; the settings' file where none is known; the file that was read.
    assert places[:3] == [
        ("tests/test_video.py", 7),
        ("falkit.toml", 1),
        ("tests/test%20it.py", 12),
    ]
    suppressed = [one["suppressions"] for one in run["results"] if "suppressions" in one]
    assert suppressed == [[{"kind": "external", "justification": "ticket 12"}]]
    assert sarif(clean())["invocations"][0]["executionSuccessful"] is True


def test_sarif_tells_apart_what_github_would_take_for_one() -> None:
    twice = [found("whole-id-url", path="a.py", line=line) for line in (1, 2)]
    hashes = [one["partialFingerprints"] for one in sarif(Report("x", twice))["results"]]
    assert len({one["primaryLocationLineHash"] for one in hashes}) == 2
    assert {one["falkit/v1"] for one in hashes} == {twice[0].fingerprint}


def test_absolute_paths_are_relative_to_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside, outside = tmp_path / "a b.py", tmp_path.parent / "c.py"
    findings = [found("real-key", path=str(path), line=1) for path in (inside, outside)]
    places = [
        one["locations"][0]["physicalLocation"]["artifactLocation"]
        for one in sarif(Report("x", findings))["results"]
    ]
    assert places == [
        {"uri": "a%20b.py", "uriBaseId": "%SRCROOT%"},
        {"uri": outside.as_uri()},
    ]


def test_github_gets_annotations_at_the_lines() -> None:
    lines = write(full(), "github").splitlines()
    assert lines[1].startswith("::error title=whole-id-url"), "its test's line has no file here"
    assert lines[0].startswith("::error title=falkit could not look::tests/bad.py: line 2")
    assert lines[3].startswith("::error file=tests/test it.py,line=12,title=whole-id-url%3A a req")
    assert [re.split(r"[: ]+", line)[1] for line in lines[:-1]] == [
        *("error", "error", "error", "error", "warning", "notice")
    ]
    many = Report("x", [found("whole-id-url", str(n), path="a.py", line=n) for n in range(40)])
    lines = write(many, "github").splitlines()
    assert (len(lines), lines[10]) == (12, "falkit: 30 more errors without an annotation")


class Tags(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "path", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("br", "path"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


# What the page and the summary are made of.
PAGE = (
    "html head meta title style body header h1 h2 h3 p dl div dt dd section article ul li code "
    "span svg path details summary table tr th td br small main footer"
)
ATTRIBUTES = "lang charset http-equiv content name class viewbox aria-hidden fill-rule d open id"
SUMMARY = "h3 p table thead tbody tr th td code br details summary strong ul li sub"


def markup(report: Report) -> Tags:
    """Return Markdown as CommonMark and tables have it."""
    written = write(report, "markdown")
    tags = Tags(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(written))
    assert tags.seen <= {*SUMMARY.split()}
    assert not tags.attributes
    return tags


def test_every_format_says_what_was_not_tried_not_done_and_handed_over() -> None:
    told: dict[str, Any] = {"command": "pytest tests", "tests": 2, "requests": 1, "jobs": 1}
    left: dict[str, Any] = {"jobs": 2, "billed": 1, "unpriced": 1, "cost": "0.36"}
    report = replace(
        clean(),
        spend={"cost": "1"},
        not_done=left,
        untried=["http://a/", "http://b/"],
        handed=[told],
    )
    said = (
        "2 receivers of webhooks were not tried with forged copies; --probe-webhooks does that",
        "2 tests had mocks of their own, with 1 request and 1 job of these: pytest tests",
        "2 not done",
        "plus at least $0.36, 1 of unknown price for what isn't done",
    )
    for format in FORMATS:
        text = write(report, format)
        if format in ("html", "markdown"):
            text = Tags(text).text if format == "html" else markup(report).text
        if format != "json":
            assert [line for line in said if line not in unescape(text)] == [], format
    assert read_report(json.loads(write(report, "json"))) == report
    # One of before hasn't these fields.
    before = json.loads(write(full(), "json"))
    for name in ("not_done", "untried", "tests", "handed"):
        del before[name]
    assert read_report(before) == full()
    assert "not tried" not in "".join(write(full(), format) for format in FORMATS)


def test_pages_have_the_verdict_the_findings_and_the_spend() -> None:
    for tags in (Tags(write(full(), "html")), markup(full())):
        for words in ("whole-id-url", "its baseline expired on 2026-11-01", "ticket 12", "$2.88"):
            assert words in tags.text
        assert 'POST with {"input": …} | <b>x</b> @a $x$' in tags.text
        # Backticks are code, and what one may read more of is there for whoever has the command.
        assert ("`" in tags.text, "docs/" in tags.text) == (False, False)
    assert "<code>falkit explain whole-id-url</code>" in write(full(), "html")
    mended = Report("x", [found("input-wrapper")])
    assert "<code>input</code> is an option of" in write(mended, "html")
    assert "<code>input</code> is an option of" in write(mended, "markdown")
    assert "<details open><summary>What fal does" in write(full(), "html")
    assert "Nothing is wrong" in Tags(write(clean(), "html")).text
    assert "Nothing is wrong" in markup(clean()).text
    for nothing in (
        Report("x", [], ["nobody was watched"]),
        Report("x", [], requests={"total": 0}),
    ):
        assert "Nothing is wrong" not in markup(nothing).text + Tags(write(nothing, "html")).text


@given(st.lists(TEXTS, min_size=9, max_size=9), st.sampled_from(["error", "warning", "note"]))
@settings(max_examples=40, deadline=None)
@example([*HOSTILE, "x"], "error")
@example(["x", *HOSTILE], "warning")
@example([*HOSTILE[4:], *HOSTILE[:5]], "note")
@example([HOSTILE[5]] * 9, "error")
def test_any_text_leaves_each_format_whole(texts: list[str], severity: Any) -> None:
    a, b, c, d, e, f, g, h, i = texts
    kind = FindingKind(a, severity, b, c, d, e, "findings.md")
    one = Finding(
        kind=kind, severity=severity, seen=f, subject=g, request_id=h, key=i, test=a, client=b,
        times=3,
    )  # fmt: skip
    file = Finding(kind=kind, severity=severity, seen=a, path=c, line=7, expired=d)
    known = Finding(kind=kind, severity="error", seen=d, subject=e, accepted=f or "x")
    spend: dict[str, Any] = {
        "cost": h,
        "budget": i,
        "unpriced": 1,
        "endpoints": [{"endpoint_id": g}],
    }
    report = Report(g, [one, file, known], [h, i], {"total": 1, a: 2}, {"total": 1}, spend, [a])
    report.untried, report.handed, report.not_done = [a], [{"command": b}], {"jobs": 1, "cost": c}

    # Two halves become one character.
    assert write(read_report(json.loads(write(report, "json"))), "json") == write(report, "json")
    for line in write(report, "text").splitlines():
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
    assert len(cases(report)) == 5
    for uri in (
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in sarif(report)["results"]
    ):
        assert unquote(uri, errors="strict")
    page = Tags(write(report, "html"))
    assert page.seen <= {*PAGE.split()}
    assert page.attributes <= {*ATTRIBUTES.split()}
    assert page.open == []
    assert markup(report).open == []
    commands = write(report, "github").splitlines()
    assert len(commands) == 7
    for command in commands[:-3]:
        assert re.fullmatch(r"::(error|warning|notice) ([^:]+)::[^\r\n]*", command)


def test_what_is_left_out_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("falkit_spec.reports.sarif._MOST", 20)
    monkeypatch.setattr("falkit_spec.reports.junit._MOST", 20)
    report = Report("x", [found("whole-id-url", "x" * 900, subject=str(n)) for n in range(1_200)])
    assert "more lines; --format json has them all" in write(report, "text")
    left = "700 more findings"
    assert left in write(report, "html")
    assert left in write(report, "markdown")
    left = "1,180 findings are left out; --format json has them all"
    (notice,) = sarif(report)["invocations"][0]["toolExecutionNotifications"]
    assert notice["message"]["text"] == left
    assert cases(report)[-1].system_out == left.replace("findings", "more findings")


def test_a_summary_is_never_larger_than_github_takes() -> None:
    # Each of these becomes several characters.
    report = Report("x", [found("whole-id-url", "|" * 300, test="|" * 300) for _ in range(500)])
    summary = write(report, "markdown")
    assert len(summary.encode()) < 1_000_000
    assert "too long for this page" in summary
    assert "500 errors" in summary


def test_a_files_format_is_its_suffix() -> None:
    names = ["a.txt", "b.json", "c.xml", "d.sarif", "e.md", "F.HTML"]
    assert [*map(format_of, names)] == [*islice(FORMATS, 6)]
    with pytest.raises(SpecError, match=r"'report' ends in none of .txt.*junit:report"):
        format_of("report")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"findings": None}, "findings: None is of a wrong type"),
        ({"problems": [1]}, "problems: has more than texts"),
        ({"findings": [1]}, r"findings\[0\]: 1 is no object"),
        ({"findings": [{**found("real-key").to_json(), "severity": "fatal"}]}, "severity: 'fatal'"),
        ({"findings": [{**found("real-key").to_json(), "line": True}]}, r"\.line: True is of"),
    ],
)
def test_what_is_no_report_is_named_by_its_field(change: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        read_report({**clean().to_json(), **change})
    told = clean().to_json()
    del told["jobs"]
    with pytest.raises(SpecError, match="jobs: is missing"):
        read_report(told)
