"""All endpoints that are known, found by id or by the path of a request."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date as Date
from functools import cache
from pathlib import Path
from typing import NamedTuple

from falkit_spec.document import Document
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownDate, UnknownEndpoint, near_misses
from falkit_spec.fitting import Fitting
from falkit_spec.overlay import Overlay
from falkit_spec.schema import ordered
from falkit_spec.sources import Reader, Source, Sources, check_places, reads_as
from falkit_spec.streams import WAYS
from falkit_spec.types import printable

_HERE = Path(__file__).parent
_log = logging.getLogger("falkit_spec")
# Notes that a program prints, ids that one of them names, and endpoints whose overlays of a
# user's are tried at the start.
_MOST_NOTES, _NAMED, _TRIED = 100, 3, 50


class Match(NamedTuple):
    """An endpoint found at the front of a path, and what follows it without a leading slash."""

    endpoint: Endpoint
    rest: str


class Catalog:
    """Endpoints by id. Iterates in the order in which they were given.

    `later` has the ids whose first document is too new, each with that document's date.
    `own` has the ids of users' documents, and `notes` are lines about those that a program prints
    when it starts; what shows only when one is first used is logged, as a warning of `falkit_spec`.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        *,
        later: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
        own: Iterable[str] = (),
    ) -> None:
        # By id; not to be changed.
        self.endpoints: Mapping[str, Endpoint] = {each.id: each for each in endpoints}
        self.later: Mapping[str, str] = later or {}
        self.notes = tuple(notes)
        self.own = frozenset(own)
        self._apps = frozenset(endpoint.app for endpoint in self.endpoints.values())
        self._longest = max((id.count("/") + 1 for id in self.endpoints), default=0)
        # Where users' documents come from.
        self._own: _Own | None = None

    @staticmethod
    def vendored(as_of: str | None = None) -> Catalog:
        """Return the documents that come with falkit, as of a month or day such as `2026-01`.

        Of each endpoint that is the newest document that isn't later; without a date, the newest.
        There is one catalog per process and date. UnknownDate if there is nothing so old.
        """
        return _vendored(date_in_force(as_of))

    @staticmethod
    def read(places: Iterable[str | Path], as_of: str | None = None) -> Catalog:
        """Return the vendored documents and those in a user's files and folders.

        A user's document counts before a vendored one of the same id. As of a date, of each
        endpoint the newest document that isn't later counts, or one without a date. What can't be
        used is left out, and said in the `notes`. BadDocument for a place that isn't there,
        UnknownDate as for `vendored`.
        """
        places = [*places]
        if not places:
            return Catalog.vendored(as_of)
        check_places(places)
        own = _Own(places, as_of)
        catalog = own.catalog(own.reader.read(), {})
        catalog._own = own
        return catalog

    def reread(self) -> tuple[list[str], list[str]]:
        """Take what has changed in the files and folders that the catalog was read from.

        Endpoints whose documents are as they were stay; so do those whose files are broken now.
        Returns lines about what changed, and the notes that are new. Both are empty for others
        than a catalog of users' documents.
        """
        if self._own is None:
            return [], []
        sources = self._own.reader.read()
        if not sources.changes and {*map(_line, sources.notes)} <= {*self.notes}:
            return [], []
        catalog = self._own.catalog(sources, self.endpoints)
        new = [line for line in catalog.notes if line not in self.notes]
        # One after the other, since requests are answered meanwhile: a longer id before its end.
        self._longest = max(self._longest, catalog._longest)
        self.endpoints, self.later, self.notes = catalog.endpoints, catalog.later, catalog.notes
        self.own, self._apps, self._longest = catalog.own, catalog._apps, catalog._longest
        return [*map(_line, sources.changes)], new

    @classmethod
    def from_documents(
        cls, documents: Iterable[Document], overlays: Sequence[Overlay] = ()
    ) -> Catalog:
        """Make a catalog of any fal documents; every overlay is applied to every document.

        BadDocument if one names no endpoint; of two with the same id the later one counts.
        """
        return cls(Endpoint(document, lambda: overlays) for document in documents)

    def get(self, endpoint_id: str) -> Endpoint:
        """Return the endpoint of this id; UnknownEndpoint, with the ids near it, if none has it."""
        found = self.endpoints.get(endpoint_id)
        if found is None:
            raise self.unknown(endpoint_id)
        return found

    def unknown(self, endpoint_id: str) -> UnknownEndpoint:
        """Return the error that says why there is no endpoint of this id."""
        before, _, way = endpoint_id.rpartition("/")
        # What is called so is most often a model, and `/realtime` a way to call it.
        other = before if way in WAYS and "/" in before and before not in self.endpoints else ""
        near = near_misses(other or endpoint_id, self.endpoints, 3, likeness=0.8)
        return UnknownEndpoint(endpoint_id, near, self.later.get(endpoint_id, ""), other)

    def find(self, path: str) -> Match | None:
        """Find the longest id at the front of a path that has no leading slash.

        `fal-ai/ltx-2/image-to-video/fast/stream` is `stream` of Fast, not `fast/stream` of Pro.
        """
        segments = path.rstrip("/").split("/")
        for length in range(min(len(segments), self._longest), 0, -1):
            endpoint = self.endpoints.get("/".join(segments[:length]))
            if endpoint is not None:
                return Match(endpoint, "/".join(segments[length:]))
        return None

    def at(self, path: str) -> Endpoint | None:
        """Return the endpoint that is called at a path: its id, or another way to call it."""
        found = self.endpoints.get(path)
        before, _, way = path.rpartition("/")
        if found is not None or way not in WAYS or before.endswith(f"/{way}"):
            return found
        other = self.endpoints.get(before)
        return other if other is not None and getattr(other, way) is not None else None

    def has_app(self, app: str) -> bool:
        """Tell whether an endpoint belongs to this app, such as `fal-ai/ltx-2`."""
        return app in self._apps

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self.endpoints.values())

    def __len__(self) -> int:
        return len(self.endpoints)

    def __contains__(self, endpoint_id: object) -> bool:
        return endpoint_id in self.endpoints


def date_in_force(as_of: str | None = None) -> str:
    """Return the date of the newest vendored documents that aren't later than a month or day.

    UnknownDate for what is neither, and for one before the first documents.
    """
    dates = sorted(_files())
    if as_of is None:
        return dates[-1]
    check_date(as_of)
    past = [date for date in dates if date <= as_of]
    if not past:
        raise UnknownDate(as_of, dates, "is before the first documents")
    return past[-1]


def check_date(as_of: str) -> None:
    """Raise UnknownDate for what is neither a month nor a day."""
    try:
        # A month is a date where its first day is one; Python takes other forms of a date as well.
        good = _DATED.fullmatch(as_of) and Date.fromisoformat(f"{as_of}-01"[:10])
    except ValueError:
        good = None
    if not good:
        dates = sorted(_files())
        raise UnknownDate(as_of, dates, f"isn't a month or a day; write one such as {dates[-1]}")


def dropped_inputs(endpoint: Endpoint) -> Mapping[str, str]:
    """Return the inputs that fal took out of a vendored endpoint, each with the last month."""
    found: dict[str, str] = {}
    for date in sorted(_files()):
        if date < endpoint.document.date and endpoint.id in _files()[date]:
            old = _vendored(date).get(endpoint.id)
            found |= dict.fromkeys(ordered(old.input_schema), date)
    return {
        name: date for name, date in found.items() if name not in ordered(endpoint.input_schema)
    }


_DATED = re.compile(r"\d{4}-\d\d(-\d\d)?", re.ASCII)


@cache
def _files() -> dict[str, dict[str, Path]]:
    """Find the vendored documents: by date, then by id."""
    found: dict[str, dict[str, Path]] = {}
    root = str(_HERE / "openapi")
    # Not with pathlib, which is ten times as slow: this is on the way to the first answer.
    for folder, _, names in os.walk(root):
        date, *inside = folder[len(root) + 1 :].split(os.sep)
        for name in names:
            if name.endswith(".json"):
                endpoint_id = "/".join([*inside, name.removesuffix(".json")])
                found.setdefault(date, {})[endpoint_id] = Path(folder, name)
    return found


@cache
def _vendored(date: str) -> Catalog:
    newest: dict[str, tuple[str, Path]] = {}
    later: dict[str, str] = {}
    for each, files in sorted(_files().items()):
        for endpoint_id, path in files.items():
            if each <= date:
                newest[endpoint_id] = (each, path)
            elif endpoint_id not in newest:
                later.setdefault(endpoint_id, each)
    endpoints = (
        # The id comes from the path, so that no document is parsed before it is used.
        Endpoint(Document.from_path(path, endpoint_id=id, date=each), vendored_overlays)
        for id, (each, path) in sorted(newest.items())
    )
    return Catalog(endpoints, later=later)


class _Own:
    """A user's documents and overlays, and the catalogs that they make with falkit's own."""

    def __init__(self, places: Sequence[str | Path], as_of: str | None) -> None:
        self.reader = Reader(places)
        self._as_of = as_of
        self._fitting: Fitting | None = None

    def catalog(self, sources: Sources, before: Mapping[str, Endpoint]) -> Catalog:
        """Put what was read beside falkit's; keep those endpoints of before that are the same."""
        chosen, later, notes = _chosen(sources, self._as_of)
        try:
            ours = Catalog.vendored(self._as_of)
        except UnknownDate:
            # A user's documents may be older than falkit's first.
            if not chosen:
                raise
            ours = Catalog(())
        fitting = self._fitting
        if fitting is None or fitting.theirs != tuple(sources.overlays):
            fitting = self._fitting = Fitting(vendored_overlays, sources.overlays, notes.append)
            before = {}

        def endpoint(document: Document) -> Endpoint:
            old = before.get(document.endpoint_id)
            if old is not None and old.document is document:
                return old
            return Endpoint(document, lay=fitting.lay)

        endpoints = {one.id: endpoint(one.document) if fitting.theirs else one for one in ours}
        endpoints |= {id: endpoint(document) for id, document in sorted(chosen.items())}
        later = {id: date for id, date in {**ours.later, **later}.items() if id not in endpoints}
        notes += _misplaced(sources.files, {id.partition("/")[0] for id in endpoints})
        notes += _in_place_of_ours({id: one for id, one in chosen.items() if id in ours})
        _try_overlays(fitting, endpoints, notes)
        notes = [*map(_line, notes)]
        if (more := len(notes) - _MOST_NOTES) > 0:
            notes[_MOST_NOTES:] = [f"documents: {more} more such lines are left out"]
        return Catalog(endpoints.values(), later=later, notes=notes, own=chosen)


def _line(text: str) -> str:
    """Return a note as one line: files may be called whatever their owner likes."""
    return printable(text[:500])


def _chosen(
    own: Sources, as_of: str | None
) -> tuple[dict[str, Document], dict[str, str], list[str]]:
    """Pick of each endpoint the document that counts; also return the ids that came later."""
    chosen: dict[str, Document] = {}
    later: dict[str, str] = {}
    notes = [*own.notes]
    # Without a date last: such a document counts whatever the date.
    for document in sorted(own.documents, key=lambda one: one.date or "9"):
        if as_of is not None and document.date[: len(as_of)] > as_of:
            later.setdefault(document.endpoint_id, document.date)
            continue
        before = chosen.get(document.endpoint_id)
        if before is not None and before.date == document.date:
            same = f"{document.endpoint_id} is in {before.source} too, which counts"
            notes.append(f"{document.source}: {same}; remove one of the two")
            continue
        if before is not None and not document.date:
            dated = f"{document.endpoint_id} in place of {before.source} ({before.date})"
            fix = "remove one of the two, or put it into a folder called by its date"
            notes.append(f"{document.source}: has no date, so it counts for {dated}; {fix}")
        chosen[document.endpoint_id] = document
    return chosen, later, notes


def _misplaced(files: Iterable[Source], owners: set[str]) -> Iterator[str]:
    for source in files:
        if other := reads_as(source, owners):
            assert source.document is not None
            own = source.document.endpoint_id
            yield f"{source.path}: describes {own}, not {other}; used as {own}, so rename the file"


def _in_place_of_ours(documents: Mapping[str, Document]) -> Iterator[str]:
    if len(documents) <= _NAMED:
        for id, document in documents.items():
            yield f"{document.source}: counts for {id} in place of falkit's own document"
        return
    named = ", ".join([*documents][:_NAMED])
    many = f"{len(documents)} of your documents count in place of falkit's own"
    yield f"documents: {many}: {named} and {len(documents) - _NAMED} more"


def _logged(line: str) -> None:
    _log.warning("%s", _line(line))


def _try_overlays(fitting: Fitting, endpoints: Mapping[str, Endpoint], notes: list[str]) -> None:
    """Lay a user's overlays on the endpoints that they name, so that notes tell what is wrong."""
    fitting.say = notes.append
    named: dict[str, Overlay] = {}
    for overlay in fitting.theirs:
        for action in overlay.actions:
            first, id = (*action.steps, None, None)[:2]
            if first == "paths" and id is not None:
                named.setdefault(id.strip("/").partition("/requests/")[0], overlay)
    for id, overlay in named.items():
        if id not in endpoints:
            fix = "`falkit spec add` fetches one, or correct the id"
            notes.append(f"{overlay.source}: there is no document for {id[:100]!r}; {fix}")
    for id in [id for id in named if id in endpoints][:_TRIED]:
        _ = endpoints[id].overlaid
    # From now on nobody reads the notes.
    fitting.say = _logged


@cache
def vendored_overlays() -> tuple[Overlay, ...]:
    """Return the overlays that come with falkit, each parsed when it is first needed."""
    return tuple(Overlay.later(path) for path in sorted((_HERE / "overlays").glob("*.yaml")))
