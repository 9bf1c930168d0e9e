"""What falkit finds wrong, by stable codes: severity, what fal does instead, the fix."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    text = Path(__file__).with_name("findings.toml").read_text("utf-8")
    tables: dict[str, dict[str, str]] = tomllib.loads(text)
    kinds = {code: _kind(code, **table) for code, table in tables.items()}
    return MappingProxyType(kinds)


def _kind(
    code: str, severity: Severity, title: str, fal: str, fix: str, why: str, see: str
) -> FindingKind:
    return FindingKind(code, severity, title, fal, fix, why, see)
