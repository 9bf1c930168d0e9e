"""fal's documents that DOCS names, by fal's two clients and the AI SDK: every file opened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from clients.judging import Told
from clients.media import every, read
from clients.place import PLACE, under_falkit
from fal_documents import documents_folder, endpoints_in
from falkit_spec import JSON, Catalog
from falkit_spec.schema import ordered

AT_ONCE = 100
# The AI SDK puts this before the id of whatever makes clips.
OWNER = "fal-ai/"
# What it looks for in an output.
MAKES = {"video": "video", "images": "image", "image": "image"}
Asked = dict[str, tuple[str, JSON]]


def folders() -> list[Path]:
    """Return the folder of each date, since a mock goes by the newest document of an id."""
    folder = documents_folder()
    return sorted(folder.glob("20*")) or [folder]


def told_of(
    asked: Asked, folder: Path, home: Path, command: Sequence[str], way: Sequence[str] = ()
) -> Iterator[tuple[Asked, Told]]:
    """Yield what a program comes to that is given inputs in a file, some at a time."""
    ids = [*asked]
    for first in range(0, len(ids), AT_ONCE):
        some = {each: asked[each] for each in ids[first : first + AT_ONCE]}
        path = home / "asked.json"
        path.write_text(json.dumps(some))
        options = ["--timing", "instant", "--documents", str(folder)]
        done = under_falkit(home, options, [*command, str(path), *way])
        [line] = done.stdout.splitlines()
        yield some, json.loads(line)


PROGRAMS: Mapping[str, tuple[str, str]] = {
    "fal-client": ("python", "kinds.py"),
    "@fal-ai/client": ("node", "kinds.mjs"),
}


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("client", PROGRAMS)
def test_every_document_by_subscribe(client: str, tmp_path: Path) -> None:
    command = PLACE.command(*PROGRAMS[client])
    for folder in folders():
        catalog = Catalog.read([folder])
        endpoints = endpoints_in(folder).values()
        asked: Asked = {one.id: (one.id, one.example_input()) for one in endpoints}
        for some, told in told_of(asked, folder, tmp_path, command, ["subscribe"]):
            every(catalog, some)(told)


@pytest.mark.timeout(3000)
def test_every_picture_and_clip_by_the_ai_sdk(tmp_path: Path) -> None:
    command = [*PLACE.command("node", "ai_sdk.mjs"), "each"]
    for folder in folders():
        asked: Asked = {}
        for endpoint in endpoints_in(folder).values():
            made = (MAKES.get(name) for name in ordered(endpoint.output_schema))
            makes = next(filter(None, made), None)
            fits = makes == "image" or endpoint.id.startswith(OWNER)
            if makes and fits and not endpoint.id.endswith("/stream"):
                asked[endpoint.id] = (makes, endpoint.example_input())
        for some, told in told_of(asked, folder, tmp_path, command):
            came = told["value"]
            assert came.keys() == some.keys()
            for id, (makes, _) in some.items():
                assert "files" in came[id], (id, came[id]["error"])
                assert {read(file).kind for file in came[id]["files"]} == {makes}
