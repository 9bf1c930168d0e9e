"""A folder of a user's documents with its lock: what is in it, added to it and replaced in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from falkit_spec.document import Document
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import BadDocument, SpecError
from falkit_spec.lock import DATE, Lock, Locked, alone_in, digest, write_whole
from falkit_spec.sources import read_sources

# What Windows takes for a device, with whatever ending, and folders that nobody looks into.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.ASCII)
_IGNORED = ("node_modules", "__pycache__")


class Refused(SpecError):
    """A document that isn't put into the folder."""


class Folder:
    """Documents at `<root>/<endpoint id>.json`; earlier ones at `<root>/<date>/<id>.json`."""

    def __init__(self, root: Path) -> None:
        """Read what is there; Refused where the lock can't be used."""
        self.root = root
        found = read_sources([root]) if os.path.isdir(root) else None
        self.notes = found.notes if found else []
        self.lock = Lock.read(root)
        if self.lock.problem:
            raise Refused(f"{self.lock.path}: {self.lock.problem}; mend it, or delete it")
        self.documents = newest(found.documents) if found else {}
        self._changed: set[str] = set()

    def path(self, endpoint_id: str) -> Path:
        """Return where an id's document belongs; Refused where a file can't have the name."""
        return self._checked(endpoint_id, self.root)

    def put(self, document: Document, source: str, date: str, *, force: bool = False) -> str:
        """Put a document at its id; return what that did: `added`, `replaced` or `unchanged`.

        What is replaced stays under its date, and one that is older than what is there goes under
        its own. Refused without `force` where another document is there already; OSError.
        """
        endpoint_id = document.endpoint_id
        path, locked = self.path(endpoint_id), self.lock.entries.get(endpoint_id)
        before = self._at(path)
        if before is not None and before.raw != document.raw and locked and date < locked.date:
            return self._put_older(document, date, force=force)
        if before is not None and before.raw == document.raw:
            if endpoint_id not in self.lock.entries or force:
                self._lock(path, document, source, date)
            return "unchanged"
        if before is not None and before.endpoint_id != endpoint_id:
            raise Refused(f"{path}: holds {before.endpoint_id}, which this disk takes for the same")
        if before is not None and not force:
            raise Refused(
                f"{path}: another document is there already; `falkit spec update` shows what "
                "changed and keeps it, --force replaces it"
            )
        if before is not None:
            self._keep(before, date)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, document.raw)
        self._lock(path, document, source, date)
        return "replaced" if before is not None else "added"

    def _put_older(self, document: Document, date: str, *, force: bool) -> str:
        path = self._checked(document.endpoint_id, self.root / date)
        before = self._at(path)
        if before is not None and before.raw == document.raw:
            return "unchanged"
        if before is not None and not force:
            raise Refused(f"{path}: another document is there already; --force replaces it")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, document.raw)
        return f"kept as that of {date}"

    def save(self) -> None:
        """Write the lock where something changed; what another process locked meanwhile stays."""
        if not self._changed:
            return
        with alone_in(self.root):
            now = Lock.read(self.root)
            mine = {id: self.lock.entries[id] for id in self._changed}
            self.lock.entries = {**now.entries, **mine}
            self.lock.write()
        self._changed.clear()

    def _at(self, path: Path) -> Document | None:
        """Return the document that is at a path; BadDocument where the file there is none."""
        return Document.from_path(path) if path.exists() else None

    def _keep(self, before: Document, today: str) -> None:
        """Keep a document under its date; of one day only the last."""
        entry = self.lock.entries.get(before.endpoint_id)
        path = Path(before.source)
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
        date = entry.date if entry else changed
        if date == today:
            return
        kept = self._checked(before.endpoint_id, self.root / date)
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, before.raw)

    def _lock(self, path: Path, document: Document, source: str, date: str) -> None:
        file = path.relative_to(self.root).as_posix()
        entry = Locked(file, digest(document.raw), date, source)
        self.lock.entries[document.endpoint_id] = entry
        self._changed.add(document.endpoint_id)

    def _checked(self, endpoint_id: str, below: Path) -> Path:
        names = endpoint_id.split("/")
        for name in names:
            if _DEVICES.fullmatch(name) or name.endswith(".") or name in _IGNORED:
                raise Refused(f"{endpoint_id}: {name!r} can't be a file's name on every system")
        if DATE.fullmatch(names[0]):
            raise Refused(f"{endpoint_id}: begins with a date, as folders of earlier documents do")
        path = below.joinpath(*names[:-1], f"{names[-1]}.json")
        if not path.parent.resolve().is_relative_to(self.root.resolve()):
            raise Refused(f"{path}: a link leads out of {self.root}")
        return path


def newest(documents: Iterable[Document], as_of: str = "") -> dict[str, Document]:
    """Return the newest document of each id that isn't later than a date; of two, the first.

    One without a date counts before all others, as it does for `falkit serve`.
    """
    found: dict[str, Document] = {}
    for document in sorted(documents, key=lambda one: one.date or "9"):
        if as_of and document.date[: len(as_of)] > as_of:
            continue
        before = found.get(document.endpoint_id)
        if before is None or before.date != document.date:
            found[document.endpoint_id] = document
    return dict(sorted(found.items()))


def today() -> str:
    """Return the day, in UTC."""
    return datetime.now(UTC).date().isoformat()


def checked(raw: bytes, source: str, expected: str = "", *, date: str) -> Document:
    """Return a document whose id and schemas can be read; BadDocument."""
    document = Document(raw, source=source, date=date)
    found = document.endpoint_id
    if expected and found != expected:
        raise BadDocument(source, f"is the document of {found}, not of {expected}")
    try:
        endpoint = Endpoint(document)
        endpoint.is_valid({})
        endpoint.validate_output({})
    except (SpecError, RecursionError, ValueError) as error:
        raise BadDocument(source, f"its schemas can't be read ({error})") from error
    return document
