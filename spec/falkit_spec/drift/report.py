"""What `falkit spec diff` and `update` say of documents: for people, as JSON, and by exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import click

from falkit_spec.document import Document
from falkit_spec.drift.compare import Change, compare
from falkit_spec.errors import SpecError
from falkit_spec.findings import FINE, FOUND, NOT_LOOKED
from falkit_spec.types import JSON, Object


@dataclass
class Row:
    """One endpoint's two documents and what changed."""

    id: str
    old: Document | None = None
    new: Document | None = None
    changes: list[Change] = field(default_factory=list[Change])
    error: str = ""
    done: str = ""

    @property
    def verdict(self) -> str:
        kinds = {change.kind for change in self.changes}
        found = next((kind for kind in ("breaking", "widening", "prose") if kind in kinds), "same")
        return "incomparable" if self.error else found


def row_of(id: str, old: Callable[[str], Document], new: Callable[[str], Document]) -> Row:
    row = Row(id)
    try:
        row.old = old(id)
        row.new = new(id)
        row.changes = compare(row.old, row.new)
    except (SpecError, OSError) as error:
        row.error = reason(error)
    return row


def reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
    return str(error)


def plain(text: str) -> str:
    """Return a line that does nothing to a terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)


def print_rows(rows: Sequence[Row], problems: Sequence[str], prose: bool) -> None:
    for row in rows:
        shown = [one for one in row.changes if prose or one.kind != "prose"]
        dates = " → ".join(one.date or "no date" for one in (row.old, row.new) if one is not None)
        if row.error:
            click.echo(plain(f"{row.id}: couldn't be compared: {row.error}"))
        elif row.done or shown:
            click.echo(plain(f"{row.id} ({dates}){f', {row.done}' if row.done else ''}"))
        for one in shown:
            place = f"{one.part} {one.field}" if one.field else f"the whole {one.part}"
            click.echo(plain(f"  {one.kind:<8}  {place}: {one.message}"))
    for problem in problems:
        click.echo(plain(f"{problem}"))
    found = _counted(rows)
    total = "1 document" if len(rows) == 1 else f"{len(rows)} documents"
    click.echo(
        f"{total}: {found['breaking']} with breaking changes, "
        f"{found['widening']} with others, {found['prose'] + found['same']} with none"
        + (f", {found['incomparable']} that couldn't be compared" if found["incomparable"] else "")
    )


def _counted(rows: Iterable[Row]) -> Counter[str]:
    return Counter(row.verdict for row in rows)


def as_json(rows: Sequence[Row], problems: Sequence[str], prose: bool) -> Object:
    documents: list[JSON] = [
        {
            "endpoint_id": row.id,
            "verdict": row.verdict,
            "error": row.error or None,
            "before": _described(row.old),
            "after": _described(row.new),
            "changes": [one.to_json() for one in row.changes if prose or one.kind != "prose"],
        }
        for row in rows
    ]
    return {"documents": documents, "problems": [*problems]}


def _described(document: Document | None) -> JSON:
    if document is None:
        return None
    return {"source": document.source, "date": document.date or None}


def exit_code(rows: Sequence[Row], problems: Sequence[str]) -> int:
    found = _counted(rows)
    if found["breaking"]:
        return FOUND
    return NOT_LOOKED if problems or found["incomparable"] or not rows else FINE
