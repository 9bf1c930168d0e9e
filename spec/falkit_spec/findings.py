"""What falkit finds wrong: kinds by stable codes, findings, and a report of them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from falkit_spec.types import JSON

Severity: TypeAlias = Literal["error", "warning", "note"]
"""The worst first. `--fail-on` takes the first two."""


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What a code means. `fal` and `fix` are one line each; `see` names a page of docs/."""

    code: str
    severity: Severity
    title: str
    fal: str
    fix: str
    why: str
    see: str


@cache
def finding_kinds() -> Mapping[str, FindingKind]:
    """Return all kinds by their codes, read when they are first asked for."""
    # Lazy: most programs make no mistake.
    import tomllib

    text = Path(__file__).with_name("findings.toml").read_text("utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    return MappingProxyType({code: FindingKind(code, **table) for code, table in tables.items()})


_DIGITS = re.compile(r"[0-9]+")


def fingerprint_of(code: str, path: str, subject: str, seen: str) -> str:
    """Return the fingerprint of a finding of which these are known, as `Finding` has them."""
    parts = (code, path, subject, _DIGITS.sub("0", seen))
    # A half of a character, which a program may send in JSON, has no bytes.
    told = "\n".join(parts).encode(errors="backslashreplace")
    return hashlib.sha256(told).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, and how often it was seen."""

    kind: FindingKind
    severity: Severity
    """Usually the kind's; a note where an official client does it by design."""
    seen: str
    """What was seen, in one line, without request ids."""
    subject: str = ""
    """What it is about: an endpoint's id, a host, or a receiver's URL."""
    path: str = ""
    """The file in which it was read; empty where a running program was seen."""
    line: int = 0
    """The line of it, or of the test's file where there is no path; 0 where it isn't known."""
    request_id: str | None = None
    """Of the first time that it was seen, like all below."""
    key: str = ""
    test: str = ""
    """The id of the test in which it was seen."""
    time: float | None = None
    """Unix seconds on the mock's clock."""
    client: str = ""
    """The program, as it names itself (User-Agent)."""
    times: int = 1
    accepted: str = ""
    """Why a baseline takes it for known; empty where none does."""
    expired: str = ""
    """The day until which a baseline took it for known, such as 2026-11-30; else empty."""

    @property
    def fingerprint(self) -> str:
        """What stands for it in a baseline: the same for the same mistake in another run.

        Lines, numbers and tests don't count, since they move.
        """
        return fingerprint_of(self.kind.code, self.path, self.subject, self.seen)

    def to_json(self) -> dict[str, JSON]:
        """Return it with what its kind says of it."""
        own: dict[str, JSON] = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name != "kind"
        }
        return {**asdict(self.kind), **own, "fingerprint": self.fingerprint}

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Finding:
        """Return what `to_json` told; raise KeyError or TypeError for anything else."""
        of_kind = FindingKind.__dataclass_fields__
        kind = FindingKind(**{name: told[name] for name in of_kind})
        own = {name: told[name] for name in cls.__dataclass_fields__ if name != "kind"}
        return cls(kind=kind, **own)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with those of one fingerprint and test as one, the worst first."""
    found: dict[tuple[str, str], Finding] = {}
    for one in findings:
        same = found.setdefault((one.fingerprint, one.test), one)
        if same is not one:
            found[one.fingerprint, one.test] = replace(same, times=same.times + one.times)
    order = get_args(Severity)
    return sorted(found.values(), key=lambda one: (order.index(one.severity), one.kind.code))


FailOn: TypeAlias = Literal["error", "warning", "never"]
FINE, FOUND, USAGE, NOT_LOOKED = 0, 1, 2, 3
"""Exit codes of the commands that judge something."""


@dataclass(slots=True)
class Report:
    """What came of one look: of a run, of a mock so far, or of a project's files."""

    command: str
    """What was looked at: a command line, or a mock's URL."""
    findings: list[Finding]
    problems: list[str] = field(default_factory=list[str])
    """What could not be looked at; while there is one, nothing is called clean."""
    requests: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """`total` and `failed` requests."""
    jobs: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """`total`, `done`, `failed` and `cancelled` jobs."""
    spend: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """As `GET /__falkit/spend` has it."""
    unmatched: list[str] = field(default_factory=list[str])
    """Entries of a baseline that nothing matches any more."""
    not_done: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """The `jobs` that were queued or running still, and what they'd cost besides, as in `spend`."""
    untried: list[str] = field(default_factory=list[str])
    """Receivers that took webhooks and were sent no forged copy."""
    tests: int = 0
    """How many tests had the mocks that it is of, where they had their own."""
    handed: list[Mapping[str, JSON]] = field(default_factory=list[Mapping[str, JSON]])
    """Of each report that others handed over, and that is in this one: `command`, `tests`,
    `requests` and `jobs`.
    """

    def counts(self) -> dict[Severity, int]:
        """Return how many findings of each severity no baseline accepts."""
        counts = Counter(one.severity for one in self.findings if not one.accepted)
        return {severity: counts[severity] for severity in get_args(Severity)}

    def exit_code(self, fail_on: FailOn) -> int:
        """Return FOUND for a finding that fails, else NOT_LOOKED for a problem, else FINE."""
        counts = self.counts()
        failing = counts["error"] + (counts["warning"] if fail_on == "warning" else 0)
        if failing and fail_on != "never":
            return FOUND
        return NOT_LOOKED if self.problems else FINE

    def to_json(self) -> dict[str, JSON]:
        """Return it as the control API and `--format json` have it."""
        return {
            "command": self.command,
            "counts": dict(self.counts().items()),
            "findings": [one.to_json() for one in self.findings],
            "problems": [*self.problems],
            "requests": {**self.requests},
            "jobs": {**self.jobs},
            "spend": {**self.spend},
            "not_done": {**self.not_done},
            "untried": [*self.untried],
            "tests": self.tests,
            "handed": [{**one} for one in self.handed],
            # Whoever reports a mock has no baseline.
            **({"unmatched": [*self.unmatched]} if self.unmatched else {}),
        }

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Report:
        """Return what `to_json` told; raise KeyError or TypeError for anything else."""
        findings = [Finding.read(one) for one in told["findings"]]
        more = {name: told[name] for name in ("problems", "requests", "jobs", "spend")}
        # What reports of before don't have.
        newer = ("unmatched", "not_done", "untried", "tests", "handed")
        more |= {name: told[name] for name in newer if name in told}
        return cls(told["command"], findings, **more)
