"""Documents to test with: our own, one of each shape that fal's have, and fal's own by DOCS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from falkit_spec import Document, Endpoint

OWN = Path(__file__).parent / "documents"
"""Documents of models that don't exist, each at its id; the names say what is odd about each."""


def documents_folder() -> Path:
    """Return the folder of fal's documents that DOCS names; skip the test where there is none."""
    named = os.environ.get("DOCS", "")
    if not named:
        pytest.skip("no documents of fal's: name a folder of them, as in `make test DOCS=…`")
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        pytest.fail(f"DOCS is {named!r}, and there is no such folder")
    return folder


def endpoints_in(folder: Path) -> dict[str, Endpoint]:
    """Return the endpoint of each document in a folder, by the document's place in it."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): Endpoint(Document.from_path(path))
        for path in sorted(folder.rglob("*.json"))
    }
