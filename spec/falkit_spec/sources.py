"""Documents and overlays of a user's own, found in files and folders.

What can't be used is left out and named in a note, a line each; it harms nothing else.
"""

from __future__ import annotations

import gc
import os
import stat
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path

import orjson

from falkit_spec.document import Document, is_id, read_object
from falkit_spec.errors import BadDocument
from falkit_spec.lock import DATE, Dates
from falkit_spec.overlay import Overlay
from falkit_spec.types import JSON, is_object

VARIABLE = "FALKIT_DOCUMENTS"
FOLDER = "fal-documents"
"""The folder of documents of a project that says of none. Not `documents`: at home that is, on
disks that ignore case, the user's own.
"""
"""The environment variable with places, separated as those of PATH are."""
MOST_BYTES = 16 * 2**20
"""A larger file is left out; fal's largest document has some 50 kB."""
MOST_FILES = 20_000
"""Files beyond these are left out."""
MOST_ENTRIES = 200_000
"""Files and folders of any kind beyond these aren't looked at."""
_SUFFIXES = (".json", ".yaml", ".yml")
_IGNORED = frozenset(("node_modules", "__pycache__"))
_NAME = attrgetter("name")
_BOM, _UTF_16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: a document or an overlay, or why it is neither."""

    path: str
    date: str = ""
    place: str = ""
    """The names of its folders and its own, below the folder that was given and a date's."""
    document: Document | None = None
    overlay: Overlay | None = None
    problem: str = ""
    stamp: tuple[int, ...] = ()
    """What tells whether the file has changed since."""

    @property
    def good(self) -> bool:
        """Whether it holds something to use."""
        return self.document is not None or self.overlay is not None


@dataclass
class Sources:
    """What files and folders hold; the notes name what was left out, a line each."""

    files: list[Source] = field(default_factory=list[Source])
    notes: list[str] = field(default_factory=list[str])
    changes: list[str] = field(default_factory=list[str])
    """What was added, changed and removed since the last look, a line each."""

    @property
    def documents(self) -> list[Document]:
        """The documents, in the order of the files."""
        return [one.document for one in self.files if one.document is not None]

    @property
    def overlays(self) -> list[Overlay]:
        """The overlays, in the order of the files."""
        return [one.overlay for one in self.files if one.overlay is not None]


def named_places(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the places that the environment names, in FALKIT_DOCUMENTS."""
    return [place for place in environ.get(VARIABLE, "").split(os.pathsep) if place]


def check_places(places: Iterable[str | Path]) -> None:
    """Raise BadDocument for a place that is neither a file nor a folder."""
    for place in map(str, places):
        if not os.path.isdir(place) and not os.path.isfile(place):
            there = "is neither a file nor a folder" if os.path.exists(place) else "isn't there"
            fix = "name a folder or a file with fal's documents; `falkit spec add ID` fetches one"
            raise BadDocument(place, f"{there}; {fix}")


def read_sources(places: Iterable[str | Path]) -> Sources:
    """Read the documents and overlays in files and folders, each folder with all below it.

    A document's date is that of the folder called by one that is nearest above it, such as
    `2026-05` or `2026-05-12`; without such a folder the one that `documents.lock` has of it, if
    any.
    """
    return Reader(places).read()


class Reader:
    """Reads files and folders, and again only what has changed since."""

    def __init__(self, places: Iterable[str | Path]) -> None:
        self.places = tuple(map(str, places))
        self._known: dict[str, Source] = {}
        self._has_read = False

    def read(self) -> Sources:
        """Return what there is now, and what changed since the last time.

        Of a file that can't be used any more what it held before stays.
        """
        # What is parsed here is dropped at once, and looking for circles in it takes a tenth more.
        collects = gc.isenabled()
        gc.disable()
        try:
            return self._read()
        finally:
            if collects:
                gc.enable()

    def _read(self) -> Sources:
        found, known, before = Sources(), dict[str, Source](), self._known
        dates = Dates(found.notes)
        for path, folder, own, stamp in _files(self.places, found.notes):
            old = before.get(path)
            date, place = _date_and_place(path[len(folder) :], own)
            date = date or dates.of(path, folder)
            if old is not None and (old.stamp, old.date) == (stamp, date):
                source = old
            else:
                source = _source(path, date, place, stamp)
                if old is not None and old.good and not source.good:
                    source = replace(old, date=date, problem=source.problem, stamp=stamp)
                if self._has_read and source.good and not source.problem:
                    found.changes.append(_change("added" if old is None else "changed", source))
            known[path] = source
            found.files.append(source)
            if source.problem:
                left = "what it held before still counts" if source.good else "left out"
                found.notes.append(f"{source.problem}; {left}")
        for path, old in before.items():
            if path not in known and old.good:
                found.changes.append(_change("removed", old))
        self._known, self._has_read = known, True
        return found


def _change(what: str, source: Source) -> str:
    named = "an overlay" if source.document is None else source.document.endpoint_id
    return f"{source.path}: {what}, {named}"


def _source(path: str, date: str, place: str, stamp: tuple[int, ...]) -> Source:
    try:
        data, raw = _read(path, stamp)
        if "overlay" in data:
            overlay = Overlay.from_data(data, source=path)
            return Source(path, date, place, overlay=overlay, stamp=stamp)
        document = Document(raw, source=path, date=date)
        document.learn_id(data)
    except BadDocument as error:
        return Source(path, date, place, problem=str(error), stamp=stamp)
    return Source(path, date, place, document, stamp=stamp)


def _files(
    places: Iterable[str], notes: list[str]
) -> Generator[tuple[str, str, str, tuple[int, ...]]]:
    """Yield each file once, with the folder that it was found from, that one's date, its stamp."""
    seen: set[tuple[int, int]] = set()
    for place in places:
        is_folder = os.path.isdir(place)
        if not is_folder and not os.path.isfile(place):
            notes.append(f"{place}: isn't there")
            continue
        folder = place if is_folder else os.path.dirname(place)
        own = os.path.basename(os.path.abspath(folder))
        own = own if DATE.fullmatch(own) else ""
        for path in _below(place, notes) if is_folder else [place]:
            try:
                status = os.stat(path)
            except OSError:
                # It went meanwhile.
                continue
            if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if len(seen) > MOST_FILES:
                notes.append(f"{place}: more than {MOST_FILES:,} files; the rest is left out")
                return
            yield path, folder, own, (status.st_mtime_ns, status.st_size, status.st_ino)


def _below(place: str, notes: list[str]) -> Generator[str]:
    folders, left = [place], MOST_ENTRIES
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=_NAME)
        except OSError as error:
            notes.append(f"{folder}: can't be read ({error.strerror or error}); left out")
            continue
        left -= len(listed)
        if left < 0:
            rest = f"{folder} and what follows is left out"
            notes.append(f"{place}: more than {MOST_ENTRIES:,} files and folders; {rest}")
            return
        inner: list[str] = []
        for entry in listed:
            name = entry.name
            if name.startswith(".") or name in _IGNORED:
                continue
            if entry.is_dir(follow_symlinks=False):
                inner.append(entry.path)
            elif name.endswith(_SUFFIXES):
                yield entry.path
        folders += reversed(inner)


def _read(path: str, stamp: tuple[int, ...]) -> tuple[dict[str, JSON], bytes]:
    """Return a file's JSON or YAML object and, as JSON, its bytes; BadDocument for others."""
    try:
        # Plainly: a file object costs more than the rest of a start with a thousand documents.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            raw = os.read(file, min(stamp[1], MOST_BYTES) + 1)
        finally:
            os.close(file)
    except OSError as error:
        raise BadDocument(path, f"can't be read ({error.strerror or error})") from error
    if len(raw) > MOST_BYTES:
        raise BadDocument(path, f"has {stamp[1]:,} bytes; at most {MOST_BYTES:,} are read")
    if raw.startswith(_UTF_16):
        raise BadDocument(path, "is UTF-16; save it as UTF-8")
    raw = raw.removeprefix(_BOM)
    if path.endswith(".json"):
        return read_object(raw, path), raw
    data = Overlay.parse(raw, source=path)
    if not is_object(data):
        raise BadDocument(path, "neither an overlay nor a document: not an object")
    return data, raw if "overlay" in data else _as_json(data, path)


def _as_json(data: JSON, path: str) -> bytes:
    try:
        # Codes of replies are numbers in YAML.
        return orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        raise BadDocument(path, f"holds what JSON can't ({error})") from error


def _date_and_place(inside: str, own: str) -> tuple[str, str]:
    """Return the date of the nearest folder that is called by one, and the path below it.

    `inside` is the path below the folder that was given, and `own` that folder's date.
    """
    names = inside.replace(os.sep, "/").strip("/").rpartition(".")[0].split("/")
    for number in range(len(names) - 2, -1, -1):
        if DATE.fullmatch(names[number]):
            return names[number], "/".join(names[number + 1 :])
    return own, "/".join(names)


def reads_as(source: Source, owners: Iterable[str]) -> str:
    """Return the other id that a document's place reads as; empty where it is right or none.

    A place reads as an id where it begins with an owner's name, as `fal-ai/flux/dev.json` does.
    """
    if source.document is None or source.place.partition("/")[0] not in owners:
        return ""
    own, folder = source.document.endpoint_id, source.place.rpartition("/")[0]
    return "" if own in (source.place, folder) or not is_id(source.place) else source.place
