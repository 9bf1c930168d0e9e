"""JUnit's XML: what is wrong is a failed test, what is accepted a skipped one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from xml.etree import ElementTree

from falkit_spec.findings import Finding, Report
from falkit_spec.reports.words import first_seen, place, plain, remarks, totals, what, worst_first

# What XML can't have.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case, with what came of it."""

    classname: str
    name: str
    tag: str = ""
    """`failure`, `error` or `skipped`; empty where it passed."""
    message: str = ""
    text: str = ""
    output: str = ""
    seconds: float = 0.0
    file: str = ""


def junit(name: str, cases: list[Case], properties: Mapping[str, str]) -> str:
    """Return a suite of cases as XML; what XML can't have is replaced."""
    tags = Counter(case.tag for case in cases)
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(name),
        tests=str(len(cases)),
        failures=str(tags["failure"]),
        errors=str(tags["error"]),
        skipped=str(tags["skipped"]),
        time=f"{sum(case.seconds for case in cases):.3f}",
    )
    told = ElementTree.SubElement(suite, "properties")
    for key, value in properties.items():
        ElementTree.SubElement(told, "property", name=_xml(key), value=_xml(value))
    for case in cases:
        element = ElementTree.SubElement(
            suite,
            "testcase",
            classname=_xml(case.classname),
            name=_xml(case.name),
            time=f"{case.seconds:.3f}",
        )
        if case.file:
            element.set("file", _xml(case.file))
        if case.tag:
            said = ElementTree.SubElement(element, case.tag, message=_xml(case.message))
            said.text = _xml(case.text)
        if case.output:
            ElementTree.SubElement(element, "system-out").text = _xml(case.output)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def as_junit(report: Report) -> str:
    """Return a report as a suite, in which one passing case says that nothing is wrong."""
    findings = worst_first(report.findings)
    cases = [_case(one) for one in findings[:_MOST]]
    if len(findings) > _MOST:
        left = f"{len(findings) - _MOST:,} more findings are left out; --format json has them all"
        cases.append(Case(classname="falkit.report", name="left out", output=left))
    cases += [
        Case(
            classname="falkit.problem",
            name=plain(problem),
            tag="error",
            message="could not be looked at",
            text=plain(problem),
        )
        for problem in report.problems[:_MOST]
    ]
    if not cases:
        cases.append(Case(classname="falkit.report", name="nothing found", output=totals(report)))
    told = {f"note {number}": line for number, line in enumerate(remarks(report)[:_MOST], 1)}
    properties = {"command": plain(report.command), "totals": totals(report), **told}
    return junit("falkit", cases, properties)


def _case(one: Finding) -> Case:
    kind = one.kind
    name = ": ".join(filter(None, (place(one), plain(one.test), what(one))))
    lines = [
        name,
        *(plain(line) for line in (kind.title, f"fal: {kind.fal}", f"fix: {kind.fix}", kind.why)),
    ]
    if told := first_seen(one):
        lines.append(f"first: {told}")
    if one.expired:
        lines.append(f"its baseline expired on {one.expired}")
    lines.append(f"falkit explain {kind.code}")
    text = "\n".join(lines)
    head = f"{one.severity} {kind.code}: {kind.title}"
    case = Case(classname=f"falkit.{plain(kind.code)}", name=name, file=one.path)
    if one.accepted:
        return replace(case, tag="skipped", message=plain(one.accepted), text=text)
    if one.severity == "note":
        return replace(case, output=text)
    return replace(case, tag="failure", message=plain(head), text=text)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
