"""A baseline: findings that are known, each with a reason and the day until which it counts."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from falkit_spec.errors import SpecError, near_misses
from falkit_spec.findings import Finding, Report, finding_kinds, fingerprint_of
from falkit_spec.reports.words import plain
from falkit_spec.types import JSON, is_array, is_object

NAME = "falkit-baseline.toml"
DAYS = 90
"""How long an entry that is written today counts."""
_LARGEST = 4_000_000
# Characters of a text in an entry.
_LONGEST = 1000
_HEAD = f"""\
# Findings that are known and don't fail, each until a day (docs/reports.md).
# `--baseline FILE --update-baseline` writes this file: reasons stay, dates that have passed become
# those of {DAYS} days from then, what is new comes in, and what is gone goes.
"""
_ENTRY = re.compile(r"\s*\[\[\s*finding\s*\]\]")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class BaselineError(SpecError):
    """A baseline that can't be used; the message names file, line, field, value and fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One finding that is known."""

    code: str
    fingerprint: str
    reason: str
    expires: date
    """The last day on which it counts."""
    # What the fingerprint is of, since by itself it says nothing to readers.
    subject: str = ""
    path: str = ""
    """Not empty for what was found in a file, not in a running program."""
    seen: str = ""


def read(path: Path) -> list[Entry]:
    """Return a file's entries; raise BaselineError for a file that can't be used."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise BaselineError(f"{path}: larger than {_LARGEST:,} bytes; drop entries")
        text = raw.decode()
        table = tomllib.loads(text)
    except FileNotFoundError:
        fix = "--update-baseline writes it"
        raise BaselineError(f"{path}: isn't there; {fix}") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BaselineError(f"{path}: {why}; give a file that can be read") from None
    except UnicodeDecodeError as error:
        fix = "save it as UTF-8"
        raise BaselineError(f"{path}: not UTF-8, at byte {error.start}; {fix}") from None
    except (ValueError, RecursionError) as error:
        fix = "correct it, or remove the file: --update-baseline writes it anew"
        raise BaselineError(f"{path}: isn't TOML: {error}; {fix}") from None
    try:
        return _entries(table, text)
    except BaselineError as error:
        raise BaselineError(f"{path}:{error}") from None


def apply(findings: Iterable[Finding], baseline: Sequence[Entry], today: date) -> list[Finding]:
    """Return findings as a baseline has them: accepted, expired, or as they were."""
    known = {entry.fingerprint: entry for entry in baseline}

    def judged(one: Finding) -> Finding:
        entry = known.get(one.fingerprint)
        if entry is None:
            return one
        if entry.expires < today:
            return replace(one, accepted="", expired=entry.expires.isoformat())
        return replace(one, accepted=entry.reason, expired="")

    return [judged(one) for one in findings]


def apply_to(report: Report, baseline: Sequence[Entry], today: date, *, files: bool) -> None:
    """Have a report go by a baseline, which also has findings of another kind of look.

    `files` says whether the report is one of files, as `falkit doctor`'s is.
    """
    report.findings = apply(report.findings, baseline, today)
    there = {one.fingerprint for one in report.findings}
    report.unmatched = [
        plain(f"{entry.code}: {entry.path or entry.subject}: {entry.seen}")
        for entry in baseline
        if bool(entry.path) is files and entry.fingerprint not in there
    ]


def update(
    findings: Iterable[Finding],
    baseline: Sequence[Entry],
    today: date,
    reason: str = "",
    *,
    files: bool = False,
    drop: bool = True,
) -> list[Entry]:
    """Return a baseline by which nothing of this is wrong: known entries keep their reasons.

    Dates that have passed become those of 90 days from today; dates to come stay. Errors and
    warnings are added, with `reason`. Entries of this kind of look that nothing matches are left
    out; without `drop`, as where not all could be looked at, they stay.
    """
    later = today + timedelta(days=DAYS)
    reason = reason.strip() or f"accepted by --update-baseline on {today.isoformat()}"
    found = {one.fingerprint: one for one in findings}
    kept: dict[str, Entry] = {}
    for entry in baseline:
        there = entry.fingerprint in found
        if there or bool(entry.path) is not files or not drop:
            passed = there and entry.expires < today
            kept[entry.fingerprint] = replace(entry, expires=later) if passed else entry
    for fingerprint, one in found.items():
        if fingerprint not in kept and one.severity != "note":
            kept[fingerprint] = Entry(
                code=one.kind.code,
                fingerprint=fingerprint,
                reason=reason,
                expires=later,
                subject=one.subject,
                path=one.path,
                seen=one.seen,
            )
    return sorted(kept.values(), key=lambda one: (one.code, one.path, one.subject, one.seen))


def save(path: Path, baseline: Iterable[Entry]) -> None:
    """Write a baseline whole or not at all; raise BaselineError."""
    # Lazy: it brings a reader of JSON that is only for large files.
    from falkit_spec.lock import write_whole

    text = "\n".join([_HEAD, *map(_table, baseline)])
    try:
        write_whole(path, text.encode())
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BaselineError(f"{path}: can't be written ({why})") from None


def _table(entry: Entry) -> str:
    texts = ("code", "fingerprint", "subject", "path", "seen", "reason")
    lines = [f"{name} = {_quoted(getattr(entry, name))}" for name in texts if getattr(entry, name)]
    return "\n".join(["[[finding]]", *lines, f"expires = {entry.expires.isoformat()}", ""])


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's too, once nothing needs two of them for one character.
    return json.dumps(plain(text, _LONGEST), ensure_ascii=False)


def _entries(table: dict[str, Any], text: str) -> list[Entry]:
    for name in table:
        if name != "finding":
            fix = "entries are tables that begin with [[finding]]"
            raise BaselineError(f"{_line(text, name)}: there is no {name!r} in a baseline; {fix}")
    tables: object = table.get("finding", [])
    if not is_array(tables):
        raise BaselineError(f"{_line(text, 'finding')}: finding: write [[finding]] before each")
    entries: list[Entry] = []
    for number, one in enumerate(tables):
        lines = _Lines(text, number)
        if not is_object(one):
            raise BaselineError(f"{lines()}: finding: {one!r} isn't a table; write [[finding]]")
        entries.append(_entry(one, lines))
    return entries


class _Lines:
    """Says at which line a field of an entry is; tomllib doesn't."""

    def __init__(self, text: str, number: int) -> None:
        self._text, self._number = text, number

    def __call__(self, field: str = "") -> int:
        lines = self._text.split("\n")
        heads = [place for place, line in enumerate(lines) if _ENTRY.match(line)]
        heads = [*heads[self._number : self._number + 2], len(lines)]
        for place, line in enumerate(
            lines[heads[0] : heads[1]] if len(heads) > 1 else [], heads[0]
        ):
            if field and re.match(rf"""\s*["']?{re.escape(field)}["']?\s*=""", line):
                return place + 1
        # Entries may stand in a list in brackets, too.
        return heads[0] + 1 if len(heads) > 1 else 1


def _line(text: str, name: str) -> int:
    found = re.search(rf"(?m)^[^\n#=]*{re.escape(name)}", text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


_FIXES = {
    "code": "give the code of a finding, such as whole-id-url",
    "fingerprint": "give the 16 hex digits that --format json tells of a finding",
    "reason": "say why it is accepted",
}


def _entry(table: Mapping[str, JSON], line: _Lines) -> Entry:
    names = Entry.__dataclass_fields__
    for name, value in table.items():
        if name not in names:
            fix = f"its fields are {', '.join(names)}"
            raise BaselineError(f"{line(name)}: {plain(name)}: an entry has no such field; {fix}")
        if name != "expires" and not isinstance(value, str):
            why = f"{plain(repr(value), 80)} isn't text; put it in quotes"
            raise BaselineError(f"{line(name)}: {name}: {why}")
    texts = {name: text for name, text in table.items() if isinstance(text, str)}
    for name, fix in _FIXES.items():
        text = texts.get(name, "")
        if not text.strip() or (name == "fingerprint" and not _FINGERPRINT.fullmatch(text)):
            what = f"{plain(repr(text), 80)} can't be one" if name in texts else "is missing"
            raise BaselineError(f"{line(name)}: {name}: {what}; {fix}")
    texts.pop("expires", "")
    entry = Entry(expires=_date(table.get("expires"), line), **texts)
    _check_code(entry, line)
    _check_fingerprint(entry, line)
    return entry


_ANEW = "take the entry out, and let --update-baseline write it"


def _check_code(entry: Entry, line: _Lines) -> None:
    kinds = finding_kinds()
    if entry.code not in kinds:
        near = near_misses(entry.code, kinds)
        fix = f"did you mean {near[0]}? If not, {_ANEW}" if near else _ANEW
        raise BaselineError(
            f"{line('code')}: code: falkit has no {plain(repr(entry.code), 80)}; {fix}"
        )


def _check_fingerprint(entry: Entry, line: _Lines) -> None:
    """Refuse a fingerprint of something else than what the entry tells its readers."""
    texts = (entry.subject, entry.path, entry.seen)
    # What was written with signs left out can't be told from what it was.
    if any(len(text) > _LONGEST or "\N{REPLACEMENT CHARACTER}" in text for text in texts):
        return
    right = fingerprint_of(entry.code, entry.path, entry.subject, entry.seen)
    if entry.fingerprint != right:
        why = f"{entry.fingerprint!r} isn't that of the entry's code, subject, path and seen"
        raise BaselineError(f"{line('fingerprint')}: fingerprint: {why}; {_ANEW}")


def _date(value: object, line: _Lines) -> date:
    if isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    what = "is missing" if value is None else f"{plain(str(value), 80)!r} is no day"
    fix = "give the last day on which it counts, such as 2027-02-28"
    raise BaselineError(f"{line('expires')}: expires: {what}; {fix}")
