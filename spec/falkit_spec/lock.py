"""`documents.lock`: of each document in a folder its digest, its date and where it came from."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from falkit_spec.document import Document
from falkit_spec.types import JSON, Object, is_object

NAME = "documents.lock"
DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?", re.ASCII)
"""A month or a day; folders called by one hold the documents of that date."""
_VERSION = 1
_MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Locked:
    """What the lock says of one document."""

    file: str
    """The path from the lock's folder, with slashes."""
    sha256: str
    date: str
    """The day on which it was fetched or added, or the date it was added with."""
    source: str


@dataclass
class Lock:
    """The entries of a folder's lock, by endpoint id."""

    path: Path
    entries: dict[str, Locked] = field(default_factory=dict[str, Locked])
    problem: str = ""
    """Why the file, or some of it, can't be used; empty where it can, or where there is none."""

    @staticmethod
    def read(folder: Path) -> Lock:
        """Read a folder's lock; what can't be used is left out and named in `problem`."""
        lock = Lock(folder / NAME)
        if not os.path.isfile(lock.path):
            return lock
        try:
            if lock.path.stat().st_size > _MOST_BYTES:
                lock.problem = f"has more than {_MOST_BYTES:,} bytes"
                return lock
            data: JSON = orjson.loads(lock.path.read_bytes())
        except OSError as error:
            lock.problem = f"cannot be read ({error.strerror or error})"
        except orjson.JSONDecodeError as error:
            lock.problem = f"not JSON ({error})"
        else:
            lock._take(data)
        return lock

    def _take(self, data: JSON) -> None:
        documents = data.get("documents") if is_object(data) else None
        if not is_object(data) or data.get("version") != _VERSION or not is_object(documents):
            self.problem = f"not a lock of version {_VERSION}"
            return
        for endpoint_id, entry in documents.items():
            found = _entry(entry)
            if found is not None:
                self.entries[endpoint_id] = found
            elif not self.problem:
                self.problem = f"the entry {endpoint_id[:100]!r} can't be used"

    def edited(self, document: Document) -> bool:
        """Tell whether a document isn't the one that the lock has the digest of."""
        known = self.entries.get(document.endpoint_id)
        if known is None or Path(document.source) != self.path.parent / known.file:
            return False
        return known.sha256 != digest(document.raw)

    def write(self) -> None:
        """Write the lock, its entries in the order of their ids; OSError if it can't be."""
        documents: Object = {id: {**vars(one)} for id, one in sorted(self.entries.items())}
        data = {"version": _VERSION, "documents": documents}
        write_whole(self.path, orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")


class Dates:
    """The dates that locks give, each lock read once; what is wrong with one is noted."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        # By folder, the dates by path of the locks in it and above it.
        self._known: dict[str, dict[str, str]] = {}

    def of(self, path: str, top: str) -> str:
        """Return the date of a file below a folder, by the nearest lock above; empty if none is."""
        folders = [os.path.dirname(path)]
        while folders[-1] not in self._known and len(folders[-1]) > len(top.rstrip(os.sep)):
            folders.append(os.path.dirname(folders[-1]))
        found: dict[str, str] = {}
        for folder in reversed(folders):
            if folder not in self._known:
                own = self._read(folder)
                self._known[folder] = {**found, **own} if own else found
            found = self._known[folder]
        return found.get(path, "")

    def _read(self, folder: str) -> dict[str, str]:
        lock = Lock.read(Path(folder))
        if lock.problem:
            self._notes.append(f"{lock.path}: {lock.problem}; left out")
        entries = lock.entries.values()
        return {os.path.join(folder, one.file.replace("/", os.sep)): one.date for one in entries}


def date_of(path: Path) -> str:
    """Return the date by which the nearest folder above is called; empty if none is."""
    return next((part for part in reversed(path.parent.parts) if DATE.fullmatch(part)), "")


def digest(raw: bytes) -> str:
    """Return the digest that a lock has of a document's bytes."""
    return hashlib.sha256(raw).hexdigest()


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Have other processes wait that would change a folder's lock too; OSError.

    Not on Windows, where a folder can't be held: of two at once the last one's entries stay.
    """
    if sys.platform == "win32":
        yield
        return
    # Lazy, and not there on Windows.
    import fcntl

    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def write_whole(path: Path, raw: bytes) -> None:
    """Write a file so that whoever reads it finds the old bytes or the new ones; OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            file.write(raw)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _entry(entry: JSON) -> Locked | None:
    if not is_object(entry):
        return None
    file, sha256, date, source = map(entry.get, ("file", "sha256", "date", "source"))
    if not all(isinstance(one, str) for one in (file, sha256, date, source)):
        return None
    if not DATE.fullmatch(str(date)):
        return None
    return Locked(str(file), str(sha256), str(date), str(source))
