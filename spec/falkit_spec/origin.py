"""Where a vendored document comes from, and how certain that makes it: openapi/sources.toml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from falkit_spec.document import Document
from falkit_spec.types import Certainty

ROOT = Path(__file__).parent / "openapi"


@dataclass(frozen=True)
class Origin:
    """Confirmed is what fal itself published as a document; inferred is read off its pages."""

    date: str
    """The month in which fal published it, or in which its pages were read."""
    source: str
    """The address of it."""
    certainty: Certainty


def origin(document: Document) -> Origin | None:
    """Return where a vendored document comes from; None for a user's own."""
    if not document.date or not Path(document.source).is_relative_to(ROOT):
        return None
    told = _sources().get(document.date)
    if told is None:
        return None
    source = told["source"].format(id=document.endpoint_id)
    return Origin(document.date, source, told["certainty"])


@cache
def _sources() -> dict[str, Any]:
    # Imported here: only commands that list documents need it.
    import tomllib

    return tomllib.loads((ROOT / "sources.toml").read_text(encoding="utf-8"))
