"""fal's documents that DOCS names, by fal's two clients: outputs valid, and every file opened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from clients.media import every
from clients.place import PLACE, under_falkit
from fal_documents import documents_folder, endpoints_in
from falkit_spec import JSON, Catalog

PROGRAMS = {"fal-client": ("python", "kinds.py"), "@fal-ai/client": ("node", "kinds.mjs")}
AT_ONCE = 100


def folders() -> list[Path]:
    """Return the folder of each date, since a mock goes by the newest document of an id."""
    folder = documents_folder()
    return sorted(folder.glob("20*")) or [folder]


def inputs_in(folder: Path) -> Iterator[Mapping[str, tuple[str, JSON]]]:
    """Yield the documents' own examples, some at a time."""
    found = {endpoint.id: endpoint for endpoint in endpoints_in(folder).values()}
    ids = [*found]
    for first in range(0, len(ids), AT_ONCE):
        some = ids[first : first + AT_ONCE]
        yield {each: (each, found[each].example_input()) for each in some}


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("client", PROGRAMS)
def test_every_document_by_subscribe(client: str, tmp_path: Path) -> None:
    for folder in folders():
        catalog = Catalog.read([folder])
        for asked in inputs_in(folder):
            path = tmp_path / "asked.json"
            path.write_text(json.dumps(asked))
            command = [*PLACE.command(*PROGRAMS[client]), str(path), "subscribe"]
            options = ["--timing", "instant", "--documents", str(folder)]
            [line] = under_falkit(tmp_path, options, command).stdout.splitlines()
            every(catalog, asked)(json.loads(line))
