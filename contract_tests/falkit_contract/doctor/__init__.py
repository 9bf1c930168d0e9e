"""Hand-made mocks of fal in a project, read and not run: what fal would do differently.

Python is read by its syntax tree, JavaScript and TypeScript by listed patterns
(docs/doctor.md has both, and their limits).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from falkit_contract.doctor._files import PYTHON, find_files, names_fal
from falkit_contract.doctor._javascript import read_javascript
from falkit_contract.doctor._javascript_tokens import UnreadableError
from falkit_contract.doctor._python import read_python
from falkit_contract.doctor._values import Facts
from falkit_contract.doctor._wire import judge, keys_in
from falkit_spec.findings import Finding, finding_kinds

_IGNORE = re.compile(r"falkit:\s*ignore\s+([\w-]+(?:\s*,\s*[\w-]+)*)")
# What JavaScript must have in it to have a mock of fal, or a call of it that is read.
_MOCKS = re.compile(
    r"\b(nock|msw|vi|jest|vitest|mock\w*|Mock\w*|createHmac)\b|\.route\(|fetch\("
    r"|\b(axios|got|ky)\.\w+\("
)
_TOO_DEEP = "it is nested too deeply"


@dataclass
class Diagnosis:
    """What was found in a project, and what couldn't be looked at."""

    findings: list[Finding] = field(default_factory=list[Finding])
    """What fal would do differently from mocks, by file and line."""
    problems: list[str] = field(default_factory=list[str])
    looked_at: int = 0
    """Files of which it was looked whether they have to do with fal."""
    naming: int = 0
    """Those of them that name fal."""
    with_mocks: int = 0
    """Files that mock fal or its client."""


def diagnose(paths: Iterable[Path]) -> Diagnosis:
    """Read the tests in folders and files; what can't be read becomes a problem."""
    found = find_files(paths)
    diagnosis = Diagnosis(problems=found.problems, looked_at=found.looked_at)
    if not found.looked_at and not found.problems:
        why = (
            "there is no file of Python, JavaScript or TypeScript here; name a folder that has some"
        )
        diagnosis.problems.append(why)
    read: list[tuple[Path, str, Facts]] = []
    for path, text in found.files:
        diagnosis.naming += names_fal(text)
        facts = _facts(path, text, diagnosis)
        if facts is not None:
            read.append((path, text, facts))
    mocked = any(facts.msw for _, _, facts in read)
    refused = any(facts.refuses_others for _, _, facts in read)
    for path, text, facts in read:
        diagnosis.with_mocks += bool(facts.routes or facts.patched)
        seen = [*judge(facts), *keys_in(text)]
        if mocked:
            seen += [("unmocked-calls-leave", line, what) for line, what in facts.lets_out]
        if facts.nock and not refused:
            seen.append(("unmocked-calls-leave", facts.nock, "nock without disableNetConnect()"))
        diagnosis.findings += _findings(path, text, seen)
    return diagnosis


def _facts(path: Path, text: str, diagnosis: Diagnosis) -> Facts | None:
    """Return what a file has to do with fal; None if it can't be read."""
    try:
        if path.suffix in PYTHON:
            return read_python(text)
        return read_javascript(text) if _MOCKS.search(text) else Facts()
    except SyntaxError as error:
        why = f"line {error.lineno}: {error.msg}"
    except UnreadableError as error:
        why = str(error)
    except (RecursionError, MemoryError):
        why = _TOO_DEEP
    except ValueError as error:
        why = str(error)
    diagnosis.problems.append(f"{path}: {why}")
    return None


def _findings(path: Path, text: str, seen: Iterable[tuple[str, int, str]]) -> list[Finding]:
    lines = text.split("\n")
    kinds = finding_kinds()
    found: dict[tuple[str, int], Finding] = {}
    for code, line, what in seen:
        near = "\n".join(lines[max(line - 2, 0) : line])
        if any(code in re.split(r"[\s,]+", one[1]) for one in _IGNORE.finditer(near)):
            continue
        kind = kinds[code]
        one = Finding(kind=kind, severity=kind.severity, seen=what, path=path.as_posix(), line=line)
        found.setdefault((code, line), one)
    return sorted(found.values(), key=lambda one: (one.line, one.kind.code))
