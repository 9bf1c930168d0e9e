"""A report as one page of HTML, without a script, that asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Container
from html import escape
from pathlib import Path

from falkit_spec.findings import Finding, Report
from falkit_spec.reports.words import (
    MOST,
    cost,
    counted,
    first_seen,
    kinds_of,
    place,
    plain,
    remarks,
    verdict,
    what,
    worst_first,
)
from falkit_spec.types import is_array, is_object

# Kinds of findings that are shown in full.
_OPEN = 5
_CODE = re.compile("`([^`]+)`")
_SHAPES = {
    "error": "M5 0h6l5 5v6l-5 5H5l-5-5V5zM4 5l3 3-3 3 1 1 3-3 3 3 1-1-3-3 3-3-1-1-3 3-3-3z",
    "warning": "M8 0l8 15H0zM7 5v5h2V5zM7 11v2h2v-2z",
    "note": "M8 1a7 7 0 110 14A7 7 0 018 1zM7 4v2h2V4zM7 7v5h2V7z",
    "fine": "M6 14L0 8l2-2 4 4 8-8 2 2z",
}


def as_html(report: Report) -> str:
    """Return a report as a page."""
    return html_of(report)


def html_of(report: Report, *more: str, top: str = "", jobs: Container[str] = ()) -> str:
    """Return a page of a report and of more sections, which may show pictures in data URIs.

    `top` is HTML of its head; `jobs` are ids of jobs that the sections show, to be led to.
    """
    style = Path(__file__).with_name("page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; {'img-src data:; ' if more else ''}"
        "base-uri 'none'; form-action 'none'"
    )
    findings = worst_first(report.findings)
    new = [one for one in findings if not one.accepted]
    parts = [
        _listed("Could not be looked at", report.problems, "error"),
        _findings(new, jobs),
        _accepted(findings[len(new) :]),
        _listed("In the baseline, and gone: these entries can go", report.unmatched, "note"),
        _listed("To know", remarks(report), "note"),
        _spend(report),
        *more,
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>falkit: {text(verdict(report)[1])}</title>\n<style>{style}</style>\n"
        f"</head>\n<body>\n{_header(report, top)}<main>\n{''.join(filter(None, parts))}</main>\n"
        "<footer><code>falkit explain CODE</code> says more of a code.</footer>\n</body>\n</html>\n"
    )


def _header(report: Report, top: str) -> str:
    shape, words = verdict(report)
    counts = report.counts()
    accepted = sum(bool(one.accepted) for one in report.findings)
    figures = [(f"{name}s", f"{number:,}", "") for name, number in counts.items()]
    figures.append(("accepted", f"{accepted:,}", ""))
    for name, numbers in (("requests", report.requests), ("jobs", report.jobs)):
        if isinstance(total := numbers.get("total"), int):
            kinds = [f"{number:,} {text(kind)}" for kind, number in kinds_of(report, name).items()]
            # A session lists what was asked on the mock's own page, too, which isn't judged.
            label = f"{name} judged" if top and name == "requests" else name
            figures.append((label, f"{total:,}", ", ".join(kinds)))
    if said := cost(report):
        amount, _, more = said.removeprefix("would have cost ").partition(", ")
        figures.append(("would have cost", text(amount), text(more)))
    shown = "".join(
        f"<div><dt>{name}</dt><dd>{number}{f'<small>{more}</small>' if more else ''}</dd></div>"
        for name, number, more in figures
    )
    return (
        f'<header>\n<h1><span class="{shape}">{_shape(shape)}</span>{text(words)}</h1>\n'
        f'<p class="faint"><code>{text(report.command)}</code></p>\n'
        f'<dl class="figures">{shown}</dl>\n{top}</header>\n'
    )


def _findings(findings: list[Finding], jobs: Container[str]) -> str:
    if not findings:
        return ""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in findings[:MOST]:
        groups.setdefault((one.severity, one.kind.code), []).append(one)
    # A page that one can read through has nothing to click open.
    opened = len(groups) <= _OPEN
    articles = "".join(_article(group, jobs, opened=opened) for group in groups.values())
    more = len(findings) - MOST
    left = f'<p class="faint">… and {counted(more, "more finding")}</p>\n' if more > 0 else ""
    return f'<section id="findings">\n<h2>Findings</h2>\n{articles}{left}</section>\n'


def _article(findings: list[Finding], jobs: Container[str], *, opened: bool) -> str:
    kind, severity = findings[0].kind, findings[0].severity
    more = f"`falkit explain {kind.code}`"
    means = {"fal": kind.fal, "fix": kind.fix, "why": kind.why, "more": more}
    meaning = "".join(f"<dt>{n}</dt><dd>{_prose(words)}</dd>" for n, words in means.items())
    return (
        f'<article>\n<h3><span class="{severity}">{_shape(severity)}{severity}</span> '
        f"<code>{text(kind.code)}</code></h3>\n<p>{_prose(kind.title)}</p>\n"
        f"<ul>{''.join(_item(one, jobs) for one in findings)}</ul>\n"
        f"<details{' open' if opened else ''}><summary>What fal does, and the fix</summary>"
        f"<dl>{meaning}</dl></details>\n"
        "</article>\n"
    )


def _prose(words: str) -> str:
    """Return words of the table as HTML, in which what stands in backticks is code."""
    return _CODE.sub(r"<code>\1</code>", text(words, 1000))


def _item(one: Finding, jobs: Container[str]) -> str:
    where = place(one)
    lines = [f'<code class="place">{text(where)}</code>'] if where else []
    lines.append(f"<code>{text(what(one), 1000)}</code>")
    if told := first_seen(one):
        job = one.request_id
        link = f" {to_job(job, 'its job')}" if job is not None and job in jobs else ""
        lines.append(f'<span class="faint">first: {text(told, 2000)}{link}</span>')
    if one.expired:
        lines.append(f'<span class="warning">its baseline expired on {text(one.expired)}</span>')
    return f"<li>{'<br>'.join(lines)}</li>"


def _accepted(findings: list[Finding]) -> str:
    if not findings:
        return ""
    items = [
        f"<li><code>{text(one.kind.code)}: {text(place(one))} {text(what(one), 1000)}</code><br>"
        f'<span class="faint">{text(one.accepted)}</span></li>'
        for one in findings[:MOST]
    ]
    more = len(findings) - MOST
    items += [f"<li>… and {more:,} more</li>"] if more > 0 else []
    head = f"{len(findings):,} accepted by the baseline"
    return folded(head, f"<ul>{''.join(items)}</ul>")


def _listed(head: str, lines: list[str], shape: str) -> str:
    if not lines:
        return ""
    items = [f"<li>{_shape(shape)}{text(line)}</li>" for line in lines[:MOST]]
    items += [f"<li>… and {len(lines) - MOST:,} more</li>"] if len(lines) > MOST else []
    listed = f'<ul class="{shape}">{"".join(items)}</ul>'
    return f"<section>\n<h2>{head}</h2>\n{listed}\n</section>\n"


def _spend(report: Report) -> str:
    endpoints = report.spend.get("endpoints")
    if not is_array(endpoints):
        return ""
    rows = "".join(
        f"<tr><td><code>{text(one.get('endpoint_id'))}</code></td>"
        f'<td class="number">{text(one.get("jobs"))}</td>'
        f'<td class="number">${text(one.get("cost"))}</td></tr>'
        for one in endpoints[:MOST]
        if is_object(one)
    )
    head = '<tr><th>endpoint</th><th class="number">jobs</th><th class="number">cost</th></tr>'
    return folded("Cost by endpoint", f"<table>{head}{rows}</table>") if rows else ""


def to_job(id: str, words: str) -> str:
    """Return a link to a job of the same page: what has its id is within what opens for it."""
    return f'<a href="#{escape(id)}">{text(words)}</a>'


def folded(head: str, inner: str, *, opened: bool = False, id: str = "") -> str:
    """Return a section that opens; its parts are HTML."""
    start = "<details open>" if opened else "<details>"
    named = f' id="{id}"' if id else ""
    return f"<section{named}>\n{start}<summary>{head}</summary>{inner}</details>\n</section>\n"


def _shape(name: str) -> str:
    path = f'<path fill-rule="evenodd" d="{_SHAPES[name]}"/>'
    return f'<svg class="shape" viewBox="0 0 16 16" aria-hidden="true">{path}</svg>'


def text(said: object, most: int = 300) -> str:
    """Return a text from outside as HTML that shows it, cut where it is long."""
    return escape(plain(said, most))
