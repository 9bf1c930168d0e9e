"""Which codes of findings a package gives."""

from __future__ import annotations

import re
from pathlib import Path

from falkit_spec.findings import FindingKind, finding_kinds


def kinds_in(package: Path) -> list[FindingKind]:
    """Return the kinds that a package's modules name, in the order of the table."""
    source = "\n".join(file.read_text("utf-8") for file in sorted(package.glob("*.py")))
    named = set(re.findall(r'"([a-z0-9-]+)"', source))
    return [kind for code, kind in finding_kinds().items() if code in named]


def rows_of(page: str) -> list[str]:
    """Return the rows of a page's table of codes."""
    table = page.partition("<!-- codes: start -->\n")[2].partition("<!-- codes: end -->")[0]
    return table.splitlines()[2:]


def row_of(kind: FindingKind) -> str:
    """Return a kind's row."""
    return f"| `{kind.code}` | {kind.severity} | {kind.title} | {kind.fal} |"
