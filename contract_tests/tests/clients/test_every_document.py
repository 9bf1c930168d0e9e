"""fal's documents that DOCS names, by fal's two clients and the AI SDK: every file opened."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from clients.judging import Told
from clients.media import every, read
from clients.place import PLACE, under_falkit
from fal_documents import documents_folder, endpoints_in
from falkit_spec import JSON, Catalog, Endpoint, Object
from falkit_spec.schema import ordered, resolve

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


def inputs_in(catalog: Catalog, folder: Path) -> dict[str, tuple[Endpoint, Object]]:
    """Return the documents' own examples, but for those that a rule between fields forbids."""
    ids = {endpoint.id for endpoint in endpoints_in(folder).values()}
    found = {id: (one := catalog.get(id), one.example_input()) for id in sorted(ids)}
    return {id: (one, input) for id, (one, input) in found.items() if not one.validate(input)}


def made_for_the_ai_sdk(endpoint: Endpoint) -> str:
    """Return what the AI SDK finds in a model's output; empty where it can't read it."""
    fields, root = ordered(endpoint.output_schema), endpoint.output_schema
    makes = next((MAKES[name] for name in MAKES if name in fields), "")
    # It takes these for lists alone; and there are no pictures in what comes on a socket.
    listed = resolve(fields.get("has_nsfw_concepts", {"type": "array"}), root).get("type")
    called = listed == "array" and not endpoint.id.endswith(("/stream", "/realtime"))
    return makes if called and (makes == "image" or endpoint.id.startswith(OWNER)) else ""


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
        asked: Asked = {id: (id, input) for id, (_, input) in inputs_in(catalog, folder).items()}
        for some, told in told_of(asked, folder, tmp_path, command, ["subscribe"]):
            every(catalog, some)(told)


@pytest.mark.timeout(3000)
def test_every_picture_and_clip_by_the_ai_sdk(tmp_path: Path) -> None:
    command = [*PLACE.command("node", "ai_sdk.mjs"), "each"]
    for folder in folders():
        asked: Asked = {}
        for endpoint, input in inputs_in(Catalog.read([folder]), folder).values():
            if makes := made_for_the_ai_sdk(endpoint):
                asked[endpoint.id] = (makes, input)
        for some, told in told_of(asked, folder, tmp_path, command):
            came = told["value"]
            assert came.keys() == some.keys()
            for id, (makes, _) in some.items():
                assert "files" in came[id], (id, came[id]["error"])
                assert {_kind(file) for file in came[id]["files"]} == {makes}


def _kind(file: Mapping[str, str]) -> str:
    # An SVG is no picture that the AI SDK knows, and it takes it for a PNG.
    return "image" if base64.b64decode(file["data"]).startswith(b"<") else read(file).kind
