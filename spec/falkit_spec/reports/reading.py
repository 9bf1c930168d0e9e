"""A report that was saved before, as `--format json` and the control API write it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from falkit_spec.errors import SpecError
from falkit_spec.findings import Finding, FindingKind, Report, Severity
from falkit_spec.reports.words import plain
from falkit_spec.types import is_array, is_object

MOST_BYTES = 64 * 2**20
_TYPES: dict[str, tuple[type, ...]] = {
    "line": (int,),
    "times": (int,),
    "time": (int, float, type(None)),
    "request_id": (str, type(None)),
}
_FINDING = {
    name: _TYPES.get(name, (str,))
    for name in {**FindingKind.__dataclass_fields__, **Finding.__dataclass_fields__}
    if name != "kind"
}
_REPORT: dict[str, type] = {
    "command": str,
    "findings": list,
    "problems": list,
    "requests": dict,
    "jobs": dict,
    "spend": dict,
}
# What reports of before don't have.
_NEWER: dict[str, type] = {
    "unmatched": list,
    "not_done": dict,
    "untried": list,
    "tests": int,
    "handed": list,
}


def read_file(path: Path) -> Report:
    """Return the report in a file, or on stdin for `-`; raise SpecError."""
    try:
        with sys.stdin.buffer if path == Path("-") else path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        fix = f"`falkit run --report {path}` or `pytest --fal-report {path}` writes one"
        raise SpecError(f"{path}: {why}; {fix}") from None
    if len(raw) > MOST_BYTES:
        raise SpecError(f"{path}: larger than {MOST_BYTES:,} bytes; write one of fewer tests")
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SpecError(f"{path}: isn't JSON: {why}; write one with --format json") from None
    try:
        return read_report(told)
    except SpecError as error:
        fix = "write one with --format json"
        raise SpecError(f"{path}: isn't a report of falkit's: {error}; {fix}") from None


def read_report(told: Any) -> Report:
    """Return the report that JSON tells; raise SpecError for the first field that is wrong."""
    if not is_object(told):
        raise SpecError("it is no object")
    for name, type in _REPORT.items():
        _check(told, name, (type,), "")
    for name, type in _NEWER.items():
        if name in told:
            _check(told, name, (type,), "")
    for name in ("problems", "unmatched", "untried"):
        texts = told.get(name, [])
        if not is_array(texts) or not all(isinstance(one, str) for one in texts):
            raise SpecError(f"{name}: has more than texts")
    handed = told.get("handed", [])
    if not is_array(handed) or not all(map(is_object, handed)):
        raise SpecError("handed: has more than objects")
    findings = told["findings"]
    for number, one in enumerate(findings if is_array(findings) else []):
        where = f"findings[{number}]"
        if not is_object(one):
            raise SpecError(f"{where}: {plain(repr(one), 80)} is no object")
        for name, types in _FINDING.items():
            _check(one, name, types, f"{where}.")
        if one["severity"] not in get_args(Severity):
            severities = ", ".join(get_args(Severity))
            raise SpecError(f"{where}.severity: {one['severity']!r} is none of {severities}")
    return Report.read(told)


def _check(table: Mapping[str, Any], name: str, types: tuple[type, ...], where: str) -> None:
    if name not in table:
        raise SpecError(f"{where}{name}: is missing")
    value = table[name]
    if not isinstance(value, types) or isinstance(value, bool):
        raise SpecError(f"{where}{name}: {plain(repr(value), 80)} is of a wrong type")
