"""Documents and overlays of a user's own, found in files and folders.

What can't be used is left out and named in a note, a line each; it harms nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from falkit_spec.document import Document
from falkit_spec.errors import BadDocument
from falkit_spec.lock import Dates, date_of
from falkit_spec.overlay import Overlay
from falkit_spec.types import JSON, is_object

MOST_BYTES = 16 * 2**20
"""A larger file is left out; fal's largest document has some 50 kB."""
MOST_FILES = 20_000
"""Files beyond these are left out."""
_SUFFIXES = (".json", ".yaml", ".yml")
_IGNORED = frozenset(("node_modules", "__pycache__"))


@dataclass
class Sources:
    """What files and folders hold; the notes name what was left out, a line each."""

    documents: list[Document] = field(default_factory=list[Document])
    overlays: list[Overlay] = field(default_factory=list[Overlay])
    notes: list[str] = field(default_factory=list[str])


def read_sources(places: Iterable[str | Path]) -> Sources:
    """Read the documents and overlays in files and folders, each folder with all below it.

    A document's date is that of the folder called by one that is nearest above it, such as
    `2026-05` or `2026-05-12`; without such a folder the one that `documents.lock` has of it, if
    any.
    """
    found = Sources()
    dates = Dates(found.notes)
    for place, path in _files(places, found.notes):
        try:
            data, raw = _read(path)
            if "overlay" in data:
                found.overlays.append(Overlay.from_data(data, source=str(path)))
                continue
            date = date_of(place.name / path.relative_to(place)) or dates.of(str(path), str(place))
            document = Document(raw, source=str(path), date=date)
            document.learn_id(data)
        except BadDocument as error:
            found.notes.append(f"{error}; left out")
        else:
            found.documents.append(document)
    return found


def _files(places: Iterable[str | Path], notes: list[str]) -> Generator[tuple[Path, Path]]:
    """Yield each file with the folder that it was found from, in the order of the names."""
    seen: set[Path] = set()
    for place in map(Path, places):
        if not place.is_dir() and not place.is_file():
            notes.append(f"{place}: there is no such file or folder; left out")
        for path in _below(place) if place.is_dir() else [place] if place.is_file() else []:
            real = path.resolve()
            if real in seen:
                continue
            seen.add(real)
            if len(seen) > MOST_FILES:
                notes.append(f"{place}: more than {MOST_FILES:,} files; the rest is left out")
                return
            yield place if place.is_dir() else place.parent, path


def _below(place: Path) -> Generator[Path]:
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _IGNORED
        )
        for name in sorted(files):
            path = Path(folder, name)
            if name.endswith(_SUFFIXES) and not name.startswith(".") and path.is_file():
                yield path


def _read(path: Path) -> tuple[dict[str, JSON], bytes]:
    """Return a file's JSON or YAML object and, as JSON, its bytes; BadDocument for others."""
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise BadDocument(str(path), f"cannot be read ({error.strerror or error})") from error
    if size > MOST_BYTES:
        raise BadDocument(str(path), f"has {size:,} bytes; at most {MOST_BYTES:,} are read")
    if path.suffix == ".json":
        return Document(raw, source=str(path)).data, raw
    data = Overlay.parse(raw, source=str(path))
    if not is_object(data):
        raise BadDocument(str(path), "neither an overlay nor a document: not an object")
    return data, raw if "overlay" in data else orjson.dumps(data)
