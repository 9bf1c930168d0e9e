"""What falkit finds wrong, by stable codes: severity, what fal does instead, the fix."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

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
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    return MappingProxyType({code: FindingKind(code, **table) for code, table in tables.items()})
